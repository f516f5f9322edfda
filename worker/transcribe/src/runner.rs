//! The lane's work: one attempt at a job's transcription.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use steno_runtime::engine::EngineError;
use steno_runtime::models::{LoadError, Models};
use steno_runtime::speech::EarshotDetector;
use steno_runtime::{Outcome, Resources, StageRunner, Work};
use steno_shared::catalog::{self, ModelId};
use steno_shared::error::FailureCode;
use steno_shared::job::{Job, Setback};
use steno_shared::object::ObjectKey;
use steno_shared::store::workers::{Device, WorkerModel};
use steno_shared::time::Millis;
use steno_shared::transcript::Warning;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::job::journal::StoreJournal;
use crate::job::{self, Order, Stopped, losses};
use crate::samples::Samples;
use crate::stored::{self, broken, of_objects};

/// The time limit of an attempt is this much, ...
const LIMIT: Duration = Duration::from_secs(3600);
/// ... and this many times the length of the audio. Jobs share the engine, so that one may be slow through no
/// fault of its own; the limit is for work that would never end.
const LIMIT_PER_AUDIO: u32 = 30;

/// Runs transcriptions.
#[derive(Debug)]
pub struct Transcription {
    engine: Engine,
    models: Arc<Models>,
    device: Device,
}

impl Transcription {
    /// With threads that are running and models that are loaded when they are wanted.
    #[must_use]
    pub fn new(engine: Engine, models: Arc<Models>, device: Device) -> Self {
        Self { engine, models, device }
    }

    async fn attempt(&self, work: &Work) -> Result<Outcome, Setback> {
        let Work { job, resources, .. } = work;
        // What is lost already need not be transcribed.
        complete(job, &job.warnings)?;
        let entry = catalog::model(job.options.model.as_str());
        let model = self.models.get(&job.options.model).await;
        let (Some(entry), model) = (entry, model.map_err(|error| no_model(&job.options.model, &error))?)
        else {
            return Err(no_model(&job.options.model, &LoadError::NotInstalled(job.options.model.clone())));
        };
        let key = job.samples.ok_or_else(|| broken("the job has no samples", &"none were stored"))?;
        let object = resources.objects.local(&key).await.map_err(|error| of_objects(&error))?;
        let samples = tokio::task::spawn_blocking(|| Samples::open(object)).await;
        let samples = samples
            .map_err(|error| broken("opening the samples", &error))?
            .map_err(|error| broken("opening the samples", &error))?;
        let order = Order {
            options: job.options.clone(),
            entry,
            model,
            duration: job.duration.unwrap_or_else(|| Millis::of_samples(samples.count())),
            channels: samples.split(job.channels).into_iter().map(Arc::new).collect(),
            warnings: job.warnings.clone(),
            file_name: job.file_name.clone(),
        };
        let journal = StoreJournal { store: resources.store.clone(), job: job.id };
        let detector = EarshotDetector::boxed;
        let transcript = job::transcribe(order, &self.engine, detector, &journal, &work.meter).await;
        let transcript = transcript.map_err(|stopped| of_work(&stopped))?;
        complete(job, &transcript.warnings)?;
        let key = ObjectKey::transcript(job.id, work.number());
        stored::put(&work.resources, &key, &transcript).await?;
        Ok(Outcome::Transcribe(key))
    }
}

#[async_trait]
impl StageRunner for Transcription {
    async fn run(&self, work: Work) -> Result<Outcome, Setback> {
        tokio::select! {
            // Dropping the attempt stops its tasks in the engine.
            () = work.stop.cancelled() => Err(Setback::HandBack),
            outcome = self.attempt(&work) => outcome,
        }
    }

    /// An hour, and thirty times the length of the audio, that of each channel.
    fn time_limit(&self, job: &Job) -> Duration {
        let audio =
            Duration::from_millis(job.duration.unwrap_or_default().0) * u32::from(job.channels.max(1));
        LIMIT + audio.saturating_mul(LIMIT_PER_AUDIO)
    }

    async fn beside(&self, _: Resources, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.models.unload_idle() => stop.cancelled().await,
        }
    }

    fn models(&self) -> Option<Vec<WorkerModel>> {
        Some(self.models.list())
    }

    fn claims(&self) -> Option<Vec<ModelId>> {
        Some(self.models.at_hand())
    }

    fn device(&self) -> Device {
        self.device.clone()
    }
}

/// A result that lacks anything is a failure, if the caller wants it so.
fn complete(job: &Job, warnings: &[Warning]) -> Result<(), Setback> {
    let lost = if job.options.text.strict { losses::sentence(warnings) } else { None };
    lost.map_or(Ok(()), |sentence| Err(Setback::give_up(FailureCode::Incomplete, sentence)))
}

fn no_model(id: &ModelId, error: &LoadError) -> Setback {
    match error {
        LoadError::NotInstalled(_) => {
            Setback::give_up(FailureCode::ModelNotInstalled, format!("the model {id} is not installed"))
        }
        // Another worker may have some; here it is tried again.
        LoadError::NoRoom(_) => {
            tracing::warn!(model = %id, "{error}");
            Setback::HandBack
        }
        LoadError::Engine(failure) => {
            tracing::error!(model = %id, error = %failure, "loading the model failed");
            let message = format!("the model {id} cannot be loaded on this server; its file may be damaged");
            Setback::retry(FailureCode::Internal, message)
        }
    }
}

fn of_work(stopped: &Stopped) -> Setback {
    match stopped {
        Stopped::Engine(EngineError::Stopped) => Setback::HandBack,
        Stopped::Engine(error) => broken("the engine", error),
        Stopped::Samples(error) => broken("reading the samples", error),
    }
}
