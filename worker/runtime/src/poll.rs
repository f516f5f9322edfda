//! When an apalis worker looks for a token.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use apalis::prelude::{PollSnapshot, PollStrategy};
use futures::stream::{self, Stream, StreamExt};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

type Wakes = Pin<Box<dyn Stream<Item = ()> + Send>>;

/// Looks whenever the stream of wakes yields. apalis' own strategies ignore what they poll: one that is ready
/// in the very poll in which a fetch comes back empty leaves no waker behind, and the worker sleeps until its
/// next heartbeat. This one polls the stream until it is pending, so a waker is always registered.
#[derive(Clone)]
pub(crate) struct Wake(Arc<Mutex<Wakes>>);

impl Wake {
    /// Wakes at every change of the queue, and every `period` whatever happens.
    pub(crate) fn new(changes: watch::Receiver<u64>, period: Duration) -> Self {
        let changed = stream::unfold(changes, |mut changes| async move {
            if changes.changed().await.is_err() {
                // The feed is gone; the timer stays. The stream must not end.
                std::future::pending::<()>().await;
            }
            Some(((), changes))
        });
        let mut interval = tokio::time::interval(period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let timer = stream::unfold(interval, |mut interval| async move {
            interval.tick().await;
            Some(((), interval))
        });
        Self(Arc::new(Mutex::new(Box::pin(stream::select(changed, timer)))))
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wake")
    }
}

impl PollStrategy for Wake {
    fn poll_drive(&mut self, cx: &mut Context<'_>, _: &PollSnapshot) -> Poll<Option<()>> {
        let mut wakes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut woken = false;
        while let Poll::Ready(Some(())) = wakes.poll_next_unpin(cx) {
            woken = true;
        }
        if woken {
            // Look once more after the fetch under way.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
