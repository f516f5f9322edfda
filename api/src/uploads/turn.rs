//! One request at a time for an upload. A newer one tells the older to stop, since a client that comes again has
//! lost the connection that it sent on, even if nobody has told the server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use steno_shared::id::JobId;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

/// Who has the turn for which upload, in this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<JobId, Arc<Line>>>>);

/// Those who want the turn for one upload.
#[derive(Debug, Default)]
struct Line {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Stops the newest of them.
    newest: Mutex<CancellationToken>,
}

/// The turn, for as long as the value lives.
#[derive(Debug)]
pub(super) struct Turn {
    /// Cancelled when somebody newer wants it.
    pub(super) stop: CancellationToken,
    _turn: OwnedMutexGuard<()>,
    _line: Arc<Line>,
}

impl Turns {
    /// Tells whoever has the turn to stop, and waits until it has.
    pub(super) async fn take(&self, id: JobId) -> Turn {
        let (line, stop) = self.line_up(id);
        let turn = Arc::clone(&line.turn).lock_owned().await;
        Turn { stop, _turn: turn, _line: line }
    }

    fn line_up(&self, id: JobId) -> (Arc<Line>, CancellationToken) {
        let mut lines = lock(&self.0);
        // A line that only this map knows is empty.
        lines.retain(|_, line| Arc::strong_count(line) > 1);
        let line = Arc::clone(lines.entry(id).or_default());
        let stop = CancellationToken::new();
        std::mem::replace(&mut *lock(&line.newest), stop.clone()).cancel();
        (line, stop)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_older_is_told_to_stop_and_the_newer_waits_for_it() {
        let (turns, id) = (Turns::default(), JobId::random());
        let first = turns.take(id).await;
        let other = turns.take(JobId::random()).await;
        assert!(!first.stop.is_cancelled());
        let mut second = Box::pin(turns.take(id));
        assert!(futures::poll!(&mut second).is_pending(), "two have the turn");
        assert!(first.stop.is_cancelled() && !other.stop.is_cancelled());
        drop(first);
        assert!(!second.await.stop.is_cancelled());
        drop(other);
        let _last = turns.take(id).await;
        assert_eq!(lock(&turns.0).len(), 1, "lines that nobody stands in are kept");
    }
}
