//! Waiting for a job's end on behalf of a client, and delivering it.
//!
//! The status line is held back at first, so that an error has its own status. After that a JSON answer begins
//! with a 200 and sends a newline now and then, which JSON allows before a value, so that no client and no
//! proxy in between times out; a failure after that breaks the body off, never a false 200.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use poem::Body;
use steno_shared::account::{Shortage, Unit, credits};
use steno_shared::error::{Failure, FailureCode};
use steno_shared::failpoint;
use steno_shared::id::JobId;
use steno_shared::job::{Job, JobState};
use steno_shared::store::Usage;
use steno_shared::transcript::Transcript;
use tokio::time::Instant;

use crate::allowance::Allowance;
use crate::auth::Caller;
use crate::error::{ApiError, Cause};
use crate::options::Format;
use crate::reply::{Reply, Shape};
use crate::speakers;
use crate::state::App;
use crate::submit;

/// A client that waits for a job, from before the job exists. Dropped before the end, it cancels an anonymous
/// job: nobody else knows it.
#[derive(Debug)]
pub(crate) struct Waiting {
    app: App,
    job: JobId,
    until: Instant,
    cancels: bool,
    /// The status line is out: what is wrong from here on the client learns from the job alone.
    begun: bool,
}

impl Waiting {
    pub(crate) fn new(app: &App, job: JobId, caller: &Caller) -> Self {
        let until = Instant::now() + app.settings.sync_max_wait.0;
        Self { app: app.clone(), job, until, cancels: caller.is_anonymous(), begun: false }
    }

    /// The request has a job, perhaps one that another request has made, which is then not this one's to cancel.
    pub(crate) fn accepted(&mut self, job: JobId) {
        self.cancels &= self.job == job;
        self.job = job;
    }

    /// There will be no job.
    pub(crate) fn refused(&mut self) {
        self.cancels = false;
    }

    /// The end of the job, or why the wait for it ended; `None` after `hold`.
    async fn end(&mut self, hold: Duration) -> Option<Result<Job, ApiError>> {
        let app = self.app.clone();
        tokio::select! {
            end = app.waiters.wait(self.job) => {
                self.cancels = false;
                Some(self.read(end).await)
            }
            () = app.stop.cancelled() => {
                self.cancels = false;
                let message = "the server is being stopped; the job goes on when it is back, and its id finds it";
                Some(Err(ApiError::new(Cause::Stopping, message).with_job(self.job)))
            }
            // An answer that has begun would be broken off; the job's own time limit ends that wait.
            () = tokio::time::sleep_until(self.until), if !self.begun => {
                self.cancels = false;
                let message = "the job takes longer than this server lets clients wait; it goes on, and its id \
                               finds it";
                Some(Err(ApiError::new(Cause::WaitedTooLong, message).with_job(self.job).retry_after(60)))
            }
            () = tokio::time::sleep(hold) => None,
        }
    }

    /// The job, if it was completed, or its failure.
    async fn read(&self, end: Option<JobState>) -> Result<Job, ApiError> {
        let job = self.app.store.job(self.job).await?;
        let (Some(_), Some(job)) = (end, job) else {
            return Err(ApiError::no_such_job().with_job(self.job));
        };
        match job.state {
            JobState::Completed => Ok(job),
            JobState::Cancelled => {
                Err(ApiError::new(Cause::NotReady, "the job was cancelled").with_job(self.job))
            }
            _ => Err(self.failed(job).await),
        }
    }

    /// The failure of a job. One that the file is to blame for leaves no trace once the client is told: it was
    /// refused.
    async fn failed(&self, job: Job) -> ApiError {
        let Some(failure) = job.failure.clone() else {
            return ApiError::internal(&io::Error::other("a failed job without a reason"));
        };
        let error = if failure.code.is_a_shortage() {
            self.shortage(&job, &failure).await
        } else {
            ApiError::from(failure.clone())
        };
        let refused = failure.code.is_the_callers() || failure.code.is_a_shortage();
        // One that another request was given too is read by its id, like any other that failed.
        if refused && !self.begun && !job.joined {
            if let Err(error) = submit::remove(&self.app, job.id).await {
                tracing::warn!(?error, job.id = %job.id, "cannot remove a refused job");
            }
            return error;
        }
        error.with_job(job.id)
    }

    /// The account could not pay: what was needed, and what there is.
    async fn shortage(&self, job: &Job, failure: &Failure) -> ApiError {
        let usage = match self.app.store.usage(&job.account).await {
            Ok(usage) => usage,
            Err(error) => return error.into(),
        };
        let (unit, limit, used) = match failure.code {
            FailureCode::NoCredits => (Unit::Credits, usage.credits.granted, &usage.credits),
            _ => (Unit::Minutes, job.limits.minutes_per_month.map_or(0, u64::from), &usage.month),
        };
        let required = credits(job.options.heard_of(job.duration.unwrap_or_default()));
        let shortage = Shortage { unit, required, available: used.left_of(limit), limit };
        ApiError::shortage(&shortage, &job.limits, &usage)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.cancels {
            return;
        }
        let (app, id) = (self.app.clone(), self.job);
        // Others may wait for the same job, by the same idempotency key.
        if app.waiters.are_waiting_for(id) {
            return;
        }
        tokio::spawn(async move {
            tracing::info!(job.id = %id, "the client has left");
            let cancelled = match app.store.job(id).await {
                Ok(Some(job)) => submit::cancel(&app, &job).await.map(|_| ()),
                Ok(None) => {
                    submit::forget_upload(&app, id).await;
                    Ok(())
                }
                Err(error) => Err(error.into()),
            };
            if let Err(error) = cancelled {
                tracing::warn!(?error, job.id = %id, "cannot cancel a job whose client has left");
            }
        });
    }
}

/// The answer to a client that waits, in the form it asked for.
pub(crate) async fn when_finished(mut waiting: Waiting, shape: Shape) -> Result<Reply, ApiError> {
    let app = waiting.app.clone();
    waiting.until = Instant::now() + app.settings.sync_max_wait.0;
    loop {
        match waiting.end(app.settings.sync_hold.0).await {
            Some(end) => {
                let job = end?;
                failpoint::hit("api.finished", job.file_name.as_deref()).await;
                return transcript(&app, &job, shape).await;
            }
            None if shape.format == Format::Json => break,
            None => {}
        }
    }
    waiting.begun = true;
    let job = app.store.job(waiting.job).await?.ok_or_else(ApiError::no_such_job)?;
    let allowance = allowance(&app, &job).await?;
    Ok(shape.reply(&job, &allowance, heartbeat(waiting, shape)))
}

/// A newline at once and every few seconds, then the transcript.
fn heartbeat(waiting: Waiting, shape: Shape) -> Body {
    let beats = stream::unfold(Some(waiting), move |waiting| async move {
        let mut waiting = waiting?;
        let app = waiting.app.clone();
        let chunk = match waiting.end(app.settings.sync_heartbeat.0).await {
            None => return Some((Ok(Bytes::from_static(b"\n")), Some(waiting))),
            Some(Ok(job)) => body(&app, &job, shape).await,
            Some(Err(error)) => Err(error),
        };
        // An error here breaks the body off, and the client sees that it is not whole.
        let chunk = chunk.map(Bytes::from).map_err(|error| {
            tracing::warn!(?error, job.id = %waiting.job, "an answer that had begun is broken off");
            io::Error::other("the job failed")
        });
        Some((chunk, None))
    });
    let first = stream::once(async { Ok(Bytes::from_static(b"\n")) });
    Body::from_bytes_stream(first.chain(beats))
}

/// The transcript of a completed job, as an answer.
pub(crate) async fn transcript(app: &App, job: &Job, shape: Shape) -> Result<Reply, ApiError> {
    let body = body(app, job, shape).await?;
    Ok(shape.reply(job, &allowance(app, job).await?, Body::from_string(body)))
}

async fn body(app: &App, job: &Job, shape: Shape) -> Result<String, ApiError> {
    let allowance = allowance(app, job).await?;
    of_stored(app, job, move |transcript| shape.render(transcript, &allowance)).await
}

/// What `work` makes of the transcript of a completed job, with its speakers.
pub(crate) async fn of_stored<T: Send + 'static>(
    app: &App,
    job: &Job,
    work: impl FnOnce(Transcript) -> T + Send + 'static,
) -> Result<T, ApiError> {
    speakers::of_stored(app, job, |stored| work(stored.into_transcript())).await
}

/// What the job costs, once its length is known, and what its account may still use.
pub(crate) async fn allowance(app: &App, job: &Job) -> Result<Allowance, ApiError> {
    let usage = app.store.usage(&job.account).await?;
    let mut allowance = Allowance::of(&job.limits, &usage);
    allowance.credits_used = job.duration.map(|duration| credits(job.options.heard_of(duration)));
    Ok(allowance)
}

/// The end of a dry run: the length of the audio and what it would cost. Nothing is left of it.
pub(crate) async fn when_estimated(mut waiting: Waiting) -> Result<(Job, Usage), ApiError> {
    let app = waiting.app.clone();
    loop {
        let Some(end) = waiting.end(app.settings.sync_hold.0).await else { continue };
        let job = end?;
        let usage = app.store.usage(&job.account).await?;
        submit::remove(&app, job.id).await?;
        return Ok((job, usage));
    }
}
