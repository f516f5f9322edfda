//! Diarization through its child processes: what it finds, and what becomes of children that die, hang, or are no
//! longer wanted.

#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped fails the test")]

mod children;
mod lab;
mod speech;
