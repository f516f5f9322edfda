//! What of a session's audio, and of its client's wishes, its worker is still to be sent.
//!
//! Audio stays here until a worker says that it needs it no more, so that another one can take the session up. Numbers
//! of samples count from the session's beginning, at 16 kHz.

use std::collections::VecDeque;

use steno_shared::live::link::WINDOW;

/// Audio goes out in pieces of a second at most, so that sessions take turns on their link.
const PIECE: usize = 16_000;
/// Flushes that wait to be sent; of more, the last counts.
const MOST_FLUSHES: usize = 16;

/// The audio from the first sample that is still needed, and how much of it was sent.
#[derive(Debug, Default)]
pub(super) struct Feed {
    tail: VecDeque<i16>,
    /// The number of the first sample of `tail`.
    start: u64,
    /// What was sent to this worker lies before.
    sent: u64,
    /// How far this worker is.
    heard: u64,
    /// How far the furthest worker was.
    furthest: u64,
    /// Where the client wished that all be final, and this worker was not told yet.
    flushes: VecDeque<u64>,
    /// The last such wish that a worker was told of.
    flushed: Option<u64>,
    stop: Stop,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stop {
    #[default]
    No,
    Wanted,
    Sent,
}

/// What is to be sent next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Samples, from this number on.
    Audio(u64, Vec<i16>),
    /// All that was said shall be final.
    Flush,
    /// No more audio comes.
    Stop,
}

impl Feed {
    /// More audio from the client.
    pub(super) fn push(&mut self, samples: &[i16]) {
        self.tail.extend(samples);
    }

    /// How much audio has come.
    pub(super) fn received(&self) -> u64 {
        self.start + self.tail.len() as u64
    }

    /// How much of it no worker has heard yet.
    pub(super) fn behind(&self) -> u64 {
        self.received() - self.furthest
    }

    /// The client wishes that all that was said so far be final.
    pub(super) fn flush(&mut self) {
        if self.flushes.len() == MOST_FLUSHES {
            self.flushes.pop_back();
        }
        self.flushes.push_back(self.received());
    }

    /// No more audio comes.
    pub(super) fn stop(&mut self) {
        if self.stop == Stop::No {
            self.stop = Stop::Wanted;
        }
    }

    /// What the worker says of how far it is.
    pub(super) fn heard(&mut self, heard: u64, needed_from: u64) {
        self.heard = self.heard.max(heard.min(self.sent));
        self.furthest = self.furthest.max(self.heard);
        self.forget(needed_from);
    }

    /// Audio before this sample is needed no more. Whether that is news.
    pub(super) fn forget(&mut self, needed_from: u64) -> bool {
        let gone = needed_from.min(self.sent).saturating_sub(self.start);
        // At most the length of the tail, which is in memory.
        self.tail.drain(..gone as usize);
        self.start += gone;
        // What is final was heard.
        self.heard = self.heard.max(self.start);
        self.furthest = self.furthest.max(self.start);
        gone > 0
    }

    /// Another worker takes the session up, from the sample that this returns.
    pub(super) fn restart(&mut self) -> u64 {
        self.sent = self.start;
        self.heard = self.start;
        // The wish stands as long as what it was about is not final.
        if let Some(flushed) = self.flushed.take().filter(|at| *at > self.start) {
            self.flushes.push_front(flushed);
        }
        if self.stop == Stop::Sent {
            self.stop = Stop::Wanted;
        }
        self.start
    }

    /// Where the next piece of audio ends, if one may be sent.
    fn piece_end(&self) -> Option<u64> {
        let window = self.heard + WINDOW;
        let flush = self.flushes.front().copied().unwrap_or(u64::MAX);
        let end = (self.sent + PIECE as u64).min(self.received()).min(window).min(flush);
        (end > self.sent).then_some(end)
    }

    /// Whether there is something to send.
    pub(super) fn has_next(&self) -> bool {
        let all_sent = self.sent == self.received();
        self.piece_end().is_some()
            || self.flushes.front().is_some_and(|at| *at <= self.sent)
            || all_sent && self.stop == Stop::Wanted
    }

    /// What is sent next, as sent.
    pub(super) fn next(&mut self) -> Option<Next> {
        if let Some(end) = self.piece_end() {
            let (from, to) = ((self.sent - self.start) as usize, (end - self.start) as usize);
            let samples = self.tail.range(from..to).copied().collect();
            let start = std::mem::replace(&mut self.sent, end);
            return Some(Next::Audio(start, samples));
        }
        if let Some(at) = self.flushes.front().copied().filter(|at| *at <= self.sent) {
            self.flushes.pop_front();
            self.flushed = Some(at);
            return Some(Next::Flush);
        }
        if self.stop == Stop::Wanted && self.sent == self.received() {
            self.stop = Stop::Sent;
            return Some(Next::Stop);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 16_000;

    /// All that is to be sent, as lengths and wishes.
    fn sent(feed: &mut Feed) -> Vec<String> {
        let mut all = Vec::new();
        while feed.has_next() {
            all.push(match feed.next().unwrap() {
                Next::Audio(start, samples) => format!("{start}+{}", samples.len()),
                Next::Flush => "flush".to_owned(),
                Next::Stop => "stop".to_owned(),
            });
        }
        assert_eq!(feed.next(), None);
        all
    }

    fn seconds(count: u64) -> Vec<i16> {
        (0..count * SECOND).map(|at| at as i16).collect()
    }

    #[test]
    fn audio_and_wishes_leave_in_the_order_in_which_they_came() {
        let mut feed = Feed::default();
        assert!(!feed.has_next());
        feed.push(&seconds(1));
        feed.flush();
        feed.push(&[7; 100]);
        feed.stop();
        feed.stop();
        assert_eq!(sent(&mut feed), ["0+16000", "flush", "16000+100", "stop"]);
        assert_eq!(feed.received(), SECOND + 100);
    }

    #[test]
    fn a_worker_is_sent_no_more_than_the_window_beyond_what_it_has_heard() {
        let mut feed = Feed::default();
        feed.push(&seconds(40));
        feed.stop();
        assert_eq!(sent(&mut feed).len(), 30);
        assert_eq!(feed.behind(), 40 * SECOND);
        feed.heard(4 * SECOND, SECOND);
        assert_eq!(sent(&mut feed), (30..34).map(|at| format!("{}+16000", at * SECOND)).collect::<Vec<_>>());
        assert_eq!(feed.behind(), 36 * SECOND);
        feed.heard(40 * SECOND, 40 * SECOND);
        assert_eq!(feed.behind(), 6 * SECOND, "it has heard what it was not sent");
        assert_eq!(sent(&mut feed).last().unwrap(), "stop");
    }

    #[test]
    fn the_next_worker_is_sent_what_is_not_final_with_the_wishes_that_stand() {
        let mut feed = Feed::default();
        feed.push(&seconds(3));
        feed.flush();
        feed.stop();
        sent(&mut feed);
        feed.heard(2 * SECOND, SECOND);
        assert_eq!(feed.restart(), SECOND);
        assert_eq!(feed.behind(), SECOND, "the client sees no step back");
        assert_eq!(sent(&mut feed), ["16000+16000", "32000+16000", "flush", "stop"]);
        feed.heard(3 * SECOND, 3 * SECOND);
        assert_eq!(feed.restart(), 3 * SECOND);
        assert_eq!(sent(&mut feed), ["stop"], "all before the flush is final");
    }

    #[test]
    fn the_samples_of_a_tail_are_those_that_came() {
        let mut feed = Feed::default();
        feed.push(&[1, 2, 3, 4]);
        feed.next();
        assert!(feed.forget(2) && !feed.forget(2) && !feed.forget(1));
        feed.push(&[5]);
        feed.restart();
        assert_eq!(feed.next(), Some(Next::Audio(2, vec![3, 4, 5])));
    }

    #[test]
    fn flushes_are_bounded() {
        let mut feed = Feed::default();
        for _ in 0..1000 {
            feed.push(&[0]);
            feed.flush();
        }
        let all = sent(&mut feed);
        assert_eq!(all.iter().filter(|what| *what == "flush").count(), MOST_FLUSHES);
        assert_eq!(all.last().unwrap(), "flush");
    }
}
