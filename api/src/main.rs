//! The executable `steno`.

use std::process::ExitCode;

fn main() -> ExitCode {
    steno_api::cli::run()
}
