//! whisper.cpp behind the engine traits of `steno-runtime`, and the miniature model that ships with Steno.
//!
//! Belongs here: what is particular to whisper.cpp and its models. Does not belong here: finding speech, cutting
//! audio into chunks, what becomes of the text. whisper.cpp brings its own ggml, so an executable that links this
//! crate cannot link llama.cpp.

pub mod bundled;
mod clock;
mod device;
mod file;
#[cfg(test)]
mod leaks;
mod loader;
mod log;
pub mod memory;
mod model;
mod raw;
mod tokens;
mod words;

pub use device::device;
pub use loader::WhisperLoader;
pub use model::WhisperModel;
