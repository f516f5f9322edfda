//! The models in memory: each is loaded by whoever wants it first, and goes when nobody has used it for a while
//! or another one needs its room.

mod loaded;
mod room;
mod settings;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{EngineError, TranscriberModel};
use steno_shared::catalog::{self, Model, ModelId};
use steno_shared::store::workers::WorkerModel;
use tokio::sync::watch;
use tokio::time::Instant;

pub use self::loaded::Loaded;
use self::loaded::Resident;
use self::room::{Room, Step};
pub use self::settings::ModelSettings;

/// Who waits for room longer than this gives the job back: another worker may have some.
const PATIENCE: Duration = Duration::from_secs(600);
/// Whether there is room is looked at this often, and whenever a model is no longer used.
const LOOK: Duration = Duration::from_secs(1);
/// Idle models are looked for no oftener and no seldomer than this.
const ROUNDS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(30));

/// Brings models into memory.
pub trait ModelLoader: std::fmt::Debug + Send + Sync {
    /// Loads the file of a catalogue entry. May take seconds.
    ///
    /// # Errors
    /// [`EngineError::Load`].
    fn load(&self, path: &Path, entry: &Model) -> Result<Arc<dyn TranscriberModel>, EngineError>;

    /// Models were dropped: what is kept of their memory can go.
    fn unloaded(&self) {}
}

/// Why a model is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Its file is not there.
    #[error("the model {0} is not installed")]
    NotInstalled(ModelId),
    /// The models in use leave it no room.
    #[error("the models in use leave no room for {0}; --model-memory says how much there is")]
    NoRoom(ModelId),
    /// It cannot be loaded.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// How much of the memory models may take, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For all models together, in bytes. A model that is larger is loaded when there is no other.
    pub memory: u64,
    /// One that nobody has used for so long is unloaded; `None` keeps it.
    pub idle: Option<Duration>,
    /// How many decoding states of a model there may be: each takes memory of its own.
    pub states: usize,
}

impl Limits {
    /// Without any.
    const NONE: Self = Self { memory: u64::MAX, idle: None, states: 0 };
}

/// What becomes of a load. `None` while it is under way.
type Outcome = Option<Result<Arc<Resident>, LoadError>>;

/// The models of a folder.
#[derive(Debug)]
pub struct Models {
    folder: PathBuf,
    loader: Arc<dyn ModelLoader>,
    limits: Limits,
    room: Arc<Room>,
}

impl Models {
    /// For the folder of all models, without limits.
    #[must_use]
    pub fn new(folder: PathBuf, loader: Arc<dyn ModelLoader>) -> Self {
        Self { folder, loader, limits: Limits::NONE, room: Arc::new(Room::new(Limits::NONE.memory)) }
    }

    /// The same within limits.
    #[must_use]
    pub fn within(self, limits: Limits) -> Self {
        Self { limits, room: Arc::new(Room::new(limits.memory)), ..self }
    }

    /// A model, loaded if it is not in memory. Who comes while it is being loaded waits for the same. Those that
    /// are in use leave it room when their jobs have ended.
    ///
    /// # Errors
    /// [`LoadError`]. Whoever comes next tries again.
    pub async fn get(&self, id: &ModelId) -> Result<Arc<Loaded>, LoadError> {
        self.get_within(id, PATIENCE).await
    }

    /// The same for one who waits no longer than this for room.
    async fn get_within(&self, id: &ModelId, patience: Duration) -> Result<Arc<Loaded>, LoadError> {
        let entry = catalog::model(id.as_str()).filter(|entry| entry.is_installed(&self.folder));
        let entry = entry.ok_or_else(|| LoadError::NotInstalled(id.clone()))?;
        let cost = self.cost(entry);
        let mut visitor = self.room.visitor(id);
        let until = Instant::now() + patience;
        loop {
            let changed = self.room.changed();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match visitor.step(cost) {
                Step::Ready(resident) => return Ok(Arc::new(self.room.hold(resident))),
                Step::Join(outcome) => return self.outcome(outcome).await,
                Step::Load { outcome, evicted } => {
                    let under_way = outcome.subscribe();
                    self.load(entry, outcome, evicted);
                    return self.outcome(under_way).await;
                }
                Step::Wait if Instant::now() >= until => return Err(LoadError::NoRoom(id.clone())),
                Step::Wait => {
                    // In vain or not, it is looked again.
                    let _ = tokio::time::timeout(LOOK, changed).await;
                }
            }
        }
    }

    async fn outcome(&self, mut outcome: watch::Receiver<Outcome>) -> Result<Arc<Loaded>, LoadError> {
        let gone = || EngineError::Load("the load was given up".to_owned());
        let loaded = outcome.wait_for(Option::is_some).await.map_err(|_| gone())?.clone();
        let resident = loaded.ok_or_else(gone)??;
        Ok(Arc::new(self.room.hold(resident)))
    }

    /// Begins a load, which goes on even if nobody waits for it any more: what was begun is in memory anyway.
    fn load(&self, entry: &'static Model, outcome: watch::Sender<Outcome>, evicted: Vec<Arc<Resident>>) {
        let (loader, room) = (Arc::clone(&self.loader), Arc::clone(&self.room));
        let (path, began) = (entry.path(&self.folder), Instant::now());
        tokio::spawn(async move {
            let loading = tokio::task::spawn_blocking(move || {
                unload(&*loader, evicted, "another needs its room");
                loader.load(&path, entry)
            });
            let model = match loading.await {
                Ok(model) => model.map_err(LoadError::from),
                Err(error) => Err(EngineError::Load(error.to_string()).into()),
            };
            if model.is_ok() {
                let elapsed_ms = began.elapsed().as_millis() as u64;
                tracing::info!(model = %entry.id, elapsed_ms, "model loaded");
            }
            let resident = model.map(|model| Arc::new(Resident::new(entry.id.clone(), model)));
            room.settle(&entry.id, resident.as_ref().ok());
            outcome.send_replace(Some(resident));
        });
    }

    /// What a model takes of the memory: its file, and the states that decode with it. These cannot be told
    /// beforehand; the figures measured are some 40 MiB for the miniature model, 140 MiB for tiny, 210 to 280 MiB
    /// for large-v3-turbo.
    fn cost(&self, entry: &Model) -> u64 {
        const STATE: u64 = 96 << 20;
        let file = entry.path(&self.folder).metadata().map_or(0, |metadata| metadata.len());
        file + self.limits.states as u64 * (STATE + file / 8)
    }

    /// Unloads models that nobody has used for a while, again and again.
    pub async fn unload_idle(&self) {
        let Some(idle) = self.limits.idle else { return };
        loop {
            tokio::time::sleep((idle / 4).clamp(ROUNDS.0, ROUNDS.1)).await;
            let gone = self.room.take_idle(idle);
            if gone.is_empty() {
                continue;
            }
            let loader = Arc::clone(&self.loader);
            // Giving gigabytes back takes a while.
            let unloading =
                tokio::task::spawn_blocking(move || unload(&*loader, gone, "nobody has used it for a while"));
            if let Err(error) = unloading.await {
                tracing::error!(error = %error, "unloading a model panicked");
            }
        }
    }

    /// The installed models, and which of them are in memory.
    #[must_use]
    pub fn list(&self) -> Vec<WorkerModel> {
        let installed = catalog::models().iter().filter(|model| model.is_installed(&self.folder));
        let of = |model: &Model| WorkerModel { id: model.id.clone(), loaded: self.room.has(&model.id) };
        installed.map(of).collect()
    }

    /// The installed models but for those that somebody waits for because there is no room: another job would
    /// only wait with it.
    #[must_use]
    pub fn at_hand(&self) -> Vec<ModelId> {
        let awaited = self.room.awaited();
        let installed = catalog::models().iter().filter(|model| model.is_installed(&self.folder));
        installed.map(|model| model.id.clone()).filter(|id| !awaited.contains(id)).collect()
    }
}

/// Drops models that nobody else holds.
fn unload(loader: &dyn ModelLoader, gone: Vec<Arc<Resident>>, why: &str) {
    if gone.is_empty() {
        return;
    }
    for model in gone {
        tracing::info!(model = %model.id, "model unloaded: {why}");
    }
    loader.unloaded();
}
