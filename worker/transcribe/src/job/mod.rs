//! One job: from samples to a transcript.
//!
//! [`transcribe()`] leads through it: chunks as they are found ([`parts`]), the language once or for each of them
//! ([`language`]), each chunk by [`chunk`], what is done kept in a [`journal`], and all of it put together by
//! [`assemble`]. How far it is follows from what is [`done`].

pub mod assemble;
pub mod chunk;
pub mod coverage;
pub mod done;
pub mod journal;
pub mod language;
pub mod losses;
pub mod parts;
pub mod place;
pub mod prompt;
pub mod repetition;
pub mod replace;
#[cfg(test)]
mod tests;
pub mod transcribe;
pub mod wording;

pub use transcribe::{Order, Stopped, transcribe};
