//! Diarization: who spoke when. Turns are told apart by voices, voices are grouped into speakers, and the words of a
//! transcript are given the speakers of the turns they lie in.
//!
//! Belongs here: what a worker stores about a job, and all that is computed from it without an engine. Does not belong
//! here: engines (`worker/sherpa`).

mod assign;
mod cluster;
mod edit;
mod label;
#[cfg(test)]
mod tests;
mod timeline;
mod voice;

use serde::{Deserialize, Serialize};

use crate::catalog::ModelId;
use crate::time::Millis;
use crate::transcript::Warning;

pub use cluster::{cluster, middles};
pub use edit::{EditError, LONGEST_NAME, SpeakerChange, SpeakerEdits};
pub use label::{Heard, Labelled, Speaker, SpeakerTurn, labelled};
pub use voice::{Embedding, Voice};

/// What a diarization stage found out about a job. The stored form is JSON of it. It holds all that grouping the
/// voices again, into another number of speakers, needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Diarization {
    /// The model that found the turns.
    pub segmentation: ModelId,
    /// The model that told the voices apart; empty if there was none to be had.
    pub embedding: ModelId,
    /// How much less alike the voices of two speakers are than those of one ([`crate::catalog::Grouping`]).
    pub threshold: f32,
    /// In order of their starts. Where several people speak at once, turns overlap.
    pub turns: Vec<Turn>,
    /// What the turns' speakers sound like.
    pub voices: Vec<Voice>,
    /// The speaker of each voice, numbered from 0 without gaps, in no particular order: labels are given by first
    /// speech, when words are.
    pub speakers: Vec<u16>,
    /// What the caller should know about it.
    pub warnings: Vec<Warning>,
}

impl Diarization {
    /// Whether there was nothing to tell speakers apart with: the warnings say why.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        self.embedding == ModelId::default()
    }
}

/// A stretch of speech by one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// When it begins, in the whole file.
    pub start: Millis,
    /// When it ends.
    pub end: Millis,
    /// Whose it is: an index into [`Diarization::voices`].
    pub voice: u32,
}

/// How many speakers there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeakerCount {
    /// At least so many, as far as there are so many voices; 1 or more.
    pub min: u8,
    /// At most so many; not less than `min`.
    pub max: u8,
}

impl SpeakerCount {
    /// More speakers cannot be told apart.
    pub const MOST: u8 = 32;
    /// To be found out.
    pub const AUTO: Self = Self { min: 1, max: Self::MOST };

    /// Exactly so many: the target, and the ceiling.
    #[must_use]
    pub fn exactly(count: u8) -> Self {
        Self { min: count, max: count }
    }
}

impl Default for SpeakerCount {
    fn default() -> Self {
        Self::AUTO
    }
}
