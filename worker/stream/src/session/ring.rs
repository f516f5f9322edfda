//! The audio of a session that is still needed.

use std::collections::VecDeque;

/// A stretch of samples, numbered from the beginning of the session.
#[derive(Debug)]
pub(super) struct Ring {
    start: u64,
    samples: VecDeque<i16>,
}

impl Ring {
    /// Empty; the first sample that comes has this number.
    pub(super) fn at(start: u64) -> Self {
        Self { start, samples: VecDeque::new() }
    }

    /// The number of the first sample that is there.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The number of the sample that comes next.
    pub(super) fn end(&self) -> u64 {
        self.start + self.samples.len() as u64
    }

    pub(super) fn push(&mut self, samples: &[i16]) {
        self.samples.extend(samples);
    }

    /// The samples from one number up to another, as far as they are there.
    pub(super) fn between(&self, start: u64, end: u64) -> impl Iterator<Item = i16> + '_ {
        let index = |at: u64| (at.clamp(self.start, self.end()) - self.start) as usize;
        let (start, end) = (index(start), index(end));
        self.samples.range(start..end.max(start)).copied()
    }

    /// Forgets what lies before a sample.
    pub(super) fn forget_before(&mut self, sample: u64) {
        let sample = sample.clamp(self.start, self.end());
        self.samples.drain(..(sample - self.start) as usize);
        self.start = sample;
        // What a long backlog took is given back.
        if self.samples.capacity() > 4 * self.samples.len() + (1 << 16) {
            self.samples.shrink_to(2 * self.samples.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_keep_their_numbers() {
        let mut ring = Ring::at(100);
        ring.push(&[0, 1, 2, 3, 4, 5]);
        ring.forget_before(102);
        ring.push(&[6]);
        assert_eq!((ring.start(), ring.end()), (102, 107));
        let between = |start, end| ring.between(start, end).collect::<Vec<_>>();
        assert_eq!(between(103, 105), [3, 4]);
        assert_eq!(between(0, 1000), [2, 3, 4, 5, 6]);
        assert!(between(106, 103).is_empty());
        ring.forget_before(50);
        assert_eq!(ring.start(), 102, "it does not go back");
        ring.forget_before(5000);
        assert_eq!((ring.start(), ring.end()), (107, 107), "nor beyond what has come");
    }

    #[test]
    fn memory_is_given_back() {
        let mut ring = Ring::at(0);
        for _ in 0..100 {
            ring.push(&[1; 16_000]);
        }
        ring.forget_before(ring.end() - 100);
        assert!(ring.samples.capacity() < 1 << 17, "{}", ring.samples.capacity());
    }
}
