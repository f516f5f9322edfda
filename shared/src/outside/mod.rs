//! What may be reached outside: URLs that callers give us, and the networks that they may lead to.
//!
//! A server that fetches what strangers name is asked, sooner or later, for what only it can reach: the router,
//! the cloud's metadata service, its own database. So a URL leads to the public internet alone, and to the
//! networks that the operator lists. An address in a URL is judged here; a name is judged by what it resolves
//! to, at the moment when it is dialled, so that a name that changes its mind changes nothing.
//!
//! Belongs here: the rules. Does not belong here: anything that resolves or dials.

mod networks;
mod url;

pub use networks::{InvalidNetwork, Networks, is_public};
pub use url::{OutsideUrl, RefusedUrl};
