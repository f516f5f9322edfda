//! From a complete upload to its job. This is safe to run twice, in two processes too: objects are replaced as a
//! whole, and there is one job of an id.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use steno_shared::failpoint;
use steno_shared::id::JobId;
use steno_shared::job::{Source, Upload};
use steno_shared::object::{ObjectKey, ObjectWriter};
use steno_shared::store::UploadRecord;
use steno_shared::webhook::{MAX_JOB_WEBHOOKS, WebhookScope, WebhookState};
use tokio::io::AsyncReadExt;

use super::receive::require_space;
use super::{Description, no_such_upload, submission};
use crate::auth::Caller;
use crate::error::{ApiError, Cause};
use crate::options::TranscribeOptions;
use crate::state::App;
use crate::submit::{self, Media};

/// Parts are read in blocks of this size.
const BLOCK: usize = 256 * 1024;
/// After a start, workers may not be there yet; later on, whatever refuses a job lasts.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LAST_PAUSE: Duration = Duration::from_secs(600);

/// The uploads of which jobs are being made, in this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Finishing(Arc<Mutex<HashMap<JobId, Running>>>);

type Running = Shared<BoxFuture<'static, Result<(), ApiError>>>;

impl Finishing {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is being done with an upload, or else this, in a task of its own.
    fn run<W>(&self, id: JobId, work: W) -> Running
    where
        W: Future<Output = Result<(), ApiError>> + Send + 'static,
    {
        let begin = || {
            let place = Place(self.clone(), id);
            let task = tokio::spawn(async move {
                let _place = place;
                work.await
            });
            async move { task.await.unwrap_or_else(|error| Err(ApiError::internal(&error))) }.boxed().shared()
        };
        self.lock().entry(id).or_insert_with(begin).clone()
    }

    /// Waits for the end of what is being done with an upload, and lets nothing else begin as long as the value
    /// lives. For whoever has the upload's turn.
    pub(super) async fn hold(&self, id: JobId) -> Place {
        loop {
            let running = match self.lock().entry(id) {
                Entry::Vacant(vacant) => {
                    vacant.insert(async { Err(no_such_upload()) }.boxed().shared());
                    return Place(self.clone(), id);
                }
                Entry::Occupied(running) => running.get().clone(),
            };
            // Its own caller is told how it ended.
            let _ = running.await;
        }
    }
}

/// The one place for work on an upload; given back when the work has ended, however it did.
#[derive(Debug)]
pub(super) struct Place(Finishing, JobId);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

/// Makes the job of a complete upload, in a task of its own: whoever waits for it may leave.
pub(crate) async fn finish(app: &App, id: JobId) -> Result<(), ApiError> {
    let work = app.clone();
    app.uploads.finishing.run(id, async move { make_job(&work, id).await }).await
}

/// Makes, from the start on, the jobs of complete uploads that a dead process has not made, or that were refused when
/// their last byte came.
pub(crate) async fn finish_all(app: App) {
    let mut pause = FIRST_PAUSE;
    let mut known = HashSet::new();
    loop {
        match app.store.complete_uploads().await {
            Ok(complete) => {
                // What refuses a new one may be over soon.
                if complete.iter().any(|id| !known.contains(id)) {
                    pause = FIRST_PAUSE;
                }
                known = complete.iter().copied().collect();
                for id in complete {
                    if let Err(refusal) = finish(&app, id).await {
                        tracing::info!(upload.id = %id, reason = %refusal, "an upload waits for its job");
                    }
                }
            }
            Err(error) => tracing::warn!(error = %error, "cannot look for complete uploads"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

async fn make_job(app: &App, id: JobId) -> Result<(), ApiError> {
    let upload = app.store.upload(id).await?.ok_or_else(no_such_upload)?;
    if upload.job.is_some() {
        return Ok(());
    }
    if !upload.is_complete() {
        return Err(ApiError::new(Cause::NotReady, "the upload is not complete"));
    }
    let job = match app.store.job(id).await? {
        Some(job) => job.id,
        None => submit(app, &upload).await?,
    };
    for part in app.store.finish_upload(id, job).await? {
        app.objects.remove(&part).await?;
    }
    Ok(())
}

/// The job of a complete upload: a new one, or one for the same bytes that is under way.
async fn submit(app: &App, upload: &UploadRecord) -> Result<JobId, ApiError> {
    failpoint::hit("upload.complete", None).await;
    let caller = Caller::in_tier(app, upload.account.clone(), upload.tier.clone())?;
    let submission = submission(&caller, upload.id, upload.request_id.clone());
    submit::expect(app, &submission).await?;
    let description = Description::read(&upload.metadata)?;
    // Whatever refuses it is asked first: it may refuse for as long as the upload lives, and a copy costs its length.
    app.registry.resolve(&description.options.model, &app.settings.model_aliases).await?;
    expect_webhook(app, &caller, &description.options).await?;
    let source = Source::Upload(join(app, upload).await?);
    failpoint::hit("upload.joined", None).await;
    let media = Media { source, file_name: description.file_name };
    let accepted = match submit::create(app, &submission, description.options, media).await {
        // Another process was faster.
        Err(_) if app.store.job(upload.id).await?.is_some() => upload.id,
        accepted => accepted?.job,
    };
    failpoint::hit("upload.created", None).await;
    Ok(accepted)
}

/// Refuses a webhook that could not be told of the job.
pub(super) async fn expect_webhook(
    app: &App,
    caller: &Caller,
    options: &TranscribeOptions,
) -> Result<(), ApiError> {
    submit::expect_webhook(app, caller, options)?;
    let Some(url) = &options.webhook_url else { return Ok(()) };
    let webhooks = app.store.webhooks(caller.account()).await?;
    let mut of_jobs = webhooks.iter().filter(|webhook| webhook.scope == WebhookScope::Job);
    let count = of_jobs.clone().count();
    match of_jobs.find(|webhook| webhook.url == url.as_str()) {
        Some(same) if same.state == WebhookState::Disabled => {
            let message = "webhook_url: this webhook is disabled; POST /v1/webhooks/{id}/enable first";
            return Err(ApiError::new(Cause::WebhookDisabled, message));
        }
        None if count >= MAX_JOB_WEBHOOKS as usize => {}
        _ => return Ok(()),
    }
    let message = format!("webhook_url: the account names {MAX_JOB_WEBHOOKS} different URLs already");
    Err(ApiError::new(Cause::TooManyWebhooks, message))
}

/// Copies the parts into the one object that a job has.
async fn join(app: &App, upload: &UploadRecord) -> Result<Upload, ApiError> {
    require_space(app, upload.length).await?;
    let key = ObjectKey::upload(upload.id);
    let mut writer = app.objects.create(&key).await?;
    for part in app.store.upload_parts(upload.id).await? {
        copy(app, &part, &mut *writer).await?;
    }
    let stored = writer.finish().await?;
    if stored.bytes != upload.length {
        app.objects.remove(&key).await?;
        let message =
            format!("the parts of {} have {} bytes, not {}", upload.id, stored.bytes, upload.length);
        return Err(ApiError::internal(&std::io::Error::other(message)));
    }
    Ok(Upload { key, bytes: stored.bytes, sha256: stored.sha256 })
}

async fn copy(app: &App, part: &ObjectKey, writer: &mut dyn ObjectWriter) -> Result<(), ApiError> {
    let internal = |error: std::io::Error| ApiError::internal(&error);
    let local = app.objects.local(part).await?;
    let mut file = tokio::fs::File::open(local.path()).await.map_err(internal)?;
    loop {
        let mut block = BytesMut::with_capacity(BLOCK);
        if file.read_buf(&mut block).await.map_err(internal)? == 0 {
            return Ok(());
        }
        writer.write(block.freeze()).await?;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn no_job_is_made_of_an_upload_that_is_being_removed() {
        let (finishing, id, made) = (Finishing::default(), JobId::random(), Arc::new(AtomicU32::new(0)));
        let work = || {
            let made = Arc::clone(&made);
            async move {
                tokio::task::yield_now().await;
                made.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        };
        let running = finishing.run(id, work());
        let held = finishing.hold(id).await;
        assert_eq!(made.load(Ordering::Relaxed), 1, "what was begun is not waited for");
        assert!(running.await.is_ok());
        assert!(finishing.run(id, work()).await.is_err());
        assert!(finishing.run(JobId::random(), work()).await.is_ok(), "others wait for it");
        drop(held);
        assert!(finishing.run(id, work()).await.is_ok());
        assert_eq!(made.load(Ordering::Relaxed), 3);
        assert!(finishing.lock().is_empty(), "places are kept");
    }
}
