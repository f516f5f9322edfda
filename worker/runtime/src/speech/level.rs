//! The level at which the detector listens.
//!
//! The detector's scores depend on loudness: white noise at full scale scores as high as speech, quiet speech
//! lower. So each block is brought to the level at which speech and noise were found to differ most.

use super::FRAME;

/// Loud frames of a block are brought to this root mean square. Of 0.02, 0.04, 0.08 and 0.15 this told speech from
/// noise and tones best: noise of any level, 0.65 at most after smoothing; nineteen of twenty words above 0.89.
const TARGET: f32 = 0.08 * 32768.0;
/// The share of frames that are quieter than the ones which set the level.
const LOUD: f64 = 0.95;
/// Speech 50 dB below full scale is still heard; beyond that the 16-bit steps are.
const GAINS: (f32, f32) = (1.0 / 16.0, 30.0);

/// The gain for a block of samples.
pub(super) fn gain(block: &[i16]) -> f32 {
    let mut levels: Vec<f32> = block.chunks(FRAME).map(level).collect();
    if levels.is_empty() {
        return 1.0;
    }
    gain_for(loud(&mut levels))
}

/// The level of the loud ones among frames of these levels; puts them in another order.
pub(super) fn loud(levels: &mut [f32]) -> f32 {
    if levels.is_empty() {
        return 0.0;
    }
    let at = ((levels.len() - 1) as f64 * LOUD) as usize;
    *levels.select_nth_unstable_by(at, f32::total_cmp).1
}

/// The gain that brings loud frames of this root mean square to the level.
pub(super) fn gain_for(loud: f32) -> f32 {
    (TARGET / loud.max(1.0)).clamp(GAINS.0, GAINS.1)
}

/// The root mean square of a frame.
pub(super) fn level(frame: &[i16]) -> f32 {
    let sum: f32 = frame.iter().map(|sample| f32::from(*sample) * f32::from(*sample)).sum();
    (sum / frame.len().max(1) as f32).sqrt()
}

/// The frame at another level; peaks are cut off.
pub(super) fn amplify(frame: &[i16], gain: f32) -> Vec<i16> {
    // `as` saturates.
    frame.iter().map(|sample| (f32::from(*sample) * gain).round() as i16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loud_blocks_become_quieter_and_quiet_ones_louder_within_bounds() {
        assert_eq!(gain(&[]), 1.0);
        assert_eq!(gain(&[0; 1000]), GAINS.1);
        assert!((gain(&[i16::MAX; 1000]) - 0.08).abs() < 0.001);
        assert_eq!(gain(&[3; 1000]), GAINS.1);
    }

    #[test]
    fn a_short_bang_does_not_set_the_level() {
        let mut block = vec![1000; 16_000];
        block[..300].fill(i16::MAX);
        assert!((gain(&block) - TARGET / 1000.0).abs() < 0.01);
    }

    #[test]
    fn peaks_are_cut_off() {
        assert_eq!(amplify(&[-20_000, 100, 20_000], 4.0), [i16::MIN, 400, i16::MAX]);
    }
}
