//! The worker of live sessions: audio in, text out, as it is spoken.
//!
//! Belongs here: hearing speech as it comes, deciding when an utterance has ended, what of a text stays, and whose turn
//! it is. Does not belong here: what clients send and get (the API's), what is particular to an engine
//! (`steno-whisper`), a job's chunks (`steno-transcribe`).
//!
//! [`server`] takes the links of APIs and admits sessions, [`engine`] transcribes them.

pub mod engine;
pub mod server;
mod session;
pub mod settings;
