//! One job: from samples to a transcript.
//!
//! [`transcribe()`] leads through it: chunks as they are found, the language once, each chunk by [`chunk`], what
//! is done kept in a [`journal`], and all of it put together by [`assemble`].

pub mod assemble;
pub mod chunk;
pub mod coverage;
pub mod journal;
pub mod language;
pub mod place;
pub mod repetition;
pub mod transcribe;

pub use transcribe::{Order, Stopped, transcribe};
