//! What the server needs of an engine, so that its tests can be told what an engine does.

use tokio::sync::mpsc::UnboundedSender;

use crate::engine::{self, Load, Output, Start};

/// Transcribes sessions. None of its functions waits for anything.
pub trait Engine: Send + Sync + 'static {
    /// A session's place in it.
    type Session: Session;

    /// A new session. What it says goes to `outlet`.
    fn join(&self, start: Start, outlet: UnboundedSender<Output>) -> Self::Session;

    /// How much there is to do.
    fn load(&self) -> Load;
}

/// A session, which leaves the engine when it is dropped.
pub trait Session: Send + 'static {
    /// Audio, without gaps.
    fn hear(&self, start: u64, samples: &[i16]);

    /// Whatever was said so far shall be final.
    fn flush(&self);

    /// No more audio comes.
    fn stop(&self);
}

impl Engine for engine::Engine {
    type Session = engine::Session;

    fn join(&self, start: Start, outlet: UnboundedSender<Output>) -> engine::Session {
        Self::join(self, start, outlet)
    }

    fn load(&self) -> Load {
        Self::load(self)
    }
}

impl Session for engine::Session {
    fn hear(&self, start: u64, samples: &[i16]) {
        Self::hear(self, start, samples);
    }

    fn flush(&self) {
        Self::flush(self);
    }

    fn stop(&self) {
        Self::stop(self);
    }
}
