//! From a complete upload to its job. This is safe to run twice, in two processes too: objects are replaced as a
//! whole, and there is one job of an id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use steno_shared::catalog::ModelId;
use steno_shared::failpoint;
use steno_shared::id::JobId;
use steno_shared::job::{JobOptions, NewJob, Priority, Upload};
use steno_shared::object::{ObjectKey, ObjectWriter};
use steno_shared::store::UploadRecord;
use tokio::io::AsyncReadExt;

use super::receive::require_space;
use super::{Description, no_such_upload};
use crate::error::{ApiError, Cause};
use crate::state::App;
use crate::submit;

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

    /// Waits for the end of what is being done with an upload, if anything is.
    pub(super) async fn settled(&self, id: JobId) {
        let running = self.lock().get(&id).cloned();
        if let Some(running) = running {
            // Its own caller is told how it ended.
            let _ = running.await;
        }
    }
}

/// Takes an entry out when the work has ended, however it did.
struct Entry(Finishing, JobId);

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

/// Makes the job of a complete upload, in a task of its own: whoever waits for it may leave.
pub(crate) async fn finish(app: &App, id: JobId) -> Result<(), ApiError> {
    let finishing = &app.uploads.finishing;
    let running = finishing
        .lock()
        .entry(id)
        .or_insert_with(|| {
            let (app, entry) = (app.clone(), Entry(finishing.clone(), id));
            let task = tokio::spawn(async move {
                let _entry = entry;
                make_job(&app, id).await
            });
            async move { task.await.unwrap_or_else(|error| Err(ApiError::internal(&error))) }.boxed().shared()
        })
        .clone();
    running.await
}

/// Makes, from the start on, the jobs of complete uploads that a dead process has not made, or that were refused when
/// their last byte came.
pub(crate) async fn finish_all(app: App) {
    let mut pause = FIRST_PAUSE;
    loop {
        match app.store.complete_uploads().await {
            Ok(complete) => {
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
    if app.store.job(id).await?.is_none() {
        failpoint::hit("upload.complete", None).await;
        let description = Description::read(&upload.metadata)?;
        let model = app.registry.resolve(&description.options.model, &app.settings.model_aliases).await?;
        let stored = join(app, &upload).await?;
        failpoint::hit("upload.joined", None).await;
        submit::create(app, &new_job(&upload, description, model.id.clone(), stored)).await?;
        failpoint::hit("upload.created", None).await;
    }
    for part in app.store.finish_upload(id, id).await? {
        app.objects.remove(&part).await?;
    }
    Ok(())
}

fn new_job(upload: &UploadRecord, description: Description, model: ModelId, stored: Upload) -> NewJob {
    NewJob {
        id: upload.id,
        account: upload.account.clone(),
        priority: Priority::Batch,
        options: JobOptions {
            model,
            language: description.options.language,
            diarize: description.options.diarize,
            speakers: description.options.speakers,
        },
        file_name: description.file_name,
        upload: stored,
        request_id: upload.request_id.clone(),
    }
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
