//! sherpa-onnx behind the [`Diarizer`](steno_runtime::engine::Diarizer) trait, and the miniature pair of models that
//! ships with Steno.
//!
//! Belongs here: what is particular to sherpa-onnx and its models. Does not belong here: processes, chunks of a file,
//! grouping voices into speakers. The library can end or crash the process that calls it, and cannot be stopped: call
//! it in a process that may die.

pub mod bundled;
mod diarizer;
pub mod metadata;
mod pieces;
mod split;

pub use diarizer::{Models, SherpaDiarizer};
