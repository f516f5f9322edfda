//! Where somebody speaks.
//!
//! Three steps, each a small machine that is fed frame by frame, so that transcription begins before a long file
//! has been read to its end, and that gives the same whoever runs it:
//! [`listener`] hears each frame (how likely speech, how steady its tones), [`judge`] decides with the seconds
//! around it whether it is speech, [`spans`] makes spans of speech of at most a chunk's length.
//!
//! [`live`] judges at once, with what came before in view.
//!
//! Lost speech is worse than extra silence: whatever is doubtful counts as speech.

mod earshot;
pub mod judge;
mod level;
pub mod listener;
pub mod live;
pub mod spans;
mod steadiness;

pub use self::earshot::EarshotDetector;

/// Samples per frame of judgement: 16 ms.
pub const FRAME: usize = 256;
/// Frames in a second.
pub const FRAMES_PER_SECOND: f64 = 16_000.0 / FRAME as f64;

/// A stretch of samples, from `start` up to but not including `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first sample.
    pub start: u64,
    /// The sample after its last.
    pub end: u64,
}

impl Span {
    /// How many samples it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// True if it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it has in common with another, possibly nothing.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        let start = self.start.max(other.start);
        Self { start, end: self.end.min(other.end).max(start) }
    }
}
