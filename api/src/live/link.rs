//! The link to one stream worker, and the places of sessions on it.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use steno_shared::live::link::{self, Audio, Frame, VERSION};
use steno_shared::live::{Reply, Request, SessionNumber};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use crate::registry::Registry;

/// Frames that wait to be written, of all sessions; at most a second of audio each.
const QUEUE: usize = 64;
/// How often it is looked whether the worker is still registered: one that is frozen keeps its connection.
const LOOK: Duration = Duration::from_secs(2);

type Sessions = Arc<Mutex<HashMap<SessionNumber, mpsc::UnboundedSender<Reply>>>>;

/// A connection to a worker, cheap to clone. It ends when it breaks.
#[derive(Debug, Clone)]
pub(super) struct Link {
    address: Arc<str>,
    outgoing: mpsc::Sender<Frame<Request>>,
    /// What a worker says of a session is bounded by the audio that it was sent.
    sessions: Sessions,
    next: Arc<AtomicU64>,
}

/// A session's place at a worker. Dropping it leaves the worker.
#[derive(Debug)]
pub(super) struct Place {
    /// The session, on this link.
    pub(super) number: SessionNumber,
    /// To the worker.
    pub(super) outgoing: mpsc::Sender<Frame<Request>>,
    /// From the worker; ends when the link breaks.
    pub(super) replies: mpsc::UnboundedReceiver<Reply>,
    address: Arc<str>,
    sessions: Sessions,
    /// Whether the worker has forgotten the session.
    is_over: bool,
}

impl Link {
    /// Connects to a worker and makes itself known.
    pub(super) async fn connect(address: &str, secret: String, registry: Registry) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut reader, mut writer) = stream.into_split();
        link::write(&mut writer, &Request::Hello { version: VERSION, secret }).await?;
        match link::read::<Reply>(&mut reader).await? {
            Some(Frame::Message(Reply::Welcome)) => {}
            _ => return Err(io::Error::other("the worker does not know this server")),
        }
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let sessions = Sessions::default();
        let known = Arc::clone(&sessions);
        let address: Arc<str> = address.into();
        let name = Arc::clone(&address);
        tokio::spawn(async move {
            let end = tokio::select! {
                end = read(reader, &known) => end,
                end = write(writer, queue) => end,
                () = unregistered(&registry, &name) => Err(io::Error::other("the worker is gone")),
            };
            // The sessions hear of it by the end of their channels.
            let left = std::mem::take(&mut *known.lock().unwrap_or_else(PoisonError::into_inner)).len();
            match end {
                Ok(()) => {
                    tracing::info!(address = &*name, sessions = left, "a link to a stream worker ended");
                }
                Err(error) => {
                    tracing::warn!(address = &*name, sessions = left, error = %error, "a link to a stream worker broke");
                }
            }
        });
        Ok(Self { address, outgoing, sessions, next: Arc::default() })
    }

    /// Whether it can be used.
    pub(super) fn is_alive(&self) -> bool {
        !self.outgoing.is_closed()
    }

    /// A place for a session, or the seconds after which to try again.
    pub(super) async fn open(&self) -> io::Result<Result<Place, u64>> {
        let broken = || io::Error::from(io::ErrorKind::ConnectionReset);
        let number = SessionNumber(self.next.fetch_add(1, Ordering::Relaxed) + 1);
        let (to, replies) = mpsc::unbounded_channel();
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(number, to);
        // From here on, whoever stops waiting leaves.
        let mut place = Place {
            number,
            outgoing: self.outgoing.clone(),
            replies,
            address: Arc::clone(&self.address),
            sessions: Arc::clone(&self.sessions),
            is_over: false,
        };
        let open = Frame::Message(Request::Open { session: number });
        self.outgoing.send(open).await.map_err(|_| broken())?;
        if !self.is_alive() {
            // The link broke as the session was added to its map, which nobody empties any more.
            return Err(broken());
        }
        match place.replies.recv().await {
            Some(Reply::Opened { .. }) => Ok(Ok(place)),
            Some(Reply::Refused { retry_after_s, .. }) => {
                place.over();
                Ok(Err(retry_after_s))
            }
            Some(reply) => Err(io::Error::other(format!("the worker answers {reply:?}"))),
            None => Err(broken()),
        }
    }
}

impl Place {
    /// Where the worker is.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The worker has forgotten the session, or was never to know it.
    pub(super) fn over(&mut self) {
        self.is_over = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
        if self.is_over {
            return;
        }
        let leave = Frame::Message(Request::Leave { session: self.number });
        if let Err(mpsc::error::TrySendError::Full(leave)) = self.outgoing.try_send(leave)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let outgoing = self.outgoing.clone();
            // It is heard of when there is room, or the link breaks.
            runtime.spawn(async move { outgoing.send(leave).await });
        }
    }
}

async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Frame<Request>>) -> io::Result<()> {
    while let Some(frame) = queue.recv().await {
        match frame {
            Frame::Message(request) => link::write(&mut writer, &request).await?,
            Frame::Audio(audio) => link::write_audio(&mut writer, &audio).await?,
        }
    }
    Ok(())
}

async fn read(mut reader: OwnedReadHalf, sessions: &Sessions) -> io::Result<()> {
    while let Some(frame) = link::read::<Reply>(&mut reader).await? {
        let Frame::Message(reply) = frame else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "audio from a worker"));
        };
        let Some(session) = session_of(&reply) else { continue };
        let sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
        // One that has left gets no more.
        if let Some(to) = sessions.get(&session) {
            let _ = to.send(reply);
        }
    }
    Ok(())
}

fn session_of(reply: &Reply) -> Option<SessionNumber> {
    match reply {
        Reply::Welcome => None,
        Reply::Opened { session }
        | Reply::Refused { session, .. }
        | Reply::Ready { session }
        | Reply::Said { session, .. }
        | Reply::Heard { session, .. }
        | Reply::Done { session }
        | Reply::Failed { session, .. } => Some(*session),
    }
}

/// Returns when the worker has not renewed its row.
async fn unregistered(registry: &Registry, address: &str) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Ok(workers) = registry.workers().await else { continue };
        if !workers.stream_workers().any(|worker| worker.address.as_deref() == Some(address)) {
            return;
        }
    }
}

/// A stretch of audio as it is sent.
pub(super) fn audio(session: SessionNumber, start: u64, samples: Vec<i16>) -> Frame<Request> {
    Frame::Audio(Audio { session, start, samples })
}
