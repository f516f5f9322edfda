//! A job as the server shows it.

use serde::Deserialize;
use serde_json::Value;

use super::error::ClientError;
use super::server::Server;

/// A job: what the commands look at, and the whole document.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// What the commands look at.
    pub(crate) seen: Seen,
    /// All that the server said.
    pub(crate) document: Value,
}

/// The fields that the commands look at. Others may be there.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Seen {
    /// Its name.
    pub(crate) id: String,
    /// queued, processing, completed, failed or cancelled.
    pub(crate) state: String,
    /// The name that the client gave its file.
    pub(crate) file_name: Option<String>,
    /// The address of its file.
    pub(crate) url: Option<String>,
    /// Length of the audio, in seconds, once known.
    pub(crate) duration: Option<f64>,
    /// How many jobs are before it.
    pub(crate) queue_position: Option<u64>,
    /// What is being done.
    pub(crate) progress: Option<Progress>,
    /// Why it failed.
    pub(crate) error: Option<JobFailure>,
    /// RFC 3339.
    #[serde(default)]
    pub(crate) created_at: String,
}

/// How far a job is.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Progress {
    /// The step that runs or waits.
    pub(crate) stage: String,
    /// Seconds of media decoded.
    pub(crate) decoded_seconds: Option<f64>,
    /// Seconds of media dealt with.
    pub(crate) done_seconds: Option<f64>,
    /// Seconds of media in all, once known.
    pub(crate) total_seconds: Option<f64>,
}

/// Why a job failed.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct JobFailure {
    /// For programs.
    pub(crate) code: String,
    /// For people.
    pub(crate) message: String,
}

impl Job {
    /// The job in a document of the server.
    ///
    /// # Errors
    /// If there is none in it.
    pub(crate) fn of(server: &Server, document: Value) -> Result<Self, ClientError> {
        match Seen::deserialize(&document) {
            Ok(seen) => Ok(Self { seen, document }),
            Err(_) => Err(server.foreign("its answer is not a job")),
        }
    }

    /// Whether nothing more will happen to it by itself.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.seen.state.as_str(), "completed" | "failed" | "cancelled")
    }

    /// The job, if it is completed.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) fn completed(self) -> Result<Self, ClientError> {
        if self.seen.state == "completed" {
            return Ok(self);
        }
        let (code, message) = match self.seen.error {
            Some(failure) => (failure.code, failure.message),
            None => (self.seen.state.clone(), format!("job {} is {}", self.seen.id, self.seen.state)),
        };
        Err(ClientError::Job { id: self.seen.id, code, message })
    }
}

/// The jobs of a page, and what names the next one.
///
/// # Errors
/// If the document is no such page.
pub(crate) fn page(server: &Server, document: &Value) -> Result<(Vec<Seen>, Option<String>), ClientError> {
    #[derive(Deserialize)]
    struct Page {
        jobs: Vec<Seen>,
        next_cursor: Option<String>,
    }
    let page = Page::deserialize(document).map_err(|_| server.foreign("its answer is not a list of jobs"))?;
    Ok((page.jobs, page.next_cursor))
}
