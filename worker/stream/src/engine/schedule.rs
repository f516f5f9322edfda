//! Whose turn it is: texts that stay before texts that will be replaced, of each kind the one that waits longest; one
//! pass of a session at a time. And how often partial texts can be afforded.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::session::{Pace, Wish};
use steno_shared::time::SAMPLE_RATE;

/// Partial texts come no oftener ...
const OFTENEST: Duration = Duration::from_millis(300);
/// ... and, while there are any, no seldomer.
pub(super) const SELDOMEST: Duration = Duration::from_secs(2);
/// So much more time is left between partial texts than they take: the rest is for those that stay.
const SLACK: f64 = 1.2;
/// The weight of the newest pass in the mean time of a pass.
const NEWEST: f64 = 0.1;
/// While a text that stays waits longer than this, there are no partial ones.
const PATIENCE: Duration = Duration::from_secs(1);

/// A session's number at the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

#[derive(Debug)]
struct Entry<S> {
    session: S,
    wish: Option<(Wish, Instant)>,
    is_under_way: bool,
    is_speaking: bool,
}

/// What a session is doing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Status {
    pub(super) wish: Option<Wish>,
    pub(super) is_speaking: bool,
}

/// What was picked.
#[derive(Debug)]
pub(super) struct Picked<S> {
    pub(super) ticket: Ticket,
    pub(super) session: S,
    pub(super) wish: Wish,
    /// Since when it has waited.
    pub(super) since: Instant,
}

/// The sessions and what they wait for.
#[derive(Debug)]
pub(super) struct Schedule<S> {
    next: u64,
    threads: usize,
    sessions: BTreeMap<Ticket, Entry<S>>,
    /// Mean time of a pass.
    pass: Duration,
}

impl<S: Clone> Schedule<S> {
    pub(super) fn new(threads: usize) -> Self {
        Self { next: 0, threads: threads.max(1), sessions: BTreeMap::new(), pass: Duration::ZERO }
    }

    pub(super) fn join(&mut self, session: S) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.sessions.insert(ticket, Entry { session, wish: None, is_under_way: false, is_speaking: false });
        ticket
    }

    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<S> {
        self.sessions.remove(&ticket).map(|entry| entry.session)
    }

    /// Notes what a session does. One that wishes the same as before has waited since then.
    pub(super) fn note(&mut self, ticket: Ticket, status: Status, now: Instant) {
        let Some(entry) = self.sessions.get_mut(&ticket) else { return };
        entry.is_speaking = status.is_speaking;
        let earlier = entry.wish;
        entry.wish = status.wish.map(|wish| match earlier {
            Some((before, since)) if before == wish => (wish, since),
            _ => (wish, now),
        });
    }

    /// The next session to serve, which has a pass under way from now on.
    pub(super) fn pick(&mut self) -> Option<Picked<S>> {
        let waiting = self.sessions.iter().filter(|(_, entry)| !entry.is_under_way);
        let waiting = waiting.filter_map(|(ticket, entry)| Some((entry.wish?, *ticket)));
        let ((wish, since), ticket) = waiting.min()?;
        let entry = self.sessions.get_mut(&ticket)?;
        entry.is_under_way = true;
        entry.wish = None;
        Some(Picked { ticket, session: entry.session.clone(), wish, since })
    }

    /// A session's pass has ended.
    pub(super) fn end(&mut self, ticket: Ticket) {
        if let Some(entry) = self.sessions.get_mut(&ticket) {
            entry.is_under_way = false;
        }
    }

    /// Notes how long a pass took.
    pub(super) fn took(&mut self, pass: Duration) {
        let mean =
            if self.pass.is_zero() { pass } else { self.pass.mul_f64(1.0 - NEWEST) + pass.mul_f64(NEWEST) };
        self.pass = mean;
    }

    /// How often partial texts can be afforded just now.
    pub(super) fn pace(&self, now: Instant) -> Pace {
        if self.final_wait(now) > PATIENCE {
            return Pace { every: None };
        }
        let speaking = self.speaking().max(1) as f64;
        let every = self.pass.mul_f64(SLACK * speaking / self.threads as f64);
        Pace { every: Some(samples(every.clamp(OFTENEST, SELDOMEST))) }
    }

    /// For how long the text that stays and has waited longest has waited.
    pub(super) fn final_wait(&self, now: Instant) -> Duration {
        let finals =
            self.sessions.values().filter_map(|entry| entry.wish.filter(|(wish, _)| *wish == Wish::Final));
        finals.map(|(_, since)| now.saturating_duration_since(since)).max().unwrap_or_default()
    }

    pub(super) fn speaking(&self) -> usize {
        self.sessions.values().filter(|entry| entry.is_speaking).count()
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Whether no pass is under way and none waits.
    pub(super) fn is_idle(&self) -> bool {
        self.sessions.values().all(|entry| !entry.is_under_way && entry.wish.is_none())
    }

    /// All sessions, as the engine ends.
    pub(super) fn take_all(&mut self) -> Vec<S> {
        std::mem::take(&mut self.sessions).into_values().map(|entry| entry.session).collect()
    }
}

fn samples(duration: Duration) -> u64 {
    duration.as_micros() as u64 * u64::from(SAMPLE_RATE) / 1_000_000
}

/// How long so many samples are.
pub(super) fn duration(samples: u64) -> Duration {
    Duration::from_micros(samples * 1_000_000 / u64::from(SAMPLE_RATE))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        schedule: Schedule<char>,
        now: Instant,
    }

    impl Scene {
        fn new(threads: usize) -> Self {
            Self { schedule: Schedule::new(threads), now: Instant::now() }
        }

        fn wish(&mut self, ticket: Ticket, wish: Wish) {
            self.schedule.note(ticket, Status { wish: Some(wish), is_speaking: true }, self.now);
        }

        fn wait(&mut self, ms: u64) {
            self.now += Duration::from_millis(ms);
        }

        fn picked(&mut self) -> Option<char> {
            self.schedule.pick().map(|picked| picked.session)
        }
    }

    #[test]
    fn finals_go_before_partials_and_those_that_wait_longest_first() {
        let mut scene = Scene::new(1);
        let [a, b, c, d] = ['a', 'b', 'c', 'd'].map(|name| scene.schedule.join(name));
        scene.wish(b, Wish::Partial);
        scene.wait(1);
        scene.wish(a, Wish::Partial);
        scene.wait(1);
        scene.wish(d, Wish::Final);
        scene.wait(1);
        scene.wish(c, Wish::Final);
        scene.wish(b, Wish::Partial);
        let order: Vec<_> = std::iter::from_fn(|| scene.picked()).collect();
        assert_eq!(order, ['d', 'c', 'b', 'a'], "one that wishes the same again keeps its place");
    }

    #[test]
    fn a_session_has_one_pass_at_a_time() {
        let mut scene = Scene::new(2);
        let only = scene.schedule.join('a');
        scene.wish(only, Wish::Partial);
        assert_eq!(scene.picked(), Some('a'));
        scene.wish(only, Wish::Final);
        assert_eq!(scene.picked(), None);
        assert!(!scene.schedule.is_idle());
        scene.schedule.end(only);
        assert_eq!(scene.picked(), Some('a'));
        scene.schedule.end(only);
        assert!(scene.schedule.is_idle());
        scene.wish(only, Wish::Final);
        assert_eq!(scene.schedule.leave(only), Some('a'));
        assert_eq!(scene.picked(), None);
    }

    #[test]
    fn all_have_their_turn() {
        let mut scene = Scene::new(1);
        let tickets: Vec<_> = ('a'..='j').map(|name| scene.schedule.join(name)).collect();
        let mut served = BTreeMap::new();
        for _ in 0..100 {
            for ticket in &tickets {
                scene.wish(*ticket, Wish::Partial);
            }
            scene.wait(10);
            let picked = scene.schedule.pick().unwrap();
            *served.entry(picked.session).or_insert(0) += 1;
            scene.schedule.end(picked.ticket);
        }
        assert!(served.len() == 10 && served.values().all(|times| *times == 10), "{served:?}");
    }

    #[test]
    fn partials_are_as_frequent_as_can_be_afforded() {
        let mut scene = Scene::new(2);
        let every = |scene: &Scene| scene.schedule.pace(scene.now).every;
        assert_eq!(every(&scene), Some(4800), "0.3 s at the oftenest");
        scene.schedule.took(Duration::from_millis(200));
        for name in 'a'..='j' {
            let ticket = scene.schedule.join(name);
            scene.wish(ticket, Wish::Partial);
        }
        assert_eq!(every(&scene), Some(19_200), "1.2 x 0.2 s x 10 / 2");
        scene.schedule.took(Duration::from_secs(1000));
        assert_eq!(every(&scene), Some(32_000), "2 s at the seldomest");
        let late = scene.schedule.join('z');
        scene.wish(late, Wish::Final);
        scene.wait(1001);
        assert_eq!(every(&scene), None, "a final waits");
    }
}
