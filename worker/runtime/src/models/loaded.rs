//! A model in memory, and a job's hold on it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::{EngineError, Prompt, Transcriber, TranscriberModel};
use steno_shared::catalog::ModelId;
use tokio::time::Instant;

use super::room::Room;

/// A model in memory, with the decoding states that no thread uses just now. All of it goes with the last who
/// holds it.
#[derive(Debug)]
pub(super) struct Resident {
    /// Its id in the catalogue.
    pub(super) id: ModelId,
    model: Arc<dyn TranscriberModel>,
    states: Mutex<Vec<Box<dyn Transcriber>>>,
    used: Mutex<Instant>,
}

impl Resident {
    pub(super) fn new(id: ModelId, model: Arc<dyn TranscriberModel>) -> Self {
        Self { id, model, states: Mutex::default(), used: Mutex::new(Instant::now()) }
    }

    /// When a job last let go of it.
    pub(super) fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job's hold on a model: as long as it has this, the model stays in memory.
pub struct Loaded {
    /// Its id in the catalogue.
    pub id: ModelId,
    resident: Arc<Resident>,
    /// After the resident, so that it is no longer held when others look.
    _release: Release,
}

impl Loaded {
    pub(super) fn new(resident: Arc<Resident>, room: Arc<Room>) -> Self {
        Self { id: resident.id.clone(), resident, _release: Release(room) }
    }

    /// Whether all of a prompt reaches the model.
    #[must_use]
    pub fn hears_all_of(&self, prompt: &Prompt) -> bool {
        self.resident.model.hears_all_of(prompt)
    }

    /// A decoding state: one that has been used before, or else a new one.
    ///
    /// # Errors
    /// If memory for a new one runs out.
    pub fn state(&self) -> Result<Box<dyn Transcriber>, EngineError> {
        let used = self.resident.states.lock().unwrap_or_else(PoisonError::into_inner).pop();
        used.map_or_else(|| self.resident.model.open(), Ok)
    }

    /// Keeps a state for the next task.
    pub fn give_back(&self, state: Box<dyn Transcriber>) {
        self.resident.states.lock().unwrap_or_else(PoisonError::into_inner).push(state);
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        *self.resident.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// Tells those that wait for room that a model may have become free.
struct Release(Arc<Room>);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.look_again();
    }
}
