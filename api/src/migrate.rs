//! Making and updating the tables, one process at a time.

use std::fs::{File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::{Context, bail};
use sea_orm_migration::MigratorTrait;
use steno_migration::Migrator;
use steno_shared::queue::Queue;
use steno_shared::settings::Common;
use steno_shared::store::Store;

/// Makes the data folder, readable by its owner alone.
///
/// # Errors
/// If it cannot be made.
pub fn make_folder(folder: &Path) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make the data folder {}", folder.display()))
}

/// Brings the tables of the database and the queue up to date.
///
/// # Errors
/// If another process is at it for long, or a table cannot be made.
pub async fn run(common: &Common) -> anyhow::Result<()> {
    make_folder(&common.data)?;
    // apalis' migrations race with each other, so only one process at a time makes tables.
    let path = common.data.join("migrate.lock");
    let lock = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let waited = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await?;
    let _lock = waited.context("cannot lock the migration")?;
    let store = Store::open(&common.database_url()).await?;
    Migrator::up(store.connection(), None).await.context("cannot make the database's tables")?;
    let queue = Queue::open(&common.queue_url()).await?;
    queue.migrate().await.context("cannot make the queue's tables")
}

/// Holds the data folder for one `steno up`.
///
/// # Errors
/// If another one holds it.
pub fn hold(data: &Path) -> anyhow::Result<File> {
    let path = data.join("up.lock");
    let lock = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!(
            "another steno is running with the data folder {}; stop it, or give this one another --data",
            data.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).context("cannot lock the data folder"),
    }
}
