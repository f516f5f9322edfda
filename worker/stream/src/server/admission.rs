//! Whether there is a place for one more session, before those that are there become slow.
//!
//! A session that says nothing costs nothing, and is counted only. What a newcomer will cost is not known: each that
//! speaks is taken to cost as much as those that speak now, from when it has begun, since it takes seconds until that
//! shows in the load. The engine makes partial texts as often as it can, so that its threads are nearly always busy:
//! what counts is how busy they would be if partial texts came as seldom as is still good.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::Load;

/// The share of the threads' time above which nobody is let in.
const FULL: f64 = 0.85;
/// Partial texts that come oftener than this may become seldomer for a newcomer's sake.
const PACE: Duration = Duration::from_millis(700);
/// The wait of final texts above which nobody is let in.
const SLOW: Duration = Duration::from_secs(1);
/// So long after its begin a session shows in the load.
const SHOWS: Duration = Duration::from_secs(5);
/// What a session that speaks needs of one thread's time, before any has been seen.
const FIRST_COST: f64 = 0.1;
/// What is believed at the least and at the most.
const COSTS: (f64, f64) = (0.01, 1.0);
/// How much of the mean the newest figure is.
const NEWEST: f64 = 0.3;
/// When it is worth trying again.
const RETRY_AFTER_S: u64 = 5;

/// There is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// When it is worth trying again, in seconds.
    pub retry_after_s: u64,
}

/// The sessions that are there, as far as others are concerned.
#[derive(Debug)]
pub struct Admission {
    most: usize,
    threads: f64,
    /// All that are there, with the time at which they began, if they did.
    sessions: BTreeMap<u64, Option<Instant>>,
    last: u64,
    /// What one that speaks needs of a thread's time.
    cost: f64,
}

impl Admission {
    /// For at most so many sessions, on an engine with so many threads.
    #[must_use]
    pub fn new(most: usize, threads: usize) -> Self {
        Self { most, threads: threads.max(1) as f64, sessions: BTreeMap::new(), last: 0, cost: FIRST_COST }
    }

    /// Lets one in, and gives it a number.
    ///
    /// # Errors
    /// If there is no place.
    pub fn open(&mut self, load: &Load, now: Instant) -> Result<u64, Full> {
        if self.sessions.len() >= self.most || !self.bears_another(load, now) {
            return Err(Full { retry_after_s: RETRY_AFTER_S });
        }
        self.last += 1;
        self.sessions.insert(self.last, None);
        Ok(self.last)
    }

    /// One that was let in wants to speak.
    ///
    /// # Errors
    /// If others were faster.
    pub fn begin(&mut self, number: u64, load: &Load, now: Instant) -> Result<(), Full> {
        if !self.bears_another(load, now) {
            return Err(Full { retry_after_s: RETRY_AFTER_S });
        }
        self.sessions.insert(number, Some(now));
        Ok(())
    }

    /// One that was let in spoke at another worker before.
    pub fn go_on(&mut self, number: u64, now: Instant) {
        self.sessions.insert(number, Some(now));
    }

    /// One has gone.
    pub fn leave(&mut self, number: u64) {
        self.sessions.remove(&number);
    }

    /// Learns what sessions cost. To be told every second.
    pub fn observe(&mut self, load: &Load) {
        if load.speaking > 0 {
            let cost = needed(load) * self.threads / load.speaking as f64;
            self.cost += (cost.clamp(COSTS.0, COSTS.1) - self.cost) * NEWEST;
        }
    }

    /// How many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// How many more could speak now.
    #[must_use]
    pub fn free(&self, load: &Load, now: Instant) -> usize {
        if !self.bears_another(load, now) {
            return 0;
        }
        let room = (FULL - self.predicted(load, now)).max(0.0) * self.threads / self.cost;
        (room as usize).max(1).min(self.most.saturating_sub(self.sessions.len()))
    }

    /// Whether one more may speak. The first always may, however slow the machine is.
    fn bears_another(&self, load: &Load, now: Instant) -> bool {
        let predicted = self.predicted(load, now);
        if load.speaking == 0 && predicted < self.cost / self.threads {
            return true;
        }
        // Finals that waited before everybody fell silent say nothing about the next.
        let is_slow = load.speaking > 0 && load.final_wait > SLOW;
        !is_slow && predicted + self.cost / self.threads <= FULL
    }

    /// The share of the threads' time that is needed as soon as all that have begun show.
    fn predicted(&self, load: &Load, now: Instant) -> f64 {
        let hidden = |began: &Instant| {
            let shown = now.saturating_duration_since(*began).as_secs_f64() / SHOWS.as_secs_f64();
            (1.0 - shown).max(0.0)
        };
        let hidden: f64 = self.sessions.values().flatten().map(hidden).sum();
        needed(load) + hidden * self.cost / self.threads
    }
}

/// The share of the threads' time that those who speak now need.
fn needed(load: &Load) -> f64 {
    load.busy * (load.pace.as_secs_f64() / PACE.as_secs_f64()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(busy: f64, speaking: usize) -> Load {
        Load { busy, speaking, sessions: speaking, pace: PACE, final_wait: Duration::ZERO }
    }

    /// Lets in and begins as many as possible at once.
    fn fill(admission: &mut Admission, load: &Load, now: Instant) -> usize {
        let mut begun = 0;
        while let Ok(number) = admission.open(load, now) {
            if admission.begin(number, load, now).is_err() {
                break;
            }
            begun += 1;
        }
        begun
    }

    #[test]
    fn there_are_no_more_sessions_than_the_most() {
        let mut admission = Admission::new(3, 64);
        let (load, now) = (load(0.0, 0), Instant::now());
        let numbers: Vec<_> = (0..3).map(|_| admission.open(&load, now).unwrap()).collect();
        assert_eq!(admission.open(&load, now), Err(Full { retry_after_s: RETRY_AFTER_S }));
        assert_eq!((admission.sessions(), admission.free(&load, now)), (3, 0));
        admission.leave(numbers[1]);
        assert_eq!(admission.free(&load, now), 1);
        assert!(!numbers.contains(&admission.open(&load, now).unwrap()), "numbers are not used twice");
    }

    #[test]
    fn sessions_that_have_not_begun_cost_nothing() {
        let mut admission = Admission::new(2000, 1);
        let (load, now) = (load(0.0, 0), Instant::now());
        for _ in 0..1000 {
            admission.open(&load, now).unwrap();
        }
        assert_eq!(admission.free(&load, now), 8);
        assert_eq!(fill(&mut admission, &load, now), 8);
        assert_eq!(admission.free(&load, now), 0);
    }

    #[test]
    fn those_that_begin_at_once_count_before_they_show_in_the_load() {
        let mut admission = Admission::new(2000, 3);
        let began = Instant::now();
        // 0.85 of three threads is room for 25 at a tenth of a thread.
        assert_eq!(fill(&mut admission, &load(0.0, 0), began), 25);
        assert!(admission.open(&load(0.5, 10), began + SHOWS / 2).is_err());
        // They turned out to be cheaper.
        let shown = load(0.32, 12);
        assert_eq!(admission.free(&shown, began + SHOWS), 15);
        (0..100).for_each(|_| admission.observe(&shown));
        // At 0.08 of a thread each: 0.53 of three threads.
        assert_eq!(fill(&mut admission, &shown, began + SHOWS), 19);
    }

    #[test]
    fn one_that_left_is_expected_no_more() {
        let mut admission = Admission::new(2000, 1);
        let (load, now) = (load(0.0, 0), Instant::now());
        let first = admission.open(&load, now).unwrap();
        admission.begin(first, &load, now).unwrap();
        assert_eq!(admission.free(&load, now), 7);
        admission.leave(first);
        assert_eq!(admission.free(&load, now), 8);
    }

    #[test]
    fn nobody_is_let_in_above_the_load_or_while_finals_wait() {
        let mut admission = Admission::new(2000, 4);
        let now = Instant::now();
        assert!(admission.open(&load(0.7, 5), now).is_ok());
        assert!(admission.open(&load(0.84, 5), now).is_err(), "with the newcomer it is too much");
        let slow = Load { final_wait: SLOW * 2, ..load(0.1, 1) };
        assert!(admission.open(&slow, now).is_err());
        assert_eq!(admission.free(&slow, now), 0);
        let past = Load { speaking: 0, ..slow };
        assert!(admission.open(&past, now).is_ok(), "nobody speaks any more");
    }

    #[test]
    fn partial_texts_become_seldomer_before_anybody_is_refused() {
        let mut admission = Admission::new(2000, 2);
        let now = Instant::now();
        let at = |ms| Load { pace: Duration::from_millis(ms), ..load(0.84, 20) };
        let free = [300, 500, 700, 2000].map(|ms| admission.free(&at(ms), now));
        assert_eq!(free, [9, 5, 0, 0]);
        assert!(admission.open(&at(300), now).is_ok());
        assert!(admission.open(&at(700), now).is_err());
    }

    #[test]
    fn the_first_is_let_in_however_slow_the_machine_is() {
        let mut admission = Admission::new(2000, 1);
        let now = Instant::now();
        (0..100).for_each(|_| admission.observe(&load(1.0, 1)));
        assert!(admission.open(&load(1.0, 1), now).is_err());
        let quiet = load(0.0, 0);
        assert_eq!(admission.free(&quiet, now), 1);
        assert_eq!(fill(&mut admission, &quiet, now), 1);
    }

    #[test]
    fn one_that_was_let_in_is_looked_at_again_when_it_begins() {
        let mut admission = Admission::new(2000, 1);
        let now = Instant::now();
        let number = admission.open(&load(0.0, 0), now).unwrap();
        assert!(admission.begin(number, &load(0.9, 3), now).is_err());
        assert!(admission.begin(number, &load(0.2, 3), now).is_ok());
    }
}
