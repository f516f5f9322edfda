//! What callers make of the speakers that a diarization found.

use serde::{Deserialize, Serialize};

/// What callers made of the speakers of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpeakerEdits {}
