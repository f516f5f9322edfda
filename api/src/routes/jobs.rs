//! `/v1/jobs/{id}`: read, cancel or delete, and the transcript in any shape.

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};
use steno_shared::id::JobId;
use steno_shared::job::{Job, JobState, Stage, StageState};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Tag;
use crate::auth::Caller;
use crate::deliver;
use crate::error::{ApiError, Cause};
use crate::options::TranscribeOptions;
use crate::reply::{Reply, Shape};
use crate::state::App;
use crate::submit;

#[derive(Debug)]
pub(crate) struct Routes;

/// A job.
#[derive(Debug, Object)]
#[oai(rename = "Job")]
struct JobDocument {
    /// Its name.
    id: String,
    /// queued, processing, completed, failed or cancelled.
    state: String,
    /// The model that transcribes.
    model: String,
    /// The language asked for; absent = detected.
    #[oai(skip_serializing_if_is_none)]
    language: Option<String>,
    /// Whether speakers are told apart.
    diarize: bool,
    /// Expected speakers; 0 = to be found out.
    speakers: u8,
    /// The name that the client gave its file.
    #[oai(skip_serializing_if_is_none)]
    file_name: Option<String>,
    /// Length of the audio, in seconds, once known.
    #[oai(skip_serializing_if_is_none)]
    duration: Option<f64>,
    /// What is being done.
    #[oai(skip_serializing_if_is_none)]
    progress: Option<ProgressDocument>,
    /// Why it failed.
    #[oai(skip_serializing_if_is_none)]
    error: Option<FailureDocument>,
    /// RFC 3339.
    created_at: String,
    /// When work on it began.
    #[oai(skip_serializing_if_is_none)]
    started_at: Option<String>,
    /// When it was completed, failed or cancelled.
    #[oai(skip_serializing_if_is_none)]
    finished_at: Option<String>,
}

/// How far a job is.
#[derive(Debug, Object)]
#[oai(rename = "Progress")]
struct ProgressDocument {
    /// The step that runs or waits: intake (decoding) or transcribe.
    stage: String,
    /// Tries of it so far.
    attempts: u32,
    /// Seconds of media dealt with.
    done_seconds: f64,
    /// Seconds of media in all, once known.
    #[oai(skip_serializing_if_is_none)]
    total_seconds: Option<f64>,
}

/// Why a job failed.
#[derive(Debug, Object)]
#[oai(rename = "Failure")]
struct FailureDocument {
    /// For programs.
    code: String,
    /// For people.
    message: String,
}

#[derive(ApiResponse)]
#[expect(clippy::large_enum_variant, reason = "one value a request, returned at once")]
enum DeleteResponse {
    /// It was active, and is cancelled now.
    #[oai(status = 200)]
    Cancelled(Json<JobDocument>),
    /// It was finished, and every trace of it is deleted now.
    #[oai(status = 204)]
    Deleted,
}

#[OpenApi]
impl Routes {
    /// Read a job.
    #[oai(path = "/v1/jobs/:id", method = "get", operation_id = "get_job", tag = "Tag::Jobs")]
    async fn get(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The job's id.
        id: Path<String>,
    ) -> Result<Json<JobDocument>, ApiError> {
        let job = find(&app, &caller, &id).await?;
        Ok(Json(document(&app, job).await?))
    }

    /// Cancel or delete a job.
    ///
    /// An active job is cancelled; a finished one is deleted with its transcript.
    #[oai(path = "/v1/jobs/:id", method = "delete", operation_id = "delete_job", tag = "Tag::Jobs")]
    async fn delete(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The job's id.
        id: Path<String>,
    ) -> Result<DeleteResponse, ApiError> {
        let job = find(&app, &caller, &id).await?;
        if submit::cancel(&app, &job).await? {
            let job = app.store.job(job.id).await?.ok_or_else(ApiError::no_such_job)?;
            return Ok(DeleteResponse::Cancelled(Json(document(&app, job).await?)));
        }
        submit::remove(&app, job.id).await?;
        Ok(DeleteResponse::Deleted)
    }

    /// Read a job's transcript, in any form.
    #[oai(
        path = "/v1/jobs/:id/transcript",
        method = "get",
        operation_id = "get_job_transcript",
        tag = "Tag::Jobs"
    )]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi takes each parameter by itself")]
    async fn transcript(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The job's id.
        id: Path<String>,
        /// json, txt, srt or vtt.
        format: Query<Option<String>>,
        /// Whether speakers are named: true, false or auto (if there are several).
        speaker_labels: Query<Option<String>>,
    ) -> Result<Reply, ApiError> {
        let mut options = TranscribeOptions::default();
        if let Some(format) = &format.0 {
            options.set("response_format", format)?;
        }
        if let Some(labels) = &speaker_labels.0 {
            options.set("speaker_labels", labels)?;
        }
        let job = find(&app, &caller, &id).await?;
        let shape = Shape { format: options.format, labels: options.labels };
        match job.state {
            JobState::Completed => deliver::transcript(&app, &job, shape).await,
            JobState::Queued | JobState::Processing => {
                let message = format!("the job is {}; its transcript is not ready", job.state);
                Err(ApiError::new(Cause::NotReady, message).with_job(job.id).retry_after(2))
            }
            JobState::Failed => {
                let reason = job.failure.map(|failure| failure.message).unwrap_or_default();
                let message = format!("the job failed, so there is no transcript: {reason}");
                Err(ApiError::new(Cause::NotReady, message).with_job(job.id))
            }
            JobState::Cancelled => {
                let message = "the job was cancelled, so there is no transcript";
                Err(ApiError::new(Cause::NotReady, message).with_job(job.id))
            }
        }
    }
}

/// The job, if there is one and the caller may read it.
async fn find(app: &App, caller: &Caller, id: &str) -> Result<Job, ApiError> {
    let id: JobId = id.parse().map_err(|_| ApiError::no_such_job())?;
    let job = app.store.job(id).await?;
    job.filter(|job| caller.may_read(job)).ok_or_else(ApiError::no_such_job)
}

async fn document(app: &App, job: Job) -> Result<JobDocument, ApiError> {
    let stages = if job.state.is_final() { Vec::new() } else { app.store.stages(job.id).await? };
    Ok(JobDocument {
        id: job.id.to_string(),
        state: job.state.to_string(),
        model: job.options.model.to_string(),
        language: job.options.language.map(|language| language.code().to_owned()),
        diarize: job.options.diarize,
        speakers: job.options.speakers,
        file_name: job.file_name,
        duration: job.duration.map(|duration| duration.as_seconds()),
        progress: progress(&stages),
        error: job
            .failure
            .map(|failure| FailureDocument { code: failure.code.to_string(), message: failure.message }),
        created_at: rfc3339(job.created_at),
        started_at: job.started_at.map(rfc3339),
        finished_at: job.finished_at.map(rfc3339),
    })
}

/// The first stage that is not done.
fn progress(stages: &[Stage]) -> Option<ProgressDocument> {
    let open = |stage: &&Stage| matches!(stage.state, StageState::Queued | StageState::Running);
    let stage = stages.iter().find(open)?;
    Some(ProgressDocument {
        stage: stage.kind.to_string(),
        attempts: stage.attempts,
        done_seconds: stage.progress.done.as_seconds(),
        total_seconds: stage.progress.total.map(|total| total.as_seconds()),
    })
}

fn rfc3339(millis: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000);
    at.ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}
