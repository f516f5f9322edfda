//! The gate that sessions pass: [`Admission`] shared by all links, and the seats of those that are in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::admission::{Admission, Full};
use crate::engine::Load;

/// The gate.
#[derive(Debug)]
pub(super) struct Gate(Mutex<Admission>);

/// A session's seat. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    gate: Arc<Gate>,
    number: u64,
}

impl Gate {
    pub(super) fn new(admission: Admission) -> Self {
        Self(Mutex::new(admission))
    }

    fn lock(&self) -> MutexGuard<'_, Admission> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for one more session.
    pub(super) fn open(self: &Arc<Self>, load: &Load) -> Result<Seat, Full> {
        let number = self.lock().open(load, Instant::now())?;
        Ok(Seat { gate: Arc::clone(self), number })
    }

    /// Learns what sessions cost.
    pub(super) fn observe(&self, load: &Load) {
        self.lock().observe(load);
    }

    pub(super) fn sessions(&self) -> usize {
        self.lock().sessions()
    }

    pub(super) fn free(&self, load: &Load) -> usize {
        self.lock().free(load, Instant::now())
    }
}

impl Seat {
    /// Its session wants to speak.
    pub(super) fn begin(&self, load: &Load) -> Result<(), Full> {
        self.gate.lock().begin(self.number, load, Instant::now())
    }

    /// Its session spoke before, at another worker: it is not turned away.
    pub(super) fn go_on(&self) {
        self.gate.lock().go_on(self.number, Instant::now());
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gate.lock().leave(self.number);
    }
}
