//! Hears the samples of a file frame by frame.

use std::fmt;

use crate::engine::SpeechDetector;

use super::steadiness::{Steadiness, Steady};
use super::{FRAME, level};

/// Frames below this score are not looked at for steadiness: they are no speech anyway.
const OF_INTEREST: f32 = 0.3;

/// What is heard in a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    /// How likely it is speech, 0 to 1.
    pub score: f32,
    /// Whether its tones have stayed.
    pub steady: Steady,
    /// Its loudness: root mean square of the samples as they are.
    pub loudness: f32,
}

/// Feeds a detector.
pub struct Listener {
    detector: Box<dyn SpeechDetector>,
    steadiness: Steadiness,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl Listener {
    /// Listens from the beginning of a file.
    ///
    /// # Panics
    /// If the detector's frames are not of [`FRAME`] samples.
    #[must_use]
    pub fn new(detector: Box<dyn SpeechDetector>) -> Self {
        assert_eq!(detector.frame(), FRAME, "spans are counted in frames of this length");
        Self { detector, steadiness: Steadiness::new() }
    }

    /// Hears the next block: whole frames, but for the last block of a file. A block has one level, so it should
    /// be of several seconds.
    pub fn hear(&mut self, block: &[i16]) -> Vec<Heard> {
        let gain = level::gain(block);
        block.chunks(FRAME).map(|frame| self.hear_frame(frame, gain)).collect()
    }

    /// Hears the next frame at a level that the caller found.
    pub(super) fn hear_frame(&mut self, frame: &[i16], gain: f32) -> Heard {
        let loudness = level::level(frame);
        let mut leveled = level::amplify(frame, gain);
        leveled.resize(FRAME, 0);
        let score = self.detector.judge(&leveled);
        let steady = self.steadiness.push(&leveled, score >= OF_INTEREST);
        Heard { score, steady, loudness }
    }
}
