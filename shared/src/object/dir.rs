//! The object store in a local directory.
//!
//! An object is written to `staging/`, synced, and renamed into the folder of its kind. A staged file is locked
//! while its writer lives, so that [`DirStore::sweep`] can tell what a killed process left from what is being
//! written, and several processes may share the directory.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{
    LocalObject, ObjectEntry, ObjectError, ObjectKey, ObjectKind, ObjectStore, ObjectWriter, Stored,
};

const STAGING: &str = "staging";
/// Blocks are coalesced to this size: one hop to a blocking thread each, and at most two of them in memory.
const BLOCK: usize = 256 * 1024;

/// A directory as object store.
#[derive(Debug, Clone)]
pub struct DirStore {
    root: PathBuf,
}

impl DirStore {
    /// Opens, and if need be makes, the directory.
    ///
    /// # Errors
    /// [`ObjectError::Failed`] if it cannot be made.
    pub async fn open(root: &Path) -> Result<Self, ObjectError> {
        let store = Self { root: root.to_owned() };
        let folders = ObjectKind::ALL.map(ObjectKind::folder).into_iter().chain([STAGING]);
        for folder in folders {
            let made = tokio::fs::create_dir_all(store.root.join(folder)).await;
            made.map_err(ObjectError::io("create a folder"))?;
        }
        Ok(store)
    }

    fn path(&self, key: &ObjectKey) -> PathBuf {
        self.root.join(key.to_string())
    }
}

/// Runs blocking file work on a thread of its own.
async fn blocking<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ObjectError> {
    let joined = spawn_blocking(work).await.map_err(io::Error::other);
    joined.and_then(|result| result).map_err(ObjectError::io(operation))
}

/// Tells a missing object apart.
fn or_missing(key: &ObjectKey, operation: &'static str) -> impl Fn(io::Error) -> ObjectError {
    let key = *key;
    move |error| match error.kind() {
        io::ErrorKind::NotFound => ObjectError::Missing(key),
        _ => ObjectError::io(operation)(error),
    }
}

#[async_trait]
impl ObjectStore for DirStore {
    async fn create(&self, key: &ObjectKey) -> Result<Box<dyn ObjectWriter>, ObjectError> {
        let staging = self.root.join(STAGING);
        let staged = blocking("create an object", move || Staged::create(&staging)).await?;
        Ok(Box::new(DirWriter {
            target: self.path(key),
            buffer: BytesMut::new(),
            state: State::Idle(staged),
        }))
    }

    async fn read(&self, key: &ObjectKey, limit: u64) -> Result<Vec<u8>, ObjectError> {
        let path = self.path(key);
        let metadata = tokio::fs::metadata(&path).await.map_err(or_missing(key, "read an object"))?;
        if metadata.len() > limit {
            return Err(ObjectError::TooLarge(*key, limit));
        }
        tokio::fs::read(&path).await.map_err(or_missing(key, "read an object"))
    }

    async fn local(&self, key: &ObjectKey) -> Result<LocalObject, ObjectError> {
        let path = self.path(key);
        tokio::fs::metadata(&path).await.map_err(or_missing(key, "open an object"))?;
        Ok(LocalObject::in_place(path))
    }

    async fn remove(&self, key: &ObjectKey) -> Result<(), ObjectError> {
        match tokio::fs::remove_file(self.path(key)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ObjectError::io("remove an object")(error))
            }
            _ => Ok(()),
        }
    }

    async fn list(
        &self,
        kind: ObjectKind,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectEntry>, ObjectError> {
        let (folder, after) = (self.root.join(kind.folder()), after.copied());
        blocking("list objects", move || {
            let mut keys = Vec::new();
            for entry in folder.read_dir()? {
                let name = entry?.file_name();
                let key = format!("{}/{}", kind.folder(), name.to_string_lossy()).parse::<ObjectKey>();
                // Files that others put there are none of ours.
                keys.extend(key.ok().filter(|key| after.is_none_or(|after| *key > after)));
            }
            keys.sort_unstable();
            let mut entries = Vec::new();
            for key in keys {
                let Ok(metadata) = folder.join(file_name(&key)).metadata() else { continue };
                let age = metadata.modified()?.elapsed().unwrap_or(Duration::ZERO);
                entries.push(ObjectEntry { key, bytes: metadata.len(), age });
                if entries.len() == limit {
                    break;
                }
            }
            Ok(entries)
        })
        .await
    }

    async fn sweep(&self) -> Result<usize, ObjectError> {
        let staging = self.root.join(STAGING);
        blocking("sweep the staging folder", move || {
            let mut removed = 0;
            for entry in staging.read_dir()? {
                let path = entry?.path();
                // It may be finished, or removed, at any moment.
                let Ok(file) = File::open(&path) else { continue };
                match file.try_lock() {
                    Ok(()) => removed += usize::from(std::fs::remove_file(&path).is_ok()),
                    Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(error)) => return Err(error),
                }
            }
            Ok(removed)
        })
        .await
    }

    async fn free_bytes(&self) -> Result<Option<u64>, ObjectError> {
        let root = self.root.clone();
        blocking("read the free space", move || {
            let volume = rustix::fs::statvfs(&root)?;
            Ok(Some(volume.f_bavail.saturating_mul(volume.f_frsize)))
        })
        .await
    }

    async fn check(&self) -> Result<(), ObjectError> {
        let staging = self.root.join(STAGING);
        blocking("write to the object store", move || {
            let mut staged = Staged::create(&staging)?;
            staged.append(b"check")?;
            staged.file.sync_data()
        })
        .await
    }
}

fn file_name(key: &ObjectKey) -> String {
    let text = key.to_string();
    text.split_once('/').map_or(text.clone(), |(_, name)| name.to_owned())
}

/// A locked file in the staging folder, removed when dropped.
#[derive(Debug)]
struct Staged {
    file: File,
    path: Option<tempfile::TempPath>,
    hash: Sha256,
    bytes: u64,
}

impl Staged {
    fn create(staging: &Path) -> io::Result<Self> {
        let (file, path) = tempfile::Builder::new().prefix("staged-").tempfile_in(staging)?.into_parts();
        file.try_lock()?;
        Ok(Self { file, path: Some(path), hash: Sha256::new(), bytes: 0 })
    }

    fn append(&mut self, block: &[u8]) -> io::Result<()> {
        self.file.write_all(block)?;
        self.hash.update(block);
        self.bytes += block.len() as u64;
        Ok(())
    }

    fn publish(mut self, target: &Path) -> io::Result<Stored> {
        self.file.sync_all()?;
        if let Some(path) = self.path.take() {
            path.persist(target).map_err(|error| error.error)?;
        }
        // The rename is durable once its folder is.
        if let Some(folder) = target.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(Stored { bytes: self.bytes, sha256: super::hex(&self.hash.finalize()) })
    }
}

/// The file is with the writer, or on a blocking thread that appends the block before.
#[derive(Debug)]
enum State {
    Idle(Staged),
    Appending(JoinHandle<io::Result<Staged>>),
    Failed,
}

#[derive(Debug)]
struct DirWriter {
    target: PathBuf,
    buffer: BytesMut,
    state: State,
}

impl DirWriter {
    /// Waits for the block under way.
    async fn staged(&mut self) -> io::Result<Staged> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Idle(staged) => Ok(staged),
            State::Appending(task) => task.await.map_err(io::Error::other)?,
            State::Failed => Err(io::Error::other("an earlier block was not written")),
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let mut staged = self.staged().await?;
        let block = self.buffer.split().freeze();
        self.state = State::Appending(spawn_blocking(move || staged.append(&block).map(|()| staged)));
        Ok(())
    }
}

#[async_trait]
impl ObjectWriter for DirWriter {
    async fn write(&mut self, block: Bytes) -> Result<(), ObjectError> {
        self.buffer.extend_from_slice(&block);
        if self.buffer.len() >= BLOCK {
            self.flush().await.map_err(ObjectError::io("write an object"))?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Stored, ObjectError> {
        self.flush().await.map_err(ObjectError::io("write an object"))?;
        let staged = self.staged().await.map_err(ObjectError::io("write an object"))?;
        let target = self.target.clone();
        blocking("finish an object", move || staged.publish(&target)).await
    }
}
