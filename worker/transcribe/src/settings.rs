//! The settings of `steno-transcribe`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use steno_runtime::models::ModelSettings;
use steno_runtime::process::WorkerSettings;

use crate::diarize::child::ChildArgs;

/// Threads on a GPU, unless set: enough to keep it busy while others compute on the host.
const GPU_THREADS: usize = 4;

/// The worker that turns samples into transcripts
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "steno-transcribe", version, disable_help_subcommand = true)]
pub struct Settings {
    /// The settings of every worker.
    #[command(flatten)]
    pub worker: WorkerSettings,

    /// Decoding threads, each with a state of its own, which all jobs share [default: one per core, 4 on a GPU]
    #[arg(long, env = "STENO_THREADS", value_name = "N")]
    pub threads: Option<NonZeroUsize>,

    /// How many transcriptions run at once
    #[arg(long, env = "STENO_TRANSCRIBE_SLOTS", value_name = "N", default_value = "64")]
    pub slots: NonZeroUsize,

    /// Processes that find out who spoke when, which all jobs share [default: 2, or 1 on a machine of up to two cores]
    #[arg(long, env = "STENO_DIARIZERS", value_name = "N")]
    pub diarizers: Option<NonZeroUsize>,

    /// The model that tells voices apart [default: titanet-small or another that is installed]
    #[arg(long, env = "STENO_DIARIZATION_MODEL", value_name = "ID")]
    pub diarization_model: Option<String>,

    /// What models may take.
    #[command(flatten)]
    pub models: ModelSettings,

    /// Something else than working.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What else the executable can do.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Transcribes files by itself and prints what that costs, as JSON
    #[command(hide = true)]
    Bench(Bench),
    /// Answers questions about who speaks when, as a child of the worker
    #[command(hide = true)]
    Diarizer(ChildArgs),
}

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Bench {
    /// 16 kHz mono 16-bit WAV files, or samples without a header
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// The model
    #[arg(long, value_name = "ID", default_value = "mini")]
    pub model: String,

    /// The language spoken [default: detected]
    #[arg(long, value_name = "CODE")]
    pub language: Option<String>,

    /// How many files are transcribed at once; fewer are repeated
    #[arg(long, value_name = "N", default_value = "1")]
    pub at_once: NonZeroUsize,

    /// Give each file to the engine as it is, without looking for speech: at most 30 s
    #[arg(long)]
    pub whole: bool,

    /// Print the transcripts too
    #[arg(long)]
    pub transcripts: bool,
}

impl Settings {
    /// How many decoding threads to start.
    #[must_use]
    pub fn threads(&self, gpu: bool) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        match self.threads {
            Some(threads) => threads.get(),
            None if gpu => GPU_THREADS,
            None => cores(),
        }
    }

    /// How many diarizing processes there may be.
    #[must_use]
    pub fn diarizers(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.diarizers.map_or(if cores <= 2 { 1 } else { 2 }, NonZeroUsize::get)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_settings_are_well_formed() {
        <Settings as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn threads_are_as_set_or_as_the_hardware_has_them() {
        let settings =
            |arguments: &[&str]| Settings::parse_from(["steno-transcribe"].iter().chain(arguments));
        assert_eq!(settings(&["--threads", "3"]).threads(true), 3);
        assert_eq!(settings(&[]).threads(true), GPU_THREADS);
        assert!(settings(&[]).threads(false) >= 1);
        assert!(Settings::try_parse_from(["steno-transcribe", "--threads", "0"]).is_err());
    }
}
