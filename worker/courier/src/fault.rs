//! Why a request to another server failed, in words for whoever named the server.

use std::error::Error;
use std::time::Duration;

use steno_shared::outside::RefusedUrl;

use crate::dial::CONNECT_TIMEOUT;

/// The refusal behind a request's error, if it is one.
pub(crate) fn refusal(error: &reqwest::Error) -> Option<RefusedUrl> {
    causes(error).find_map(|cause| cause.downcast_ref::<RefusedUrl>().copied())
}

/// A request's error in words. It names neither the URL, whose query may hold secrets, nor an address.
pub(crate) fn describe(error: &reqwest::Error) -> String {
    if let Some(refused) = refusal(error) {
        return refused.to_string();
    }
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => format!("no connection within {}", seconds(CONNECT_TIMEOUT)),
        (true, false) => format!("no connection: {}", innermost(error)),
        (false, true) => "no answer in time".to_owned(),
        (false, false) => "the connection broke off".to_owned(),
    }
}

/// A span in whole seconds, for messages.
pub(crate) fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs_f64())
}

fn innermost(error: &reqwest::Error) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}
