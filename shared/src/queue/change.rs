//! Noticing, across processes, that an SQLite file has changed.
//!
//! `PRAGMA data_version` on a connection that does not write differs from its last value exactly if another
//! connection has committed since. Looking every 5 ms is seen 3 ms later on average, for about 1 % of a core,
//! and only while somebody listens.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

const PERIOD: Duration = Duration::from_millis(5);
const RETRY: Duration = Duration::from_secs(1);

/// A feed of "something has changed", by any process. It may say so too often and after a crash of the watcher
/// late, so whoever listens also looks by itself now and then.
#[derive(Debug, Clone)]
pub struct ChangeFeed {
    changes: watch::Sender<u64>,
    wanted: Arc<Notify>,
}

impl ChangeFeed {
    /// Watches the SQLite file at `path` as long as the process lives.
    #[must_use]
    pub fn of_sqlite(path: &Path) -> Self {
        let feed = Self { changes: watch::Sender::new(0), wanted: Arc::default() };
        tokio::spawn(watch_file(path.to_owned(), feed.changes.clone(), Arc::clone(&feed.wanted)));
        feed
    }

    /// Listens from now on. Subscribe first, then read, then wait.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        let receiver = self.changes.subscribe();
        self.wanted.notify_one();
        receiver
    }
}

async fn watch_file(path: PathBuf, changes: watch::Sender<u64>, wanted: Arc<Notify>) {
    loop {
        if let Err(error) = watch_connection(&path, &changes, &wanted).await {
            tracing::warn!(error = %error, "cannot watch the database for changes; trying again");
        }
        changes.send_modify(|count| *count += 1);
        tokio::time::sleep(RETRY).await;
    }
}

async fn watch_connection(
    path: &Path,
    changes: &watch::Sender<u64>,
    wanted: &Notify,
) -> Result<(), sqlx::Error> {
    let mut connection =
        SqliteConnectOptions::new().filename(path).disable_statement_logging().connect().await?;
    let mut seen = data_version(&mut connection).await?;
    // Whoever subscribed before this first look may have missed a change.
    changes.send_modify(|count| *count += 1);
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if changes.receiver_count() == 0 {
            wanted.notified().await;
        }
        ticks.tick().await;
        let version = data_version(&mut connection).await?;
        if version != seen {
            seen = version;
            changes.send_modify(|count| *count += 1);
        }
    }
}

async fn data_version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA data_version").fetch_one(connection).await
}
