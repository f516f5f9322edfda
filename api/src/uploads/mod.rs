//! Resumable uploads: a file that arrives in as many requests as it takes, and the job that is made of it.
//!
//! What has arrived is kept as parts, each an object of the store; the row counts only those that are stored. When
//! the last byte is there, the parts are joined to the upload of a job. Belongs here: receiving, checking, joining.
//! Does not belong here: the protocol's headers and statuses, which are with the routes.

mod checksum;
mod finish;
mod metadata;
mod receive;
mod turn;

use std::sync::Arc;

use steno_shared::id::JobId;
use steno_shared::job::Priority;
use steno_shared::store::{NewUpload, UploadRecord};
use tokio::sync::Mutex;

pub(crate) use checksum::ALGORITHMS;
use finish::finish;
pub(crate) use finish::finish_all;
use metadata::Description;
pub(crate) use receive::{Patch, receive};

use crate::auth::Caller;
use crate::error::{ApiError, Cause};
use crate::state::App;
use crate::submit::{self, Submission};

/// Unfinished uploads that an account may have, where its tier lets as many jobs wait.
const MAX_UNFINISHED: u32 = 100;

/// What this process is doing with uploads, cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uploads {
    turns: turn::Turns,
    finishing: finish::Finishing,
    /// Held from the look at the free space until what is announced counts.
    announcing: Arc<Mutex<()>>,
}

/// The request for the job that an upload is to become.
fn submission(caller: &Caller, job: JobId, request_id: String) -> Submission<'_> {
    Submission { job, caller, priority: Priority::Batch, request_id, idempotency_key: None, dry_run: false }
}

/// No such upload, for this caller.
fn no_such_upload() -> ApiError {
    ApiError::new(Cause::NotFound, "no such upload")
}

/// The upload, if there is one and the caller may use it: its account, or of an anonymous one whoever holds its id.
pub(crate) async fn find(app: &App, caller: &Caller, id: &str) -> Result<UploadRecord, ApiError> {
    let id: JobId = id.parse().map_err(|_| no_such_upload())?;
    let upload = app.store.upload(id).await?.filter(|upload| caller.may_use(&upload.account));
    let upload = upload.ok_or_else(no_such_upload)?;
    if upload.expired {
        return Err(ApiError::new(Cause::UploadExpired, "the upload has expired; send the file anew"));
    }
    Ok(upload)
}

/// Begins an upload, unless no job could be made of it now; when it expires, in milliseconds since 1970.
pub(crate) async fn create(app: &App, caller: &Caller, new: &NewUpload) -> Result<i64, ApiError> {
    submit::expect(app, &submission(caller, new.id, new.request_id.clone())).await?;
    let description = Description::read(&new.metadata)?;
    finish::expect_webhook(app, caller, &description.options).await?;
    app.registry.resolve(&description.options.model, &app.settings.model_aliases).await?;
    let most = caller.limits.queued.map_or(MAX_UNFINISHED, |queued| queued.min(MAX_UNFINISHED));
    let announcing = app.uploads.announcing.lock().await;
    let announced = app.store.announced_bytes().await?;
    // The parts stay until they have been joined.
    receive::require_space(app, new.length.saturating_mul(2).saturating_add(announced)).await?;
    let created = app.store.create_upload(new, app.settings.upload_expiry.0, most).await?;
    drop(announcing);
    let expires_at = created.ok_or_else(|| {
        let message =
            format!("there are {most} unfinished uploads already; finish one, or remove one by DELETE");
        ApiError::new(Cause::TooManyUploads, message).retry_after(60)
    })?;
    tracing::info!(upload.id = %new.id, upload.bytes = new.length, "upload begun");
    Ok(expires_at)
}

/// The upload where it really stands: a request that is still sending is told to stop, and what it brought counts.
pub(crate) async fn settled(app: &App, upload: &UploadRecord) -> Result<UploadRecord, ApiError> {
    let _turn = app.uploads.turns.take(upload.id).await;
    app.store.upload(upload.id).await?.ok_or_else(no_such_upload)
}

/// Removes an upload. A job that was made of it stays.
pub(crate) async fn remove(app: &App, upload: &UploadRecord) -> Result<(), ApiError> {
    let _turn = app.uploads.turns.take(upload.id).await;
    // Its parts are not taken from under whoever joins them, and nobody begins to meanwhile.
    let _held = app.uploads.finishing.hold(upload.id).await;
    for part in app.store.remove_upload(upload.id).await? {
        app.objects.remove(&part).await?;
    }
    tracing::info!(upload.id = %upload.id, "upload removed");
    Ok(())
}

/// Removes what has expired, and says how many objects that were.
pub(crate) async fn sweep(app: &App) -> Result<usize, ApiError> {
    let parts = app.store.remove_expired_uploads().await?;
    for part in &parts {
        app.objects.remove(part).await?;
    }
    Ok(parts.len())
}
