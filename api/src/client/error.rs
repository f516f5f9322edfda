//! Why a command that talks to a server stopped.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

/// Why a command stopped. Its text is the sentence for people, the server's own where there is one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The server said no.
    #[error("{}", .0.message)]
    Refused(Box<Refusal>),
    /// Nobody answers there.
    #[error("cannot reach {server}: {reason}; --server or STENO_SERVER names another server")]
    Unreachable {
        /// The server's address.
        server: String,
        /// What the operating system says.
        reason: String,
    },
    /// The connection broke before the answer was whole.
    #[error("the connection to {server} broke: {reason}")]
    Broken {
        /// The server's address.
        server: String,
        /// What the operating system says.
        reason: String,
    },
    /// The answer is not one of this API.
    #[error("{server} does not answer as a Steno server does: {what}")]
    Foreign {
        /// The server's address.
        server: String,
        /// What is odd.
        what: String,
    },
    /// A setting of the connection has a value that it cannot have.
    #[error("{0}")]
    Setting(String),
    /// A file on this machine cannot be read or written.
    #[error("{0}")]
    File(String),
    /// The job was accepted, and has ended without a transcript.
    #[error("{message}")]
    Job {
        /// Its id.
        id: String,
        /// For programs.
        code: String,
        /// For people.
        message: String,
    },
    /// A live session was refused, or has ended before its audio.
    #[error("{message}")]
    Session {
        /// Its id, if it had begun.
        id: Option<String>,
        /// For programs.
        code: String,
        /// For people.
        message: String,
    },
    /// Ctrl-C. The text says what has become of the job.
    #[error("interrupted; {0}")]
    Interrupted(String),
}

/// What a server answered instead of what was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its sentence.
    pub(crate) message: String,
    /// Its body, which has the sentence as `error`.
    pub(crate) document: Value,
    /// When to try again.
    pub(crate) retry_after: Option<Duration>,
    /// Whether the server says that the same request cannot succeed.
    pub(crate) is_final: bool,
}

impl ClientError {
    /// A file on this machine that cannot be read or written.
    pub(crate) fn file(what: &str, name: &str, error: &std::io::Error) -> Self {
        Self::File(format!("cannot {what} {name}: {error}"))
    }

    /// The document of the error: the server's own, or one of the same form.
    pub(crate) fn document(&self) -> Value {
        let code = match self {
            Self::Refused(refusal) => return refusal.document.clone(),
            Self::Job { id, code, message } => {
                return json!({"error": message, "code": code, "job_id": id});
            }
            Self::Session { id, code, message } => {
                let mut document = json!({"error": message, "code": code});
                if let Some(id) = id {
                    document["session_id"] = json!(id);
                }
                return document;
            }
            Self::Unreachable { .. } => "unreachable",
            Self::Broken { .. } => "connection_broken",
            Self::Foreign { .. } => "foreign_server",
            Self::Setting(_) => "invalid_setting",
            Self::File(_) => "file",
            Self::Interrupted(_) => "interrupted",
        };
        json!({"error": self.to_string(), "code": code})
    }

    /// Whether another file may fare better with the same server and key.
    pub(crate) fn is_about_the_file(&self) -> bool {
        match self {
            Self::Refused(refusal) => matches!(
                refusal.status,
                StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY
            ),
            Self::File(_) | Self::Job { .. } => true,
            _ => false,
        }
    }
}
