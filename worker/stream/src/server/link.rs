//! The link of one API: its sessions by number, and what it says about them.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use steno_shared::live::link::{self, Frame};
use steno_shared::live::{FailReason, Reply, Request, SessionNumber};
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::outgoing::{self, Outlet};
use super::run::{self, Begin, Ending};
use super::seam::Engine;
use super::session::{Fault, Live};
use super::{Server, hello};

/// Sessions that have ended, and of which the other side may still speak.
const REMEMBERED: usize = 1024;

/// A link.
pub(super) struct Link<E: Engine> {
    pub(super) server: Arc<Server<E>>,
    pub(super) outlet: Outlet,
    table: Mutex<Table<E::Session>>,
    tasks: TaskTracker,
}

struct Table<S> {
    live: HashMap<SessionNumber, Arc<Live<S>>>,
    ended: VecDeque<SessionNumber>,
}

/// How a link is closed when the worker is stopped.
#[derive(Debug, Clone)]
pub(super) struct Closing {
    /// Cancelled when it is time.
    pub(super) now: CancellationToken,
    /// How long it may take.
    pub(super) grace: Duration,
}

/// Serves an API that is welcome, until its end.
pub(super) async fn serve<E: Engine>(server: Arc<Server<E>>, stream: TcpStream, closing: Closing) {
    let (read, write) = stream.into_split();
    let (outlet, replies) = outgoing::queue();
    let gone = CancellationToken::new();
    let writing = {
        let gone = gone.clone();
        tokio::spawn(async move {
            if let Err(error) = outgoing::write(write, replies, outgoing::PATIENCE).await {
                tracing::warn!(error = %error, "a link is closed: cannot write to it");
                gone.cancel();
            }
        })
    };
    let table = Mutex::new(Table { live: HashMap::new(), ended: VecDeque::new() });
    let link = Arc::new(Link { server, outlet, table, tasks: TaskTracker::new() });
    link.outlet.send(hello::WELCOME).await;
    let mut read = BufReader::new(read);
    tokio::select! {
        end = link.read(&mut read) => match end {
            Ok(()) => tracing::info!("an API has closed its link"),
            Err(error) => tracing::warn!(error = %error, "a link broke"),
        },
        () = gone.cancelled() => {}
        () = closing.now.cancelled() => {
            if tokio::time::timeout(closing.grace, link.part(&mut read)).await.is_err() {
                tracing::warn!("an API does not let go of its link; it is cut off");
            }
        }
    }
    link.abandon();
    link.tasks.close();
    link.tasks.wait().await;
    writing.abort();
}

impl<E: Engine> Link<E> {
    fn lock(&self) -> MutexGuard<'_, Table<E::Session>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(self: &Arc<Self>, read: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        while let Some(frame) = link::read::<Request>(read).await? {
            self.take(frame).await?;
        }
        Ok(())
    }

    async fn take(self: &Arc<Self>, frame: Frame<Request>) -> io::Result<()> {
        match frame {
            Frame::Audio(audio) => self.tell(audio.session, |live| live.hear(&audio)).await,
            Frame::Message(Request::Open { session }) => self.open(session).await,
            Frame::Message(Request::Begin { session, options, resumption }) => {
                self.begin(session, Begin { options, resumption }).await;
            }
            Frame::Message(Request::Flush { session }) => self.tell(session, Live::flush).await,
            Frame::Message(Request::Stop { session }) => self.tell(session, Live::stop).await,
            Frame::Message(Request::Leave { session }) => {
                if let Some(live) = self.remove(session) {
                    live.end();
                }
            }
            Frame::Message(Request::Hello { .. }) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a second hello"));
            }
        }
        Ok(())
    }

    async fn open(&self, session: SessionNumber) {
        if self.find(session).is_some() {
            return self.fail(session, Fault::Twice).await;
        }
        let load = self.server.engine.load();
        let reply = match self.server.gate.open(&load) {
            Ok(seat) => {
                self.lock().live.insert(session, Arc::new(Live::new(session, seat)));
                Reply::Opened { session }
            }
            Err(full) => {
                let sessions = self.server.gate.sessions();
                tracing::info!(sessions, busy = load.busy, "a session is refused: there is too much to do");
                Reply::Refused { session, retry_after_s: full.retry_after_s }
            }
        };
        self.outlet.send(reply).await;
    }

    async fn begin(self: &Arc<Self>, session: SessionNumber, begin: Begin) {
        let at = begin.resumption.as_ref().map_or(0, |resumption| resumption.at);
        let Some(live) = self.find(session) else { return self.stray(session).await };
        match live.begin(at) {
            Ok(()) => drop(self.tasks.spawn(run::run(Arc::clone(self), live, begin))),
            Err(fault) => self.fail(session, fault).await,
        }
    }

    /// Tells a session something that it cannot be late for.
    async fn tell(&self, session: SessionNumber, tell: impl FnOnce(&Live<E::Session>) -> Result<(), Fault>) {
        match self.find(session) {
            Some(live) => {
                if let Err(fault) = tell(&live) {
                    self.fail(session, fault).await;
                }
            }
            None => self.stray(session).await,
        }
    }

    /// One that is not there. What was sent before its end was known is no fault.
    async fn stray(&self, session: SessionNumber) {
        let has_ended = self.lock().ended.contains(&session);
        if !has_ended {
            self.fail(session, Fault::Unknown).await;
        }
    }

    fn find(&self, session: SessionNumber) -> Option<Arc<Live<E::Session>>> {
        self.lock().live.get(&session).map(Arc::clone)
    }

    /// Takes a session out of the table: whoever does this is the one to say how it ended.
    fn remove(&self, session: SessionNumber) -> Option<Arc<Live<E::Session>>> {
        let mut table = self.lock();
        table.ended.push_back(session);
        if table.ended.len() > REMEMBERED {
            table.ended.pop_front();
        }
        table.live.remove(&session)
    }

    async fn fail(&self, session: SessionNumber, fault: Fault) {
        tracing::warn!(session = session.0, "a session is given up: {fault}");
        if let Some(live) = self.remove(session) {
            live.end();
        }
        self.outlet.send(Ending::of(fault).reply(session)).await;
    }

    /// A session's task knows how it ended, unless somebody else has said so before.
    pub(super) async fn end(&self, live: Arc<Live<E::Session>>, ending: Ending) {
        let session = live.number;
        let is_first = self.remove(session).is_some();
        live.end();
        // Its seat is free before anybody hears of its end.
        drop(live);
        if is_first {
            self.outlet.send(ending.reply(session)).await;
        }
    }

    /// Sends the sessions elsewhere, and waits until the other side has heard of it and lets go.
    async fn part(&self, read: &mut BufReader<OwnedReadHalf>) {
        for live in self.clear() {
            let session = live.number;
            live.end();
            let message = "this worker is being stopped".to_owned();
            self.outlet.send(Reply::Failed { session, reason: FailReason::Stopping, message }).await;
        }
        self.outlet.end().await;
        // What is not read when a link is closed has the other side lose what it was told last.
        let mut waste = vec![0; 1 << 14];
        while matches!(read.read(&mut waste).await, Ok(1..)) {}
    }

    /// All sessions leave at once: nobody waits for them.
    fn abandon(&self) {
        let abandoned = self.clear();
        if !abandoned.is_empty() {
            tracing::info!(sessions = abandoned.len(), "sessions have left with their link");
        }
        abandoned.iter().for_each(|live| live.end());
    }

    fn clear(&self) -> Vec<Arc<Live<E::Session>>> {
        self.lock().live.drain().map(|(_, live)| live).collect()
    }
}
