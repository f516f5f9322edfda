//! The speech detector that needs nothing installed: `earshot`, pure Rust with its model compiled in.
//!
//! Measured (facts of this project, 16 kHz synthetic speech): 0.4 ms of CPU per second of audio; nine frames of
//! ten within words score above 0.84, silence and noise below 0.3 at moderate levels, but music as high as
//! speech, and loud noise above 0.7: hence [`super::level`] and [`super::judge`].

use std::fmt;

use crate::engine::SpeechDetector;

use super::FRAME;

/// The `earshot` detector.
pub struct EarshotDetector(Box<earshot::Detector>);

impl Default for EarshotDetector {
    fn default() -> Self {
        Self(earshot::Detector::default_boxed())
    }
}

impl EarshotDetector {
    /// One that has heard nothing yet.
    #[must_use]
    pub fn boxed() -> Box<dyn SpeechDetector> {
        Box::<Self>::default()
    }
}

impl fmt::Debug for EarshotDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EarshotDetector")
    }
}

impl SpeechDetector for EarshotDetector {
    fn frame(&self) -> usize {
        FRAME
    }

    fn judge(&mut self, frame: &[i16]) -> f32 {
        self.0.predict_i16(frame).clamp(0.0, 1.0)
    }
}
