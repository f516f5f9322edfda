//! What is found.

use std::collections::BTreeSet;
use std::time::Duration;

use steno_runtime::Meter;
use steno_shared::diarization::{Diarization, SpeakerCount};
use steno_shared::time::Millis;
use steno_transcribe::diarize::{DiarizeError, diarize};

use crate::lab::{Lab, conversation};

fn speakers(found: &Diarization) -> usize {
    found.speakers.iter().collect::<BTreeSet<_>>().len()
}

/// Noise that is the same each time, of so many samples.
fn noise(count: usize) -> Vec<i16> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 20) as i16 - 2048
    };
    (0..count).map(next).collect()
}

#[tokio::test]
async fn two_voices_are_two_speakers_who_take_turns() {
    let lab = Lab::new(1, "");
    let samples = conversation(4);
    let order = lab.order(&samples);
    let meter = Meter::default();
    let found = diarize(&order, &lab.pool, &meter).await.unwrap();
    assert_eq!(speakers(&found), 2, "{:?}", found.speakers);
    assert_eq!(found.voices.len(), found.speakers.len());
    let whole = Millis::of_samples(samples.len() as u64);
    assert_eq!((meter.progress().done, meter.progress().total), (whole, Some(whole)));
    // Who speaks in the middle of each half of each round.
    let round = samples.len() as u64 / 4;
    let at = |sample: u64| {
        let time = Millis::of_samples(sample);
        let turn = found.turns.iter().find(|turn| (turn.start..turn.end).contains(&time));
        turn.map(|turn| found.speakers[turn.voice as usize])
    };
    let heard: Vec<_> = (0..8).map(|half| at(half * round / 2 + round / 4)).collect();
    assert!(heard[0].is_some() && heard[1].is_some() && heard[0] != heard[1], "{heard:?}");
    for half in 2..8 {
        assert_eq!(heard[half], heard[half - 2], "{heard:?}");
    }
}

#[tokio::test]
async fn progress_is_told_within_a_chunk() {
    let lab = Lab::new(1, "");
    let samples = conversation(4);
    let (order, meter) = (lab.order(&samples), Meter::default());
    let running = diarize(&order, &lab.pool, &meter);
    tokio::pin!(running);
    let mut seen = vec![Millis(0)];
    loop {
        tokio::select! {
            found = &mut running => break drop(found.unwrap()),
            () = tokio::time::sleep(Duration::from_millis(1)) => seen.push(meter.progress().done),
        }
    }
    let whole = Millis::of_samples(samples.len() as u64);
    assert!(seen.is_sorted() && *seen.last().unwrap() <= whole, "{seen:?}");
    seen.retain(|done| *done > Millis(0) && *done < whole);
    seen.dedup();
    assert!(seen.len() >= 2, "a chunk of {whole} was told of as {seen:?}");
}

#[tokio::test]
async fn a_given_count_is_kept_to() {
    let lab = Lab::new(1, "");
    let samples = conversation(3);
    for count in [1, 2, 3] {
        let mut order = lab.order(&samples);
        order.count = SpeakerCount::exactly(count);
        assert_eq!(speakers(&lab.run(&order).await.unwrap()), usize::from(count));
    }
}

#[tokio::test]
async fn a_long_file_is_the_same_conversation_in_several_chunks() {
    let lab = Lab::new(2, "");
    // More than five minutes.
    let once = conversation(4);
    let samples = once.repeat(5_000_000 / once.len() + 1);
    let found = lab.run(&lab.order(&samples)).await.unwrap();
    assert_eq!(speakers(&found), 2, "{:?}", found.speakers);
    let chunks: BTreeSet<_> = found.voices.iter().map(|voice| voice.chunk).collect();
    assert_eq!(chunks, (0..chunks.len() as u32).collect());
    assert!(chunks.len() > 1, "{chunks:?}");
    assert!(found.turns.is_sorted_by_key(|turn| turn.start));
    let last = found.turns.last().unwrap().end;
    assert!(Millis::of_samples(samples.len() as u64).since(last) < Millis(2000), "{last:?}");
}

/// The longest chunk that there is. The libraries are some 30 MiB of it.
#[tokio::test]
async fn a_child_takes_little_memory() {
    let lab = Lab::new(1, "");
    let once = conversation(4);
    let mut samples = once.repeat(300 * 16_000 / once.len() + 1);
    samples.truncate(300 * 16_000);
    let found = lab.run(&lab.order(&samples)).await.unwrap();
    assert_eq!(found.voices.iter().map(|voice| voice.chunk).max(), Some(0));
    let status = std::fs::read_to_string(format!("/proc/{}/status", lab.pool.children()[0])).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("a chunk of five minutes took {} MiB", peak >> 10);
    assert!(peak < 400 << 10, "{peak} KiB");
}

#[tokio::test]
async fn where_nobody_speaks_there_are_no_speakers() {
    let lab = Lab::new(1, "");
    let silence = vec![0; 30 * 16_000];
    for samples in [&[][..], &[7; 100], &silence, &noise(100), &noise(20 * 16_000)] {
        let found = lab.run(&lab.order(samples)).await.unwrap();
        assert!(found.speakers.is_empty(), "{} samples: {:?}", samples.len(), found.turns);
    }
}

#[tokio::test]
async fn a_broken_model_is_told_and_the_child_lives_on() {
    let lab = Lab::new(1, "");
    let samples = conversation(1);
    let good = std::fs::read(&lab.models.embedding.path).unwrap();
    for content in [&b"garbage"[..], &good[..good.len() / 2], b""] {
        let mut order = lab.order(&samples);
        order.models.embedding.path = lab.path("broken.onnx");
        std::fs::write(&order.models.embedding.path, content).unwrap();
        let error = lab.run(&order).await.unwrap_err();
        assert!(matches!(error, DiarizeError::Model(_)), "{error}");
        let told = error.to_string();
        assert!(
            told.contains("broken.onnx") && told.contains("`steno models pull mini-embedding`"),
            "{told}"
        );
    }
    // Weights that belong to no graph pass every look from outside.
    let mut order = lab.order(&samples);
    order.models.embedding.path = lab.path("scrambled.onnx");
    let mut scrambled = good.clone();
    scrambled[20..4000].fill(0x5A);
    std::fs::write(&order.models.embedding.path, scrambled).unwrap();
    lab.run(&order).await.unwrap_err();
    let child = lab.pool.children();
    lab.run(&lab.order(&samples)).await.unwrap();
    assert_eq!(lab.pool.children().len(), 1, "{child:?}");
}
