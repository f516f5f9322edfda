//! Waiting for jobs to finish, however many requests wait and whichever process finishes them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use steno_shared::id::JobId;
use steno_shared::job::JobState;
use steno_shared::queue::ChangeFeed;
use steno_shared::store::Store;
use tokio::sync::{Notify, watch};

/// The look behind the notifications.
const POLL: Duration = Duration::from_secs(1);

/// How a job ended; `None` = it was removed.
type End = Option<JobState>;

/// Requests that wait for jobs.
#[derive(Debug, Clone)]
pub(crate) struct Waiters {
    feed: ChangeFeed,
    waiting: Arc<Mutex<HashMap<JobId, watch::Sender<Option<End>>>>>,
    /// Somebody has begun to wait.
    arrived: Arc<Notify>,
}

impl Waiters {
    pub(crate) fn new(store: Store, feed: ChangeFeed) -> Self {
        let waiters = Self { feed, waiting: Arc::default(), arrived: Arc::default() };
        tokio::spawn(waiters.clone().notify(store));
        waiters
    }

    /// The end of a job. It may be dropped at any time.
    pub(crate) async fn wait(&self, job: JobId) -> End {
        // Subscribe first; the row is looked at next.
        let mut ended = self.lock().entry(job).or_default().subscribe();
        self.arrived.notify_one();
        let end = ended.wait_for(Option::is_some).await.ok().and_then(|end| *end);
        end.flatten()
    }

    /// A feed of changes of the database, for whoever follows a job.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.feed.subscribe()
    }

    /// Whether anybody waits for the job at the moment.
    pub(crate) fn are_waiting_for(&self, job: JobId) -> bool {
        self.lock().get(&job).is_some_and(|sender| sender.receiver_count() > 0)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, watch::Sender<Option<End>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The jobs that somebody still waits for.
    fn wanted(&self) -> Vec<JobId> {
        let mut waiting = self.lock();
        waiting.retain(|_, sender| sender.receiver_count() > 0);
        waiting.keys().copied().collect()
    }

    async fn notify(self, store: Store) {
        loop {
            // While nobody waits, nobody listens, and the feed rests.
            self.arrived.notified().await;
            let mut changes = self.feed.subscribe();
            loop {
                let wanted = self.wanted();
                if wanted.is_empty() {
                    break;
                }
                match store.settled(&wanted).await {
                    Ok(settled) => self.tell(settled),
                    Err(error) => tracing::warn!(error = %error, "cannot look whether jobs have finished"),
                }
                tokio::select! {
                    _ = changes.changed() => {}
                    () = self.arrived.notified() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
        }
    }

    fn tell(&self, settled: Vec<(JobId, End)>) {
        let mut waiting = self.lock();
        for (job, end) in settled {
            if let Some(sender) = waiting.remove(&job) {
                sender.send_replace(Some(end));
            }
        }
    }
}
