//! The intake worker, and the decoding children that it makes of itself.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;

use clap::Parser;
use steno_intake::{Bench, Confinement, Decoders, Intake, NativeArgs, Settings, bench};
use steno_runtime::process;
use steno_shared::job::Lane;

/// Turns uploaded audio and video into samples
#[derive(Debug, Parser)]
#[command(name = "steno-intake", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    settings: Settings,

    #[command(subcommand)]
    child: Option<Child>,
}

/// What this executable does as its own child, and beside its work.
#[derive(Debug, clap::Subcommand)]
enum Child {
    /// Decodes a file under limits, to samples on standard output.
    #[command(hide = true)]
    Decode(NativeArgs),
    /// Takes limits on and becomes another program.
    #[command(hide = true)]
    Become {
        #[command(flatten)]
        confinement: Confinement,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        words: Vec<OsString>,
    },
    /// Decodes a file by itself and prints what that costs, as JSON.
    #[command(hide = true)]
    Bench(Bench),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.child {
        Some(Child::Decode(args)) => steno_intake::decode_natively(&args).map_err(anyhow::Error::from),
        Some(Child::Become { confinement, words }) => {
            Err(steno_intake::become_program(&confinement, &words).into())
        }
        Some(Child::Bench(what)) => return measure(&cli.settings, &what),
        None => return work(&cli.settings),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            // It could not even begin.
            ExitCode::from(126)
        }
    }
}

fn work(settings: &Settings) -> ExitCode {
    let worked = process::run(&settings.worker, Lane::Intake, settings.slots(), async |_| {
        let decoders = decoders(settings);
        look_for_ffmpeg(&decoders).await;
        Ok(Arc::new(Intake::new(decoders)) as _)
    });
    match worked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("steno-intake: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(settings: &Settings, what: &Bench) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let measured = runtime.map_err(anyhow::Error::from);
    let measured = measured.and_then(|runtime| runtime.block_on(bench(&decoders(settings), what)));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("steno-intake: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn decoders(settings: &Settings) -> Decoders {
    #[expect(clippy::disallowed_methods, reason = "handed on to ffmpeg, no setting")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    // The executable as it runs, even if its file has been replaced since.
    let own = if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() };
    let own = own.unwrap_or_else(|_| PathBuf::from("steno-intake"));
    Decoders { own, ffmpeg: settings.ffmpeg.clone(), path, limits: settings.limits() }
}

/// Says once what is missing; the formats that are decoded natively work all the same.
async fn look_for_ffmpeg(decoders: &Decoders) {
    let mut command = tokio::process::Command::new(&decoders.ffmpeg);
    command.arg("-version").env_clear().env("PATH", &decoders.path);
    let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    match started {
        Ok(status) if status.success() => {}
        outcome => {
            let cause = outcome.map_or_else(|error| error.to_string(), |status| status.to_string());
            tracing::error!(
                program = %decoders.ffmpeg.display(),
                cause,
                "ffmpeg cannot be started, so videos and several audio formats will be refused; \
                 install it (apt-get install ffmpeg) or name it with --ffmpeg"
            );
        }
    }
}
