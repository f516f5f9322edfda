//! What the worker and its diarizing children say to each other: one JSON object a line, requests on the child's
//! standard input, on its standard output how far it is, any number of times, and then the answer. What the child writes to standard error is for the log.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use steno_runtime::engine::ChunkVoices;
use steno_shared::catalog::ModelId;

/// A model's file, and whose it is, for what is said about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFile {
    /// The model's id in the catalogue.
    pub id: ModelId,
    /// Its weights.
    pub path: PathBuf,
}

/// The models that a child shall have in memory, and how they are used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Setup {
    /// Finds turns.
    pub(super) segmentation: ModelFile,
    /// Tells voices apart.
    pub(super) embedding: ModelFile,
    /// How far one window lies behind the one before, as a part of it.
    pub(super) shift: f32,
    /// From this distance on two windows' speakers are two.
    pub(super) threshold: f32,
}

/// What a child is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Request {
    /// By which models.
    pub(super) setup: Setup,
    /// A file of 16 kHz mono samples, 16-bit little-endian, without a header.
    pub(super) samples: PathBuf,
    /// The first of them.
    pub(super) start: u64,
    /// The one after the last.
    pub(super) end: u64,
}

/// What a child says to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// So much of the work is done, 0 to 1.
    Progress(f64),
    /// All of it: the last line of a request.
    Answer(Answer),
}

/// What a child answers to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// Who speaks when.
    Voices(ChunkVoices),
    /// A model cannot be used, and trying again would not help: a sentence for whoever runs the server.
    BadModel(String),
    /// The samples cannot be read, or the engine fails.
    Failed(String),
}
