//! Writing what a stage found out, and what a failure of ours is called.

use bytes::Bytes;
use serde::Serialize;
use steno_runtime::Resources;
use steno_shared::error::FailureCode;
use steno_shared::job::Setback;
use steno_shared::object::{ObjectError, ObjectKey};

/// Stores `found` as JSON.
pub(crate) async fn put(
    resources: &Resources,
    key: &ObjectKey,
    found: &impl Serialize,
) -> Result<(), Setback> {
    let json = serde_json::to_vec(found).map_err(|error| broken("writing the result", &error))?;
    let written = async {
        let mut writer = resources.objects.create(key).await?;
        writer.write(Bytes::from(json)).await?;
        writer.finish().await
    };
    written.await.map(|_| ()).map_err(|error| of_objects(&error))
}

/// A failure that is ours. What exactly is for the log.
pub(crate) fn broken(doing: &str, error: &dyn std::fmt::Display) -> Setback {
    tracing::error!(error = %error, "{doing} failed");
    Setback::retry(FailureCode::Internal, "the transcription failed")
}

/// A failure of the object store.
pub(crate) fn of_objects(error: &ObjectError) -> Setback {
    match error {
        ObjectError::Full => Setback::retry(FailureCode::OutOfSpace, "the server's disk is full"),
        _ => broken("the object store", error),
    }
}
