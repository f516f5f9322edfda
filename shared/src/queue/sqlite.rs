//! The queue in an SQLite file, by apalis-sqlite.

use std::path::{Path, PathBuf};
use std::time::Duration;

use apalis_core::backend::TaskSink;
use apalis_sqlite::{Config, SqliteStorage};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, SqlitePool};

use super::{QueueError, Token};
use crate::job::Lane;

const CONNECTIONS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How often an apalis worker says that it lives, and how often it may fail to before its tokens are given to
/// another.
const HEARTBEAT: Duration = Duration::from_secs(10);
const MISSED_HEARTBEATS: usize = 3;

/// An SQLite file with apalis' tables.
#[derive(Debug, Clone)]
pub struct SqliteQueue {
    pool: SqlitePool,
    path: PathBuf,
}

impl SqliteQueue {
    /// Opens, and if need be makes, the file.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub async fn open(path: &Path) -> Result<Self, QueueError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A token lost in a power cut is found by the slow poll.
            .synchronous(SqliteSynchronous::Off)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .map_err(QueueError::during("open"))?;
        Ok(Self { pool, path: path.to_owned() })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// apalis' storage for a lane. One token at a time, so that none waits behind a busy worker.
    #[must_use]
    pub fn storage(&self, lane: Lane) -> SqliteStorage<Token> {
        let config = Config::default()
            .queue(lane.as_str())
            .batch_size(1)
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(MISSED_HEARTBEATS);
        SqliteStorage::new(&self.pool).with_config(config)
    }

    pub(super) async fn migrate(&self) -> Result<(), QueueError> {
        // Not `setup`, which sets pragmas on one connection of the pool.
        SqliteStorage::migrations().run(&self.pool).await.map_err(QueueError::during("migrate"))
    }

    pub(super) async fn push(&self, lane: Lane, token: &Token) -> Result<(), QueueError> {
        self.storage(lane)
            .push(token.clone())
            .await
            .map_err(|error| QueueError { operation: "push a token", source: error.to_string().into() })
    }

    pub(super) async fn check(&self) -> Result<(), QueueError> {
        let checked = sqlx::query("SELECT 1 FROM Jobs LIMIT 1").fetch_optional(&self.pool).await;
        checked.map(|_| ()).map_err(QueueError::during("check"))
    }

    pub(super) async fn trim(&self) -> Result<u64, QueueError> {
        let handled = "DELETE FROM Jobs WHERE status IN ('Done', 'Failed', 'Killed')";
        let trimmed = sqlx::query(handled).execute(&self.pool).await.map_err(QueueError::during("trim"))?;
        let silent = "DELETE FROM Workers WHERE last_seen < unixepoch() - 3600 \
                      AND NOT EXISTS (SELECT 1 FROM Jobs WHERE Jobs.lock_by = Workers.id)";
        sqlx::query(AssertSqlSafe(silent)).execute(&self.pool).await.map_err(QueueError::during("trim"))?;
        Ok(trimmed.rows_affected())
    }

    pub(super) async fn waiting(&self, lane: Lane) -> Result<u64, QueueError> {
        let sql =
            "SELECT COUNT(*) FROM Jobs WHERE job_type = ? AND status NOT IN ('Done', 'Failed', 'Killed')";
        let count: i64 = sqlx::query_scalar(sql)
            .bind(lane.as_str())
            .fetch_one(&self.pool)
            .await
            .map_err(QueueError::during("count tokens"))?;
        Ok(count.unsigned_abs())
    }
}
