//! What the two ways of timing words cost. By itself in an executable: the processor time of the whole process is
//! measured, since whisper.cpp aligns on threads of its own.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it must be")]

use steno_runtime::cost::Stopwatch;
use steno_runtime::engine::{ChunkOptions, StopFlag, TranscriberModel};
use steno_shared::catalog::{self, AlignmentHead, WordTimes};
use steno_shared::language::Language;
use steno_tests::clips::{self, Clip};
use steno_tests::score::{matches, words};
use steno_whisper::{WhisperModel, bundled};

const CLIPS: usize = 16;
/// The goal, in seconds.
const MEDIAN: f64 = 0.15;

/// How far the starts of words are off in the median, and the processor seconds that it took.
fn measure(folder: &std::path::Path, clips: &[(Clip, Vec<f32>)], word_times: WordTimes) -> (f64, f64) {
    let mut entry = catalog::model(bundled::ID).unwrap().clone();
    entry.word_times = word_times;
    let mut state = WhisperModel::load(&entry.path(folder), &entry).unwrap().open().unwrap();
    let options = ChunkOptions::of(Language::parse("en").unwrap());
    let (mut off, watch) = (Vec::new(), Stopwatch::start());
    for (clip, samples) in clips {
        let chunk = state.transcribe(samples, &options, &StopFlag::default()).unwrap();
        let heard: Vec<_> = chunk.segments.iter().flat_map(|segment| &segment.words).collect();
        let spelled: Vec<_> = heard.iter().map(|word| words(&word.text).join("")).collect();
        let said: Vec<_> = clip.words.iter().map(|word| words(&word.word).join("")).collect();
        let found = matches(&said, &spelled).into_iter();
        off.extend(found.map(|(at, of)| (heard[of].start.as_seconds() - clip.words[at].start).abs()));
    }
    let cost = watch.cost().cpu_s;
    off.sort_by(f64::total_cmp);
    assert!(off.len() > CLIPS, "{} words are too few", off.len());
    (off[off.len() / 2], cost)
}

#[test]
fn either_way_is_within_150_ms_and_alignment_costs_more() {
    let folder = tempfile::tempdir().unwrap();
    bundled::install(folder.path()).unwrap();
    let clips: Vec<_> = clips::heldout().into_iter().step_by(9).take(CLIPS).collect();
    let samples =
        |clip: &Clip| clips::samples(&clip.path()).iter().map(|s| f32::from(*s) / 32768.0).collect();
    let clips: Vec<_> = clips.into_iter().map(|clip| (clip.clone(), samples(&clip))).collect();
    let heads = [1, 2].map(|layer| AlignmentHead { layer, head: 0 }).to_vec();
    let (aligned, dear) = measure(folder.path(), &clips, WordTimes { heads, shift_ms: 50 });
    let (proportional, cheap) = measure(folder.path(), &clips, WordTimes::default());
    println!(
        "starts of words, off in the median: {aligned:.3} s by alignment, {proportional:.3} s by proportion"
    );
    println!("processor time of alignment to that of proportion: {:.2}", dear / cheap);
    assert!(proportional < MEDIAN && aligned < MEDIAN);
}
