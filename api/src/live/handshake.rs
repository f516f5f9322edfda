//! The beginning of a session: a request that is refused with a status of HTTP, or becomes a WebSocket.

use std::time::Duration;

use poem::http::StatusCode;
use poem::http::header::{
    CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use poem::{Request, Response};
use steno_shared::id::JobId;
use steno_shared::job::Lane;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::config::Config;
use super::credentials::Credentials;
use super::link::Place;
use super::links::{NoPlace, Wanted};
use super::meter::Meter;
use super::session::{Beginning, Session};
use super::socket;
use crate::auth::Caller;
use crate::edge::RequestId;
use crate::error::{ApiError, Cause};
use crate::state::App;

/// For the answer to a handshake to be written.
const UPGRADED: Duration = Duration::from_secs(10);

/// Answers a request for a session.
///
/// # Errors
/// If it is none, or the caller may not have one, or no worker has a place.
pub(super) async fn open(request: &Request, app: &App) -> Result<Response, ApiError> {
    let accept = accept(request.headers())?;
    let query: Vec<(String, String)> =
        request.params().map_err(|_| ApiError::field("the query of the address cannot be read"))?;
    let credentials = Credentials::of(request.headers(), &query)?;
    let caller = Caller::known_by(request, credentials.key.as_deref(), app).await?;
    let config = Config::of_query(&query)?;
    let permit = app.live.place()?;
    let id = JobId::random();
    // Who may be coming back needs no second place and no second session, and says so in the first frame.
    let (worker, meter) = match app.live.resumable.has(caller.account()) {
        true => (None, None),
        false => (Some(worker(&config, app).await?), Some(Meter::open(app, &caller, id).await?)),
    };
    let upgrade = request.take_upgrade().map_err(|_| upgrade_required())?;
    let request_id = request.extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default();
    let beginning = Beginning { id, caller, config, meter, request_id };
    let app = app.clone();
    app.live.tasks.clone().spawn(async move {
        match timeout(UPGRADED, upgrade).await {
            Ok(Ok(stream)) => {
                let socket = socket::serve(stream, permit).await;
                Session::new(app, beginning, worker, socket).run().await;
            }
            // The client is gone; what was opened for it is closed as it is dropped.
            _ => tracing::debug!(session.id = %id, "a client left before its session began"),
        }
    });
    let mut response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(UPGRADE, "websocket")
        .header(CONNECTION, "Upgrade")
        .header(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = credentials.protocol {
        response = response.header(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Ok(response.finish())
}

/// A place at a worker that has the model, if one is named.
async fn worker(config: &Config, app: &App) -> Result<Place, ApiError> {
    app.registry.require_worker(Lane::Stream).await?;
    let model = match config.model.as_str() {
        "" => None,
        name => Some(app.registry.resolve_live(name, &app.settings.model_aliases).await?.id.clone()),
    };
    app.live.links.open(&Wanted { model, not: None }).await.map_err(no_place)
}

/// What proves that the request for an upgrade was understood.
fn accept(headers: &HeaderMap) -> Result<String, ApiError> {
    let has = |name: HeaderName, token: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    if !has(CONNECTION, "upgrade") || !has(UPGRADE, "websocket") || !has(SEC_WEBSOCKET_VERSION, "13") {
        return Err(upgrade_required());
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or_else(upgrade_required)?;
    Ok(derive_accept_key(key.as_bytes()))
}

fn upgrade_required() -> ApiError {
    let message = "this address speaks WebSocket (version 13) alone: connect to it with ws:// or wss://";
    ApiError::new(Cause::UpgradeRequired, message)
}

fn no_place(none: NoPlace) -> ApiError {
    let message = match none {
        NoPlace::Busy { .. } => "all workers of live sessions are busy; try again in a moment",
        NoPlace::NoWorker => "no worker of live sessions can be reached at the moment; try again shortly",
    };
    ApiError::new(Cause::NoWorker, message).retry_after(none.retry_after())
}
