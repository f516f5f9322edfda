//! Loads models for whoever keeps them in memory.

use std::path::Path;
use std::sync::Arc;

use steno_runtime::engine::{EngineError, TranscriberModel};
use steno_runtime::models::ModelLoader;
use steno_shared::catalog::Model;

use crate::WhisperModel;

/// Loads models of the Whisper family.
#[derive(Debug, Clone, Copy, Default)]
pub struct WhisperLoader;

impl ModelLoader for WhisperLoader {
    fn load(&self, path: &Path, entry: &Model) -> Result<Arc<dyn TranscriberModel>, EngineError> {
        Ok(Arc::new(WhisperModel::load(path, entry)?))
    }

    fn unloaded(&self) {
        crate::memory::give_back();
    }
}
