//! From a form to a job, and a job's end by its caller's hand.

use bytes::Bytes;
use futures::Stream;
use steno_shared::failpoint;
use steno_shared::id::JobId;
use steno_shared::job::{Job, JobOptions, Lane, NewJob, Priority, Upload};
use steno_shared::object::ObjectKey;
use steno_shared::store::Removed;

use crate::auth::Caller;
use crate::error::{ApiError, Cause};
use crate::form::Receiver;
use crate::options::TranscribeOptions;
use crate::state::App;

/// A form on its way in.
#[derive(Debug)]
pub(crate) struct Submission<'a> {
    /// The id of the job that will be.
    pub(crate) job: JobId,
    pub(crate) caller: &'a Caller,
    pub(crate) request_id: String,
    pub(crate) content_type: &'a str,
    pub(crate) content_length: Option<u64>,
}

/// Receives a form and makes a job of it, which is not lost any more; what was asked for. Nothing is left of a
/// form that is refused.
pub(crate) async fn accept<S>(
    app: &App,
    submission: Submission<'_>,
    body: S,
) -> Result<TranscribeOptions, ApiError>
where
    S: Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
{
    if app.stop.is_cancelled() {
        return Err(ApiError::new(Cause::Stopping, "the server is being stopped; try again shortly"));
    }
    let job = submission.job;
    let key = ObjectKey::upload(job);
    let receiver = Receiver { objects: &*app.objects, key, max_file: app.settings.max_file.0 };
    receiver.expect(submission.content_length).await?;
    app.registry.require_workers().await?;
    if app.store.queue_is_full(app.settings.queue_limit).await? {
        let message = "too many jobs are waiting already; try again later";
        return Err(ApiError::new(Cause::QueueFull, message).retry_after(30));
    }
    let form = receiver.receive(submission.content_type, body).await?;
    let model = app.registry.resolve(&form.options.model, &app.settings.model_aliases).await?;

    failpoint::hit("api.spooled", form.file.name.as_deref()).await;
    let stored = form.file.writer.finish().await?;
    failpoint::hit("api.stored", form.file.name.as_deref()).await;
    let new = NewJob {
        id: job,
        account: submission.caller.account().to_owned(),
        priority: Priority::Interactive,
        options: JobOptions {
            model: model.id.clone(),
            language: form.options.language,
            diarize: form.options.diarize,
            speakers: form.options.speakers,
        },
        file_name: form.file.name,
        upload: Upload { key, bytes: stored.bytes, sha256: stored.sha256 },
        request_id: submission.request_id,
    };
    if let Err(error) = app.store.create_job(&new).await {
        remove_object(app, &key).await;
        return Err(error.into());
    }
    failpoint::hit("api.created", new.file_name.as_deref()).await;
    if let Err(error) = app.queue.wake(Lane::Intake, job).await {
        tracing::warn!(error = %error, job.id = %job, "cannot wake a worker; its slow poll finds the job");
    }
    tracing::info!(job.id = %job, upload.bytes = new.upload.bytes, model = %model.id, "job accepted");
    Ok(form.options)
}

/// Removes the upload that a client may have left before there was a job.
pub(crate) async fn forget_upload(app: &App, id: JobId) {
    remove_object(app, &ObjectKey::upload(id)).await;
}

/// Cancels a job that is not finished. False if it was.
pub(crate) async fn cancel(app: &App, job: &Job) -> Result<bool, ApiError> {
    if !app.store.cancel_job(job.id).await? {
        return Ok(false);
    }
    for key in [job.upload, job.samples].iter().flatten() {
        remove_object(app, key).await;
    }
    tracing::info!(job.id = %job.id, "job cancelled");
    Ok(true)
}

/// Removes every trace of a finished job.
pub(crate) async fn remove(app: &App, id: JobId) -> Result<(), ApiError> {
    match app.store.remove_job(id).await? {
        Removed::Gone(job) => {
            for key in [job.upload, job.samples, job.transcript].iter().flatten() {
                remove_object(app, key).await;
            }
            Ok(())
        }
        Removed::Missing => Ok(()),
        Removed::Active => Err(ApiError::new(Cause::NotReady, "the job is still running").with_job(id)),
    }
}

/// What cannot be removed now, the sweeper removes later.
async fn remove_object(app: &App, key: &ObjectKey) {
    if let Err(error) = app.objects.remove(key).await {
        tracing::warn!(object = %key, error = %error, "cannot remove an object");
    }
}
