//! What one decoder may use up.

use std::time::Duration;

use steno_shared::time::SAMPLE_RATE;

/// What one decoder may use up before it is ended.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest audio that is accepted, in media time.
    pub duration: Duration,
    /// The longest time without a sample.
    pub stall: Duration,
    /// The longest time in all.
    pub time: Duration,
    /// Address space in bytes.
    pub memory: u64,
}

impl Limits {
    /// The longest audio in samples.
    #[must_use]
    pub fn samples(&self) -> u64 {
        samples_in(self.duration)
    }

    /// Processor time in whole seconds: a single-threaded decoder cannot use more within its time, so this ends
    /// one whose parent has been stopped.
    #[must_use]
    pub fn cpu_seconds(&self) -> u64 {
        self.time.as_secs() + 10
    }
}

/// The number of 16 kHz samples in a span.
#[must_use]
pub(crate) fn samples_in(span: Duration) -> u64 {
    let samples = span.as_micros() * u128::from(SAMPLE_RATE) / 1_000_000;
    u64::try_from(samples).unwrap_or(u64::MAX)
}
