//! The API's view of the worker registry: which models there are, and whether anybody can take a job.

use std::sync::Arc;
use std::time::{Duration, Instant};

use steno_shared::catalog::{self, Aliases, Model, ModelId, Named};
use steno_shared::job::Lane;
use steno_shared::store::workers::WorkerRecord;
use steno_shared::store::{Store, StoreError};

use crate::error::{ApiError, Cause};
use crate::fresh::Fresh;

/// How old the view may be.
const FRESH: Duration = Duration::from_millis(500);
/// How long a request waits for a worker to appear, as after a restart, before it is refused.
const PATIENCE: Duration = Duration::from_secs(3);

/// A cached view of the registry, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    store: Store,
    default_model: Option<ModelId>,
    last: Fresh<Arc<Workers>>,
}

/// The workers that are alive.
#[derive(Debug)]
pub(crate) struct Workers(Vec<WorkerRecord>);

impl Registry {
    pub(crate) fn new(store: Store, default_model: Option<ModelId>) -> Self {
        Self { store, default_model, last: Fresh::new(FRESH) }
    }

    /// The workers that are alive, at most half a second ago.
    pub(crate) async fn workers(&self) -> Result<Arc<Workers>, StoreError> {
        self.last.get(async || self.store.workers().await.map(|workers| Arc::new(Workers(workers)))).await
    }

    /// Waits a little for every lane that a transcription needs to have a worker.
    pub(crate) async fn require_workers(&self) -> Result<Arc<Workers>, ApiError> {
        self.require(Workers::missing_lane).await
    }

    /// Waits a little for a lane to have a worker.
    pub(crate) async fn require_worker(&self, lane: Lane) -> Result<(), ApiError> {
        self.require(|workers| (!workers.has(lane)).then_some(lane)).await.map(|_| ())
    }

    async fn require(
        &self,
        missing: impl Fn(&Workers) -> Option<Lane> + Send,
    ) -> Result<Arc<Workers>, ApiError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let workers = self.workers().await?;
            let Some(lane) = missing(&workers) else { return Ok(workers) };
            if Instant::now() >= deadline {
                return Err(self::missing(lane));
            }
            tokio::time::sleep(FRESH).await;
        }
    }

    /// The model that a request means: one that is installed.
    pub(crate) async fn resolve(&self, name: &str, aliases: &Aliases) -> Result<&'static Model, ApiError> {
        let workers = self.require_workers().await?;
        self.named(name, aliases, (&workers, Lane::Transcribe))
    }

    /// The model that a live session means: one that a worker of live sessions has.
    pub(crate) async fn resolve_live(
        &self,
        name: &str,
        aliases: &Aliases,
    ) -> Result<&'static Model, ApiError> {
        let workers = self.workers().await?;
        if workers.stream_workers().next().is_none() {
            return Err(missing(Lane::Stream));
        }
        self.named(name, aliases, (&workers, Lane::Stream))
    }

    fn named(
        &self,
        name: &str,
        aliases: &Aliases,
        (workers, lane): (&Workers, Lane),
    ) -> Result<&'static Model, ApiError> {
        let installed = workers.models_of(lane);
        let available = || installed.iter().map(ModelId::as_str).collect::<Vec<_>>().join(", ");
        let model = match aliases.resolve(name) {
            Named::Model(model) => model,
            Named::Default => self
                .default(workers, &installed)
                .ok_or_else(|| ApiError::new(Cause::NoWorker, "no model is installed on this server yet"))?,
            Named::Unknown => {
                let known: Vec<_> = catalog::models().iter().map(|model| model.id.as_str()).collect();
                let message = format!(
                    "unknown model {name:?}; this server knows {}, of which these are installed: {}",
                    known.join(", "),
                    available()
                );
                return Err(ApiError::new(Cause::UnknownModel, message));
            }
        };
        if installed.contains(&model.id) {
            return Ok(model);
        }
        let message = format!(
            "the model {id} is not installed on this server; its operator can run `steno models pull {id}`, or \
             choose another for it by STENO_MODEL_ALIASES={id}=...; installed: {available}",
            id = model.id,
            available = available()
        );
        Err(ApiError::new(Cause::Job(steno_shared::error::FailureCode::ModelNotInstalled), message)
            .retry_after(3600))
    }

    fn default(&self, workers: &Workers, installed: &[ModelId]) -> Option<&'static Model> {
        match &self.default_model {
            Some(id) => catalog::model(id.as_str()),
            None => catalog::default_model(installed, workers.gpu().is_some()),
        }
    }
}

fn missing(lane: Lane) -> ApiError {
    let message = format!("no {lane} worker is running at the moment; try again shortly");
    ApiError::new(Cause::NoWorker, message)
}

impl Workers {
    /// Those that take live sessions.
    pub(crate) fn stream_workers(&self) -> impl Iterator<Item = &WorkerRecord> {
        self.0.iter().filter(|worker| worker.lane == Lane::Stream && worker.address.is_some())
    }

    /// The models that recordings can be transcribed with, in the order of the catalogue.
    pub(crate) fn models(&self) -> Vec<ModelId> {
        self.models_of(Lane::Transcribe)
    }

    /// The installed models of a lane's workers, in the order of the catalogue.
    fn models_of(&self, lane: Lane) -> Vec<ModelId> {
        let workers = || self.0.iter().filter(|worker| worker.lane == lane);
        let installed =
            |id: &ModelId| workers().flat_map(|worker| &worker.models).any(|model| model.id == *id);
        catalog::models().iter().map(|model| model.id.clone()).filter(|id| installed(id)).collect()
    }

    /// A lane that a transcription needs and in which nobody works.
    pub(crate) fn missing_lane(&self) -> Option<Lane> {
        Lane::NEEDED.iter().copied().find(|lane| !self.has(*lane))
    }

    /// Whether somebody works in the lane.
    pub(crate) fn has(&self, lane: Lane) -> bool {
        self.0.iter().any(|worker| worker.lane == lane)
    }

    /// The name and the memory, in MiB, of the first GPU.
    pub(crate) fn gpu(&self) -> Option<(&str, u64)> {
        let named = |worker: &'_ WorkerRecord| worker.device.gpu_name.is_some();
        let device = &self.0.iter().find(|worker| named(worker))?.device;
        device.gpu_name.as_deref().map(|name| (name, device.gpu_memory_mb))
    }
}
