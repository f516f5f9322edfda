//! The port to the queue, which wakes workers. The database is the truth: a token says only that a lane has
//! something to do, a lost one costs the time until the next slow poll, and one too many costs a look.
//!
//! The tokens travel through an apalis queue per lane. apalis types stay in here and in the workers' lane.

mod change;
mod sqlite;

use serde::{Deserialize, Serialize};

pub use change::ChangeFeed;
pub use sqlite::SqliteQueue;

use crate::id::JobId;
use crate::job::Lane;
use crate::settings::QueueUrl;

/// What is queued: a hint. Every field has a default and unknown ones are ignored, because a token that cannot
/// be decoded ends the apalis worker that meets it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Token {
    /// The version of this payload.
    pub version: u32,
    /// The job that gave rise to it, for people who look into the queue. The worker takes the best of the lane.
    pub job: String,
}

impl Token {
    /// A token for a job.
    #[must_use]
    pub fn new(job: JobId) -> Self {
        Self { version: 1, job: job.to_string() }
    }
}

/// The queue could not be reached or written.
#[derive(Debug, thiserror::Error)]
#[error("{operation} in the queue")]
pub struct QueueError {
    operation: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl QueueError {
    fn during<E>(operation: &'static str) -> impl Fn(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self { operation, source: source.into() }
    }
}

/// The queue that the settings name, cheap to clone.
#[derive(Debug, Clone)]
pub enum Queue {
    /// apalis-sqlite.
    Sqlite(SqliteQueue),
}

impl Queue {
    /// Opens the queue. Its tables must be there already (`steno migrate`).
    ///
    /// # Errors
    /// If it cannot be opened.
    pub async fn open(url: &QueueUrl) -> Result<Self, QueueError> {
        match url {
            QueueUrl::Sqlite(path) => SqliteQueue::open(path).await.map(Self::Sqlite),
        }
    }

    /// Makes the queue's own tables. One process at a time, before any worker starts: apalis' migrations race.
    ///
    /// # Errors
    /// If they cannot be made.
    pub async fn migrate(&self) -> Result<(), QueueError> {
        match self {
            Self::Sqlite(queue) => queue.migrate().await,
        }
    }

    /// Wakes a worker of the lane.
    ///
    /// # Errors
    /// If the token cannot be written. The job is not lost: workers also look by themselves, every few seconds.
    pub async fn wake(&self, lane: Lane, job: JobId) -> Result<(), QueueError> {
        match self {
            Self::Sqlite(queue) => queue.push(lane, &Token::new(job)).await,
        }
    }

    /// Whether the queue answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn check(&self) -> Result<(), QueueError> {
        match self {
            Self::Sqlite(queue) => queue.check().await,
        }
    }

    /// Removes the tokens that were handled. apalis keeps them for ever.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub async fn trim(&self) -> Result<u64, QueueError> {
        match self {
            Self::Sqlite(queue) => queue.trim().await,
        }
    }

    /// Tokens that wait in a lane.
    ///
    /// # Errors
    /// If they cannot be counted.
    pub async fn waiting(&self, lane: Lane) -> Result<u64, QueueError> {
        match self {
            Self::Sqlite(queue) => queue.waiting(lane).await,
        }
    }
}
