//! The server of live sessions: links of APIs come in, sessions are admitted and given to the engine.
//!
//! Belongs here: who may speak to this worker, which sessions there are and whether there is a place for one more, what
//! becomes of them when a link breaks or the worker is stopped. Does not belong here: how a link's frames look
//! (`steno_shared::live::link`), how speech becomes text ([`crate::engine`]).
//!
//! `hello` knows who is welcome, `link` has the sessions of one API, `session` what has come of one, `run` its way
//! through the engine; `outgoing` writes. `admission` decides behind the `gate`; `registry` tells APIs of this
//! worker.

pub mod admission;
mod gate;
mod hello;
mod link;
mod outgoing;
pub mod registry;
mod run;
pub mod seam;
mod session;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use steno_runtime::models::Models;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use self::admission::Admission;
use self::gate::Gate;
use self::link::Closing;
use self::seam::Engine;

/// The most links: one for each API.
const LINKS: usize = 64;
/// The most connections on which nothing was said yet.
const STRANGERS: usize = 64;
/// An API whose machine is gone is noticed after some 25 s, also if nothing is said.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(10))
    .with_interval(Duration::from_secs(5))
    .with_retries(3);
/// After an error of the listener, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the load is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The server.
pub struct Server<E> {
    engine: E,
    models: Arc<Models>,
    secret: String,
    gate: Arc<Gate>,
}

impl<E> fmt::Debug for Server<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("gate", &self.gate).finish_non_exhaustive()
    }
}

impl<E: Engine> Server<E> {
    /// For who knows the secret.
    #[must_use]
    pub fn new(engine: E, models: Arc<Models>, secret: String, admission: Admission) -> Self {
        Self { engine, models, secret, gate: Arc::new(Gate::new(admission)) }
    }

    /// How many sessions there are, those included that have not begun.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.gate.sessions()
    }

    /// How many more could speak now.
    #[must_use]
    pub fn free(&self) -> usize {
        self.gate.free(&self.engine.load())
    }

    /// Serves links until `closing` is cancelled; then sessions are sent elsewhere and the links are closed, within
    /// `grace`.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, closing: CancellationToken, grace: Duration) {
        let tasks = TaskTracker::new();
        let (strangers, links) = (Arc::new(Semaphore::new(STRANGERS)), Arc::new(Semaphore::new(LINKS)));
        let closing = Closing { now: closing, grace };
        let looking = {
            let server = Arc::clone(&self);
            tokio::spawn(async move { server.look().await })
        };
        loop {
            let accepted = tokio::select! {
                () = closing.now.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(error = %error, "cannot accept a link");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Ok(stranger) = Arc::clone(&strangers).try_acquire_owned() else {
                tracing::warn!(%peer, "a link is closed: too many have said nothing yet");
                continue;
            };
            let (server, links, closing) = (Arc::clone(&self), Arc::clone(&links), closing.clone());
            let serving = async move {
                let Some(stream) = server.know(stream, &closing.now).await else { return };
                drop(stranger);
                let Ok(_place) = links.try_acquire() else {
                    tracing::warn!("a link is closed: there are {LINKS} already");
                    return;
                };
                tracing::info!("an API has connected");
                link::serve(server, stream, closing).await;
            };
            tasks.spawn(serving.instrument(tracing::info_span!("link", %peer)));
        }
        tasks.close();
        tasks.wait().await;
        looking.abort();
    }

    /// Hears who is there, and gives the link back if it is an API.
    async fn know(&self, mut stream: TcpStream, closing: &CancellationToken) -> Option<TcpStream> {
        let heard = tokio::select! {
            () = closing.cancelled() => return None,
            heard = hello::hear(&mut stream, &self.secret, hello::PATIENCE) => heard,
        };
        if let Err(stranger) = heard {
            tracing::warn!("a link is closed: {stranger}");
            return None;
        }
        let set =
            stream.set_nodelay(true).and_then(|()| SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE));
        if let Err(error) = set {
            tracing::warn!(error = %error, "cannot set a link's options");
        }
        Some(stream)
    }

    /// Learns what sessions cost.
    async fn look(&self) {
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            self.gate.observe(&self.engine.load());
        }
    }
}
