//! The settings of `steno-stream`.

use std::num::NonZeroUsize;

use steno_runtime::process::WorkerSettings;

/// The worker of live sessions
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "steno-stream", version, disable_help_subcommand = true)]
pub struct Settings {
    /// The settings of every worker.
    #[command(flatten)]
    pub worker: WorkerSettings,

    /// Decoding threads, each with a state of its own, which all sessions share [default: one per core, 4 on a GPU]
    #[arg(long, env = "STENO_STREAM_THREADS", value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}
