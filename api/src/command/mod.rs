//! The commands of the command line, one file each, and what they share.
//!
//! Belongs here: options, what is printed, exit statuses. Does not belong here: HTTP, which is the client's.

pub(crate) mod bench;
mod error;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod listen;
pub(crate) mod models;
mod output;
mod progress;
mod speakers;
mod text;
pub(crate) mod transcribe;
pub(crate) mod usage;

pub(crate) use error::{CommandError, Written};
