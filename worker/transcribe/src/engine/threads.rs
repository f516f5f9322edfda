//! The engine's threads. For each task they take a decoding state of its model, which goes with the model when that
//! is unloaded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use steno_runtime::engine::{ChunkOptions, ChunkText, EngineError, StopFlag};
use steno_runtime::models::Loaded;
use steno_shared::language::Language;
use steno_shared::time::Millis;
use tokio::sync::oneshot;

use super::schedule::{Schedule, Ticket};
use crate::chunk::Piece;
use crate::priority::give_way;
use crate::samples::Samples;

/// What a thread is asked to do with a stretch of audio.
#[derive(Debug, Clone)]
pub struct Task {
    /// By what model.
    pub model: Arc<Loaded>,
    /// Where the audio is read when its turn has come, so that what waits takes no memory.
    pub samples: Arc<Samples>,
    /// The audio: at most 30 s in all.
    pub pieces: Vec<Piece>,
    /// What is asked.
    pub work: Work,
}

/// What is asked about a stretch of audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Which language is spoken.
    Language,
    /// What is said.
    Text(ChunkOptions),
}

/// What a thread answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To [`Work::Language`]: the language and how likely it is.
    Language(Language, f64),
    /// To [`Work::Text`].
    Text(ChunkText),
}

type Reply = oneshot::Sender<Result<Answer, EngineError>>;

struct Waiting {
    task: Task,
    stop: StopFlag,
    reply: Reply,
}

#[derive(Default)]
struct Shared {
    schedule: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    schedule: Schedule<Waiting>,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next task; none once the engine is closed.
    fn next(&self) -> Option<Waiting> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(waiting) = state.schedule.pick() {
                return Some(waiting);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The threads. They end when this is dropped, after the tasks under way.
pub struct Engine {
    shared: Arc<Shared>,
    threads: usize,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts so many threads.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        let engine = Self { shared: Arc::default(), threads };
        for number in 0..threads {
            let shared = Arc::clone(&engine.shared);
            std::thread::Builder::new().name(format!("engine-{number}")).spawn(move || run(&shared))?;
        }
        Ok(engine)
    }

    /// How many threads there are.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// A seat for a job.
    #[must_use]
    pub fn join(&self) -> Seat {
        let ticket = self.shared.lock().schedule.join();
        Seat { shared: Arc::clone(&self.shared), ticket, stop: StopFlag::default() }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        // Whoever waits for a task learns that it is not run.
        let abandoned = std::mem::take(&mut state.schedule);
        drop(state);
        drop(abandoned);
        self.shared.changed.notify_all();
    }
}

/// A job's seat at the engine. When it is dropped, the job's tasks under way stop and those that wait are gone.
pub struct Seat {
    shared: Arc<Shared>,
    ticket: Ticket,
    stop: StopFlag,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

impl Seat {
    /// Has a task run when its turn comes.
    ///
    /// # Errors
    /// [`EngineError::Stopped`] if the engine is closed, else what the engine says.
    pub async fn run(&self, task: Task) -> Result<Answer, EngineError> {
        let (reply, answer) = oneshot::channel();
        let samples = task.pieces.iter().map(Piece::len).sum();
        let waiting = Waiting { task, stop: Arc::clone(&self.stop), reply };
        // One that has left has dropped its seat, and cannot ask.
        let _ = self.shared.lock().schedule.submit(self.ticket, samples, waiting);
        self.shared.changed.notify_one();
        answer.await.unwrap_or(Err(EngineError::Stopped))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let abandoned = self.shared.lock().schedule.leave(self.ticket);
        drop(abandoned);
    }
}

fn run(shared: &Shared) {
    give_way();
    while let Some(Waiting { task, stop, reply }) = shared.next() {
        if stop.load(Ordering::Relaxed) {
            continue;
        }
        tracing::debug!(
            audio.start_ms = task.pieces.first().map(|piece| Millis::of_samples(piece.start).0),
            audio.length_ms = Millis::of_samples(task.pieces.iter().map(Piece::len).sum()).0,
            work = match task.work {
                Work::Language => "language",
                Work::Text(_) => "text",
            },
            "task begun"
        );
        let answer = catch_unwind(AssertUnwindSafe(|| answer(&task, &stop)));
        let answer = answer.unwrap_or_else(|_| {
            tracing::error!("an engine thread panicked; its state is opened anew");
            Err(EngineError::Failed("it panicked".into()))
        });
        // Nobody may be waiting any more.
        let _ = reply.send(answer);
    }
}

fn answer(task: &Task, stop: &StopFlag) -> Result<Answer, EngineError> {
    let unreadable = |error: std::io::Error| EngineError::Failed(format!("cannot read the samples: {error}"));
    let samples = task.samples.join(&task.pieces).map_err(unreadable)?;
    let mut state = task.model.state()?;
    let answer = match &task.work {
        Work::Language => {
            state.detect_language(&samples, stop).map(|(language, likely)| Answer::Language(language, likely))
        }
        Work::Text(options) => state.transcribe(&samples, options, stop).map(Answer::Text),
    };
    // The engine may have given up one that failed, as whisper.cpp does when memory runs out.
    if !matches!(answer, Err(EngineError::Failed(_))) {
        task.model.give_back(state);
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use steno_tests::process::niceness;
    use steno_tests::wait;

    use super::*;
    use crate::priority::WAY;

    #[tokio::test]
    async fn its_threads_give_way_and_no_others() {
        let own = std::process::id();
        let usual = niceness(own).into_iter().map(|(_, nice)| nice).min().unwrap();
        let engine = Engine::start(3).unwrap();
        // Other tests have engines too.
        wait::until("the threads", Duration::from_secs(10), async || {
            let giving = niceness(own).into_iter().filter(|(_, nice)| *nice == usual + WAY);
            (giving.filter(|(name, _)| name.starts_with("engine-")).count() >= 3).then_some(())
        })
        .await;
        drop(engine);
        let others = niceness(own).into_iter().filter(|(name, _)| !name.starts_with("engine-"));
        assert_eq!(others.filter(|(_, nice)| *nice != usual).collect::<Vec<_>>(), []);
    }
}
