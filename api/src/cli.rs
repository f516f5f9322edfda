//! The command line.

use std::io::Write;

use anyhow::Context;
use clap::{Parser, Subcommand};
use steno_shared::settings::Common;
use steno_shared::{failpoint, telemetry};

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
    /// Print the OpenAPI document
    Openapi,
}

/// Runs the command that the command line names.
///
/// # Errors
/// What went wrong, for the terminal.
pub fn run() -> anyhow::Result<()> {
    let command = Cli::parse().command;
    let common = match &command {
        Command::Up(settings) => Some(&settings.serve.common),
        Command::Serve(settings) => Some(&settings.common),
        Command::Migrate(common) => Some(common),
        Command::Openapi => None,
    };
    if let Some(common) = common {
        telemetry::init(common).context("the log filter (--log) cannot be read")?;
        failpoint::arm().map_err(anyhow::Error::msg)?;
        common.check().map_err(anyhow::Error::msg)?;
    }
    // What reqwest does TLS with; an error says only that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        match command {
            Command::Up(settings) => up::run(&settings).await,
            Command::Serve(settings) => serve::run(&settings).await,
            Command::Migrate(common) => migrate::run(&common).await,
            Command::Openapi => Ok(std::io::stdout().write_all(openapi::yaml().as_bytes())?),
        }
    });
    runtime.shutdown_background();
    result
}
