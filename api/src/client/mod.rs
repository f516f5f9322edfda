//! The HTTP client behind the commands that talk to a server.
//!
//! Belongs here: finding the server and its key, uploads, following a job, what a refusal looks like from
//! outside. Does not belong here: options of one command, and whatever is printed.

pub(crate) mod connection;
pub(crate) mod error;
pub(crate) mod follow;
pub(crate) mod job;
pub(crate) mod live;
pub(crate) mod media;
pub(crate) mod retry;
pub(crate) mod server;
pub(crate) mod shape;
pub(crate) mod upload;

use std::fmt;
use std::time::Duration;

use error::ClientError;
use job::Job;

/// Whoever wants to see how the work goes on.
pub(crate) trait Watch: fmt::Debug + Send + Sync {
    /// So many bytes of the file are on their way, of so many if that is known.
    fn sent(&self, bytes: u64, total: Option<u64>);
    /// The job has been looked at.
    fn job(&self, job: &Job);
    /// A call failed in a way that passes, and is made again after the pause.
    fn retrying(&self, error: &ClientError, pause: Duration);
}
