//! The stage: from the job's upload to its samples.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use steno_runtime::{Outcome, StageRunner, Work};
use steno_shared::error::FailureCode;
use steno_shared::job::{Job, Setback};
use steno_shared::object::ObjectKey;
use steno_shared::store::IntakeOutput;
use steno_shared::time::Millis;

use crate::attempt::{Decoders, Task};
use crate::sniff::{Sniffed, sniff_file};
use crate::verdict::setback_of_store;

/// For what is not decoding: fetching the upload, finishing the samples.
const MARGIN: Duration = Duration::from_secs(600);

/// Runs the intake stage of jobs.
#[derive(Debug, Clone)]
pub struct Intake {
    decoders: Decoders,
}

impl Intake {
    /// Intake with these decoders.
    #[must_use]
    pub fn new(decoders: Decoders) -> Self {
        Self { decoders }
    }

    async fn take_in(&self, work: &Work) -> Result<IntakeOutput, Setback> {
        let objects = work.resources.objects.as_ref();
        let Some(upload) = work.job.upload else {
            return Err(Setback::give_up(FailureCode::Internal, "the uploaded file is no longer stored"));
        };
        let file = objects.local(&upload).await.map_err(|error| setback_of_store(&error))?;
        let path = std::path::absolute(file.path()).map_err(|error| unreadable(&error))?;
        let sniffed = sniff(path.clone()).await.map_err(|error| unreadable(&error))?;
        tracing::debug!(?sniffed, "file recognised");
        let samples = ObjectKey::samples(work.job.id, work.number());
        let task = Task {
            file: &path,
            file_name: work.job.file_name.as_deref(),
            media: &work.job.options.media,
            objects,
            key: samples,
            meter: &work.meter,
            stop: &work.stop,
        };
        let decoded = self.decoders.decode(&task, sniffed, work.attempt).await?;
        let (decoder, duration) = (decoded.decoder, Millis::of_samples(decoded.frames));
        let warnings = decoded.warnings.clone();
        let channels = decoded.finish(objects, &samples).await.map_err(|error| setback_of_store(&error))?;
        work.meter.set_total(duration);
        tracing::info!(
            audio.duration_s = duration.as_seconds(),
            channels,
            ?decoder,
            ?sniffed,
            "media decoded"
        );
        Ok(IntakeOutput { samples, duration, channels, warnings })
    }
}

#[async_trait]
impl StageRunner for Intake {
    async fn run(&self, work: Work) -> Result<Outcome, Setback> {
        self.take_in(&work).await.map(Outcome::Intake)
    }

    fn time_limit(&self, _: &Job) -> Duration {
        // Each decoder has its go.
        self.decoders.limits.time * 2 + MARGIN
    }
}

async fn sniff(path: PathBuf) -> std::io::Result<Sniffed> {
    let look = move |path: &Path| sniff_file(&mut File::open(path)?);
    tokio::task::spawn_blocking(move || look(&path)).await.map_err(std::io::Error::other)?
}

fn unreadable(error: &std::io::Error) -> Setback {
    tracing::error!(error = %error, "an upload cannot be read");
    Setback::retry(FailureCode::Internal, "the file could not be read because of a fault of the server")
}
