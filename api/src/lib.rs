//! The HTTP API, the supervisor and the command line of Steno.
//!
//! Belongs here: whatever speaks to clients and operators. Does not belong here: decoding, engines, and the
//! workers' crates, which are processes of their own.

pub mod address;
mod allowance;
mod auth;
mod body;
pub mod cli;
mod client;
mod command;
mod deliver;
pub mod edge;
mod error;
mod estimate;
mod form;
mod fresh;
mod install;
mod issue;
mod job_document;
mod json_body;
mod live;
pub mod migrate;
pub mod openapi;
mod options;
mod page;
mod quality_document;
mod rates;
mod readiness;
mod registry;
mod reply;
mod routes;
pub mod serve;
pub mod settings;
mod speakers;
mod state;
mod submit;
mod sweep;
pub mod up;
mod uploads;
mod wait;

pub use routes::endpoint;
pub use state::App;
