//! `/v1/jobs`: create, list, read, cancel or delete, run again.

use std::time::Duration;

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};
use steno_shared::id::JobId;
use steno_shared::job::{Job, JobState, Lane, Priority, StageKind};
use steno_shared::store::{Cursor, JobFilter, Retried};

use super::Tag;
use crate::auth::Caller;
use crate::body::JobBody;
use crate::deliver::{self, Waiting};
use crate::error::{ApiError, Cause};
use crate::estimate;
use crate::job_document::{self, JobDocument, JobReply};
use crate::state::App;
use crate::submit::{self, Accepted};

/// How many jobs a page of a list holds.
const PAGE: u32 = 20;
const MAX_PAGE: u32 = 100;
/// The longest that one request waits for a job's end.
const MAX_WAIT: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(crate) struct Routes;

/// A page of jobs.
#[derive(Debug, Object)]
#[oai(rename = "JobList")]
struct JobListDocument {
    /// The newest first.
    jobs: Vec<JobDocument>,
    /// What to send as `cursor` for the next page; absent on the last.
    #[oai(skip_serializing_if_is_none)]
    next_cursor: Option<String>,
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
    /// Create a job.
    ///
    /// Of a file, or of a URL. The answer comes as soon as the file is stored: the job is not lost any more. With
    /// `dry_run`, a field or in the query, it comes when the file is decoded, and says what a transcription would
    /// cost; in the query it is answered to those who cannot pay, too. The same `Idempotency-Key` gives the same
    /// job for 24 hours, and so does the same file, with the same name and options, while its job is under way.
    #[oai(path = "/v1/jobs", method = "post", operation_id = "create_job", tag = "Tag::Jobs")]
    async fn create(&self, caller: Caller, app: Data<&App>, body: JobBody) -> Result<JobReply, ApiError> {
        let JobBody(body) = body;
        let submission = body.submission(&caller, Priority::Batch)?;
        let Accepted { job, options } = body.accept(&app, &submission).await?;
        if options.dry_run {
            let estimate = deliver::when_estimated(Waiting::new(&app, job, &caller)).await?;
            return Ok(JobReply(estimate::reply(estimate)?.0));
        }
        let job = app.store.job(job).await?.ok_or_else(ApiError::no_such_job)?;
        JobReply::accepted(&app, job).await
    }

    /// List your jobs, the newest first.
    #[oai(path = "/v1/jobs", method = "get", operation_id = "list_jobs", tag = "Tag::Jobs")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi takes each parameter by itself")]
    async fn list(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// Only those in these states, separated by commas: queued, processing, completed, failed, cancelled.
        state: Query<Option<String>>,
        /// How many, at most 100; 20 unless given.
        limit: Query<Option<String>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<JobListDocument>, ApiError> {
        caller.require_key()?;
        let filter = JobFilter {
            account: caller.account().clone(),
            states: states(state.as_deref().unwrap_or_default())?,
            after: cursor.as_deref().filter(|text| !text.is_empty()).map(after).transpose()?,
            limit: page(limit.as_deref())?,
        };
        let page = app.store.jobs(&filter).await?;
        let mut jobs = Vec::new();
        for job in page.jobs {
            jobs.push(job_document::of(&app, job).await?);
        }
        Ok(Json(JobListDocument { jobs, next_cursor: page.next.map(|cursor| cursor.to_string()) }))
    }

    /// Read a job.
    ///
    /// With `wait`, the answer comes at the job's end, or after that many seconds.
    #[oai(path = "/v1/jobs/:id", method = "get", operation_id = "get_job", tag = "Tag::Jobs")]
    async fn get(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The job's id.
        id: Path<String>,
        /// Seconds to wait for the job's end, at most 300.
        wait: Query<Option<String>>,
    ) -> Result<Json<JobDocument>, ApiError> {
        let mut job = find(&app, &caller, &id).await?;
        if let Some(text) = wait.as_deref()
            && !job.state.is_final()
        {
            let wait = seconds(text)?.min(MAX_WAIT);
            let _stream = app.streams.open(&caller)?;
            tokio::select! {
                _ = app.waiters.wait(job.id) => {}
                () = tokio::time::sleep(wait) => {}
                () = app.stop.cancelled() => {}
            }
            job = find(&app, &caller, &id).await?;
        }
        Ok(Json(job_document::of(&app, job).await?))
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
            return Ok(DeleteResponse::Cancelled(Json(job_document::of(&app, job).await?)));
        }
        submit::remove(&app, job.id).await?;
        Ok(DeleteResponse::Deleted)
    }

    /// Cancel a job.
    ///
    /// One that has ended stays as it is: the answer is 409.
    #[oai(path = "/v1/jobs/:id/cancel", method = "post", operation_id = "cancel_job", tag = "Tag::Jobs")]
    async fn cancel(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The job's id.
        id: Path<String>,
    ) -> Result<Json<JobDocument>, ApiError> {
        let job = find(&app, &caller, &id).await?;
        if !submit::cancel(&app, &job).await? {
            let message = format!("the job has ended already: it is {}", job.state);
            return Err(ApiError::new(Cause::NotReady, message).with_job(job.id));
        }
        let job = app.store.job(job.id).await?.ok_or_else(ApiError::no_such_job)?;
        Ok(Json(job_document::of(&app, job).await?))
    }

    /// Run a job again.
    ///
    /// One that failed or was cancelled goes on from the stage whose input is still there. With `stage`, that stage
    /// of a completed job is run again; what was charged is not charged again. Names and merges of its speakers are
    /// forgotten with the result that they were given to.
    #[oai(path = "/v1/jobs/:id/retry", method = "post", operation_id = "retry_job", tag = "Tag::Jobs")]
    async fn retry(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The job's id.
        id: Path<String>,
        /// fetch, intake, transcribe or diarize.
        stage: Query<Option<String>>,
    ) -> Result<JobReply, ApiError> {
        let job = find(&app, &caller, &id).await?;
        let stage = stage.as_deref().filter(|name| !name.is_empty()).map(stage_named).transpose()?;
        let refused = |cause, message: &str| Err(ApiError::new(cause, message).with_job(job.id));
        submit::require_room(&app).await?;
        // An anonymous job has the limits of whoever made it.
        let limits = if job.account == *caller.account() { &caller.limits } else { &job.limits };
        match app.store.retry_job(job.id, stage, limits).await? {
            Retried::Queued(kind) => {
                submit::wake(&app, kind.lane(), job.id).await;
                if kind == StageKind::Transcribe {
                    submit::wake(&app, Lane::Diarize, job.id).await;
                }
            }
            Retried::Channels => {
                let message =
                    "each channel of this job is a speaker already; there are none to be told apart";
                return refused(Cause::NotReady, message);
            }
            Retried::AudioDeleted => {
                return refused(
                    Cause::AudioDeleted,
                    "the audio that this needs is deleted: send the file again",
                );
            }
            Retried::Active => return refused(Cause::NotReady, "the job has not ended yet"),
            Retried::Completed => {
                let message = "the job is completed; to run a stage of it again, name it: ?stage=transcribe";
                return refused(Cause::NotReady, message);
            }
            Retried::Refused(shortage) => {
                let usage = app.store.usage(&job.account).await?;
                return Err(ApiError::shortage(&shortage, limits, &usage).with_job(job.id));
            }
            Retried::TooMany(limit) => return Err(submit::too_many_waiting(limit).with_job(job.id)),
            Retried::Held => {
                let message =
                    "the job was cancelled just now, and its worker has not let go of it; try again";
                return Err(ApiError::new(Cause::NotReady, message).with_job(job.id).retry_after(2));
            }
            Retried::Missing => return Err(ApiError::no_such_job()),
        }
        let job = app.store.job(job.id).await?.ok_or_else(ApiError::no_such_job)?;
        JobReply::accepted(&app, job).await
    }
}

/// The job, if there is one and the caller may read it.
pub(super) async fn find(app: &App, caller: &Caller, id: &str) -> Result<Job, ApiError> {
    let id: JobId = id.parse().map_err(|_| ApiError::no_such_job())?;
    let job = app.store.job(id).await?;
    job.filter(|job| caller.may_read(job)).ok_or_else(ApiError::no_such_job)
}

fn states(text: &str) -> Result<Vec<JobState>, ApiError> {
    let unknown = |name: &str| {
        let known: Vec<_> = JobState::ALL.iter().map(|state| state.as_str()).collect();
        ApiError::field(format!("unknown state {name:?}; the states are {}", known.join(", ")))
    };
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| name.to_ascii_lowercase().parse().map_err(|_| unknown(name))).collect()
}

fn after(text: &str) -> Result<Cursor, ApiError> {
    text.parse().map_err(|_| ApiError::field("the cursor is not one that a list gave"))
}

fn page(text: Option<&str>) -> Result<u32, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(PAGE) };
    let number = text.parse::<u32>().ok().filter(|number| *number >= 1);
    let number = number.ok_or_else(|| ApiError::field("limit must be a whole number from 1 to 100"))?;
    Ok(number.min(MAX_PAGE))
}

fn seconds(text: &str) -> Result<Duration, ApiError> {
    let span = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    span.ok_or_else(|| ApiError::field("wait must be a number of seconds, at most 300"))
}

fn stage_named(name: &str) -> Result<StageKind, ApiError> {
    name.parse().map_err(|_| {
        let known: Vec<_> = StageKind::ALL.iter().map(|stage| stage.as_str()).collect();
        ApiError::field(format!("unknown stage; the stages are {}", known.join(", ")))
    })
}
