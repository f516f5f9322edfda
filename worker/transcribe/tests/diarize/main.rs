//! Diarization through its child processes: what it finds, and what becomes of children that die, hang, or are no
//! longer wanted.

mod children;
mod lab;
mod speech;
