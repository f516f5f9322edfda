//! Intake against real media: made by ffmpeg when the tests run, from a signal that is known sample by sample.

#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped fails the test")]
#![expect(clippy::print_stdout, reason = "the tables are what `--nocapture` is for")]

mod damage;
mod formats;
mod lab;
mod limits;
mod media;
mod mutations;
mod refused;
mod signal;
mod special;
mod truncated;
mod wanted;
mod worker;
