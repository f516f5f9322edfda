//! The database: the truth about jobs, stages, workers and keys. The queue only wakes workers.
//!
//! Entity types and SQL stay in here. Times are milliseconds since 1970 by the database's clock, so that
//! leases do not depend on the clocks of the machines that hold them.

mod admit;
mod chunks;
mod deliveries;
mod dispatch;
mod entity;
mod finish;
mod jobs;
mod keys;
mod list;
mod retry;
mod sessions;
mod stages;
mod sweep;
mod uploads;
mod usage;
mod webhooks;
pub mod workers;

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, DatabaseTransaction,
    DbErr, QueryResult, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
};
use tokio::sync::{Semaphore, SemaphorePermit};

pub use chunks::ChunkRecord;
pub use deliveries::Resent;
pub use dispatch::{AttemptEnd, DueDelivery, NextStep};
pub use finish::{BranchEnd, FetchOutput, IntakeEnd, IntakeOutput, SetBack};
pub use jobs::Removed;
pub use keys::{AccountRecord, KeyRecord, NewKey, Owner};
pub use list::{Cursor, JobFilter, JobPage};
pub use retry::Retried;
pub use sessions::{KeptSession, NewSession, SESSION_LEASE, SessionBeat};
pub use stages::{Beat, Reaped};
pub use sweep::Retention;
pub use uploads::{NewUpload, UploadRecord};
pub use usage::{Usage, Used};
pub use webhooks::NewWebhook;

use crate::settings::DatabaseUrl;

/// Writers wait this long for each other before a statement fails.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECTIONS: u32 = 8;

/// The database connection, cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    db: DatabaseConnection,
    /// SQLite has one writer at a time; those of one process queue here rather than in its busy handler, which
    /// sleeps up to 100 ms between two looks.
    writer: Arc<Semaphore>,
}

/// A statement failed, or a row cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no.
    #[error("{operation} in the database")]
    Database {
        /// What was being done.
        operation: &'static str,
        /// What it said.
        #[source]
        source: DbErr,
    },
    /// A row holds what this version cannot read.
    #[error("unreadable row: {0}")]
    Row(String),
}

/// Names the operation in an error.
fn during(operation: &'static str) -> impl Fn(DbErr) -> StoreError {
    move |source| StoreError::Database { operation, source }
}

/// A row holds what this version cannot read.
fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Row(error.to_string())
}

/// A transaction that writes, with the turn to write.
struct Writing<'a> {
    transaction: DatabaseTransaction,
    _turn: SemaphorePermit<'a>,
}

impl Writing<'_> {
    async fn commit(self, operation: &'static str) -> Result<(), StoreError> {
        self.transaction.commit().await.map_err(during(operation))
    }

    async fn roll_back(self, operation: &'static str) -> Result<(), StoreError> {
        self.transaction.rollback().await.map_err(during(operation))
    }
}

impl Store {
    /// Connects. The schema must be there already (`steno migrate`).
    ///
    /// # Errors
    /// If the database cannot be opened.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        Ok(Self { db: connect(url).await?, writer: Arc::new(Semaphore::new(1)) })
    }

    /// The connection, for migrations.
    #[must_use]
    pub fn connection(&self) -> &DatabaseConnection {
        &self.db
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn check(&self) -> Result<(), StoreError> {
        let statement = self.statement("SELECT 1 FROM job LIMIT 1", []);
        self.db.query_one_raw(statement).await.map(|_| ()).map_err(during("check"))
    }

    fn statement(&self, sql: impl Into<String>, values: impl IntoIterator<Item = Value>) -> Statement {
        Statement::from_sql_and_values(self.db.get_database_backend(), sql, values)
    }

    /// The SQL for "now", in milliseconds since 1970.
    fn now(&self) -> &'static str {
        match self.db.get_database_backend() {
            DatabaseBackend::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            _ => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
        }
    }

    /// Begins a transaction that writes, when it is this task's turn.
    async fn write(&self, operation: &'static str) -> Result<Writing<'_>, StoreError> {
        let closed = |_| StoreError::Row("the database connection is closed".into());
        let turn = self.writer.acquire().await.map_err(closed)?;
        // Immediate: a transaction that begins by reading could not wait for its turn to write later on.
        let immediate = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self.db.begin_with_options(immediate).await.map_err(during(operation))?;
        Ok(Writing { transaction, _turn: turn })
    }
}

async fn connect(url: &DatabaseUrl) -> Result<DatabaseConnection, StoreError> {
    let DatabaseUrl::Sqlite(path) = url;
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", path.display()));
    options
        .max_connections(CONNECTIONS)
        .sqlx_logging(false)
        // A connection to a file does not go stale.
        .test_before_acquire(false)
        .map_sqlx_sqlite_opts(|options| {
            options
                .journal_mode(SqliteJournalMode::Wal)
                // An acknowledged job survives a power cut, not only a killed process.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY_TIMEOUT)
                .foreign_keys(true)
        });
    Database::connect(options).await.map_err(during("open"))
}

/// A column of a row, by name.
fn column<T: sea_orm::TryGetable>(row: &QueryResult, name: &str) -> Result<T, StoreError> {
    row.try_get("", name).map_err(during("read a row"))
}
