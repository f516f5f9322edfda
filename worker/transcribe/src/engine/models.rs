//! The models in memory: each is loaded once, by whoever wants it first, and stays.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use steno_runtime::engine::{EngineError, Prompt, TranscriberModel};
use steno_shared::catalog::{self, Model, ModelId};
use steno_shared::store::workers::WorkerModel;
use tokio::sync::OnceCell;

/// Brings models into memory.
pub trait ModelLoader: std::fmt::Debug + Send + Sync {
    /// Loads the file of a catalogue entry. May take seconds.
    ///
    /// # Errors
    /// [`EngineError::Load`].
    fn load(&self, path: &Path, entry: &Model) -> Result<Arc<dyn TranscriberModel>, EngineError>;
}

/// A model in memory.
#[derive(Debug)]
pub struct Loaded {
    /// Its id in the catalogue.
    pub id: ModelId,
    /// What opens states of it.
    pub model: Arc<dyn TranscriberModel>,
}

impl Loaded {
    /// Whether all of a prompt reaches the model.
    #[must_use]
    pub fn hears_all_of(&self, prompt: &Prompt) -> bool {
        self.model.hears_all_of(prompt)
    }
}

/// Why a model is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Its file is not there.
    #[error("the model {0} is not installed")]
    NotInstalled(ModelId),
    /// It cannot be loaded.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

type Cell = Arc<OnceCell<Arc<Loaded>>>;

/// The models of a folder.
#[derive(Debug)]
pub struct Models {
    folder: PathBuf,
    loader: Arc<dyn ModelLoader>,
    cells: Mutex<HashMap<ModelId, Cell>>,
}

impl Models {
    /// For the folder of all models.
    #[must_use]
    pub fn new(folder: PathBuf, loader: Arc<dyn ModelLoader>) -> Self {
        Self { folder, loader, cells: Mutex::default() }
    }

    fn cell(&self, id: &ModelId) -> Cell {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(id.clone()).or_default())
    }

    /// A model, loaded if nobody has yet. Who comes while it is being loaded waits for the same.
    ///
    /// # Errors
    /// [`LoadError`]. Whoever comes next tries again.
    pub async fn get(&self, id: &ModelId) -> Result<Arc<Loaded>, LoadError> {
        let cell = self.cell(id);
        let loaded = cell.get_or_try_init(|| self.load(id)).await?;
        Ok(Arc::clone(loaded))
    }

    async fn load(&self, id: &ModelId) -> Result<Arc<Loaded>, LoadError> {
        let entry = catalog::model(id.as_str()).filter(|entry| entry.is_installed(&self.folder));
        let entry = entry.ok_or_else(|| LoadError::NotInstalled(id.clone()))?;
        let (loader, path, began) = (Arc::clone(&self.loader), entry.path(&self.folder), Instant::now());
        let loading = tokio::task::spawn_blocking(move || loader.load(&path, entry));
        let model = loading.await.map_err(|error| EngineError::Load(error.to_string()))??;
        tracing::info!(model = %id, elapsed_ms = began.elapsed().as_millis() as u64, "model loaded");
        Ok(Arc::new(Loaded { id: id.clone(), model }))
    }

    /// The installed models, and which of them are in memory.
    #[must_use]
    pub fn list(&self) -> Vec<WorkerModel> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = |id: &ModelId| cells.get(id).is_some_and(|cell| cell.initialized());
        let installed = catalog::models().iter().filter(|model| model.is_installed(&self.folder));
        installed.map(|model| WorkerModel { id: model.id.clone(), loaded: loaded(&model.id) }).collect()
    }
}
