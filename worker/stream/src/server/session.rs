//! A session as its link knows it: what of its audio has come, and what the engine is given of it.
//!
//! The reader of the link tells it what comes, and is never held up: before the engine has the session, audio is kept
//! here, up to what a worker may be behind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use steno_shared::live::link::{Audio, WINDOW};
use steno_shared::live::{FailReason, SessionNumber};
use steno_shared::time::SAMPLE_RATE;
use tokio_util::sync::CancellationToken;

use super::gate::Seat;
use super::seam::Session;

/// The most audio that has come and was not heard: what the other side may send, and 5 s.
const UNHEARD: u64 = WINDOW + 5 * SAMPLE_RATE as u64;

/// Why a session cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("a session is told of before it has begun")]
    Early,
    #[error("a session begins twice")]
    Twice,
    #[error("audio is missing: sample {expected} was expected, {came} came")]
    Gap { expected: u64, came: u64 },
    #[error("this worker is more than {} s behind", UNHEARD / u64::from(SAMPLE_RATE))]
    Behind,
    #[error("the engine panicked")]
    Engine,
    #[error("no such session was opened")]
    Unknown,
}

impl Fault {
    pub(super) fn reason(self) -> FailReason {
        match self {
            Self::Behind => FailReason::Busy,
            _ => FailReason::Internal,
        }
    }
}

/// A session on a link, with its seat among those of all links.
#[derive(Debug)]
pub(super) struct Live<S> {
    pub(super) number: SessionNumber,
    pub(super) seat: Seat,
    /// Cancelled when the session is over.
    pub(super) over: CancellationToken,
    state: Mutex<State<S>>,
}

#[derive(Debug)]
struct State<S> {
    stage: Stage<S>,
    /// The number of the sample that comes next.
    expected: u64,
    /// What the engine has heard.
    heard: u64,
    stopped: bool,
}

#[derive(Debug)]
enum Stage<S> {
    /// A client is there, and has not said what it wants.
    Open,
    /// Its model is being loaded.
    Begun(Vec<Kept>),
    /// The engine has it.
    Joined(S),
    Over,
}

/// What comes before the engine has the session.
#[derive(Debug)]
enum Kept {
    Audio(u64, Vec<i16>),
    Flush,
    Stop,
}

impl<S: Session> Live<S> {
    pub(super) fn new(number: SessionNumber, seat: Seat) -> Self {
        let state = State { stage: Stage::Open, expected: 0, heard: 0, stopped: false };
        Self { number, seat, over: CancellationToken::new(), state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client has said what it wants; its audio comes from sample `at` on.
    pub(super) fn begin(&self, at: u64) -> Result<(), Fault> {
        let mut state = self.lock();
        match state.stage {
            Stage::Open => {
                (state.stage, state.expected, state.heard) = (Stage::Begun(Vec::new()), at, at);
                Ok(())
            }
            Stage::Begun(_) | Stage::Joined(_) => Err(Fault::Twice),
            Stage::Over => Ok(()),
        }
    }

    /// Audio has come. What came before is cut off, as another worker's audio that is sent again may overlap.
    pub(super) fn hear(&self, audio: &Audio) -> Result<(), Fault> {
        let state = &mut *self.lock();
        let (start, end) = (state.expected, audio.start.saturating_add(audio.samples.len() as u64));
        match state.stage {
            Stage::Open => return Err(Fault::Early),
            Stage::Over => return Ok(()),
            Stage::Begun(_) | Stage::Joined(_) if state.stopped => return Ok(()),
            Stage::Begun(_) | Stage::Joined(_) => {}
        }
        if audio.start > start {
            return Err(Fault::Gap { expected: start, came: audio.start });
        }
        if end <= start {
            return Ok(());
        }
        if end - state.heard > UNHEARD {
            return Err(Fault::Behind);
        }
        let new = &audio.samples[(start - audio.start) as usize..];
        state.expected = end;
        match &mut state.stage {
            Stage::Begun(kept) => {
                if let Some(Kept::Audio(_, samples)) = kept.last_mut() {
                    samples.extend_from_slice(new);
                } else {
                    kept.push(Kept::Audio(start, new.to_vec()));
                }
                Ok(())
            }
            Stage::Joined(session) => told(|| session.hear(start, new)),
            Stage::Open | Stage::Over => Ok(()),
        }
    }

    /// Whatever was said so far shall be final.
    pub(super) fn flush(&self) -> Result<(), Fault> {
        let state = &mut *self.lock();
        match &mut state.stage {
            Stage::Open => Err(Fault::Early),
            Stage::Begun(_) | Stage::Joined(_) if state.stopped => Ok(()),
            Stage::Begun(kept) => {
                // Two without audio between them are one.
                if !matches!(kept.last(), Some(Kept::Flush)) {
                    kept.push(Kept::Flush);
                }
                Ok(())
            }
            Stage::Joined(session) => told(|| session.flush()),
            Stage::Over => Ok(()),
        }
    }

    /// No more audio comes.
    pub(super) fn stop(&self) -> Result<(), Fault> {
        let state = &mut *self.lock();
        let had_stopped = std::mem::replace(&mut state.stopped, true);
        match &mut state.stage {
            Stage::Open => Err(Fault::Early),
            Stage::Begun(_) | Stage::Joined(_) if had_stopped => Ok(()),
            Stage::Begun(kept) => {
                kept.push(Kept::Stop);
                Ok(())
            }
            Stage::Joined(session) => told(|| session.stop()),
            Stage::Over => Ok(()),
        }
    }

    /// Gives the session to the engine, with all that was kept.
    pub(super) fn join(&self, engine: impl FnOnce() -> S) {
        let mut state = self.lock();
        let Stage::Begun(kept) = &mut state.stage else { return };
        let kept = std::mem::take(kept);
        let session = engine();
        for kept in kept {
            match kept {
                Kept::Audio(start, samples) => session.hear(start, &samples),
                Kept::Flush => session.flush(),
                Kept::Stop => session.stop(),
            }
        }
        state.stage = Stage::Joined(session);
    }

    /// The engine has heard audio before this sample.
    pub(super) fn heard(&self, heard: u64) {
        let mut state = self.lock();
        state.heard = state.heard.max(heard);
    }

    /// The session leaves the engine.
    pub(super) fn end(&self) {
        let left = std::mem::replace(&mut self.lock().stage, Stage::Over);
        drop(left);
        self.over.cancel();
    }
}

/// A panic of the engine ends one session, not the link.
fn told(tell: impl FnOnce()) -> Result<(), Fault> {
    catch_unwind(AssertUnwindSafe(tell)).map_err(|_| Fault::Engine)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::admission::Admission;
    use super::super::gate::Gate;
    use super::*;
    use crate::engine::Load;

    /// Writes down what it is told.
    #[derive(Debug, Clone, Default)]
    struct Told(Arc<Mutex<Vec<String>>>);

    impl Session for Told {
        fn hear(&self, start: u64, samples: &[i16]) {
            assert_ne!(samples.first(), Some(&666), "on purpose");
            self.0.lock().unwrap().push(format!("{start}+{}", samples.len()));
        }

        fn flush(&self) {
            self.0.lock().unwrap().push("flush".to_owned());
        }

        fn stop(&self) {
            self.0.lock().unwrap().push("stop".to_owned());
        }
    }

    impl Told {
        fn all(&self) -> String {
            self.0.lock().unwrap().join(" ")
        }
    }

    fn live() -> Live<Told> {
        let gate = Arc::new(Gate::new(Admission::new(10, 1)));
        let quiet =
            Load { busy: 0.0, final_wait: Duration::ZERO, pace: Duration::ZERO, speaking: 0, sessions: 0 };
        Live::new(SessionNumber(1), gate.open(&quiet).unwrap())
    }

    fn audio(start: u64, samples: usize) -> Audio {
        Audio { session: SessionNumber(1), start, samples: vec![0; samples] }
    }

    #[test]
    fn what_comes_before_the_engine_is_there_reaches_it_in_order() {
        let (live, told) = (live(), Told::default());
        live.begin(100).unwrap();
        for start in [100, 110] {
            live.hear(&audio(start, 10)).unwrap();
        }
        live.flush().unwrap();
        live.flush().unwrap();
        live.hear(&audio(120, 5)).unwrap();
        live.stop().unwrap();
        live.stop().unwrap();
        live.hear(&audio(125, 5)).unwrap();
        live.flush().unwrap();
        live.join(|| told.clone());
        assert_eq!(told.all(), "100+20 flush 120+5 stop");
    }

    #[test]
    fn audio_that_came_before_is_cut_off_and_audio_that_is_missing_is_a_fault() {
        let (live, told) = (live(), Told::default());
        live.begin(0).unwrap();
        live.join(|| told.clone());
        for (start, samples) in [(0, 100), (0, 100), (50, 20), (90, 20), (110, 0), (0, 120), (120, 1)] {
            live.hear(&audio(start, samples)).unwrap();
        }
        assert_eq!(told.all(), "0+100 100+10 110+10 120+1");
        assert_eq!(live.hear(&audio(122, 1)), Err(Fault::Gap { expected: 121, came: 122 }));
        assert_eq!(live.hear(&audio(u64::MAX, 1)), Err(Fault::Gap { expected: 121, came: u64::MAX }));
    }

    #[test]
    fn a_worker_that_is_too_far_behind_gives_up() {
        let (live, told) = (live(), Told::default());
        live.begin(7).unwrap();
        let mut at = 7;
        while at + 16_000 <= 7 + UNHEARD {
            live.hear(&audio(at, 16_000)).unwrap();
            at += 16_000;
        }
        assert_eq!(live.hear(&audio(at, 16_000)), Err(Fault::Behind));
        assert_eq!(Fault::Behind.reason(), FailReason::Busy);
        live.join(|| told.clone());
        live.heard(at);
        live.hear(&audio(at, 16_000)).unwrap();
        assert_eq!(told.all(), format!("7+560000 {at}+16000"));
    }

    #[test]
    fn what_comes_at_the_wrong_time_is_a_fault() {
        let live = live();
        assert_eq!(live.hear(&audio(0, 1)), Err(Fault::Early));
        assert_eq!(live.flush(), Err(Fault::Early));
        live.begin(0).unwrap();
        assert_eq!(live.begin(0), Err(Fault::Twice));
        live.end();
        assert!(live.over.is_cancelled());
        live.hear(&audio(5, 1)).unwrap();
        live.join(|| panic!("it is over"));
    }

    #[test]
    fn a_panic_of_the_engine_is_a_fault_of_the_session() {
        let live = live();
        live.begin(0).unwrap();
        live.join(Told::default);
        let audio = Audio { session: SessionNumber(1), start: 0, samples: vec![666] };
        assert_eq!(live.hear(&audio), Err(Fault::Engine));
        live.end();
    }
}
