//! Bringing model files into their folder, and looking after them there.
//!
//! Belongs here: downloads that are resumed, checksums, locks, manifests. Does not belong here: which models there
//! are, which is the catalogue's, and whatever is printed, which is `steno models`'.

mod add;
mod digest;
mod download;
mod error;
mod lock;
mod mirror;
mod part;
mod pull;
mod rate;
mod remove;
mod state;
mod verify;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use steno_shared::catalog::Model;

pub(crate) use add::{Adding, Keep};
pub(crate) use download::Source;
pub(crate) use error::InstallError;
pub(crate) use mirror::Mirror;
pub(crate) use rate::Rate;
pub(crate) use state::State;

/// A model of the catalogue and the folder of all models, in which it is or is to be.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) entry: &'static Model,
    pub(crate) models: PathBuf,
}

/// Whoever wants to see how the work goes on.
pub(crate) trait Watch: fmt::Debug + Send + Sync {
    /// So many bytes have come, of so many.
    fn came(&self, bytes: u64, total: u64, rate: &Rate);
    /// So many bytes have been checked, of so many.
    fn checked(&self, bytes: u64, total: u64);
    /// The download broke off and is taken up again after the pause.
    fn retrying(&self, reason: &str, pause: Duration);
}

impl Place {
    /// Where the model's files are, or are to be.
    pub(crate) fn folder(&self) -> PathBuf {
        self.entry.folder(&self.models)
    }
}
