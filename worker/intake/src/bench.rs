//! What decoding costs: for measuring, without a database or a queue.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde::Serialize;
use steno_runtime::Meter;
use steno_runtime::cost::{Cost, Stopwatch};
use steno_shared::id::JobId;
use steno_shared::job::{MAX_ATTEMPTS, MediaOptions, Setback};
use steno_shared::object::{DirStore, ObjectKey, ObjectStore};
use steno_shared::time::Millis;
use tokio_util::sync::CancellationToken;

use crate::attempt::{Decoders, Task};
use crate::sniff::sniff_file;

/// A file is decoded again until this much time has passed: the kernel tells children's processor time in steps of
/// 10 ms, more than a short file takes.
const LEAST_S: f64 = 1.0;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Bench {
    /// A recording
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Folder that the samples go to
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
}

#[derive(Debug, Serialize)]
struct Report {
    audio_s: f64,
    /// The decoder's children included.
    decoding: Cost,
    samples: PathBuf,
}

/// Decodes a file as jobs have it, and prints one JSON object: what that cost, and where the samples are.
///
/// # Errors
/// If the file cannot be decoded.
pub async fn bench(decoders: &Decoders, what: &Bench) -> anyhow::Result<()> {
    let file = what.file.canonicalize().with_context(|| format!("cannot open {}", what.file.display()))?;
    let (objects, key) = (DirStore::open(&what.store).await?, ObjectKey::samples(JobId::random(), 1));
    let (watch, mut times) = (Stopwatch::start(), 0.0);
    let (samples, cost) = loop {
        let samples = decode(decoders, &file, (&objects, key)).await?;
        times += 1.0;
        let cost = watch.cost();
        if cost.wall_s >= LEAST_S {
            break (samples, cost);
        }
    };
    let report = Report {
        audio_s: Millis::of_samples(samples).as_seconds(),
        decoding: Cost { cpu_s: cost.cpu_s / times, wall_s: cost.wall_s / times },
        samples: std::path::absolute(objects.local(&key).await?.path())?,
    };
    Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?)
}

async fn decode(
    decoders: &Decoders,
    file: &Path,
    (objects, key): (&DirStore, ObjectKey),
) -> anyhow::Result<u64> {
    let sniffed = File::open(file).and_then(|mut file| sniff_file(&mut file));
    let sniffed = sniffed.with_context(|| format!("cannot read {}", file.display()))?;
    let (meter, stop) = (Meter::default(), CancellationToken::new());
    let (meter, media) = (&meter, &MediaOptions::default());
    let task = Task { file, file_name: None, media, objects, key, meter, stop: &stop };
    let decoded = decoders.decode(&task, sniffed, MAX_ATTEMPTS).await.map_err(|setback| match setback {
        Setback::Final(failure) => anyhow!("{}", failure.message),
        other => anyhow!("{other:?}"),
    })?;
    let frames = decoded.frames;
    decoded.finish(objects, &key).await?;
    Ok(frames)
}
