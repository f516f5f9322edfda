//! The command line.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use steno_shared::settings::Common;
use steno_shared::{failpoint, telemetry};

use crate::command::{self, CommandError, Written};
use crate::settings::{ServeSettings, UpSettings};
use crate::{migrate, openapi, serve, up};

/// Speech to text on your own hardware.
#[derive(Debug, Parser)]
#[command(name = "steno", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything on this machine: the API and its workers
    Up(UpSettings),
    /// Run the API alone; workers are started elsewhere
    Serve(ServeSettings),
    /// Make or update the tables of the database and the queue
    Migrate(Common),
    /// Transcribe files or addresses on a server
    Transcribe(command::transcribe::Transcribe),
    /// Transcribe as it is said: a microphone or a file, live
    Listen(command::listen::Listen),
    /// List, show, cancel, delete or retry jobs, and read their transcripts
    Jobs(command::jobs::Jobs),
    /// Make, list and revoke keys, and grant credits, in the database of this machine
    Keys(command::keys::Keys),
    /// List, pull, add, verify and remove models, on this machine
    Models(command::models::Models),
    /// Show what the key has used, and what is left
    Usage(command::usage::Usage),
    /// Measure how fast this machine transcribes, and in how much memory; no server is needed
    Bench(command::bench::Bench),
    /// Print the OpenAPI document
    Openapi,
}

/// Runs the command that the command line names, and returns its exit status: 0 = done, 1 = refused or failed,
/// 2 = wrong usage, 130 = Ctrl-C.
#[must_use]
pub fn run() -> ExitCode {
    let command = Cli::parse().command;
    let written = command.written();
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.say(written),
    }
}

impl Command {
    /// What goes to standard output.
    fn written(&self) -> Written {
        match self {
            Self::Transcribe(arguments) => Written::by(&arguments.json),
            Self::Listen(arguments) => arguments.written(),
            Self::Jobs(arguments) => Written::by(&arguments.json),
            Self::Keys(arguments) => Written::by(&arguments.json),
            Self::Models(arguments) => Written::by(&arguments.json),
            Self::Usage(arguments) => Written::by(&arguments.json),
            Self::Bench(arguments) => Written::by(&arguments.json),
            _ => Written::Text,
        }
    }

    /// The settings of those that open the stores.
    fn common(&self) -> Option<&Common> {
        match self {
            Self::Up(settings) => Some(&settings.serve.common),
            Self::Serve(settings) => Some(&settings.common),
            Self::Migrate(common) => Some(common),
            _ => None,
        }
    }

    fn run(&self) -> Result<(), CommandError> {
        if let Some(common) = self.common() {
            prepare(common)?;
        }
        // What reqwest does TLS with; an error says only that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let result = runtime.block_on(async {
            match self {
                Self::Up(settings) => Ok(up::run(settings).await?),
                Self::Serve(settings) => Ok(serve::run(settings).await?),
                Self::Migrate(common) => Ok(migrate::run(common).await?),
                Self::Openapi => Ok(std::io::stdout().write_all(openapi::yaml().as_bytes())?),
                Self::Transcribe(arguments) => command::transcribe::run(arguments).await,
                Self::Listen(arguments) => command::listen::run(arguments).await,
                Self::Jobs(arguments) => command::jobs::run(arguments).await,
                Self::Keys(arguments) => command::keys::run(arguments).await,
                Self::Models(arguments) => command::models::run(arguments).await,
                Self::Usage(arguments) => command::usage::run(arguments).await,
                Self::Bench(arguments) => command::bench::run(arguments).await,
            }
        });
        runtime.shutdown_background();
        result
    }
}

fn prepare(common: &Common) -> anyhow::Result<()> {
    telemetry::init(common).context("the log filter (--log) cannot be read")?;
    failpoint::arm().map_err(anyhow::Error::msg)?;
    common.check().map_err(anyhow::Error::msg)
}
