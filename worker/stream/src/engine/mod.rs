//! The engine of live sessions: for now one that hears everything and says nothing.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use steno_runtime::models::Loaded;
use steno_shared::catalog;
use steno_shared::live::{FailReason, Resumption, Said, SessionOptions};
use tokio::sync::mpsc::UnboundedSender;

/// What a new session needs.
#[derive(Debug)]
pub struct Start {
    /// Its model, in memory as long as the session lives.
    pub model: Arc<Loaded>,
    /// The model's entry of the catalogue.
    pub entry: &'static catalog::Model,
    /// What its client wants.
    pub options: SessionOptions,
    /// Where it goes on, if another worker had it before.
    pub resumption: Option<Resumption>,
}

/// What a session puts out.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Text.
    Said(Said),
    /// How far it is.
    Heard {
        /// As in [`steno_shared::live::Reply::Heard`].
        heard: u64,
        /// Likewise.
        needed_from: u64,
    },
    /// All is final after a stop.
    Done,
    /// It has ended by a failure.
    Failed {
        /// What kind of failure.
        reason: FailReason,
        /// For people.
        message: String,
    },
}

/// How much there is to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// The share of the threads' time that the last seconds took, 0 to 1.
    pub busy: f64,
    /// How long the last finals waited for a thread.
    pub final_wait: Duration,
    /// How often partial texts come of a session in which somebody speaks.
    pub pace: Duration,
    /// Sessions in which somebody speaks.
    pub speaking: usize,
    /// All sessions.
    pub sessions: usize,
}

/// The engine, cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine;

/// A session's place in it.
#[derive(Debug)]
pub struct Session {
    outlet: UnboundedSender<Output>,
}

impl Engine {
    /// Starts so many threads.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub fn start(_threads: usize) -> io::Result<Self> {
        Ok(Self)
    }

    /// A new session, which leaves when it is dropped. What it says goes to `outlet`.
    #[must_use]
    pub fn join(&self, _start: Start, outlet: UnboundedSender<Output>) -> Session {
        Session { outlet }
    }

    /// How much there is to do.
    #[must_use]
    pub fn load(&self) -> Load {
        Load { busy: 0.0, final_wait: Duration::ZERO, pace: Duration::ZERO, speaking: 0, sessions: 0 }
    }
}

impl Session {
    /// Audio, without gaps.
    pub fn hear(&self, start: u64, samples: &[i16]) {
        let heard = start + samples.len() as u64;
        let _ = self.outlet.send(Output::Heard { heard, needed_from: heard });
    }

    /// Whatever was said so far shall be final.
    pub fn flush(&self) {}

    /// No more audio comes.
    pub fn stop(&self) {
        let _ = self.outlet.send(Output::Done);
    }
}
