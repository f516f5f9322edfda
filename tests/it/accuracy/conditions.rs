//! What is lost on the way from a file to its text, beside what the engine hears by itself: it is given each clip as
//! it is, without intake, speech detection, chunks and joining.

use std::fmt;
use std::path::{Path, PathBuf};

use futures::StreamExt;
use steno_tests::clips::{self, Clip};
use steno_tests::is_long_run;
use steno_tests::score::Score;
use steno_tests::world::World;

use super::text;

/// How much worse than the engine by itself the whole way may be, in points, ...
const MOST_LOST: f64 = 1.0;
/// ... and in words beside that: a small set jumps, and a beam search draws by chance.
const SLACK_WORDS: f64 = 6.0;
/// Of the held-out set, every so manieth clip in the short run.
const EVERY: usize = 7;
/// Requests at once.
const AT_ONCE: usize = 4;

/// What was done to the clips.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Condition {
    Clean,
    /// White noise, so many decibels below the speech.
    Noise(i32),
    /// 8 kHz, 300 to 3400 Hz, in the 8-bit code of telephone exchanges.
    Telephone,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("as they are"),
            Self::Noise(decibels) => write!(f, "white noise at {decibels} dB"),
            Self::Telephone => f.write_str("telephone band, 8 kHz"),
        }
    }
}

impl Condition {
    /// A clip as it reaches the server, and the same as 16 kHz samples for the engine.
    fn apply(self, clip: &Clip, number: usize, folder: &Path) -> (PathBuf, PathBuf) {
        let (file, plain) =
            (folder.join(format!("{number}.wav")), folder.join(format!("{number}-plain.wav")));
        let samples = clips::samples(&clip.path());
        let noise = match self {
            Self::Noise(decibels) => noise(&samples, decibels),
            _ => vec![0.0; samples.len()],
        };
        let add = |(sample, noise): (&i16, &f64)| (f64::from(*sample) + noise).round() as i16;
        let bytes = samples.iter().zip(&noise).map(add).flat_map(i16::to_le_bytes).collect::<Vec<_>>();
        clips::write_wav(&bytes, &plain);
        if self != Self::Telephone {
            return (plain.clone(), plain);
        }
        let band = "highpass=f=300,lowpass=f=3400";
        clips::ffmpeg(&["-i", path(&plain), "-af", band, "-ar", "8000", "-c:a", "pcm_mulaw"], &file);
        clips::ffmpeg(&["-i", path(&file), "-ar", "16000", "-c:a", "pcm_s16le"], &plain);
        (file, plain)
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Noise without a pattern, the same in each run (Knuth's linear congruential generator; a sum of four even
/// numbers is near enough to a normal one).
fn noise(samples: &[i16], decibels: i32) -> Vec<f64> {
    let power = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64;
    let wanted = (power / 10f64.powf(f64::from(decibels) / 10.0)).sqrt();
    let mut number = 1u64;
    let mut even = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    // Four numbers of variance 1/12 each.
    samples.iter().map(|_| (even() + even() + even() + even()) * 3f64.sqrt() * wanted).collect()
}

/// What the engine by itself hears.
fn engine(world: &World, clips: &[Clip], files: &[PathBuf]) -> Score {
    let mut command = world.command("steno-transcribe", &[]);
    command.args(["bench", "--whole", "--transcripts", "--language", "en"]).args(files);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let heard = report["transcripts"].as_array().unwrap();
    assert_eq!(heard.len(), clips.len());
    let mut score = Score::default();
    for (clip, heard) in clips.iter().zip(heard) {
        score.add(Score::of(&clip.text, heard["text"].as_str().unwrap()));
    }
    score
}

async fn pipeline(world: &World, clips: &[Clip], files: &[PathBuf]) -> Score {
    let client = world.client();
    let requests = clips.iter().zip(files).map(|(clip, file)| {
        let client = &client;
        async move { Score::of(&clip.text, &text(client, file).await) }
    });
    let scores: Vec<_> = futures::stream::iter(requests).buffer_unordered(AT_ONCE).collect().await;
    let mut sum = Score::default();
    scores.into_iter().for_each(|score| sum.add(score));
    sum
}

#[expect(clippy::print_stdout, reason = "its figures are wanted, with or without a failure")]
fn compare(what: &str, whole: Score, engine: Score) {
    println!(
        "  {what:32} {:5} words: {:5.1} % of them wrong, the engine by itself {:5.1} %",
        whole.words,
        whole.percent(),
        engine.percent()
    );
    let slack = 100.0 * SLACK_WORDS / whole.words as f64;
    let lost = whole.percent() - engine.percent();
    assert!(lost <= MOST_LOST + slack, "{what}: {lost:.1} points are lost on the way");
}

#[tokio::test]
async fn next_to_nothing_is_lost_on_the_way_from_a_file_to_its_text() {
    let world = World::start().await;
    let every = if is_long_run() { 1 } else { EVERY };
    let clips: Vec<_> = clips::heldout().into_iter().step_by(every).collect();
    let folder = tempfile::TempDir::new().unwrap();
    println!("the whole way beside the engine by itself, {} clips of the held-out set:", clips.len());
    let mut alone = Score::default();
    for condition in [Condition::Clean, Condition::Noise(20), Condition::Noise(10), Condition::Telephone] {
        let made = clips.iter().enumerate().map(|(at, clip)| condition.apply(clip, at, folder.path()));
        let (files, plain): (Vec<_>, Vec<_>) = made.unzip();
        let engine = engine(&world, &clips, &plain);
        compare(&condition.to_string(), pipeline(&world, &clips, &files).await, engine);
        if condition == Condition::Clean {
            alone = engine;
        }
    }
    joined(&world, &clips, 0.0, alone).await;
    if is_long_run() {
        joined(&world, &clips, 3600.0, alone).await;
    }
}

/// All clips in one file with a second between them, again and again until it is so long.
async fn joined(world: &World, clips: &[Clip], seconds: f64, engine: Score) {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("joined.wav");
    clips::join(clips, 1.0, seconds, &file);
    let length = (file.metadata().unwrap().len() / 32_000) as f64;
    let once: f64 = clips.iter().map(|clip| clip.seconds + 1.0).sum();
    let said: Vec<_> = clips.iter().map(|clip| clip.text.as_str()).collect();
    let said = vec![said.join(" "); (length / once).round().max(1.0) as usize].join(" ");
    let whole = Score::of(&said, &text(&world.client(), &file).await);
    compare(&format!("joined, {:.0} minutes", length / 60.0), whole, engine);
}
