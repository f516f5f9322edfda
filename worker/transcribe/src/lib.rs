//! The worker that turns samples into transcripts.
//!
//! Belongs here: cutting speech into chunks, sharing the engine among jobs, and putting the texts of
//! the chunks together. Does not belong here: decoding media (intake), what is particular to an engine
//! (`steno-whisper`), leases and retries (`steno-runtime`).
//!
//! A job's samples go through [`chunk`] while they are read; [`job`] gives the chunks to the
//! [`engine`], whose threads serve all running jobs; [`runner`] is the lane's view of it.

pub mod bench;
pub mod chunk;
pub mod diarize;
pub mod engine;
pub mod job;
pub mod priority;
pub mod runner;
pub mod samples;
pub mod settings;
pub mod speakers;
mod stored;
