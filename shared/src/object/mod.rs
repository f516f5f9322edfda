//! The port to the object store: uploads, samples and transcripts, by key.
//!
//! An object is written once and as a whole: it is there when [`ObjectWriter::finish`] has returned, and never
//! in part. Whoever drops a writer leaves nothing. `tests/it/stores.rs` holds the suite that every
//! implementation passes.

mod dir;
mod key;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use dir::DirStore;
pub use key::{InvalidKey, ObjectKey, ObjectKind};

/// Where uploads, samples and transcripts are kept.
#[async_trait]
pub trait ObjectStore: fmt::Debug + Send + Sync {
    /// Begins an object. An object of the same key is replaced when the new one is finished.
    async fn create(&self, key: &ObjectKey) -> Result<Box<dyn ObjectWriter>, ObjectError>;

    /// A whole object of at most `limit` bytes.
    async fn read(&self, key: &ObjectKey, limit: u64) -> Result<Vec<u8>, ObjectError>;

    /// The object as a file on this machine, for as long as the value lives.
    async fn local(&self, key: &ObjectKey) -> Result<LocalObject, ObjectError>;

    /// Removes an object; one that is not there is removed already.
    async fn remove(&self, key: &ObjectKey) -> Result<(), ObjectError>;

    /// Up to `limit` objects of a kind in the order of their keys, those after `after` only.
    async fn list(
        &self,
        kind: ObjectKind,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectEntry>, ObjectError>;

    /// Removes what writers that died have left behind, and says how many.
    async fn sweep(&self) -> Result<usize, ObjectError>;

    /// Bytes that can still be written, where that can be known.
    async fn free_bytes(&self) -> Result<Option<u64>, ObjectError>;

    /// Whether objects can be written and read just now.
    async fn check(&self) -> Result<(), ObjectError>;
}

/// An object being written. Dropped without [`ObjectWriter::finish`], it leaves nothing behind.
#[async_trait]
pub trait ObjectWriter: fmt::Debug + Send {
    /// Appends; returns when the block has been taken, not when it has been stored.
    async fn write(&mut self, block: Bytes) -> Result<(), ObjectError>;

    /// Makes the object durable and visible.
    async fn finish(self: Box<Self>) -> Result<Stored, ObjectError>;
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content, lower-case hexadecimal.
    pub sha256: String,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEntry {
    /// Its key.
    pub key: ObjectKey,
    /// Its length.
    pub bytes: u64,
    /// How long ago it was finished, by the store's clock.
    pub age: Duration,
}

/// An object as a local file. A copy fetched for the purpose is removed when this is dropped.
#[derive(Debug)]
pub struct LocalObject {
    path: PathBuf,
    _copy: Option<tempfile::TempPath>,
}

impl LocalObject {
    /// A file that stays where it is.
    #[must_use]
    pub fn in_place(path: PathBuf) -> Self {
        Self { path, _copy: None }
    }

    /// Where it can be opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What can go wrong with an object.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ObjectError {
    /// There is no object of this key.
    #[error("no object {0}")]
    Missing(ObjectKey),
    /// It is larger than the reader allows.
    #[error("object {0} is larger than {1} bytes")]
    TooLarge(ObjectKey, u64),
    /// No room left.
    #[error("the object store is full")]
    Full,
    /// Anything else.
    #[error("{operation} in the object store")]
    Failed {
        /// What was being done.
        operation: &'static str,
        /// Why it could not be done.
        #[source]
        source: Arc<std::io::Error>,
    },
}

impl ObjectError {
    /// Wraps an I/O error, telling a full disk apart.
    pub fn io(operation: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Failed { operation, source: Arc::new(source) },
        }
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Opens the store that a URL names. `file:` is the one known now.
///
/// # Errors
/// [`ObjectError::Failed`] if the store cannot be opened.
pub async fn open(url: &crate::settings::ObjectsUrl) -> Result<Arc<dyn ObjectStore>, ObjectError> {
    match url {
        crate::settings::ObjectsUrl::Dir(root) => Ok(Arc::new(DirStore::open(root).await?)),
    }
}
