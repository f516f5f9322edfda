//! The models that this worker is built with.

use std::path::Path;
use std::sync::Arc;

use steno_runtime::engine::{EngineError, TranscriberModel};
use steno_shared::catalog::Model;
use steno_whisper::WhisperModel;

use crate::engine::ModelLoader;

/// Loads models of the Whisper family.
#[derive(Debug, Clone, Copy, Default)]
pub struct WhisperLoader;

impl ModelLoader for WhisperLoader {
    fn load(&self, path: &Path, entry: &Model) -> Result<Arc<dyn TranscriberModel>, EngineError> {
        Ok(Arc::new(WhisperModel::load(path, entry)?))
    }

    fn unloaded(&self) {
        steno_whisper::memory::give_back();
    }
}
