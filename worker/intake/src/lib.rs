//! Intake: media of any kind to 16 kHz mono samples, the exact duration, and what the caller should know.
//!
//! The only part of Steno that touches hostile files. The worker itself looks at their first bytes and no further:
//! every decoder is a child process with limits, and what a child does ends one try at one job.
//!
//! - `sniff`: what the file is. `runner`: the stage around it all.
//! - `verdict`: which decoder is asked, and what its answer means for the caller.
//! - `attempt`, `supervise`: one go of one decoder, from the parent's side; `ffmpeg`: how that one is called.
//! - `sink`, `finish`: what becomes of the samples. `bench`: what decoding costs.
//! - `confine`, `native`: the child's side. `report`, `head`: what the two say to each other.
//!
//! Does not belong here: an engine, and anything about speech.

mod attempt;
mod bench;
mod confine;
mod ffmpeg;
mod finish;
mod head;
mod limits;
mod native;
mod report;
mod runner;
mod settings;
mod sink;
mod sniff;
mod supervise;
mod verdict;

pub use attempt::{Decoder, Decoders, Task};
pub use bench::{Bench, bench};
pub use confine::{Confinement, become_program};
pub use limits::Limits;
pub use native::{NativeArgs, NativeInput, decode_unconfined, run as decode_natively};
pub use runner::Intake;
pub use settings::Settings;
pub use sniff::{Container, Media, Sniffed, sniff_file};
pub use verdict::Decoded;
