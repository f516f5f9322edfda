//! The HTTP edge: our own accept loop around the poem endpoint, and what every request passes on its way in
//! and out.
//!
//! poem's own server has no header timeout, no cap on connections, and runs a handler on when its client has
//! left; hence this one, on hyper. What belongs here concerns every route: timeouts, request ids, CORS, error
//! bodies, the log line, the draining of refused uploads.

mod accept;
mod body;
mod cors;
mod request_id;
mod respond;
#[cfg(test)]
mod tests;

pub use accept::{Limits, serve};
pub use request_id::RequestId;
pub use respond::ErrorBody;
pub(crate) use respond::{error, of_error};
