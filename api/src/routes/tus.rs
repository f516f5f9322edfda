//! What tus asks of every request and every answer: the version, and methods that some clients cannot send.

use poem::http::{HeaderValue, Method};
use poem::{Endpoint, IntoResponse, Request, Response};

use crate::edge;
use crate::error::{ApiError, Cause};

/// The version of the protocol that is spoken here.
pub(super) const VERSION: &str = "1.0.0";
/// Where it is spoken.
const PATH: &str = "/v1/uploads";

/// Answers a request; one for an upload as the protocol says.
pub(super) async fn speak<E: Endpoint>(route: &E, mut request: Request) -> poem::Result<Response> {
    let rest = request.uri().path().strip_prefix(PATH);
    if rest.is_none_or(|rest| !(rest.is_empty() || rest.starts_with('/'))) {
        return route.call(request).await.map(IntoResponse::into_response);
    }
    override_method(&mut request);
    let speaks_it = *request.method() == Method::OPTIONS
        || request.header("tus-resumable").is_some_and(|version| version.trim() == VERSION);
    let mut response = if speaks_it {
        match route.call(request).await {
            Ok(answer) => answer.into_response(),
            Err(error) => edge::of_error(error),
        }
    } else {
        let message =
            format!("send the header Tus-Resumable: {VERSION}, the version of tus that is spoken here");
        let mut refusal = ApiError::new(Cause::UnsupportedVersion, message).into_response();
        refusal.headers_mut().insert("tus-version", HeaderValue::from_static(VERSION));
        refusal
    };
    response.headers_mut().insert("tus-resumable", HeaderValue::from_static(VERSION));
    Ok(response)
}

/// Some clients and proxies know GET and POST only.
fn override_method(request: &mut Request) {
    let meant = match request.header("x-http-method-override") {
        Some("PATCH") => Method::PATCH,
        Some("DELETE") => Method::DELETE,
        _ => return,
    };
    if *request.method() == Method::POST {
        request.set_method(meant);
    }
}
