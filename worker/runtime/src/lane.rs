//! A lane: wakes by tokens, claims stages, runs them in its slots, reaps what other workers lost.
//!
//! A token only wakes. The claim takes the best stage of the lane from the database, so priorities, fairness
//! and back-off hold whatever the queue does; and a slow poll claims what no token announced.

use std::sync::Arc;
use std::time::Duration;

use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{BackendExt, BoxDynError, Data, Monitor, WorkerBuilder};
use steno_shared::id::{JobId, WorkerId};
use steno_shared::job::{self, Claim, Job, StageKind};
use steno_shared::queue::{ChangeFeed, Queue, Token};
use steno_shared::store::workers::{self, WorkerRecord};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::attempt;
use crate::poll::Wake;
use crate::stage::{Resources, StageRunner};

/// The slow poll behind the tokens.
const POLL: Duration = Duration::from_secs(2);
/// How often expired leases are looked for.
const REAP: Duration = Duration::from_secs(1);
/// Handled tokens are removed this often.
const TRIM: Duration = Duration::from_secs(600);

/// What has panicked is started again after this time.
const RESTART: Duration = Duration::from_secs(1);

/// How a lane is run.
#[derive(Debug, Clone)]
pub(crate) struct LaneOptions {
    /// Which lane.
    pub(crate) lane: job::Lane,
    /// How many stages run at once.
    pub(crate) slots: usize,
    /// How long a silent worker keeps a stage.
    pub(crate) lease: Duration,
    /// How long running stages may go on after the signal to stop.
    pub(crate) grace: Duration,
}

/// A running lane, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    pub(crate) options: LaneOptions,
    pub(crate) resources: Resources,
    pub(crate) runner: Arc<dyn StageRunner>,
    /// Running stages go back into the queue when this is cancelled.
    pub(crate) hand_back: CancellationToken,
    /// Somebody knows of a stage that is queued.
    pub(crate) look_again: Arc<Notify>,
    id: WorkerId,
    slots: Arc<Semaphore>,
    running: TaskTracker,
    /// No more claims when this is cancelled.
    stop: CancellationToken,
}

/// Runs a lane until `stop` is cancelled and its stages have ended or were handed back.
pub(crate) async fn run(
    options: LaneOptions,
    resources: Resources,
    runner: Arc<dyn StageRunner>,
    stop: CancellationToken,
) {
    let lane = Lane {
        id: WorkerId::of_this_process(options.lane.as_str()),
        slots: Arc::new(Semaphore::new(options.slots)),
        running: TaskTracker::new(),
        hand_back: CancellationToken::new(),
        look_again: Arc::default(),
        options,
        resources,
        runner,
        stop,
    };
    tracing::info!(worker = %lane.id, slots = lane.options.slots, "worker is ready");
    let tokens = tokio::spawn(lane.clone().consume_tokens());
    let registry = tokio::spawn(lane.clone().keep_registered());
    let reaper = tokio::spawn(lane.clone().reap());
    let beside = tokio::spawn(lane.clone().run_beside());
    lane.poll().await;

    lane.slots.close();
    lane.running.close();
    if tokio::time::timeout(lane.options.grace, lane.running.wait()).await.is_err() {
        lane.hand_back.cancel();
        lane.running.wait().await;
    }
    if tokio::time::timeout(lane.options.grace, beside).await.is_err() {
        tracing::warn!("what runs beside the lane does not stop; it is cut off");
    }
    for task in [tokens, registry, reaper] {
        task.abort();
    }
    if let Err(error) = lane.resources.store.deregister_worker(&lane.id).await {
        tracing::warn!(error = %error, "cannot leave the registry");
    }
    tracing::info!(worker = %lane.id, "worker has stopped");
}

impl Lane {
    /// Wakes the lane of the next stage. If that fails, its slow poll finds the stage.
    pub(crate) async fn wake(&self, next: StageKind, job: JobId) {
        if let Err(error) = self.resources.queue.wake(next.lane(), job).await {
            tracing::warn!(error = %error, "cannot wake the next lane");
        }
    }

    /// Claims whatever is queued, as long as slots are free, every few seconds and whenever asked to.
    async fn poll(&self) {
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = ticks.tick() => {}
                () = self.look_again.notified() => {}
            }
            while let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                let Some((claim, job)) = self.claim().await else { break };
                let lane = self.clone();
                self.running.spawn(async move { lane.work(slot, claim, job).await });
            }
        }
    }

    async fn claim(&self) -> Option<(Claim, Job)> {
        if self.stop.is_cancelled() {
            return None;
        }
        let models = self.runner.claims();
        let options = &self.options;
        let claimed =
            self.resources.store.claim(options.lane, &self.id, options.lease, models.as_deref()).await;
        claimed.unwrap_or_else(|error| {
            tracing::warn!(error = %error, "cannot claim a stage");
            None
        })
    }

    /// Runs a stage, and then whatever is queued, in one slot.
    async fn work(&self, slot: OwnedSemaphorePermit, claim: Claim, job: Job) {
        let mut next = Some((claim, job));
        while let Some((claim, job)) = next {
            let span = tracing::info_span!(
                "stage",
                stage = %claim.stage,
                job.id = %claim.job,
                request.id = job.request_id,
            );
            attempt::run(self, claim, job).instrument(span).await;
            next = self.claim().await;
        }
        drop(slot);
    }

    /// Lets apalis hand over tokens. When its worker dies it is started again.
    async fn consume_tokens(self) {
        let Queue::Sqlite(queue) = &self.resources.queue;
        let wake = Wake::new(ChangeFeed::of_sqlite(queue.path()).subscribe(), POLL);
        let storage = queue.storage(self.options.lane);
        let monitor = Monitor::new()
            .register(move |restarts| {
                WorkerBuilder::new(format!("{}-{restarts}", self.id).as_str())
                    .backend(storage.clone().poll_with_strategy(wake.clone()))
                    .data(self.clone())
                    .concurrency(self.options.slots)
                    .build(on_token)
            })
            .should_restart(|_, error| {
                tracing::warn!(error = %error, "the token consumer has ended; starting it again");
                std::thread::sleep(Duration::from_millis(250));
                true
            });
        if let Err(error) = monitor.run().await {
            tracing::error!(error = %error, "no more tokens are consumed; the slow poll goes on");
        }
    }

    /// Runs what the worker does beside its lane. Nobody else would notice that it is gone.
    async fn run_beside(self) {
        let beside = || {
            let (runner, resources, stop) = (self.runner.clone(), self.resources.clone(), self.stop.clone());
            async move { runner.beside(resources, stop).await }
        };
        outlive_panics(&self.stop, beside).await;
    }

    async fn keep_registered(self) {
        let mut ticks = tokio::time::interval(workers::BEAT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let record = WorkerRecord {
                id: self.id.clone(),
                lane: self.options.lane,
                models: self.runner.models().unwrap_or_default(),
                device: self.runner.device(),
                slots: u32::try_from(self.options.slots).unwrap_or(u32::MAX),
                free: u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX),
                address: None,
            };
            if let Err(error) = self.resources.store.register_worker(&record).await {
                tracing::warn!(error = %error, "cannot write to the registry");
            }
        }
    }

    async fn reap(self) {
        let mut ticks = tokio::time::interval(REAP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut trim = tokio::time::interval(TRIM);
        loop {
            tokio::select! {
                _ = ticks.tick() => match self.resources.store.reap(self.options.lane).await {
                    Ok(reaped) => {
                        for stage in &reaped {
                            tracing::warn!(job.id = %stage.job, state = %stage.state, "a worker was lost");
                            attempt::remove(&self, &stage.left).await;
                        }
                        if !reaped.is_empty() {
                            self.look_again.notify_one();
                        }
                    }
                    Err(error) => tracing::warn!(error = %error, "cannot look for expired leases"),
                },
                _ = trim.tick() => if let Err(error) = self.resources.queue.trim().await {
                    tracing::warn!(error = %error, "cannot trim the queue");
                },
            }
        }
    }
}

/// Runs a task until it returns. One that panics is started again a little later, unless `stop` is cancelled.
async fn outlive_panics<F>(stop: &CancellationToken, start: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    while let Err(error) = tokio::spawn(start()).await {
        tracing::error!(error = %error, "what runs beside the lane has panicked; starting it again");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RESTART) => {}
        }
    }
}

/// apalis' handler: takes a slot, then works until nothing is queued. It never fails, so apalis never retries;
/// and the work is a task of its own, so that a hiccup of the queue does not end it.
async fn on_token(_: Token, lane: Data<Lane>) -> Result<(), BoxDynError> {
    let lane: Lane = (*lane).clone();
    // Closed: the worker is stopping.
    let Ok(slot) = Arc::clone(&lane.slots).acquire_owned().await else { return Ok(()) };
    let tracker = lane.running.clone();
    // A lane that stops waits for this claim too, so that it is handed back.
    let claiming = tracker.token();
    let Some((claim, job)) = lane.claim().await else { return Ok(()) };
    let work = tracker.spawn(async move { lane.work(slot, claim, job).await });
    drop(claiming);
    if let Err(error) = work.await {
        tracing::error!(error = %error, "a slot's task ended");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_panics_is_started_again_until_the_stop() {
        let (starts, stop) = (Arc::new(AtomicU32::new(0)), CancellationToken::new());
        let panics_once = || {
            let start = starts.fetch_add(1, Ordering::Relaxed);
            async move { assert_eq!(start, 1, "on purpose") }
        };
        outlive_panics(&stop, panics_once).await;
        assert_eq!(starts.load(Ordering::Relaxed), 2);
        stop.cancel();
        outlive_panics(&stop, panics_once).await;
        assert_eq!(starts.load(Ordering::Relaxed), 3, "no more of it after the stop");
    }
}
