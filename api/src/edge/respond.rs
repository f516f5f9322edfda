//! From a request to an answer: request id, preflight, the route, its panic, its error's body, the log line.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, EXPECT, HeaderValue, RETRY_AFTER};
use hyper::{StatusCode, Uri};
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Body, Endpoint, Request, RequestParts, Response};
use serde::Serialize;
use steno_shared::key::PREFIX;

use super::body::GuardedBody;
use super::cors;
use super::request_id::{self, RequestId};

/// What an error's body is made of. A route leaves it in its response's extensions; the edge adds the request
/// id and writes the JSON, so that every error has one form.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorBody {
    /// A sentence for people.
    pub error: String,
    /// The same for programs.
    pub code: String,
    /// The job in question, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// What is needed of what is short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<u64>,
    /// What there is of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<u64>,
}

#[derive(Serialize)]
struct WithRequestId<'a> {
    #[serde(flatten)]
    body: &'a ErrorBody,
    request_id: String,
}

type Answer = hyper::Response<BoxBody<Bytes, std::io::Error>>;

/// Answers one request by `app`.
pub(super) async fn answer<E>(
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
    body_timeout: Duration,
    app: &E,
) -> Answer
where
    E: Endpoint<Output = Response>,
{
    let began = Instant::now();
    let id = RequestId::of(request.headers());
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let mut response = match cors::preflight(&method, request.headers()) {
        Some(response) => response,
        None => routed(request, peer, body_timeout, &id, app).await,
    };
    finish(&mut response, &id);
    tracing::info!(
        request.id = %id,
        http.method = %method,
        http.path = &*path(&uri),
        http.status = response.status().as_u16(),
        elapsed_ms = began.elapsed().as_millis() as u64,
        "request answered"
    );
    into_answer(response)
}

/// A query may hold a key: it is never logged. Nor is what follows the beginning of one in a path.
fn path(uri: &Uri) -> Cow<'_, str> {
    let path = uri.path();
    match path.find(PREFIX) {
        None => Cow::Borrowed(path),
        Some(at) => Cow::Owned(format!("{}...", &path[..at + PREFIX.len()])),
    }
}

async fn routed<E>(
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
    body_timeout: Duration,
    id: &RequestId,
    app: &E,
) -> Response
where
    E: Endpoint<Output = Response>,
{
    let waits_for_continue = request.headers().contains_key(EXPECT);
    let (parts, incoming) = request.into_parts();
    let (body, state) = GuardedBody::new(incoming, body_timeout);
    let address = || Addr::SocketAddr(peer);
    let from = (parts, LocalAddr(address()), RemoteAddr(address()), Scheme::HTTP);
    let mut request = Request::from_parts(RequestParts::from(from), Body::from(body.boxed()));
    request.extensions_mut().insert(id.clone());

    let mut response = match AssertUnwindSafe(app.call(request)).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(cause)) => of_error(cause),
        Err(_) => {
            tracing::error!(request.id = %id, "a route panicked");
            error(StatusCode::INTERNAL_SERVER_ERROR, "internal error", "internal")
        }
    };
    if state.timed_out() && !response.status().is_success() {
        let message = "the request body stopped arriving; send it again";
        response = error(StatusCode::REQUEST_TIMEOUT, message, "body_timeout");
    }
    // A client that was not told to go on sends no body.
    if state.was_asked_for() || !waits_for_continue {
        state.drain();
    }
    response
}

/// The answer to an error of poem itself; our own carry their response.
pub(crate) fn of_error(cause: poem::Error) -> Response {
    if cause.is_from_response() {
        return cause.into_response();
    }
    let status = cause.status();
    let mut response = match status {
        StatusCode::NOT_FOUND => error(status, "there is nothing at this address", "not_found"),
        status if status.is_server_error() => {
            tracing::error!(error = %cause, "a route failed");
            error(status, "internal error", "internal")
        }
        status => error(status, &cause.to_string(), "invalid_request"),
    };
    let kept = cause.into_response();
    for (name, value) in kept.headers().iter().filter(|(name, _)| *name != CONTENT_TYPE) {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

/// An error's answer; the edge writes its body.
pub(crate) fn error(status: StatusCode, message: &str, code: &str) -> Response {
    let mut response = Response::builder().status(status).finish();
    response.extensions_mut().insert(ErrorBody {
        error: message.to_owned(),
        code: code.to_owned(),
        job_id: None,
        required: None,
        available: None,
    });
    response
}

/// What every answer has: the request id, CORS, and for an error its body.
fn finish(response: &mut Response, id: &RequestId) {
    if let Some(body) = response.extensions().get::<ErrorBody>().cloned() {
        let json = serde_json::to_vec(&WithRequestId { body: &body, request_id: id.to_string() });
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.set_body(json.unwrap_or_default());
    }
    response.headers_mut().insert(request_id::HEADER, id.header());
    cors::allow(response.headers_mut());
}

/// The answer on a connection over the cap.
pub(super) fn refuse_connection(request: hyper::Request<Incoming>, body_timeout: Duration) -> Answer {
    let id = RequestId::of(request.headers());
    let waits_for_continue = request.headers().contains_key(EXPECT);
    let (body, state) = GuardedBody::new(request.into_body(), body_timeout);
    drop(body);
    if !waits_for_continue {
        state.drain();
    }
    let message = "too many connections; try again in a moment";
    let mut response = error(StatusCode::SERVICE_UNAVAILABLE, message, "too_many_connections");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    finish(&mut response, &id);
    into_answer(response)
}

fn into_answer(response: Response) -> Answer {
    response.into()
}
