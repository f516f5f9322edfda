//! The courier: everything that goes out to other people's servers.
//!
//! - `dial`: the only place from which a connection is made, guarded against inner networks. `fault`: why one
//!   failed, in words.
//! - `runner`, `download`, `file_name`: the stage that fetches what a job's URL names.
//! - `deliver`, `send`, `schedule`: webhooks, from the outbox to their endpoints.
//!
//! Does not belong here: decoding, engines, and anything that reads what was fetched.

mod deliver;
mod dial;
mod download;
mod fault;
mod file_name;
mod runner;
mod schedule;
mod send;
mod settings;

pub use runner::Courier;
pub use settings::Settings;
