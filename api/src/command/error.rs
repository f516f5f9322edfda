//! How a command ends: its sentence on standard error, its document with `--json`, its exit status.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::output;
use crate::client::error::ClientError;

/// What the shell sees of Ctrl-C.
const INTERRUPTED: u8 = 130;
const WRONG_USAGE: u8 = 2;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// It stopped at the server, a file, or Ctrl-C.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It was asked for what does not go together.
    #[error("{0}")]
    Usage(String),
    /// Standard output takes no more.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    /// All has been said; this is the exit status.
    #[error("some of it failed")]
    Said(u8),
    /// It stopped at a store of this machine.
    #[error("{0:#}")]
    Operator(#[from] anyhow::Error),
}

/// What a command writes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// Text for people.
    Text,
    /// One JSON document.
    Json,
}

impl Written {
    /// What `--json` says.
    pub(crate) fn by(json: &Json) -> Self {
        if json.json { Self::Json } else { Self::Text }
    }
}

/// The option that every command has.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Json {
    /// Write one JSON document to standard output, for errors too
    #[arg(long, global = true)]
    json: bool,
}

impl CommandError {
    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Usage(_) => WRONG_USAGE,
            Self::Said(status) => *status,
            Self::Client(ClientError::Interrupted(_)) => INTERRUPTED,
            _ => 1,
        }
    }

    /// The document for `--json`.
    pub(crate) fn document(&self) -> Value {
        match self {
            Self::Client(error) => error.document(),
            Self::Usage(_) => json!({"error": self.to_string(), "code": "usage"}),
            _ => json!({"error": self.to_string(), "code": "failed"}),
        }
    }

    /// Says it, and returns the exit status.
    pub(crate) fn say(&self, written: Written) -> ExitCode {
        match self {
            // Whoever read has read enough, as `head` does.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Self::Said(status) => return ExitCode::from(*status),
            _ => {}
        }
        complain(&self.to_string());
        if written == Written::Json {
            // Nothing is left to be said if standard output is closed.
            let _ = output::print_document(&self.document());
        }
        ExitCode::from(self.status())
    }
}

/// Writes a sentence to standard error.
pub(crate) fn complain(sentence: &str) {
    // Nobody may be reading.
    let _ = writeln!(io::stderr().lock(), "steno: {}", super::text::clean(sentence));
}
