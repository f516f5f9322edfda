//! `steno-transcribe`: the worker that turns samples into transcripts.

use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use steno_runtime::models::Models;
use steno_runtime::process::{self, Serving};
use steno_runtime::{Resources, StageRunner};
use steno_shared::catalog::{self, ModelId};
use steno_shared::job::Lane;
use steno_transcribe::bench;
use steno_transcribe::diarize::{self, ChunkLimit, Pool, Program};
use steno_transcribe::engine::Engine;
use steno_transcribe::runner::Transcription;
use steno_transcribe::settings::{Command, Settings};
use steno_transcribe::speakers::Speakers;
use steno_whisper::{WhisperLoader, bundled};

fn main() -> anyhow::Result<()> {
    let settings = Settings::parse();
    match &settings.command {
        Some(Command::Bench(what)) => return bench::run(&settings, what),
        Some(Command::Diarizer(arguments)) => return diarize::child::run(arguments),
        None => {}
    }
    process::run_lanes(&settings.worker, async |_: &Resources| {
        let slots = settings.slots.get();
        Ok(vec![
            Serving { lane: Lane::Transcribe, slots, runner: start(&settings)? },
            Serving { lane: Lane::Diarize, slots, runner: listen(&settings) },
        ])
    })
}

/// Installs the miniature pair and makes room for the children that tell speakers apart.
fn listen(settings: &Settings) -> Arc<dyn StageRunner> {
    let folder = settings.worker.common.models();
    if let Err(error) = steno_sherpa::bundled::install(&folder) {
        // Another pair may be there; without any, transcripts have no speakers and say why.
        tracing::error!(error = %anyhow::Error::from(error), "the miniature diarization models are not installed");
    }
    let pool = Pool::start(Program::of_this_process(), settings.diarizers(), ChunkLimit::default());
    Arc::new(Speakers::new(pool, folder, settings.diarization_model.as_deref().map(ModelId::from)))
}

/// Installs the miniature model, starts the engine, and begins to load the model that most jobs will ask for, so
/// that the first need not wait for it.
fn start(settings: &Settings) -> anyhow::Result<Arc<dyn StageRunner>> {
    let folder = settings.worker.common.models();
    if let Err(error) = bundled::install(&folder) {
        // Another model may be there; without any, jobs stay queued and the API says so.
        tracing::error!(error = %anyhow::Error::from(error), "the miniature model is not installed");
    }
    let device = steno_whisper::device();
    let gpu = device.gpu_name.is_some();
    let threads = settings.threads(gpu);
    let limits = settings.models.limits(&device, threads);
    let models = Arc::new(Models::new(folder, Arc::new(WhisperLoader)).within(limits));
    let installed: Vec<ModelId> = models.list().into_iter().map(|model| model.id).collect();
    if let Some(default) = catalog::default_model(&installed, gpu) {
        let models = Arc::clone(&models);
        tokio::spawn(async move {
            if let Err(error) = models.get(&default.id).await {
                tracing::error!(model = %default.id, error = %error, "cannot load the default model");
            }
        });
    }
    let engine = Engine::start(threads).context("cannot start the engine's threads")?;
    let memory_mb = limits.memory >> 20;
    tracing::info!(
        threads,
        gpu = device.gpu_name.as_deref(),
        models = installed.len(),
        memory_mb,
        "engine is ready"
    );
    Ok(Arc::new(Transcription::new(engine, models, device)))
}
