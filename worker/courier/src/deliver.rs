//! The loop that takes what is due from the outbox and sends it.
//!
//! Several couriers may run: a delivery is claimed with a lease, and the end of an attempt counts only while the
//! claim holds. A courier that dies leaves its lease to run out; then the delivery is sent again, with the same id.

use std::sync::Arc;
use std::time::Duration;

use steno_shared::id::WorkerId;
use steno_shared::store::{DueDelivery, Store};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::send::Sender;

/// The slow poll behind the feed of changes.
const POLL: Duration = Duration::from_secs(2);
/// The shortest time between two looks: the feed speaks of every change of the database.
const BREATH: Duration = Duration::from_millis(20);
/// How many attempts run at once.
const AT_ONCE: usize = 32;
/// How long attempts may go on after the signal to stop.
const GRACE: Duration = Duration::from_millis(1500);
/// Old deliveries are forgotten this often.
const SWEEP: Duration = Duration::from_secs(3600);

/// What the settings say about deliveries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How long a courier that says nothing keeps a delivery: longer than an attempt may take.
    pub(crate) lease: Duration,
    /// How long a webhook may fail before it is disabled.
    pub(crate) patience: Duration,
}

/// The loop, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Deliverer {
    store: Store,
    sender: Sender,
    terms: Terms,
    id: WorkerId,
    /// An attempt has ended: there may be more to do, and there is a slot.
    ended: Arc<Notify>,
    /// Attempts stop when this is cancelled.
    hand_back: CancellationToken,
}

impl Deliverer {
    pub(crate) fn new(store: Store, sender: Sender, terms: Terms) -> Self {
        let id = WorkerId::of_this_process("webhook");
        Self { store, sender, terms, id, ended: Arc::default(), hand_back: CancellationToken::new() }
    }

    /// Delivers until `stop` is cancelled and the attempts have ended or were handed back.
    pub(crate) async fn run(self, mut changes: watch::Receiver<u64>, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        let attempts = TaskTracker::new();
        let mut sweeps = tokio::time::interval(SWEEP);
        loop {
            while let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
                let Some(due) = self.claim().await else { break };
                attempts.spawn(self.clone().attempt(slot, due));
            }
            let wait = self.wait(slots.available_permits()).await;
            tokio::select! {
                () = stop.cancelled() => break,
                _ = sweeps.tick() => self.sweep().await,
                Ok(()) = changes.changed() => {}
                () = self.ended.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
            tokio::time::sleep(BREATH).await;
            if stop.is_cancelled() {
                break;
            }
        }
        attempts.close();
        if tokio::time::timeout(GRACE, attempts.wait()).await.is_err() {
            self.hand_back.cancel();
            attempts.wait().await;
        }
    }

    async fn claim(&self) -> Option<DueDelivery> {
        let claimed = self.store.claim_delivery(&self.id, self.terms.lease).await;
        claimed.unwrap_or_else(|error| {
            tracing::warn!(error = %error, "cannot claim a delivery");
            None
        })
    }

    /// Until the next delivery is due, but no longer than the slow poll. One that is due and was not claimed
    /// waits for its webhook's others to end.
    async fn wait(&self, free: usize) -> Duration {
        if free == 0 {
            return POLL;
        }
        let next = self.store.next_delivery().await.unwrap_or_else(|error| {
            tracing::warn!(error = %error, "cannot look for deliveries");
            None
        });
        next.filter(|wait| !wait.is_zero()).map_or(POLL, |wait| wait.min(POLL))
    }

    async fn attempt(self, slot: OwnedSemaphorePermit, due: DueDelivery) {
        let span = tracing::info_span!(
            "delivery",
            delivery.id = %due.id,
            webhook.id = %due.webhook,
            attempt = due.number,
        );
        self.make_attempt(&due).instrument(span).await;
        drop(slot);
        self.ended.notify_one();
    }

    async fn make_attempt(&self, due: &DueDelivery) {
        let end = tokio::select! {
            end = self.sender.attempt(due) => end,
            () = self.hand_back.cancelled() => {
                if let Err(error) = self.store.release_delivery(due).await {
                    tracing::warn!(error = %error, "cannot hand a delivery back; its lease runs out");
                }
                return;
            }
        };
        let elapsed_ms = end.elapsed.as_millis() as u64;
        match &end.error {
            None => tracing::info!(status = end.status, elapsed_ms, "delivered"),
            Some(reason) => tracing::info!(reason, next = ?end.next, elapsed_ms, "not delivered"),
        }
        match self.store.end_delivery_attempt(due, &end, self.terms.patience).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!("the delivery belongs to another courier now"),
            Err(error) => {
                tracing::error!(error = %error, "cannot write the end of an attempt; it is made again");
            }
        }
    }

    async fn sweep(&self) {
        match self.store.sweep_deliveries().await {
            Ok(0) => {}
            Ok(swept) => tracing::info!(swept, "old deliveries forgotten"),
            Err(error) => tracing::warn!(error = %error, "cannot forget old deliveries"),
        }
    }
}
