//! What every Steno executable shares: the vocabulary (ids, jobs, transcripts, the model catalogue), the
//! settings, and the ports to the outside (database, object store, queue).
//!
//! Belongs here: types that cross a process boundary and the traits behind which storage is chosen.
//! Does not belong here: an HTTP server, an engine, anything only one executable needs.

pub mod account;
pub mod catalog;
pub mod diarization;
pub mod error;
pub mod failpoint;
pub mod id;
pub mod job;
pub mod key;
pub mod language;
pub mod live;
pub mod object;
pub mod outside;
pub mod queue;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod time;
pub mod transcript;
pub mod webhook;
