//! The port between a lane and the work done in it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use steno_shared::catalog::ModelId;
use steno_shared::job::{Job, MAX_ATTEMPTS, Progress, Setback};
use steno_shared::object::{ObjectKey, ObjectStore};
use steno_shared::queue::Queue;
use steno_shared::store::workers::{Device, WorkerModel};
use steno_shared::store::{FetchOutput, IntakeOutput, Store};
use steno_shared::time::Millis;
use tokio_util::sync::CancellationToken;

/// The stores that a worker works with, cheap to clone.
#[derive(Debug, Clone)]
pub struct Resources {
    /// Jobs, stages, chunks, the registry.
    pub store: Store,
    /// Uploads, samples, transcripts.
    pub objects: Arc<dyn ObjectStore>,
    /// Wakes the lane of the next stage.
    pub queue: Queue,
}

/// One attempt at a stage.
#[derive(Debug, Clone)]
pub struct Work {
    /// The job as it was when claimed.
    pub job: Job,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// Where the runner says how far it is.
    pub meter: Meter,
    /// Cancelled when the runner shall stop soon: whatever it returns then is looked at only if it is a result.
    pub stop: CancellationToken,
    /// The stores.
    pub resources: Resources,
}

impl Work {
    /// The number that tells this attempt's objects from those of every other attempt at the job.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.job.runs * MAX_ATTEMPTS + self.attempt
    }
}

/// What a stage brought forth. It is stored already; the lane makes it count.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A file.
    Fetch(FetchOutput),
    /// Samples.
    Intake(IntakeOutput),
    /// A transcript.
    Transcribe(ObjectKey),
    /// Who spoke when.
    Diarize(ObjectKey),
}

/// Runs the stages of one lane. Safe to run twice for one job.
#[async_trait]
pub trait StageRunner: fmt::Debug + Send + Sync + 'static {
    /// Runs one attempt. Long computations belong on threads of their own; they stop soon after `work.stop`.
    async fn run(&self, work: Work) -> Result<Outcome, Setback>;

    /// How long one attempt at this job may take.
    fn time_limit(&self, job: &Job) -> Duration;

    /// What this worker does beside its lane, until `stop` is cancelled. It then ends within the grace of the
    /// settings, or is cut off.
    async fn beside(&self, _resources: Resources, _stop: CancellationToken) {}

    /// The models that stages may ask for here, `None` in lanes without models.
    fn models(&self) -> Option<Vec<WorkerModel>> {
        None
    }

    /// The models whose stages are claimed just now: all of them, unless stages for some would only wait here.
    fn claims(&self) -> Option<Vec<ModelId>> {
        let ids = |models: Vec<WorkerModel>| models.into_iter().map(|model| model.id).collect();
        self.models().map(ids)
    }

    /// What this worker computes on.
    fn device(&self) -> Device {
        Device::default()
    }
}

/// Progress in media time, written by the runner and read by the lane's beats.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    done: Arc<AtomicU64>,
    /// 0 = not known.
    total: Arc<AtomicU64>,
}

impl Meter {
    /// Media time dealt with so far. It never goes back.
    pub fn advance_to(&self, done: Millis) {
        self.done.fetch_max(done.0, Ordering::Relaxed);
    }

    /// Media time in all.
    pub fn set_total(&self, total: Millis) {
        self.total.store(total.0, Ordering::Relaxed);
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let total = Some(self.total.load(Ordering::Relaxed)).filter(|total| *total > 0);
        Progress { done: Millis(self.done.load(Ordering::Relaxed)), total: total.map(Millis) }
    }
}
