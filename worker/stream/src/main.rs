//! `steno-stream`: the worker of live sessions.

use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use steno_runtime::Resources;
use steno_runtime::models::Models;
use steno_runtime::process;
use steno_shared::catalog::ModelId;
use steno_shared::id::WorkerId;
use steno_shared::job::Lane;
use steno_shared::key::ApiKey;
use steno_shared::live::link;
use steno_shared::store::workers::WorkerRecord;
use steno_stream::engine::Engine;
use steno_stream::server::admission::Admission;
use steno_stream::server::{Server, registry};
use steno_stream::settings::Settings;
use steno_whisper::{WhisperLoader, bundled};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

fn main() -> anyhow::Result<()> {
    let settings = Settings::parse();
    settings.check().map_err(anyhow::Error::msg)?;
    process::run_until_stopped(&settings.worker, async |resources, stop| {
        serve(&settings, &resources, stop).await
    })
}

/// Serves sessions until the stop; then the registry forgets this worker first, so that none is sent here that is on
/// its way elsewhere.
async fn serve(settings: &Settings, resources: &Resources, stop: CancellationToken) -> anyhow::Result<()> {
    let store = &resources.store;
    let secret = store.secret(link::SECRET, ApiKey::random().reveal()).await?;
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {} (--listen)", settings.listen))?;
    let address = settings.address(listener.local_addr()?);
    let device = steno_whisper::device();
    let gpu = device.gpu_name.is_some();
    let threads = settings.threads(gpu);
    let limits = settings.models.limits(&device, threads);
    let models = install(settings).within(limits);
    let models = Arc::new(models);
    load_first(settings, &models, gpu);
    let engine = Engine::start(threads).context("cannot start the engine's threads")?;

    let id = WorkerId::of_this_process(Lane::Stream.as_str());
    let slots = settings.sessions.get();
    let (memory_mb, gpu_name) = (limits.memory >> 20, device.gpu_name.clone());
    tracing::info!(worker = %id, address, slots, threads, gpu = gpu_name, memory_mb, "worker is ready");
    let server = Arc::new(Server::new(engine, Arc::clone(&models), secret, Admission::new(slots, threads)));
    let record = WorkerRecord {
        id: id.clone(),
        lane: Lane::Stream,
        models: Vec::new(),
        device,
        slots: u32::try_from(slots).unwrap_or(u32::MAX),
        free: 0,
        address: Some(address),
    };
    let unloading = tokio::spawn(async move { models.unload_idle().await });
    let closing = CancellationToken::new();
    let grace = settings.worker.grace.0;
    let serving = tokio::spawn(Arc::clone(&server).serve(listener, closing.clone(), grace));
    registry::keep(&server, store, record, stop).await;
    closing.cancel();
    serving.await.context("the server ended badly")?;
    unloading.abort();
    tracing::info!(worker = %id, "worker has stopped");
    Ok(())
}

/// The models of the folder, with the miniature one among them.
fn install(settings: &Settings) -> Models {
    let folder = settings.worker.common.models();
    if let Err(error) = bundled::install(&folder) {
        // Another model may be there; without any, sessions are refused and the API says so.
        tracing::error!(error = %anyhow::Error::from(error), "the miniature model is not installed");
    }
    Models::new(folder, Arc::new(WhisperLoader))
}

/// Begins to load the model that most sessions will ask for, so that the first need not wait for it.
fn load_first(settings: &Settings, models: &Arc<Models>, gpu: bool) {
    let installed: Vec<ModelId> = models.list().into_iter().map(|model| model.id).collect();
    let Some(first) = settings.first_model(&installed, gpu) else { return };
    let models = Arc::clone(models);
    tokio::spawn(async move {
        if let Err(error) = models.get(&first).await {
            tracing::error!(model = %first, error = %error, "cannot load the first model");
        }
    });
}
