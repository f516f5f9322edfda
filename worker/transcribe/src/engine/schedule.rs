//! Whose task is next.
//!
//! Least attained service first: the job that has been given the least audio so far, so that a short job waits
//! for a task or two, not for the long ones that were there before it (of jobs whose length nobody knows, this
//! keeps the mean time to finish low; Nuyens and Wierman 2008). Every fourth task goes to the oldest job that
//! waits, so that a stream of short ones starves nobody.

use std::collections::{BTreeMap, VecDeque};

/// One task in this many goes to the oldest job.
const FOR_THE_OLDEST: u64 = 4;

/// The name of a job in here. The smaller, the older.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// The tasks of all jobs that wait.
#[derive(Debug)]
pub struct Schedule<T> {
    jobs: BTreeMap<Ticket, Queue<T>>,
    tickets: u64,
    picks: u64,
}

#[derive(Debug)]
struct Queue<T> {
    /// Audio handed out so far, in samples.
    served: u64,
    waiting: VecDeque<(u64, T)>,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self { jobs: BTreeMap::new(), tickets: 0, picks: 0 }
    }
}

impl<T> Schedule<T> {
    /// Takes a job in.
    pub fn join(&mut self) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.jobs.insert(ticket, Queue { served: 0, waiting: VecDeque::new() });
        ticket
    }

    /// Forgets a job; its tasks that still wait are given back.
    pub fn leave(&mut self, ticket: Ticket) -> Vec<T> {
        let queue = self.jobs.remove(&ticket);
        queue.into_iter().flat_map(|queue| queue.waiting).map(|(_, task)| task).collect()
    }

    /// Adds a task about so many samples; gives it back if the job has left.
    ///
    /// # Errors
    /// The task itself.
    pub fn submit(&mut self, ticket: Ticket, samples: u64, task: T) -> Result<(), T> {
        match self.jobs.get_mut(&ticket) {
            Some(queue) => {
                queue.waiting.push_back((samples, task));
                Ok(())
            }
            None => Err(task),
        }
    }

    /// The next task.
    pub fn pick(&mut self) -> Option<T> {
        let waiting = self.jobs.iter().filter(|(_, queue)| !queue.waiting.is_empty());
        let oldest_is_due = (self.picks + 1).is_multiple_of(FOR_THE_OLDEST);
        let (ticket, _) =
            waiting.min_by_key(
                |(ticket, queue)| if oldest_is_due { (0, **ticket) } else { (queue.served, **ticket) },
            )?;
        let ticket = *ticket;
        let queue = self.jobs.get_mut(&ticket)?;
        let (samples, task) = queue.waiting.pop_front()?;
        queue.served += samples;
        self.picks += 1;
        Some(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: u64 = 28 * 16_000;

    #[test]
    fn a_short_job_goes_before_long_ones_that_are_under_way() {
        let mut schedule = Schedule::default();
        let long = [schedule.join(), schedule.join()];
        for ticket in long {
            for _ in 0..50 {
                schedule.submit(ticket, CHUNK, "long").unwrap();
            }
        }
        for _ in 0..20 {
            assert_eq!(schedule.pick(), Some("long"));
        }
        let short = schedule.join();
        schedule.submit(short, CHUNK / 6, "short").unwrap();
        let until: Vec<_> =
            std::iter::from_fn(|| schedule.pick()).take_while(|task| *task == "long").collect();
        assert!(until.len() <= 1, "{} long tasks went first", until.len());
    }

    #[test]
    fn equal_jobs_take_turns() {
        let mut schedule = Schedule::default();
        for name in ["a", "b", "c"] {
            let ticket = schedule.join();
            for _ in 0..8 {
                schedule.submit(ticket, CHUNK, name).unwrap();
            }
        }
        let picked: Vec<_> = std::iter::from_fn(|| schedule.pick()).take(12).collect();
        for name in ["a", "b", "c"] {
            let count = picked.iter().filter(|task| **task == name).count();
            assert!((3..=6).contains(&count), "{name} had {count} of {picked:?}");
        }
    }

    #[test]
    fn short_jobs_without_end_do_not_starve_a_long_one() {
        let mut schedule = Schedule::default();
        let long = schedule.join();
        for _ in 0..10 {
            schedule.submit(long, CHUNK, "long").unwrap();
        }
        let mut done = 0;
        for picks in 1..=100 {
            let short = schedule.join();
            schedule.submit(short, CHUNK / 6, "short").unwrap();
            if schedule.pick() == Some("long") {
                done += 1;
            }
            if done == 10 {
                assert!(picks <= 41, "{picks}");
                return;
            }
        }
        panic!("only {done} of 10 tasks of the long job were run");
    }

    #[test]
    fn two_threads_serve_a_hundred_short_jobs_while_two_long_ones_run() {
        let mut schedule = Schedule::default();
        let long = [schedule.join(), schedule.join()];
        let feed = |schedule: &mut Schedule<(&str, usize)>| {
            for ticket in long {
                schedule.submit(ticket, CHUNK, ("long", 0)).unwrap();
            }
        };
        // Each round two threads take a task. A short job comes every other round.
        let mut waited = Vec::new();
        for _ in 0..4 {
            feed(&mut schedule);
        }
        for round in 0..400 {
            feed(&mut schedule);
            if round % 2 == 0 && round < 200 {
                let ticket = schedule.join();
                schedule.submit(ticket, CHUNK / 6, ("short", round)).unwrap();
            }
            for _ in 0..2 {
                if let Some(("short", since)) = schedule.pick() {
                    waited.push(round - since);
                }
            }
        }
        assert_eq!(waited.len(), 100);
        assert!(waited.iter().all(|rounds| *rounds <= 1), "{waited:?}");
    }

    #[test]
    fn tasks_of_a_job_that_left_are_given_back() {
        let mut schedule = Schedule::default();
        let ticket = schedule.join();
        schedule.submit(ticket, 1, 'a').unwrap();
        schedule.submit(ticket, 1, 'b').unwrap();
        assert_eq!(schedule.leave(ticket), ['a', 'b']);
        assert_eq!(schedule.submit(ticket, 1, 'c'), Err('c'));
        assert_eq!(schedule.pick(), None);
    }
}
