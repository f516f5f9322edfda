//! What is found out about a file before symphonia opens it, where symphonia would go wrong without a word.

use std::io;

use steno_shared::time::SAMPLE_RATE;

/// What to make of a track.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Plan {
    /// Frames to drop at the start of the track.
    pub(super) skip: Time,
    /// The frames that count after them, if the file says so.
    pub(super) keep: Option<Time>,
    /// How much audio there should be.
    pub(super) length: Length,
    /// The file does not tell where it ends, so it may end anywhere.
    pub(super) is_endless: bool,
}

/// How much audio a file says it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Length {
    /// Believe what symphonia finds in the header.
    #[default]
    AsInHeader,
    /// The header does not tell, whatever symphonia makes of it.
    Unknown,
    /// So much.
    Known(Time),
}

impl Length {
    /// In 16 kHz samples, if it is known.
    pub(super) fn samples(self) -> Option<u64> {
        match self {
            Self::AsInHeader | Self::Unknown => None,
            Self::Known(time) => Some(time.in_samples(SAMPLE_RATE)),
        }
    }
}

/// A span in units of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) ticks: u64,
    pub(super) per_second: u32,
}

impl Default for Time {
    fn default() -> Self {
        Self { ticks: 0, per_second: 1 }
    }
}

impl Time {
    /// The nearest number of samples at `rate`.
    pub(super) fn in_samples(self, rate: u32) -> u64 {
        let per_second = u128::from(self.per_second.max(1));
        let samples = (u128::from(self.ticks) * u128::from(rate) + per_second / 2) / per_second;
        u64::try_from(samples).unwrap_or(u64::MAX)
    }
}

/// Why a file is not decoded natively.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Another decoder does it right.
    #[error("{0}")]
    Declined(String),
    /// There are tracks, and none of them is audio.
    #[error("no audio track")]
    NoAudio,
    /// There are only so many audio tracks.
    #[error("{0} audio tracks")]
    NoSuchTrack(u32),
    /// The file cannot be read.
    #[error("cannot read the file: {0}")]
    Read(#[from] io::Error),
}

/// Finds the track of this number among the audio tracks: from 1, and 0 is the first.
pub(super) fn nth<T>(audio: impl Iterator<Item = T>, number: u16) -> Result<T, Refusal> {
    let mut count = 0;
    match audio.inspect(|_| count += 1).take(usize::from(number.max(1))).last() {
        Some(track) if count >= u32::from(number) => Ok(track),
        _ => Err(if count == 0 { Refusal::NoAudio } else { Refusal::NoSuchTrack(count) }),
    }
}

/// Leaves the file to another decoder.
pub(super) fn decline<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Declined(reason.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_are_counted_from_1() {
        let find = |number| nth(["a", "b", "c"].into_iter(), number);
        for (number, track) in [(0, "a"), (1, "a"), (2, "b"), (3, "c")] {
            assert_eq!(find(number).unwrap(), track);
        }
        assert!(matches!(find(4), Err(Refusal::NoSuchTrack(3))));
        assert!(matches!(nth([0; 0].into_iter(), 0), Err(Refusal::NoAudio)));
        assert!(matches!(nth([0; 0].into_iter(), 2), Err(Refusal::NoAudio)));
    }

    #[test]
    fn times_convert_to_the_nearest_sample_and_saturate() {
        assert_eq!(Time { ticks: 20_007, per_second: 1000 }.in_samples(48_000), 960_336);
        assert_eq!(Time { ticks: 1, per_second: 3 }.in_samples(16_000), 5_333);
        assert_eq!(Time { ticks: u64::MAX, per_second: 0 }.in_samples(16_000), u64::MAX);
    }
}
