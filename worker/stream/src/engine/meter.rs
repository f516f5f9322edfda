//! How busy the threads have been lately, and how long texts that stay have waited.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What is looked back at.
const LATELY: Duration = Duration::from_secs(5);
/// As many passes are remembered at most: more would not fit into [`LATELY`] but for passes of no length.
const MOST: usize = 4096;

/// Remembers the passes of the last seconds.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Begin and end.
    passes: VecDeque<(Instant, Instant)>,
    under_way: Vec<Instant>,
    /// When a text that stays had its turn, and how long it had waited for that.
    waits: VecDeque<(Instant, Duration)>,
}

impl Meter {
    pub(super) fn begin(&mut self, now: Instant) {
        self.under_way.push(now);
    }

    pub(super) fn end(&mut self, began: Instant, now: Instant) {
        if let Some(at) = self.under_way.iter().position(|other| *other == began) {
            self.under_way.swap_remove(at);
        }
        self.passes.push_back((began, now));
        self.forget(now);
    }

    pub(super) fn waited(&mut self, now: Instant, wait: Duration) {
        self.waits.push_back((now, wait));
        self.forget(now);
    }

    fn forget(&mut self, now: Instant) {
        let is_old = |at: &Instant| now.saturating_duration_since(*at) > LATELY;
        while self.passes.len() > MOST || self.passes.front().is_some_and(|(_, ended)| is_old(ended)) {
            self.passes.pop_front();
        }
        while self.waits.len() > MOST || self.waits.front().is_some_and(|(at, _)| is_old(at)) {
            self.waits.pop_front();
        }
    }

    /// The share of the time of so many threads that was used, 0 to 1.
    pub(super) fn busy(&self, threads: usize, now: Instant) -> f64 {
        let from = now.checked_sub(LATELY);
        let lately = |began: Instant, ended: Instant| {
            let began = from.map_or(began, |from| began.max(from));
            ended.saturating_duration_since(began).as_secs_f64()
        };
        let ended: f64 = self.passes.iter().map(|(began, ended)| lately(*began, *ended)).sum();
        let going: f64 = self.under_way.iter().map(|began| lately(*began, now)).sum();
        ((ended + going) / (LATELY.as_secs_f64() * threads.max(1) as f64)).clamp(0.0, 1.0)
    }

    /// The longest wait of the texts that stay and had their turn lately.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let lately = self.waits.iter().filter(|(at, _)| now.saturating_duration_since(*at) <= LATELY);
        lately.map(|(_, wait)| *wait).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_the_last_seconds_is_told() {
        let start = Instant::now() + Duration::from_secs(100);
        let at = |ms| start + Duration::from_millis(ms);
        let mut meter = Meter::default();
        assert_eq!(meter.busy(2, at(0)), 0.0);
        meter.begin(at(0));
        meter.begin(at(1000));
        meter.end(at(0), at(2000));
        // Two seconds, and one that goes on for four.
        let busy = meter.busy(2, at(5000));
        assert!((busy - 0.6).abs() < 0.01, "{busy}");
        meter.end(at(1000), at(5000));
        assert_eq!(meter.busy(2, at(20_000)), 0.0, "it is forgotten");
    }

    #[test]
    fn waits_are_remembered_for_a_while_and_memory_is_bounded() {
        let start = Instant::now() + Duration::from_secs(100);
        let mut meter = Meter::default();
        meter.waited(start, Duration::from_millis(700));
        meter.waited(start, Duration::from_millis(300));
        assert_eq!(meter.wait(start + Duration::from_secs(1)), Duration::from_millis(700));
        assert_eq!(meter.wait(start + Duration::from_secs(6)), Duration::ZERO);
        for _ in 0..3 * MOST {
            meter.begin(start);
            meter.end(start, start);
            meter.waited(start, Duration::ZERO);
        }
        assert!(
            meter.passes.len() <= MOST + 1 && meter.waits.len() <= MOST + 1 && meter.under_way.is_empty()
        );
    }
}
