//! What each step costs: for measuring, without a database or a queue.
//!
//! CPU seconds of the whole process, since those do not depend on what else the machine does.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use steno_runtime::Meter;
use steno_shared::catalog::{self, ModelId};
use steno_shared::job::JobOptions;
use steno_shared::language::Language;
use steno_shared::object::LocalObject;
use steno_shared::time::{Millis, SAMPLE_RATE};
use steno_shared::transcript::Transcript;
use steno_whisper::bundled;

use crate::WhisperLoader;
use crate::chunk::plan::Planner;
use crate::engine::{Engine, Models};
use crate::job::journal::NoJournal;
use crate::job::{Order, transcribe};
use crate::samples::Samples;
use crate::settings::{Bench, Settings};
use crate::speech::EarshotDetector;

/// The cost of one file.
#[derive(Debug, Serialize)]
struct Cost {
    file: String,
    audio_s: f64,
    chunks: usize,
    /// Finding speech and cutting chunks.
    find_cpu_s: f64,
    /// All the rest: spectrogram, encoder, decoder.
    text_cpu_s: f64,
    wall_s: f64,
    cpu_s_per_audio_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    transcript: Option<Transcript>,
}

/// Measures the files one after the other and prints a JSON object for each.
///
/// # Errors
/// If the model or a file cannot be read, or the engine fails.
pub fn run(settings: &Settings, what: &Bench) -> anyhow::Result<()> {
    let language = what.language.as_deref().map(Language::parse).transpose()?;
    catalog::extend(&settings.worker.common.models())?;
    let entry = catalog::model(&what.model).with_context(|| format!("no model {}", what.model))?;
    let folder = settings.worker.common.models();
    bundled::install(&folder)?;
    let models = Models::new(folder, Arc::new(WhisperLoader));
    let engine = Engine::start(settings.threads(cfg!(feature = "cuda")))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let model = models.get(&entry.id).await?;
        for file in &what.files {
            let samples = Arc::new(open(file)?);
            let order = Order {
                options: JobOptions { model: ModelId::clone(&entry.id), language, ..JobOptions::default() },
                entry,
                model: Arc::clone(&model),
                duration: Millis::of_samples(samples.count()),
                channels: vec![samples],
                warnings: Vec::new(),
                file_name: None,
            };
            let mut cost = measure(order, &engine).await?;
            cost.file = file.display().to_string();
            if !what.transcripts {
                cost.transcript = None;
            }
            writeln!(std::io::stdout(), "{}", serde_json::to_string(&cost)?)?;
        }
        anyhow::Ok(())
    })
}

/// The header of a WAV file is 22 samples, which does no harm.
fn open(file: &Path) -> anyhow::Result<Samples> {
    Samples::open(LocalObject::in_place(file.to_owned())).with_context(|| file.display().to_string())
}

async fn measure(order: Order, engine: &Engine) -> anyhow::Result<Cost> {
    let before = cpu();
    let longest = u64::from(order.entry.chunk_seconds * SAMPLE_RATE);
    let mut chunks = 0;
    for samples in &order.channels {
        let planner = Planner::new(Arc::clone(samples), EarshotDetector::boxed(), longest);
        chunks += planner.collect::<Result<Vec<_>, _>>()?.len();
    }
    let found = cpu();
    let began = Instant::now();
    let audio_s = order.duration.as_seconds();
    let transcript = transcribe(order, engine, EarshotDetector::boxed, &NoJournal, &Meter::default()).await?;
    let (find_cpu_s, all_cpu_s) = (found - before, cpu() - found);
    Ok(Cost {
        file: String::new(),
        audio_s,
        chunks,
        find_cpu_s,
        text_cpu_s: (all_cpu_s - find_cpu_s).max(0.0),
        wall_s: began.elapsed().as_secs_f64(),
        cpu_s_per_audio_s: all_cpu_s / audio_s.max(0.001),
        transcript: Some(transcript),
    })
}

/// CPU seconds of this process so far.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
