//! The settings of this worker alone. The doc comment of a field is its documentation.

use std::path::PathBuf;
use std::time::Duration;

use steno_runtime::process::WorkerSettings;
use steno_shared::settings::{Bytes, Span};

use crate::limits::Limits;

/// A decoder that writes nothing for this long is stuck.
const STALL: Duration = Duration::from_secs(60);
/// So many files are decoded at once at least: a short clip must not wait for a long one.
const LEAST_SLOTS: usize = 4;

/// The settings of the intake worker.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// The settings of every worker.
    #[command(flatten)]
    pub worker: WorkerSettings,

    /// How many files are decoded at once [default: twice the number of cores, at least 4]
    #[arg(long, env = "STENO_INTAKE_SLOTS", value_name = "NUMBER")]
    pub slots: Option<usize>,

    /// The longest audio that is accepted
    #[arg(long, env = "STENO_MAX_DURATION", value_name = "TIME", default_value = "24h")]
    pub max_duration: Span,

    /// How long the decoding of one file may take
    #[arg(long, env = "STENO_DECODE_TIMEOUT", value_name = "TIME", default_value = "1h")]
    pub decode_timeout: Span,

    /// The address space that one decoder may use; ffmpeg needs about 300MiB to start at all
    #[arg(long, env = "STENO_DECODE_MEMORY", value_name = "SIZE", default_value = "1GiB")]
    pub decode_memory: Bytes,

    /// The ffmpeg that decodes what is not decoded natively: a path, or a name to look for in PATH
    #[arg(long, env = "STENO_FFMPEG", value_name = "PATH", default_value = "ffmpeg")]
    pub ffmpeg: PathBuf,
}

impl Settings {
    /// How many files are decoded at once.
    #[must_use]
    pub fn slots(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.slots.unwrap_or((2 * cores).max(LEAST_SLOTS))
    }

    /// What one decoder may use up.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            duration: self.max_duration.0,
            stall: STALL,
            time: self.decode_timeout.0,
            memory: self.decode_memory.0,
        }
    }
}
