//! The API as a process: listening, sweeping, stopping.

use anyhow::{Context, bail};
use steno_shared::settings::Common;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::edge::{self, Limits};
use crate::settings::{Anonymous, ApiSettings, ServeSettings};
use crate::{App, endpoint, sweep, uploads};

/// Runs the API until a signal stops it.
///
/// # Errors
/// If a store or the address cannot be opened.
pub async fn run(settings: &ServeSettings) -> anyhow::Result<()> {
    let stop = stop_at_signals()?;
    let app = App::open(&settings.common, &settings.api, stop).await?;
    refuse_open_door(&app, &settings.common).await?;
    let listener = listen(&settings.api).await?;
    serve(app, listener).await;
    Ok(())
}

/// Binds the address of the settings.
///
/// # Errors
/// With a sentence that says what mends it, as when another program has the port.
pub async fn listen(settings: &ApiSettings) -> anyhow::Result<TcpListener> {
    let address = settings.address();
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; is another program using the port? --port chooses another")
    })
}

/// Refuses to listen where others can reach it while nobody has said who may call: without a key that only its
/// owner knows, or the explicit wish to serve everybody, all would be refused anyway.
///
/// # Errors
/// With the commands that mend it.
pub async fn refuse_open_door(app: &App, common: &Common) -> anyhow::Result<()> {
    let (address, api) = (app.settings.address(), &app.settings);
    let decided = address.ip().is_loopback() || api.anonymous == Anonymous::On;
    if decided || app.store.has_keys().await? {
        return Ok(());
    }
    bail!(
        "{address} can be reached by others, and there is no API key yet; make one: \
         steno keys create --tier unlimited --data {}\nor serve everybody, within the limits of the tier \
         anonymous: --anonymous on",
        common.data.display()
    )
}

/// Serves until the app's stop token is cancelled.
pub async fn serve(app: App, listener: TcpListener) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(address = %address, "listening");
    }
    let limits = Limits {
        connections: app.settings.connections.max(1),
        header_timeout: app.settings.header_timeout.0,
        body_timeout: app.settings.body_timeout.0,
    };
    let stop = app.stop.clone();
    let live = app.live.clone();
    let sweeper = tokio::spawn(sweep::run(app.clone()));
    let finisher = tokio::spawn(uploads::finish_all(app.clone()));
    edge::serve(listener, endpoint(app), limits, stop).await;
    live.ended().await;
    sweeper.abort();
    finisher.abort();
}

/// A token that SIGTERM and SIGINT cancel.
///
/// # Errors
/// If signals cannot be received.
pub fn stop_at_signals() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let signalled = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        signalled.cancel();
    });
    Ok(stop)
}
