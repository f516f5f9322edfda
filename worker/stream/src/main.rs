//! `steno-stream`: the worker of live sessions.

use clap::Parser;
use steno_runtime::process;
use steno_stream::settings::Settings;

fn main() -> anyhow::Result<()> {
    let settings = Settings::parse();
    process::run_until_stopped(&settings.worker, async |_, stop| {
        stop.cancelled().await;
        Ok(())
    })
}
