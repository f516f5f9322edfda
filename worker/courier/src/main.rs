//! The courier: fetches what URLs name and delivers webhooks.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use steno_courier::{Courier, Settings};
use steno_runtime::process;
use steno_shared::job::Lane;

/// Fetches the files of URLs and delivers webhooks
#[derive(Debug, Parser)]
#[command(name = "steno-courier", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
}

fn main() -> ExitCode {
    let settings = Cli::parse().settings;
    let worked = process::run(&settings.worker, Lane::Fetch, settings.slots, async |_| {
        Ok(Arc::new(Courier::new(&settings)?) as _)
    });
    match worked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("steno-courier: {error:#}");
            ExitCode::FAILURE
        }
    }
}
