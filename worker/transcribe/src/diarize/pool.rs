//! The diarizing children of a worker. All jobs share them chunk by chunk, and whoever has had least goes first
//! ([`Schedule`]), so that a short clip does not stand behind a long file.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use steno_runtime::engine::ChunkVoices;
use steno_shared::time::Millis;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use super::DiarizeError;
use super::keeper::{Ended, Keeper, Program};
use super::protocol::{Answer, Request};
use crate::engine::{Schedule, Ticket};

/// A child that nobody has asked for so long is ended: its models take memory.
const IDLE: Duration = Duration::from_secs(600);
/// A chunk whose child died is given to a fresh one once.
const TRIES: u32 = 2;

/// How long a child may take for a chunk: far more than the slowest machine needs, for what would never end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkLimit {
    /// This much, for loading models too, ...
    pub base: Duration,
    /// ... and this many times the length of the chunk.
    pub per_audio: u32,
}

impl Default for ChunkLimit {
    fn default() -> Self {
        Self { base: Duration::from_secs(60), per_audio: 10 }
    }
}

impl ChunkLimit {
    fn of(self, request: &Request) -> Duration {
        let audio = Millis::of_samples(request.end.saturating_sub(request.start));
        self.base + Duration::from_millis(audio.0).saturating_mul(self.per_audio)
    }
}

type Reply = oneshot::Sender<Result<ChunkVoices, DiarizeError>>;

/// Told what part of a chunk's work is done, 0 to 1.
pub(super) type Progress = Box<dyn Fn(f64) + Send + Sync>;

struct Waiting {
    request: Request,
    progress: Progress,
    reply: Reply,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("request", &self.request).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Shared {
    schedule: Mutex<Schedule<Waiting>>,
    changed: Notify,
    program: Program,
    limit: ChunkLimit,
    /// Of the children that live.
    pids: Mutex<BTreeSet<u32>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Schedule<Waiting>> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pids(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.pids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next(&self) -> Waiting {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(waiting) = self.lock().pick() {
                return waiting;
            }
            changed.await;
        }
    }
}

/// The children. They are killed when this is dropped.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    servers: JoinSet<()>,
}

impl Pool {
    /// Of so many children at most, each started when it is first needed. Within a runtime only.
    #[must_use]
    pub fn start(program: Program, count: usize, limit: ChunkLimit) -> Self {
        let shared = Arc::new(Shared {
            schedule: Mutex::default(),
            changed: Notify::new(),
            program,
            limit,
            pids: Mutex::default(),
        });
        let mut servers = JoinSet::new();
        for _ in 0..count {
            servers.spawn(serve(Arc::clone(&shared)));
        }
        Self { shared, servers }
    }

    /// How many chunks are worked on at once.
    #[must_use]
    pub fn size(&self) -> usize {
        self.servers.len()
    }

    /// The process ids of the children that live.
    #[must_use]
    pub fn children(&self) -> Vec<u32> {
        self.shared.pids().iter().copied().collect()
    }

    /// A seat for a job.
    #[must_use]
    pub(super) fn join(&self) -> Seat {
        let ticket = self.shared.lock().join();
        Seat { shared: Arc::clone(&self.shared), ticket }
    }
}

/// A job's seat at the pool. When it is dropped, the job's chunks that wait are gone.
#[derive(Debug)]
pub(super) struct Seat {
    shared: Arc<Shared>,
    ticket: Ticket,
}

impl Seat {
    /// Has a chunk worked on when its turn comes. Dropping the future kills the child that works on it.
    ///
    /// # Errors
    /// [`DiarizeError`]
    pub(super) async fn run(
        &self,
        request: Request,
        progress: Progress,
    ) -> Result<ChunkVoices, DiarizeError> {
        let (reply, answer) = oneshot::channel();
        let samples = request.end.saturating_sub(request.start);
        // One that has left has dropped its seat, and cannot ask.
        let _ = self.shared.lock().submit(self.ticket, samples, Waiting { request, progress, reply });
        self.shared.changed.notify_one();
        answer.await.unwrap_or(Err(DiarizeError::Stopped))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let abandoned = self.shared.lock().leave(self.ticket);
        drop(abandoned);
    }
}

/// A child whose process id is known to the pool.
#[derive(Debug)]
struct Known {
    keeper: Keeper,
    id: Option<u32>,
    shared: Arc<Shared>,
}

impl Known {
    fn start(shared: &Arc<Shared>) -> Result<Self, Ended> {
        let keeper = Keeper::start(&shared.program)?;
        let id = keeper.id();
        shared.pids().extend(id);
        Ok(Self { keeper, id, shared: Arc::clone(shared) })
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.shared.pids().remove(&id);
        }
    }
}

/// Serves the jobs with one child at a time.
async fn serve(shared: Arc<Shared>) {
    let mut child: Option<Known> = None;
    loop {
        let next = shared.next();
        let Waiting { request, progress, mut reply } = if child.is_some() {
            let Ok(waiting) = tokio::time::timeout(IDLE, next).await else {
                child = None;
                continue;
            };
            waiting
        } else {
            next.await
        };
        if reply.is_closed() {
            continue;
        }
        tracing::debug!(
            audio.start_ms = Millis::of_samples(request.start).0,
            audio.end_ms = Millis::of_samples(request.end).0,
            "chunk begun"
        );
        let answer = tokio::select! {
            answer = work(&shared, &mut child, &request, &*progress) => answer,
            // It cannot be told to stop.
            () = reply.closed() => {
                child = None;
                continue;
            }
        };
        // Nobody may be waiting any more.
        let _ = reply.send(answer);
    }
}

async fn work(
    shared: &Arc<Shared>,
    child: &mut Option<Known>,
    request: &Request,
    progress: &(dyn Fn(f64) + Send + Sync),
) -> Result<ChunkVoices, DiarizeError> {
    let limit = shared.limit.of(request);
    let mut tried = 1;
    loop {
        let asked = match child {
            Some(child) => child.keeper.ask(request, limit, progress).await,
            None => match Known::start(shared) {
                Ok(started) => child.insert(started).keeper.ask(request, limit, progress).await,
                Err(error) => Err(error),
            },
        };
        let ended = match asked {
            Ok(Answer::Voices(voices)) => return Ok(voices),
            Ok(Answer::BadModel(sentence)) => return Err(DiarizeError::Model(sentence)),
            Ok(Answer::Failed(what)) => return Err(DiarizeError::Engine(what)),
            Err(ended) => ended,
        };
        *child = None;
        if tried == TRIES {
            return Err(DiarizeError::Engine(ended.to_string()));
        }
        tracing::warn!("{ended}; its chunk is given to another");
        tried += 1;
    }
}
