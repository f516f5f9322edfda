//! How steady the tones of a sound are: what tells music from speech.
//!
//! The pitch of a voice glides all the time, a note stays where it is. So the fine structure of the spectrum (the
//! peaks, without the envelope) is compared with what it was 64 ms and 192 ms before: in a note it is the same,
//! in speech the harmonics have moved. The idea is that of the spectral-peak tracks of speech/music
//! discriminators (Saunders 1996; Scheirer and Slaney 1997); window, distances and limits are measured here.
//!
//! Share of such frames, synthetic speech (301 sentences, most of them monotonous): half below 0.04, all below
//! 0.56 at 64 ms and 0.39 at 192 ms. Twenty kinds of music and tones: 0.54 to 1, and 0.12 to 1.

use std::collections::VecDeque;
use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};

use super::FRAME;

const WINDOW: usize = 1024;
/// About 100 to 4,000 Hz, in bins of 15.6 Hz.
const BINS: std::ops::Range<usize> = 6..256;
/// What lies this far below the greatest peak is noise, in dB.
const DEPTH: f32 = 45.0;
/// The envelope is the mean over this many bins.
const ENVELOPE: usize = 11;
/// Frames from one spectrum to the one compared.
const NEAR: usize = 4;
const FAR: usize = 12;
/// Two spectra with a greater correlation are the same note.
const SAME: f32 = 0.6;

/// Whether the tones of a frame are those of a moment ago.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Steady {
    /// As 64 ms before.
    pub near: bool,
    /// As 192 ms before.
    pub far: bool,
}

/// Remembers the spectra of the last frames.
pub(super) struct Steadiness {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// The last samples, [`WINDOW`] of them.
    recent: VecDeque<f32>,
    /// The newest last; none where nobody asked.
    spectra: VecDeque<Option<Vec<f32>>>,
}

impl Steadiness {
    pub(super) fn new() -> Self {
        let angle = |at: usize| std::f32::consts::TAU * at as f32 / WINDOW as f32;
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(WINDOW),
            window: (0..WINDOW).map(|at| 0.5 - 0.5 * angle(at).cos()).collect(),
            recent: std::iter::repeat_n(0.0, WINDOW).collect(),
            spectra: VecDeque::new(),
        }
    }

    /// Takes the next frame. The spectrum is only computed if the frame is of interest.
    pub(super) fn push(&mut self, frame: &[i16], of_interest: bool) -> Steady {
        self.recent.drain(..frame.len().min(WINDOW));
        self.recent.extend(frame.iter().map(|sample| f32::from(*sample) / 32768.0));
        let spectrum = of_interest.then(|| self.fine_structure());
        let same = |before: usize| {
            let at = self.spectra.len().checked_sub(before)?;
            let earlier = self.spectra.get(at)?.as_ref()?;
            Some(correlation(spectrum.as_ref()?, earlier) > SAME)
        };
        let steady = Steady { near: same(NEAR).unwrap_or(false), far: same(FAR).unwrap_or(false) };
        self.spectra.push_back(spectrum);
        if self.spectra.len() > FAR {
            self.spectra.pop_front();
        }
        steady
    }

    /// The spectrum in dB without its envelope, of length 1.
    fn fine_structure(&self) -> Vec<f32> {
        let mut input: Vec<f32> = self.recent.iter().zip(&self.window).map(|(s, w)| s * w).collect();
        let mut output = vec![Complex32::default(); WINDOW / 2 + 1];
        // Only a wrong length is an error, and the lengths are constants.
        if self.fft.process(&mut input, &mut output).is_err() {
            return vec![0.0; BINS.len()];
        }
        let mut levels: Vec<f32> =
            output[BINS].iter().map(|bin| 10.0 * (bin.norm_sqr() + 1e-12).log10()).collect();
        let floor = levels.iter().copied().fold(f32::NEG_INFINITY, f32::max) - DEPTH;
        levels.iter_mut().for_each(|level| *level = level.max(floor));
        let mut fine: Vec<f32> = (0..levels.len()).map(|at| levels[at] - envelope(&levels, at)).collect();
        let mean = fine.iter().sum::<f32>() / fine.len() as f32;
        fine.iter_mut().for_each(|value| *value -= mean);
        let length = fine.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-6);
        fine.iter_mut().for_each(|value| *value /= length);
        fine
    }
}

/// The mean of the bins around one; beyond the ends the last one counts on.
fn envelope(levels: &[f32], at: usize) -> f32 {
    let half = ENVELOPE / 2;
    let bins = (at..at + ENVELOPE).map(|bin| levels[bin.saturating_sub(half).min(levels.len() - 1)]);
    bins.sum::<f32>() / ENVELOPE as f32
}

fn correlation(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

const _: () = assert!(FRAME < WINDOW);

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of steady frames in a second of a tone whose frequency `pitch` gives.
    fn share(pitch: impl Fn(f32) -> f32) -> f32 {
        let mut steadiness = Steadiness::new();
        let mut phase = 0.0;
        let mut found = Vec::new();
        let samples: Vec<i16> = (0..16_000)
            .map(|at| {
                phase += pitch(at as f32 / 16_000.0) / 16_000.0;
                let harmonics = (1..8).map(|h| (std::f32::consts::TAU * phase * h as f32).sin() / h as f32);
                (harmonics.sum::<f32>() * 8000.0) as i16
            })
            .collect();
        for frame in samples.chunks_exact(FRAME) {
            found.push(steadiness.push(frame, true));
        }
        found.iter().filter(|steady| steady.near).count() as f32 / found.len() as f32
    }

    #[test]
    fn a_note_is_steady_and_a_gliding_voice_is_not() {
        assert!(share(|_| 220.0) > 0.8);
        assert!(share(|time| 260.0 - 140.0 * time) < 0.3);
    }

    #[test]
    fn silence_is_not_steady() {
        let mut steadiness = Steadiness::new();
        for _ in 0..40 {
            assert_eq!(steadiness.push(&[0; FRAME], true), Steady::default());
        }
    }

    #[test]
    fn frames_of_no_interest_are_never_steady() {
        let mut steadiness = Steadiness::new();
        let frame: Vec<i16> = (0..FRAME as i32).map(|at| ((at % 64) * 100) as i16).collect();
        for _ in 0..20 {
            assert_eq!(steadiness.push(&frame, false), Steady::default());
        }
    }
}
