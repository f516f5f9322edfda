//! The threads that decode what live sessions want, and the sessions' seats at them.
//!
//! Belongs here: when a pass is run, and by which thread. What a session wants is decided in `session`, by
//! whoever brings its audio; a thread only computes, with no lock held.

mod meter;
mod schedule;
mod threads;

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use steno_runtime::engine::{SpeechDetector, StopFlag};
use steno_runtime::models::Loaded;
use steno_runtime::speech::EarshotDetector;
use steno_shared::catalog;
use steno_shared::live::{FailReason, Resumption, SessionOptions};
use tokio::sync::mpsc::UnboundedSender;

use self::meter::Meter;
use self::schedule::{Schedule, Status, Ticket};
use crate::session::Pace;
use crate::session::course::Course;

pub use crate::session::Output;

/// A session that begins.
#[derive(Debug)]
pub struct Start {
    /// The model that it is transcribed by.
    pub model: Arc<Loaded>,
    /// What the catalogue says about it.
    pub entry: &'static catalog::Model,
    /// What was asked for.
    pub options: SessionOptions,
    /// Where it goes on, if another worker had it before.
    pub resumption: Option<Resumption>,
}

/// How much there is to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// The share of the threads' time of the last seconds that was used, 0 to 1.
    pub busy: f64,
    /// For how long texts that stay have waited lately.
    pub final_wait: Duration,
    /// How often partial texts come of a session in which somebody speaks; the seldomest there is where none come.
    pub pace: Duration,
    /// Sessions in which somebody speaks.
    pub speaking: usize,
    /// All of them.
    pub sessions: usize,
}

/// The threads. They end, after the passes under way, when all clones of this are dropped; sessions are told that the
/// worker stops.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Owner>);

#[derive(Debug)]
struct Owner(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    idle: Condvar,
    threads: usize,
    cadence: Cadence,
}

#[derive(Debug)]
struct State {
    schedule: Schedule<Arc<Seat>>,
    meter: Meter,
    closed: bool,
}

/// How often partial texts are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cadence {
    /// As often as the load permits.
    ByLoad,
    /// For so many new samples, whatever the load is: so that a replay gives the same each time.
    Every(u64),
}

/// One session at the engine. Locked before [`State`], if both are.
#[derive(Debug)]
struct Seat {
    course: Mutex<Option<Course>>,
    model: Arc<Loaded>,
    outlet: UnboundedSender<Output>,
    stop: StopFlag,
}

impl Engine {
    /// Starts so many threads.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        Self::start_at(threads, Cadence::ByLoad)
    }

    /// The same with partial texts as often as this.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn start_at(threads: usize, cadence: Cadence) -> std::io::Result<Self> {
        let state = State { schedule: Schedule::new(threads), meter: Meter::default(), closed: false };
        let (changed, idle) = (Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { state: Mutex::new(state), changed, idle, threads, cadence });
        let engine = Self(Arc::new(Owner(shared)));
        for number in 0..threads {
            let shared = Arc::clone(&engine.0.0);
            let thread = std::thread::Builder::new().name(format!("live-{number}"));
            thread.spawn(move || threads::run(&shared))?;
        }
        Ok(engine)
    }

    /// A new session. What it says goes to `outlet`; nothing more does once the session is dropped.
    #[must_use]
    pub fn join(&self, start: Start, outlet: UnboundedSender<Output>) -> Session {
        self.join_with(start, outlet, EarshotDetector::boxed())
    }

    fn join_with(
        &self,
        start: Start,
        outlet: UnboundedSender<Output>,
        detector: Box<dyn SpeechDetector>,
    ) -> Session {
        let Start { model, entry, options, resumption } = start;
        let course = Course::new(entry, options, resumption, detector);
        let seat = Seat { course: Mutex::new(Some(course)), model, outlet, stop: StopFlag::default() };
        let (seat, shared) = (Arc::new(seat), Arc::clone(&self.0.0));
        let ticket = shared.lock().schedule.join(Arc::clone(&seat));
        Session { seat, shared, ticket }
    }

    /// How much there is to do.
    #[must_use]
    pub fn load(&self) -> Load {
        let shared = &self.0.0;
        let (state, now) = (shared.lock(), Instant::now());
        Load {
            busy: state.meter.busy(shared.threads, now),
            final_wait: state.meter.wait(now).max(state.schedule.final_wait(now)),
            pace: state.schedule.pace(now).every.map_or(schedule::SELDOMEST, schedule::duration),
            speaking: state.schedule.speaking(),
            sessions: state.schedule.sessions(),
        }
    }

    /// Waits until no pass is under way and none is wanted: for replays that shall not depend on the machine's speed.
    pub fn settle(&self) {
        let shared = &self.0.0;
        let mut state = shared.lock();
        while !state.schedule.is_idle() && !state.closed {
            state = shared.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        let sessions = state.schedule.take_all();
        drop(state);
        self.0.changed.notify_all();
        self.0.idle.notify_all();
        for seat in sessions {
            seat.fail(FailReason::Stopping, "the worker is being stopped");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pace(&self, state: &State) -> Pace {
        match self.cadence {
            Cadence::ByLoad => state.schedule.pace(Instant::now()),
            Cadence::Every(samples) => Pace { every: Some(samples) },
        }
    }

    /// Tells what a course says, and has what it wants done when its turn comes.
    fn follow(&self, seat: &Seat, ticket: Ticket, course: &mut Course) {
        for output in course.said() {
            // Whoever listened may be gone; its session is dropped soon.
            let _ = seat.outlet.send(output);
        }
        let mut state = self.lock();
        let status = Status { wish: course.wish(self.pace(&state)), is_speaking: course.is_speaking() };
        state.schedule.note(ticket, status, Instant::now());
        if status.wish.is_some() {
            self.changed.notify_one();
        } else if state.schedule.is_idle() {
            self.idle.notify_all();
        }
    }
}

impl Seat {
    fn course(&self) -> MutexGuard<'_, Option<Course>> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the session.
    fn fail(&self, reason: FailReason, message: &str) {
        if self.course().take().is_some() {
            // Whoever listened may be gone.
            let _ = self.outlet.send(Output::Failed { reason, message: message.to_owned() });
        }
    }
}

/// A session's seat. Whatever is wanted for it is forgotten when this is dropped.
pub struct Session {
    seat: Arc<Seat>,
    shared: Arc<Shared>,
    ticket: Ticket,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

impl Session {
    /// Takes audio that begins at this sample of the session. The session fails if there is audio missing before it.
    pub fn hear(&self, start: u64, samples: &[i16]) {
        let mut failure = None;
        self.with(|course| failure = course.hear(start, samples).err());
        if let Some(missing) = failure {
            self.seat.fail(FailReason::Internal, &missing.to_string());
        }
    }

    /// What was said so far becomes final at once.
    pub fn flush(&self) {
        self.with(Course::flush);
    }

    /// No more audio comes: [`Output::Done`] follows the last text.
    pub fn stop(&self) {
        self.with(Course::stop);
    }

    fn with(&self, change: impl FnOnce(&mut Course)) {
        if let Some(course) = self.seat.course().as_mut() {
            change(course);
            self.shared.follow(&self.seat, self.ticket, course);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.seat.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        self.seat.course().take();
        let mut state = self.shared.lock();
        state.schedule.leave(self.ticket);
        if state.schedule.is_idle() {
            self.shared.idle.notify_all();
        }
    }
}

#[cfg(test)]
mod tests;
