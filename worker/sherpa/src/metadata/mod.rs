//! Looks at a model's file before sherpa-onnx does: that library ends the process, or crashes it, at a file that
//! lacks what it expects (`SHERPA_ONNX_READ_META_DATA` calls `_Exit`; an unknown `framework` is a null pointer).
//!
//! Belongs here: what can be known from the file's metadata, its inputs and its outputs. Whether the weights are
//! those that were published, `steno models verify` tells.

mod rules;
mod summary;
#[cfg(test)]
mod tests;
mod wire;

use std::path::Path;

use steno_shared::catalog::ModelId;

use summary::Summary;
use wire::Fault;

/// What a model's file is wrong about. The sentence names the file and the command that mends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct BadModel {
    sentence: String,
}

/// Whether a file is a model that finds turns, for sherpa-onnx 2.0.1.
///
/// # Errors
/// [`BadModel`]
pub fn check_segmentation(path: &Path, id: &ModelId) -> Result<(), BadModel> {
    check(path, id, rules::segmentation)
}

/// Whether a file is a model that tells voices apart, for sherpa-onnx 2.0.1.
///
/// # Errors
/// [`BadModel`]
pub fn check_embedding(path: &Path, id: &ModelId) -> Result<(), BadModel> {
    check(path, id, rules::embedding)
}

fn check(path: &Path, id: &ModelId, rules: fn(&Summary) -> Result<(), String>) -> Result<(), BadModel> {
    let wrong = match summary::read(path) {
        Ok(summary) => rules(&summary).err(),
        Err(Fault::Disk(error)) => Some(format!("cannot be read ({error})")),
        Err(Fault::CutOff) => Some("is cut off".to_owned()),
        Err(Fault::Foreign) => Some("is no ONNX model".to_owned()),
    };
    let Some(wrong) = wrong else { return Ok(()) };
    Err(BadModel {
        sentence: format!(
            "the file {} of the model {id} {wrong}; `steno models verify {id}` tells whether it is damaged, and \
             `steno models pull {id}` fetches it again",
            path.display()
        ),
    })
}
