//! `/v1/stream`: live sessions, as clients speak with them.
//!
//! Belongs here: the WebSocket, who may have a session and what it costs, what clients are told, and the links to the
//! workers with what they need to take a session up. Does not belong here: how speech becomes text, which is the
//! workers'.
//!
//! A session is a task ([`session`]) with a [`client`] on one side and a worker ([`worker`]) on the other, each of which
//! may be lost and replaced. The client's socket is a task of its own ([`socket`]).

mod audio;
mod client;
mod config;
mod control;
mod credentials;
mod ending;
mod feed;
mod handshake;
mod link;
mod links;
mod messages;
mod meter;
mod outbox;
pub(crate) mod pcm;
mod resume;
mod script;
mod session;
mod socket;
mod start;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use poem::web::Data;
use poem::{Request, Response, handler};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::error::{ApiError, Cause};
use crate::state::App;

pub(crate) use links::Links;

/// How long sessions may take for their ends when the server is being stopped.
const ENDS: Duration = Duration::from_secs(7);

/// All sessions of this process, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    links: Links,
    /// A socket holds one until it is closed.
    places: Arc<Semaphore>,
    resumable: resume::Resumable,
    tasks: TaskTracker,
}

impl Live {
    /// None yet, and at most so many at once.
    pub(crate) fn new(links: Links, streams: usize) -> Self {
        let places = Arc::new(Semaphore::new(streams.min(Semaphore::MAX_PERMITS)));
        Self { links, places, resumable: resume::Resumable::default(), tasks: TaskTracker::new() }
    }

    /// A place for a socket.
    fn place(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let message = "as many live sessions are open as this server takes; try again in a moment";
            ApiError::new(Cause::TooManySessions, message)
        })
    }

    /// Waits for the ends of the sessions, which the app's stop token brings about.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        if tokio::time::timeout(ENDS, self.tasks.wait()).await.is_err() {
            tracing::warn!(sessions = self.tasks.len(), "live sessions are cut off");
        }
    }
}

/// Opens a live session.
#[handler]
pub(crate) async fn stream(request: &Request, app: Data<&App>) -> Result<Response, ApiError> {
    handshake::open(request, app.0).await
}
