//! Cross-origin requests: the API has no cookies, so any page may call it and read what it answers.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
    HeaderValue,
};
use hyper::{Method, StatusCode};
use poem::Response;

const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Content-Disposition, Location, Retry-After, X-Job-Id, X-Request-Id, X-Credits-Used, X-Credits-Remaining, \
     RateLimit, RateLimit-Policy, \
     Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, Upload-Offset, \
     Upload-Length, Upload-Metadata, Upload-Expires",
);

/// The answer to a preflight request; `None` for any other.
pub(super) fn preflight(method: &Method, headers: &HeaderMap) -> Option<Response> {
    if *method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    // `*` does not cover Authorization, so it is named.
    let allowed_headers = "Authorization, Content-Type, Idempotency-Key, X-Request-Id, *";
    let response = Response::builder()
        .status(StatusCode::NO_CONTENT)
        .header(ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS")
        .header(ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers)
        .header(ACCESS_CONTROL_MAX_AGE, "86400")
        .finish();
    Some(response)
}

/// Lets every page read the answer.
pub(super) fn allow(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}
