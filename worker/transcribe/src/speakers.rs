//! The lane beside transcription: one attempt at finding out who spoke when.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use steno_runtime::{Outcome, StageRunner, Work};
use steno_shared::catalog::ModelId;
use steno_shared::diarization::Diarization;
use steno_shared::error::FailureCode;
use steno_shared::job::{Job, Setback};
use steno_shared::object::ObjectKey;
use steno_shared::time::Millis;
use steno_shared::transcript::{Warning, WarningCode};

use crate::diarize::models::{self, Unavailable};
use crate::diarize::{DiarizeError, Order, Pair, Pool, diarize};
use crate::samples::Samples;
use crate::stored;

/// The time limit of an attempt is this much, ...
const LIMIT: Duration = Duration::from_secs(3600);
/// ... and this many times the length of the audio, since jobs share the children.
const LIMIT_PER_AUDIO: u32 = 30;

/// Runs diarizations.
#[derive(Debug)]
pub struct Speakers {
    pool: Pool,
    folder: PathBuf,
    wanted: Option<ModelId>,
}

impl Speakers {
    /// With the models of a folder; `wanted` is the one that tells voices apart, unless it is to be chosen.
    #[must_use]
    pub fn new(pool: Pool, folder: PathBuf, wanted: Option<ModelId>) -> Self {
        Self { pool, folder, wanted }
    }

    async fn attempt(&self, work: &Work) -> Result<Outcome, Setback> {
        let Work { job, resources, .. } = work;
        let found = match self.models(job).await? {
            Ok(models) => self.listen(work, models).await?,
            Err(unavailable) => without_speakers(job, &unavailable)?,
        };
        let key = ObjectKey::diarization(job.id, work.number());
        stored::put(resources, &key, &found).await?;
        Ok(Outcome::Diarize(key))
    }

    /// Looks at the folder, since models come and go.
    async fn models(&self, job: &Job) -> Result<Result<Pair, Unavailable>, Setback> {
        let (folder, wanted) = (self.folder.clone(), self.wanted.clone());
        let transcription = job.options.model.clone();
        let chosen = move || models::choose(&folder, &transcription, wanted.as_ref());
        tokio::task::spawn_blocking(chosen).await.map_err(|error| stored::broken("choosing models", &error))
    }

    async fn listen(&self, work: &Work, models: Pair) -> Result<Diarization, Setback> {
        let Work { job, resources, .. } = work;
        let key = job.samples.ok_or_else(|| stored::broken("finding the samples", &"none were stored"))?;
        let object = resources.objects.local(&key).await.map_err(|error| stored::of_objects(&error))?;
        let samples = tokio::task::spawn_blocking(|| Samples::open(object)).await;
        let samples = samples
            .map_err(|error| stored::broken("opening the samples", &error))?
            .map_err(|error| stored::broken("opening the samples", &error))?;
        let order = Order { samples: Arc::new(samples), models, count: job.options.speaker_count() };
        let found = diarize(&order, &self.pool, &work.meter).await;
        let mut found = found.map_err(|error| of_work(&error))?;
        let from = job.options.media.window(job.duration.unwrap_or_default()).0;
        in_the_file(&mut found, from);
        tracing::info!(
            turns = found.turns.len(),
            voices = found.voices.len(),
            speakers = found.speakers.iter().max().map_or(0, |most| most + 1),
            model = %found.embedding,
            "speakers are told apart"
        );
        Ok(found)
    }
}

#[async_trait]
impl StageRunner for Speakers {
    async fn run(&self, work: Work) -> Result<Outcome, Setback> {
        tokio::select! {
            // Dropping the attempt kills the children that work for it.
            () = work.stop.cancelled() => Err(Setback::HandBack),
            outcome = self.attempt(&work) => outcome.map_err(of_speakers),
        }
    }

    /// An hour, and thirty times the length of the audio.
    fn time_limit(&self, job: &Job) -> Duration {
        let audio = Duration::from_millis(job.duration.unwrap_or_default().0);
        LIMIT + audio.saturating_mul(LIMIT_PER_AUDIO)
    }
}

/// Times are those of the whole file, of which the samples may begin later.
fn in_the_file(found: &mut Diarization, from: Millis) {
    for turn in &mut found.turns {
        turn.start = turn.start + from;
        turn.end = turn.end + from;
    }
}

/// What there is to say of speakers where nothing tells them apart.
fn without_speakers(job: &Job, unavailable: &Unavailable) -> Result<Diarization, Setback> {
    let sentence = unavailable.to_string();
    tracing::warn!("{sentence}");
    // Speakers that were told apart before are better than none.
    if job.options.text.strict || job.diarization.is_some() {
        return Err(Setback::give_up(FailureCode::ModelNotInstalled, sentence));
    }
    let warnings = vec![Warning::new(WarningCode::DiarizationUnavailable, sentence)];
    Ok(Diarization { warnings, ..Diarization::default() })
}

/// A failure of ours costs the caller the speakers, not the transcript.
fn of_speakers(setback: Setback) -> Setback {
    match setback {
        Setback::Retry(failure) if failure.code == FailureCode::Internal => {
            Setback::retry(FailureCode::Internal, "the speakers could not be told apart")
        }
        other => other,
    }
}

fn of_work(error: &DiarizeError) -> Setback {
    match error {
        DiarizeError::Stopped => Setback::HandBack,
        DiarizeError::Model(sentence) => {
            tracing::error!("{sentence}");
            Setback::give_up(FailureCode::Internal, "a model that tells speakers apart cannot be used")
        }
        DiarizeError::Engine(_) | DiarizeError::Samples(_) => {
            stored::broken("telling the speakers apart", error)
        }
    }
}
