//! The executable `steno`.

fn main() -> anyhow::Result<()> {
    steno_api::cli::run()
}
