//! How fast a download goes, and how long it will take.

use std::time::{Duration, Instant};

/// The rate is that of the last while, ...
const WINDOW: Duration = Duration::from_secs(5);
/// ... of which nothing is said before so much of it is over.
const ENOUGH: Duration = Duration::from_millis(500);

/// The rate of a download.
#[derive(Debug)]
pub(crate) struct Rate {
    since: Instant,
    bytes: u64,
    /// The rate of the window before, in bytes a second.
    before: Option<f64>,
}

impl Rate {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), bytes: 0, before: None }
    }

    /// So many more bytes have come.
    pub(super) fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
        if self.since.elapsed() >= WINDOW {
            *self = Self { before: self.per_second(), ..Self::new() };
        }
    }

    /// Bytes a second, once that can be said.
    pub(crate) fn per_second(&self) -> Option<f64> {
        let elapsed = self.since.elapsed();
        let now = (elapsed >= ENOUGH).then(|| self.bytes as f64 / elapsed.as_secs_f64());
        match (self.before, now) {
            // Half and half, so that the number is calm.
            (Some(before), Some(now)) => Some(f64::midpoint(before, now)),
            (before, now) => before.or(now),
        }
    }

    /// Seconds until so many bytes more have come.
    pub(crate) fn seconds_for(&self, bytes: u64) -> Option<f64> {
        self.per_second().filter(|rate| *rate > 0.0).map(|rate| bytes as f64 / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_bytes_by_time_and_nothing_at_first() {
        let mut rate = Rate::new();
        rate.add(1000);
        assert_eq!(rate.per_second(), None);
        assert_eq!(rate.seconds_for(1), None);
        rate.since -= Duration::from_secs(2);
        let per_second = rate.per_second().unwrap();
        assert!((400.0..=500.0).contains(&per_second), "{per_second}");
        assert!(rate.seconds_for(1000).unwrap() >= 2.0);
        rate.since -= Duration::from_secs(4);
        rate.add(0);
        assert!(rate.per_second().is_some_and(|rate| rate > 0.0));
    }
}
