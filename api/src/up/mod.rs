//! `steno up`: everything on this machine, from an empty folder to a first transcript.

mod child;
mod console;
mod key;
mod welcome;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use steno_shared::job::Lane;
use tokio_util::sync::CancellationToken;

use crate::settings::UpSettings;
use crate::{App, migrate, serve};
use child::Children;
use console::Console;

/// A worker loads its model in this time, or something is wrong.
const READY_WITHIN: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);

/// Runs the API and its workers until a signal stops them.
///
/// # Errors
/// If something cannot be started, or with `--check` the recording not be transcribed.
pub async fn run(settings: &UpSettings) -> anyhow::Result<()> {
    let (common, api) = (&settings.serve.common, &settings.serve.api);
    let console = Console::new();
    migrate::make_folder(&common.data)?;
    let _held = migrate::hold(&common.data)?;
    let listener = serve::listen(api).await?;
    let address = listener.local_addr()?;
    migrate::run(common).await?;
    console.step(&format!("the tables are up to date in {}", common.data.display()));

    let signalled = serve::stop_at_signals()?;
    let stop = CancellationToken::new();
    let app = App::open(common, api, stop.clone()).await?;
    if let Some(key) = key::make_first(&app.store, &common.key_file()).await? {
        console.line(&format!(
            "         your API key, shown this once and kept in {}:",
            common.key_file().display()
        ));
        console.line(&format!("         {}", key.reveal()));
    }
    serve::refuse_open_door(&app, common).await?;
    let children = Children::start(Lane::LED, common)?;
    let server = tokio::spawn(serve::serve(app.clone(), listener));

    let proof = async {
        ready(&app).await?;
        console.step("the API and its workers are ready");
        let proven = welcome::prove(settings, &console, local(address)).await;
        if settings.check {
            return proven;
        }
        if let Err(error) = proven {
            // A long queue from before, or another default model: no reason to stop.
            tracing::warn!("{error:#}");
        }
        welcome::greet(settings, &console, local(address))
    };
    let outcome = tokio::select! {
        outcome = proof => outcome,
        () = signalled.cancelled() => {
            if settings.check { Err(anyhow!("interrupted before the transcript")) } else { Ok(()) }
        }
    };
    if outcome.is_ok() && !settings.check {
        signalled.cancelled().await;
    }
    // Clients that wait are told first; then the workers hand back what they have.
    stop.cancel();
    children.stop().await;
    server.await.context("the API ended badly")?;
    outcome
}

/// Waits until every lane has a worker and a model is installed.
async fn ready(app: &App) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + READY_WITHIN;
    loop {
        let workers = app.registry.workers().await?;
        if workers.missing_lane().is_none() && !workers.models().is_empty() {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            match workers.missing_lane() {
                Some(lane) => bail!("the {lane} worker does not start; its last lines above say why"),
                None => bail!("no model is installed; the transcribe worker's last lines above say why"),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Where this machine reaches an address that may be "all of them".
fn local(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
