//! The routes, one file a resource, and the endpoint that serves them all.

mod admin;
mod deliveries;
mod events;
mod health;
mod jobs;
mod languages;
mod models;
mod speakers;
mod transcribe;
mod transcripts;
mod tus;
mod uploads;
mod usage;
mod webhooks;

use std::sync::Arc;

use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, Route, get, handler};
use poem_openapi::{OpenApiService, Tags};

use crate::state::App;
use crate::{edge, live, openapi, page};

/// The groups of operations in the document.
#[derive(Tags)]
pub(crate) enum Tag {
    /// Speech to text.
    Transcription,
    /// What was asked for, and what became of it.
    Jobs,
    /// Keys and accounts, for callers with an admin key.
    Admin,
    /// What you may use, and have used.
    Account,
    /// Large files over bad connections, by the protocol tus 1.0.0 (<https://tus.io>).
    Uploads,
    /// Being told when a job ends.
    Webhooks,
    /// What this server can do.
    Catalogue,
    /// Whether it can do it now.
    Health,
}

type Api = (
    transcribe::Routes,
    jobs::Routes,
    transcripts::Routes,
    speakers::Routes,
    events::Routes,
    usage::Routes,
    uploads::Routes,
    admin::Routes,
    webhooks::Routes,
    deliveries::Routes,
    models::Routes,
    languages::Routes,
    health::Routes,
);

/// Every operation, as poem-openapi has it.
pub(crate) fn service() -> OpenApiService<Api, ()> {
    let api = (
        transcribe::Routes,
        jobs::Routes,
        transcripts::Routes,
        speakers::Routes,
        events::Routes,
        usage::Routes,
        uploads::Routes,
        admin::Routes,
        webhooks::Routes,
        deliveries::Routes,
        models::Routes,
        languages::Routes,
        health::Routes,
    );
    OpenApiService::new(api, "Steno", env!("CARGO_PKG_VERSION"))
        .description(
            "Speech to text on your own hardware: the API of STT.ai, self-hosted. Every error is \
             `{\"error\": \"...\"}`.",
        )
        .license(poem_openapi::LicenseObject::new("MIT OR Apache-2.0").identifier("MIT OR Apache-2.0"))
}

/// The endpoint that the edge serves.
#[must_use]
pub fn endpoint(app: App) -> BoxEndpoint<'static, Response> {
    let document = Arc::new(openapi::document());
    Route::new()
        .at("/openapi.yaml", get(openapi_yaml))
        .at("/v1/stream", get(live::stream))
        .at("/live", get(page::live))
        .at("/live.css", get(page::live_css))
        .at("/live.js", get(page::live_js))
        .at("/recorder.js", get(page::recorder_js))
        .nest("/", service())
        .data(app)
        .around(move |route, request| {
            let document = Arc::clone(&document);
            async move { with_allow(&*route, request, &document).await }
        })
        .around(|route, request| async move { tus::speak(&*route, request).await })
        .boxed()
}

/// Gives a 405 its `Allow` header.
async fn with_allow<E: Endpoint>(
    route: &E,
    request: Request,
    document: &serde_json::Value,
) -> poem::Result<Response> {
    let path = request.uri().path().to_owned();
    match route.call(request).await {
        Ok(answer) => Ok(answer.into_response()),
        Err(error) if !error.is_from_response() && error.status() == StatusCode::METHOD_NOT_ALLOWED => {
            let allowed = openapi::allowed_methods(document, &path);
            let mut names: Vec<_> = allowed.iter().map(poem::http::Method::as_str).collect();
            if names.is_empty() {
                // The document itself and the page, which it does not list.
                names.push("GET");
            }
            let message = format!("this address takes {} only", names.join(", "));
            let mut response = edge::error(StatusCode::METHOD_NOT_ALLOWED, &message, "method_not_allowed");
            if let Ok(value) = HeaderValue::from_str(&names.join(", ")) {
                response.headers_mut().insert(header::ALLOW, value);
            }
            Ok(response)
        }
        Err(error) => Err(error),
    }
}

#[handler]
fn openapi_yaml() -> Response {
    Response::builder().header(header::CONTENT_TYPE, "application/yaml").body(openapi::yaml())
}
