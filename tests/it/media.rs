//! What a request may ask for of its media, over HTTP, and words that are where they were said, whatever the file.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use steno_tests::client::{Answer, form_of};
use steno_tests::clips::{self, Clip};
use steno_tests::score::Score;
use steno_tests::world::World;

/// So far apart may the times of a word be, in the middle of all words, between two encodings of one recording.
const MOST_BETWEEN_FILES_S: f64 = 0.06;

/// Two clips that the model hears well enough.
fn pair() -> [Clip; 2] {
    let mut clips = clips::heldout().into_iter().filter(|clip| !clip.heldout && clip.seconds > 3.0);
    [clips.next().unwrap(), clips.next().unwrap()]
}

/// The words with the time at which each begins.
fn words(transcript: &Value) -> Vec<(String, f64)> {
    let segments = transcript["segments"].as_array().unwrap();
    let words = segments.iter().flat_map(|segment| segment["words"].as_array().unwrap());
    words
        .map(|word| (word["word"].as_str().unwrap().to_lowercase(), word["start"].as_f64().unwrap()))
        .collect()
}

/// How far the words are from the same words of another transcript, the median without its sign.
fn median_apart(words: &[(String, f64)], others: &[(String, f64)]) -> f64 {
    let nearest = |(word, start): &(String, f64)| {
        let same = others.iter().filter(|(other, _)| other == word);
        same.map(|(_, other)| (other - start).abs()).min_by(f64::total_cmp)
    };
    let mut found: Vec<f64> = words.iter().filter_map(nearest).collect();
    assert!(found.len() * 10 >= words.len() * 7, "{words:?}\n{others:?}");
    found.sort_by(f64::total_cmp);
    found[found.len() / 2]
}

#[tokio::test]
async fn words_are_where_they_were_said_in_every_container() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (recording, _) = clips::briefing();
    let source = recording.to_str().unwrap();
    let transcribed = async |path: &Path| {
        let fields = [("language", "en"), ("diarize", "no")];
        words(&world.client().transcribe_file(path, &fields).await.ok())
    };
    let said = transcribed(&recording).await;
    let picture = ["-f", "lavfi", "-i", "color=size=64x64:rate=5:duration=40", "-c:v", "mpeg4", "-shortest"];
    for (name, picture, codec) in [
        // The encoder's delay is in the edit list: 44 ms of it at this rate.
        ("talk.m4a", &[][..], &["-c:a", "aac", "-b:a", "96k", "-ar", "44100"][..]),
        ("talk.mp4", &picture[..], &["-c:a", "aac", "-b:a", "96k", "-ar", "48000"]),
        // At this rate it is 128 ms.
        ("telephone.m4a", &[], &["-c:a", "aac", "-b:a", "64k", "-ar", "16000"]),
        ("talk.webm", &[], &["-c:a", "libopus", "-b:a", "64k"]),
    ] {
        let path = folder.path().join(name);
        clips::ffmpeg(&[&["-i", source][..], picture, codec].concat(), &path);
        let apart = median_apart(&said, &transcribed(&path).await);
        println!("{name}: {:.0} ms", apart * 1000.0);
        assert!(apart <= MOST_BETWEEN_FILES_S, "{name}: words are {apart} s apart");
    }
}

/// The first clip, a second of silence, and the second clip, with the time between the two.
fn joined(folder: &Path) -> (PathBuf, [Clip; 2], u64) {
    let (path, pair) = (folder.join("pair.wav"), pair());
    clips::join(&pair, 1.0, 0.0, &path);
    let between = (pair[0].seconds * 1000.0) as u64 + 500;
    (path, pair, between)
}

async fn heard(world: &World, path: &Path, fields: &[(&str, &str)]) -> Answer {
    let fields = [&[("language", "en"), ("diarize", "no")][..], fields].concat();
    let client = world.keyed_client().await;
    client.transcribe_file(path, &fields).await
}

#[tokio::test]
async fn only_the_part_asked_for_is_heard_at_its_time_in_the_file() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (path, pair, between) = joined(folder.path());
    let at = between.to_string();
    let whole = heard(&world, &path, &[]).await.ok();
    for (field, said) in [("audio_end_at", &pair[0]), ("audio_start_from", &pair[1])] {
        let part = heard(&world, &path, &[(field, &at)]).await.ok();
        let score = Score::of(&said.text, part["text"].as_str().unwrap());
        assert!(score.percent() < 50.0, "{field}: {part}");
        assert_eq!(part["duration"], whole["duration"], "{field}");
        let apart = median_apart(&words(&part), &words(&whole));
        assert!(apart < 0.2, "{field}: {apart} s apart: {part}");
        let limit = between as f64 / 1000.0;
        let is_within = |start: f64| if field == "audio_end_at" { start <= limit } else { start >= limit };
        assert!(words(&part).iter().all(|(_, start)| is_within(*start)), "{field} {limit}: {part}");
    }
}

#[tokio::test]
async fn only_the_part_that_is_heard_is_paid_for() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("silence.wav");
    std::fs::write(&path, clips::silence(150, 1)).unwrap();
    for (fields, credits) in [
        (&[][..], 3),
        (&[("audio_end_at", "60000")], 1),
        (&[("audio_start_from", "30000"), ("audio_end_at", "90001")], 2),
        (&[("audio_start_from", "149000"), ("audio_end_at", "9999999")], 1),
    ] {
        let answer = heard(&world, &path, fields).await;
        let transcript = answer.ok();
        assert_eq!(transcript["usage"], json!({ "credits_used": credits }), "{fields:?}");
        assert_eq!(answer.header("x-credits-used"), credits.to_string(), "{fields:?}");
        assert_eq!(transcript["duration"], 150.0, "{fields:?}");
    }
}

#[tokio::test]
async fn the_track_asked_for_is_transcribed() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (pair, path) = (pair(), folder.path().join("two.mka"));
    let [one, other] = pair.each_ref().map(|clip| clip.path().to_str().unwrap().to_owned());
    clips::ffmpeg(&["-i", &one, "-i", &other, "-map", "0", "-map", "1", "-c:a", "flac"], &path);
    for (track, said) in [("0", &pair[0]), ("1", &pair[0]), ("2", &pair[1])] {
        let transcript = heard(&world, &path, &[("track", track)]).await.ok();
        let score = Score::of(&said.text, transcript["text"].as_str().unwrap());
        assert!(score.percent() < 50.0, "track {track}: {transcript}");
    }
    let refused = heard(&world, &path, &[("track", "3")]).await;
    assert_eq!(refused.refused(400), "the file has 2 audio tracks; track must be 1 or 2");
    assert_eq!(refused.json()["code"], "no_such_track");
}

/// A WAV file of so many channels, a second long.
fn wide(channels: u16) -> Vec<u8> {
    let mut wav = clips::silence(u32::from(channels), 1);
    wav[22..24].copy_from_slice(&channels.to_le_bytes());
    wav[32..34].copy_from_slice(&(2 * channels).to_le_bytes());
    wav
}

#[tokio::test]
async fn what_no_file_or_not_this_one_has_is_refused_and_leaves_nothing() {
    let world = World::start().await;
    let sound = std::fs::read(pair()[0].path()).unwrap();
    for (content, fields, code, expected) in [
        (&sound, &[("track", "first")][..], "invalid_field", "track must be the number"),
        (&sound, &[("track", "-1")], "invalid_field", "track must be the number"),
        (&sound, &[("track", "65536")], "invalid_field", "track must be the number"),
        (&sound, &[("audio_start_from", "1.5")], "invalid_field", "audio_start_from must be a whole number"),
        (&sound, &[("audio_end_at", "late")], "invalid_field", "audio_end_at must be a whole number"),
        (&sound, &[("audio_end_at", "0")], "invalid_field", "audio_end_at must be later"),
        (
            &sound,
            &[("audio_start_from", "2000"), ("audio_end_at", "2000")],
            "invalid_field",
            "audio_end_at must be later",
        ),
        (&sound, &[("multichannel", "both")], "invalid_field", "multichannel must be true or false"),
        (&sound, &[("track", "2")], "no_such_track", "the file has 1 audio track; track must be 1"),
        (&sound, &[("audio_start_from", "90000")], "start_beyond_end", "audio_start_from is 90 s, but"),
        (&wide(9), &[("multichannel", "true")], "too_many_channels", "the file has 9 channels"),
    ] {
        let answer = world.client().transcribe(form_of(content.clone(), "x.wav", fields)).await;
        let sentence = answer.refused(400);
        assert!(sentence.contains(expected), "{fields:?}: {sentence}");
        assert_eq!(answer.json()["code"], code, "{fields:?}");
    }
    world.objects_are_gone().await;
    world.queue_is_empty().await;
}
