//! The id by which one request is followed through the logs: the client's own, if it sent a usable one.

use std::fmt;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries it, both ways.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const MAX_LENGTH: usize = 128;

/// A request's id: printable ASCII without spaces, at most 128 characters.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The one that the client sent, or a new one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let usable = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            !bytes.is_empty() && bytes.len() <= MAX_LENGTH && bytes.iter().all(u8::is_ascii_graphic)
        };
        headers.get(HEADER).filter(usable).cloned().map_or_else(Self::random, Self)
    }

    fn random() -> Self {
        let text = format!("req_{:032x}", rand::random::<u128>());
        // Hexadecimal digits are always valid.
        Self(HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("req_0")))
    }

    /// For the response's header.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(value: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(value).unwrap());
        RequestId::of(&headers).to_string()
    }

    #[test]
    fn a_usable_id_is_kept_and_any_other_replaced() {
        assert_eq!(id_of("abc-1/2"), "abc-1/2");
        let too_long = "x".repeat(129);
        for value in ["", "two words", "é", &too_long] {
            assert!(id_of(value).starts_with("req_"), "{value}");
        }
        assert_ne!(
            RequestId::of(&HeaderMap::new()).to_string(),
            RequestId::of(&HeaderMap::new()).to_string()
        );
    }
}
