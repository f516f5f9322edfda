//! The page for live transcription, and the files it is made of, which are part of the executable.
//!
//! Belongs here: how they are served. What they do is in `web/`.

use poem::http::header;
use poem::{Response, handler};

/// Nothing from elsewhere, nothing inline but an empty icon, and no page around it.
const POLICY: &str =
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

#[handler]
pub(crate) fn live() -> Response {
    serve("text/html; charset=utf-8", include_str!("../../web/live.html"))
}

#[handler]
pub(crate) fn live_css() -> Response {
    serve("text/css; charset=utf-8", include_str!("../../web/live.css"))
}

#[handler]
pub(crate) fn live_js() -> Response {
    serve("text/javascript; charset=utf-8", include_str!("../../web/live.js"))
}

#[handler]
pub(crate) fn recorder_js() -> Response {
    serve("text/javascript; charset=utf-8", include_str!("../../web/recorder.js"))
}

/// Asked for anew each time, so that a page and its scripts are of the same version.
fn serve(content_type: &str, content: &'static str) -> Response {
    Response::builder()
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CACHE_CONTROL, "no-cache")
        .header(header::CONTENT_SECURITY_POLICY, POLICY)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::REFERRER_POLICY, "no-referrer")
        .body(content)
}
