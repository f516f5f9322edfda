//! From a request to a job, and a job's end by its caller's hand.

use bytes::Bytes;
use futures::Stream;
use sha2::{Digest, Sha256};
use steno_shared::account::Tier;
use steno_shared::failpoint;
use steno_shared::id::JobId;
use steno_shared::job::{
    Admission, Idempotency, Job, JobOptions, Lane, NewJob, Priority, Refusal, Source, Upload,
};
use steno_shared::language::Language;
use steno_shared::object::ObjectKey;
use steno_shared::outside::OutsideUrl;
use steno_shared::store::Removed;
use steno_shared::webhook::{MAX_JOB_WEBHOOKS, WebhookState};

use crate::auth::Caller;
use crate::error::{ApiError, Cause};
use crate::form::{Form, Receiver};
use crate::options::TranscribeOptions;
use crate::state::App;

/// A request for a job.
#[derive(Debug, Clone)]
pub(crate) struct Submission<'a> {
    /// The id of the job that will be.
    pub(crate) job: JobId,
    pub(crate) caller: &'a Caller,
    pub(crate) priority: Priority,
    pub(crate) request_id: String,
    pub(crate) idempotency_key: Option<String>,
    /// The query asks for a dry run. A form may ask for it too, which is known later.
    pub(crate) dry_run: bool,
}

/// A body on its way in.
#[derive(Debug)]
pub(crate) struct Incoming<'a, S> {
    pub(crate) content_type: &'a str,
    pub(crate) content_length: Option<u64>,
    pub(crate) stream: S,
}

/// Media that is to become a job.
#[derive(Debug)]
pub(crate) struct Media {
    pub(crate) source: Source,
    pub(crate) file_name: Option<String>,
}

/// A job that is not lost any more.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// Not always the new one: the same request may have made one before.
    pub(crate) job: JobId,
    pub(crate) options: TranscribeOptions,
}

/// Receives a form and makes a job of it. Nothing is left of a form that is refused.
pub(crate) async fn accept<S>(
    app: &App,
    submission: &Submission<'_>,
    incoming: Incoming<'_, S>,
) -> Result<Accepted, ApiError>
where
    S: Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
{
    let key = ObjectKey::upload(submission.job);
    let max_file = submission.caller.max_file(app);
    let receiver = Receiver { objects: &*app.objects, key, max_file };
    receiver.expect(incoming.content_length).await?;
    expect(app, submission).await?;
    let Form { options, file } = receiver.receive(incoming.content_type, incoming.stream).await?;
    let Some(file) = file else { return of_url(app, submission, options).await };
    // A model that there is not is told before the file is kept.
    app.registry.resolve(&options.model, &app.settings.model_aliases).await?;
    failpoint::hit("api.spooled", file.name.as_deref()).await;
    let stored = file.writer.finish().await?;
    failpoint::hit("api.stored", file.name.as_deref()).await;
    let source = Source::Upload(Upload { key, bytes: stored.bytes, sha256: stored.sha256 });
    create(app, submission, options, Media { source, file_name: file.name }).await
}

/// Makes a job of the URL in the options.
pub(crate) async fn of_url(
    app: &App,
    submission: &Submission<'_>,
    options: TranscribeOptions,
) -> Result<Accepted, ApiError> {
    let Some(url) = options.url.clone() else {
        let message = "there is no url; send one, or the file as a form";
        return Err(ApiError::new(Cause::MissingFile, message));
    };
    permitted(app, "url", &url)?;
    app.registry.require_worker(Lane::Fetch).await?;
    let source = Source::Url(url.as_str().to_owned());
    create(app, submission, options, Media { source, file_name: None }).await
}

/// Refuses a URL that says by itself that it leads where it must not. A name is judged when it is dialled.
fn permitted(app: &App, field: &str, url: &OutsideUrl) -> Result<(), ApiError> {
    let refused = url.check_literal(&app.networks);
    refused.map_err(|refused| ApiError::field(format!("{field}: {refused}")))
}

/// Refuses, before anything is sent, what would be refused in the end.
pub(crate) async fn expect(app: &App, submission: &Submission<'_>) -> Result<(), ApiError> {
    let caller = submission.caller;
    if app.stop.is_cancelled() {
        return Err(ApiError::new(Cause::Stopping, "the server is being stopped; try again shortly"));
    }
    // A request that was made before takes nothing more.
    if let Some(key) = &submission.idempotency_key
        && app.store.knows_idempotency_key(caller.account(), key).await?
    {
        return Ok(());
    }
    require_room(app).await?;
    if caller.limits == Tier::default() {
        return Ok(());
    }
    let usage = app.store.usage(caller.account()).await?;
    // What a dry run finds out is welcome to whoever cannot pay.
    if let Some(shortage) = usage.shortage(&caller.limits)
        && !submission.dry_run
    {
        return Err(ApiError::shortage(&shortage, &caller.limits, &usage));
    }
    match (submission.priority, caller.limits.concurrent, caller.limits.queued) {
        (Priority::Interactive, Some(limit), _) if usage.running >= limit => Err(too_many_running(limit)),
        (Priority::Batch, _, Some(limit)) if usage.queued >= limit => Err(too_many_waiting(limit)),
        _ => Ok(()),
    }
}

/// Refuses, if nobody could take another job.
pub(crate) async fn require_room(app: &App) -> Result<(), ApiError> {
    app.registry.require_workers().await?;
    if app.store.queue_is_full(app.settings.queue_limit).await? {
        let message = "too many jobs are waiting already; try again later";
        return Err(ApiError::new(Cause::QueueFull, message).retry_after(30));
    }
    Ok(())
}

/// Makes a job of media that is stored, or of a URL. Of media that is refused, or that a job has already, nothing
/// is left.
pub(crate) async fn create(
    app: &App,
    submission: &Submission<'_>,
    options: TranscribeOptions,
    media: Media,
) -> Result<Accepted, ApiError> {
    let options = TranscribeOptions { dry_run: options.dry_run || submission.dry_run, ..options };
    let lane = match media.source {
        Source::Upload(_) => Lane::Intake,
        Source::Url(_) => Lane::Fetch,
    };
    if lane == Lane::Fetch && !app.registry.workers().await?.has(lane) {
        let message = "no fetch worker is running at the moment; send the file itself, or try again shortly";
        return Err(ApiError::new(Cause::NoWorker, message));
    }
    let (id, upload) = (submission.job, upload_of(&media));
    let admitted = admit(app, submission, &options, media).await;
    // A resumable upload may be finished twice, in two processes: the job of the other one needs the object.
    if !matches!(admitted, Ok(Admission::Created))
        && let Some(upload) = upload
        && app.store.job(id).await?.is_none()
    {
        remove_object(app, &upload).await;
    }
    match admitted? {
        Admission::Created => {}
        Admission::Existing(job) => {
            tracing::info!(job.id = %job, "the same request has a job already");
            return Ok(Accepted { job, options });
        }
        Admission::Refused(refusal) => return Err(refused(app, submission.caller, refusal).await),
    }
    wake(app, lane, id).await;
    tracing::info!(job.id = %id, lane = %lane, "job accepted");
    Ok(Accepted { job: id, options })
}

/// Wakes a worker. One that cannot be woken looks by itself every few seconds.
pub(crate) async fn wake(app: &App, lane: Lane, job: JobId) {
    if let Err(error) = app.queue.wake(lane, job).await {
        tracing::warn!(error = %error, job.id = %job, "cannot wake a worker; its slow poll finds the job");
    }
}

fn upload_of(media: &Media) -> Option<ObjectKey> {
    match &media.source {
        Source::Upload(upload) => Some(upload.key),
        Source::Url(_) => None,
    }
}

async fn admit(
    app: &App,
    submission: &Submission<'_>,
    options: &TranscribeOptions,
    media: Media,
) -> Result<Admission, ApiError> {
    let model = app.registry.resolve(&options.model, &app.settings.model_aliases).await?;
    let caller = submission.caller;
    let resolved = JobOptions {
        model: model.id.clone(),
        language: options.language,
        diarize: options.diarize,
        speakers: options.speakers,
        min_speakers: options.min_speakers,
        max_speakers: options.max_speakers,
        keep_audio: !app.settings.keep_audio.0.is_zero() && !options.dry_run,
        dry_run: options.dry_run,
        media: options.media.clone(),
        text: options.text.clone(),
    };
    let webhook = webhook(app, submission, options).await?;
    let digest = digest(&media.source, options)?;
    // Of a dry run nothing is left that the key could name.
    let key = submission.idempotency_key.clone().filter(|_| !options.dry_run);
    let new = NewJob {
        id: submission.job,
        account: caller.account().clone(),
        limits: Tier {
            max_file: Some(steno_shared::settings::Bytes(caller.max_file(app))),
            ..caller.limits.clone()
        },
        priority: submission.priority,
        options: resolved,
        file_name: media.file_name,
        source: media.source,
        request_id: submission.request_id.clone(),
        webhook,
        idempotency: key.map(|key| Idempotency { key, digest }),
    };
    let admission = app.store.create_job(&new).await?;
    if admission == Admission::Created {
        failpoint::hit("api.created", new.file_name.as_deref()).await;
    }
    Ok(admission)
}

/// Refuses a webhook that the request may not name.
pub(crate) fn expect_webhook(
    app: &App,
    caller: &Caller,
    options: &TranscribeOptions,
) -> Result<(), ApiError> {
    let Some(url) = &options.webhook_url else { return Ok(()) };
    caller.require_key()?;
    permitted(app, "webhook_url", url)
}

/// The webhook that the request names, which is made if there is none yet. A dry run tells nobody, and a request
/// that was made before has its webhook: they make none.
async fn webhook(
    app: &App,
    submission: &Submission<'_>,
    options: &TranscribeOptions,
) -> Result<Option<String>, ApiError> {
    let caller = submission.caller;
    expect_webhook(app, caller, options)?;
    let Some(url) = &options.webhook_url else { return Ok(None) };
    if options.dry_run {
        return Ok(None);
    }
    if let Some(key) = &submission.idempotency_key
        && app.store.knows_idempotency_key(caller.account(), key).await?
    {
        return Ok(None);
    }
    let Some(id) = app.store.webhook_for_jobs(caller.account(), url.as_str()).await? else {
        let message = format!(
            "webhook_url: an account may name {MAX_JOB_WEBHOOKS} different URLs; delete a webhook of the scope \
             job, or make one for all jobs (POST /v1/webhooks)"
        );
        return Err(ApiError::new(Cause::TooManyWebhooks, message));
    };
    let webhook = app.store.webhook(caller.account(), id).await?;
    if webhook.is_some_and(|webhook| webhook.state == WebhookState::Disabled) {
        let message =
            format!("webhook_url: the endpoint is disabled; POST /v1/webhooks/{id}/enable, or name another");
        return Err(ApiError::new(Cause::WebhookDisabled, message));
    }
    Ok(Some(id.to_string()))
}

/// What the request asks for, in the client's words, as a hash: the media by its content.
fn digest(source: &Source, options: &TranscribeOptions) -> Result<String, ApiError> {
    let media = match source {
        Source::Upload(upload) => &upload.sha256,
        Source::Url(url) => url,
    };
    let language = options.language.map(Language::code);
    let webhook = options.webhook_url.as_ref().map(OutsideUrl::as_str);
    let speakers = (options.diarize, options.speakers);
    let how = (&options.media, &options.text);
    let asked = serde_json::to_string(&(media, &options.model, language, speakers, webhook, how));
    let mut asked = asked.map_err(|error| ApiError::internal(&error))?;
    // Without limits, the hash is that of a version that knew none.
    let limits = [options.min_speakers, options.max_speakers];
    if limits != [0, 0] {
        asked.push_str(&format!("{limits:?}"));
    }
    Ok(Sha256::digest(asked).iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(crate) async fn refused(app: &App, caller: &Caller, refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Concurrent(limit) => too_many_running(limit),
        Refusal::Queued(limit) => too_many_waiting(limit),
        Refusal::OtherRequest => {
            let message = "this Idempotency-Key was used for another file or other options; use a new one";
            ApiError::new(Cause::OtherRequest, message)
        }
        Refusal::Shortage(shortage) => match app.store.usage(caller.account()).await {
            Ok(usage) => ApiError::shortage(&shortage, &caller.limits, &usage),
            Err(error) => error.into(),
        },
    }
}

fn too_many_running(limit: u32) -> ApiError {
    let message = format!(
        "{limit} of your transcriptions run already, as many as may at once; wait for one, or send this one to \
         POST /v1/jobs, where it waits for its turn"
    );
    ApiError::new(Cause::TooManyJobs, message)
}

pub(crate) fn too_many_waiting(limit: u32) -> ApiError {
    let message =
        format!("{limit} of your jobs wait already, as many as may; try again when some have begun");
    ApiError::new(Cause::TooManyJobs, message).retry_after(30)
}

/// Removes the upload that a client may have left before there was a job.
pub(crate) async fn forget_upload(app: &App, id: JobId) {
    remove_object(app, &ObjectKey::upload(id)).await;
}

/// Cancels a job that is not finished. False if it was.
pub(crate) async fn cancel(app: &App, job: &Job) -> Result<bool, ApiError> {
    let Some(objects) = app.store.cancel_job(job.id).await? else { return Ok(false) };
    for key in &objects {
        remove_object(app, key).await;
    }
    tracing::info!(job.id = %job.id, "job cancelled");
    Ok(true)
}

/// Removes every trace of a finished job.
pub(crate) async fn remove(app: &App, id: JobId) -> Result<(), ApiError> {
    match app.store.remove_job(id).await? {
        Removed::Gone(job) => {
            for key in &job.objects() {
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
