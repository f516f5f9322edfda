//! What a thread of the engine does: it takes the pass whose turn it is, with a decoding state of its model, and gives
//! the session what comes of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use steno_runtime::engine::EngineError;
use steno_shared::live::FailReason;

use super::schedule::{Picked, Status};
use super::{Seat, Shared};
use crate::session::{Answer, Pass, Wish, Work};

/// Serves sessions until the engine is closed.
pub(super) fn run(shared: &Shared) {
    while let Some((picked, began)) = next(shared) {
        // What a model writes is looked at in there too.
        let served = catch_unwind(AssertUnwindSafe(|| serve(shared, &picked)));
        if served.is_err() {
            tracing::error!("a session panicked");
            picked.session.fail(FailReason::Internal, "the session panicked");
        }
        let mut state = shared.lock();
        let now = Instant::now();
        state.schedule.end(picked.ticket);
        // One that had nothing to decode any more says nothing about how long that takes.
        if served.unwrap_or(false) {
            state.schedule.took(now.saturating_duration_since(began));
        }
        state.meter.end(began, now);
        if state.schedule.is_idle() {
            shared.idle.notify_all();
        }
    }
}

/// Whose turn it is, and since when; none once the engine is closed.
fn next(shared: &Shared) -> Option<(Picked<Arc<Seat>>, Instant)> {
    let mut state = shared.lock();
    loop {
        if state.closed {
            return None;
        }
        if let Some(picked) = state.schedule.pick() {
            let now = Instant::now();
            state.meter.begin(now);
            if picked.wish == Wish::Final {
                state.meter.waited(now, now.saturating_duration_since(picked.since));
            }
            return Some((picked, now));
        }
        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Whether there was something to decode.
fn serve(shared: &Shared, picked: &Picked<Arc<Seat>>) -> bool {
    let seat = &picked.session;
    let pace = shared.pace(&shared.lock());
    let Some(pass) = seat.course().as_mut().and_then(|course| course.take(pace)) else { return false };
    let answer = catch_unwind(AssertUnwindSafe(|| answer(seat, &pass))).unwrap_or_else(|_| {
        tracing::error!("an engine thread panicked; its state is opened anew");
        Err(EngineError::Failed("it panicked".to_owned()))
    });
    match answer {
        Ok(answer) => {
            if let Some(course) = seat.course().as_mut() {
                course.answered(answer);
                shared.follow(seat, picked.ticket, course);
            }
        }
        // Nobody waits for it any more, unless it stopped of itself.
        Err(error) => {
            seat.fail(FailReason::Internal, &error.to_string());
            let status = Status { wish: None, is_speaking: false };
            shared.lock().schedule.note(picked.ticket, status, Instant::now());
        }
    }
    true
}

fn answer(seat: &Seat, pass: &Pass) -> Result<Answer, EngineError> {
    let mut state = seat.model.state()?;
    let (samples, stop) = (&pass.samples, &seat.stop);
    let answer = match &pass.work {
        Work::Language => {
            state.detect_language(samples, stop).map(|(language, p)| Answer::Language(language, p))
        }
        Work::Text(options) => state.transcribe(samples, options, stop).map(Answer::Text),
    };
    // The engine may have given up one that failed, as whisper.cpp does when memory runs out.
    if !matches!(answer, Err(EngineError::Failed(_))) {
        seat.model.give_back(state);
    }
    answer
}
