//! Where utterances begin and end.
//!
//! Counted in frames from the first that was heard. Every frame of speech is in exactly one utterance: the next begins
//! no earlier than the last one ended, and what lies behind a forced cut goes on as the next.

use std::collections::VecDeque;

use steno_runtime::speech::live::{self, Note, REACH};

/// Audio before the first frame of speech that is taken along: 0.3 s.
pub(super) const BEFORE: usize = 19;
/// Silence after which it is worth looking at what an utterance says as if it had ended: 0.18 s. As much is taken along.
pub(super) const HUSH: usize = 11;
/// Fewer frames of speech than this (0.25 s) are no utterance.
pub(super) const LEAST: usize = 16;
/// An utterance begins with as many frames (0.1 s) that sound like speech: fewer are a click.
const BEGIN: usize = 6;
/// What sounds like speech goes on over shorter gaps (0.32 s).
const GAP: usize = 20;
/// A long utterance ends by a pause of 0.2 s already ...
const SHORT_PAUSE: usize = 13;
/// ... from this part of the longest on.
const LONG: f64 = 0.8;
/// The quietest place is that of the least mean loudness over this many frames (0.1 s).
const QUIET: usize = 7;

/// Why an utterance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Silence as long as was asked for.
    Endpoint,
    /// It was long: in a pause, or without one.
    Length,
    /// It was long, and there is a pause of which it is not known yet how long it will be.
    Pause,
    /// The client wished so.
    Wish,
}

/// An utterance that has ended, in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed {
    /// Its first frame.
    pub(super) start: usize,
    /// The frame after its last.
    pub(super) end: usize,
    /// The frame after its last of speech.
    pub(super) spoken_until: usize,
    /// How many are speech.
    pub(super) speech: usize,
    /// Why.
    pub(super) ending: Ending,
    /// Whether it is speech, looked at as a whole, and enough.
    pub(super) counts: bool,
}

/// An utterance that goes on.
#[derive(Debug)]
pub(super) struct Open {
    /// Its first frame.
    pub(super) start: usize,
    /// The frame after its last of speech.
    pub(super) spoken_until: usize,
    /// How many are speech.
    pub(super) speech: usize,
    /// Whether it goes on what was cut.
    continued: bool,
    notes: Vec<Note>,
}

impl Open {
    /// Whether it is known to be speech.
    pub(super) fn counts(&self) -> bool {
        (self.continued || self.speech >= LEAST) && live::are_speech(&self.notes)
    }
}

/// Finds the utterances of a session.
#[derive(Debug)]
pub(super) struct Utterances {
    /// Silence that ends one.
    endpoint: usize,
    /// The most frames of one.
    longest: usize,
    at: usize,
    /// The next one begins no earlier.
    free_from: usize,
    /// What has sounded like speech without a longer gap: its first frame, the frame after its last, and how many.
    run: Option<(usize, usize, usize)>,
    /// The last frames, for an utterance that turns out to have begun.
    recent: VecDeque<Note>,
    open: Option<Open>,
    /// Where the speech of one that was ended by a short pause has ended.
    pausing: Option<usize>,
    /// The client has cut off what may go on.
    continues: Continues,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Continues {
    Anew,
    /// What is spoken before this frame goes on what was cut.
    Until(usize),
}

/// What a frame changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// An utterance has ended.
    pub(super) closed: Option<Closed>,
    /// It is known now how one that was ended by a short pause ended.
    pub(super) settled: Option<Ending>,
}

impl Utterances {
    /// With an endpoint and a longest utterance in frames.
    pub(super) fn new(endpoint: usize, longest: usize) -> Self {
        Self {
            endpoint: endpoint.max(HUSH),
            longest: longest.max(4 * (BEFORE + QUIET)),
            at: 0,
            free_from: 0,
            run: None,
            recent: VecDeque::new(),
            open: None,
            pausing: None,
            continues: Continues::Anew,
        }
    }

    /// Frames heard so far.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The utterance that goes on.
    pub(super) fn open(&self) -> Option<&Open> {
        self.open.as_ref()
    }

    /// The silence at the end of the utterance that goes on, in frames.
    pub(super) fn silence(&self) -> usize {
        self.open.as_ref().map_or(0, |open| self.at - open.spoken_until)
    }

    /// The first frame of which audio may still be needed.
    pub(super) fn needed_from(&self) -> usize {
        let may_begin = self.at.saturating_sub(REACH + BEFORE).max(self.free_from);
        self.open.as_ref().map_or(may_begin, |open| open.start)
    }

    /// Takes the next frame.
    pub(super) fn push(&mut self, note: Note) -> Change {
        let at = self.at;
        self.at += 1;
        self.recent.push_back(note);
        if self.recent.len() > REACH + BEFORE {
            self.recent.pop_front();
        }
        self.follow_run(note, at);
        let settled = self.settle_pause(note);
        match &mut self.open {
            Some(open) => {
                open.notes.push(note);
                if note.speech {
                    open.spoken_until = self.at;
                    open.speech += 1;
                }
            }
            None if note.speech => self.begin(),
            None => {}
        }
        Change { closed: self.close_if_due(), settled }
    }

    /// Ends what goes on, as no more comes or the client wishes so.
    pub(super) fn cut(&mut self) -> Change {
        let settled = self.pausing.take().map(|_| Ending::Length);
        let is_speaking = self.silence() < HUSH;
        let closed = self.open.is_some().then(|| self.close(self.at, Ending::Wish)).flatten();
        if closed.is_some() && is_speaking {
            self.continues = Continues::Until(self.at + GAP);
        }
        Change { closed, settled }
    }

    fn follow_run(&mut self, note: Note, at: usize) {
        self.run = match self.run {
            Some((start, _, count)) if note.active => Some((start, at + 1, count + 1)),
            None if note.active => Some((at, at + 1, 1)),
            Some((_, end, _)) if at - end >= GAP => None,
            run => run,
        };
    }

    /// A pause that ended a long utterance is an endpoint if it lasts, and none if speech goes on.
    fn settle_pause(&mut self, note: Note) -> Option<Ending> {
        let since = self.pausing?;
        let ending = if self.at - since >= self.endpoint {
            Ending::Endpoint
        } else if note.speech {
            Ending::Length
        } else {
            return None;
        };
        self.pausing = None;
        Some(ending)
    }

    fn begin(&mut self) {
        let Some((began, _, count)) = self.run else { return };
        let continued = matches!(self.continues, Continues::Until(frame) if began < frame);
        if count < BEGIN && !continued {
            return;
        }
        self.continues = Continues::Anew;
        let oldest = self.at - self.recent.len();
        let start = began.saturating_sub(BEFORE).max(oldest).max(self.free_from);
        let notes: Vec<Note> = self.recent.iter().skip(start - oldest).copied().collect();
        // What seemed to be no speech before is some: it is the same run.
        let speech = notes.iter().filter(|note| note.active).count();
        self.open = Some(Open { start, spoken_until: self.at, speech, continued, notes });
    }

    fn close_if_due(&mut self) -> Option<Closed> {
        let open = self.open.as_ref()?;
        let (silence, length) = (self.at - open.spoken_until, self.at - open.start);
        if silence >= self.endpoint {
            return self.close(self.at.min(open.spoken_until + HUSH), Ending::Endpoint);
        }
        if length as f64 >= LONG * self.longest as f64 && silence >= SHORT_PAUSE {
            let since = open.spoken_until;
            let closed = self.close(since + HUSH, Ending::Pause);
            self.pausing = closed.is_some_and(|closed| closed.counts).then_some(since);
            return closed;
        }
        if length >= self.longest {
            let end = open.start + quietest(&open.notes);
            return self.close(end, Ending::Length);
        }
        None
    }

    /// Ends what goes on before a frame. What lies behind it and was speech goes on.
    fn close(&mut self, end: usize, ending: Ending) -> Option<Closed> {
        let mut open = self.open.take()?;
        let rest = open.notes.split_off((end - open.start).min(open.notes.len()));
        let is_speech = |note: &Note| note.speech || note.active;
        let spoken_behind = rest.iter().filter(|note| is_speech(note)).count();
        let speech = open.speech.saturating_sub(spoken_behind);
        let counts = (open.continued || speech >= LEAST) && live::are_speech(&open.notes);
        let spoken_until = open.spoken_until.min(end);
        let closed = Closed { start: open.start, end, spoken_until, speech, ending, counts };
        if ending == Ending::Length {
            self.open = Some(Open {
                start: end,
                spoken_until: open.spoken_until.max(end),
                speech: spoken_behind,
                continued: true,
                notes: rest,
            });
        }
        // What does not count may turn out to be the beginning of what does.
        if counts {
            self.free_from = end;
        }
        Some(closed)
    }
}

/// The middle of the quietest place in the second half; of equals the last.
fn quietest(notes: &[Note]) -> usize {
    let from = notes.len() / 2;
    let places =
        notes[from..].windows(QUIET).map(|place| place.iter().map(|note| note.loudness).sum::<f32>());
    let quietest =
        places.enumerate().min_by(|one, other| one.1.total_cmp(&other.1).then(other.0.cmp(&one.0)));
    quietest.map_or(notes.len(), |(place, _)| from + place + QUIET / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some 450 ms.
    const ENDPOINT: usize = 28;
    const LONGEST: usize = 625;

    /// Feeds runs of speech (loudness above 0) and silence; gives all that ended and how pauses were settled.
    fn found(runs: &[(usize, f32)]) -> (Vec<Closed>, Vec<Ending>, Utterances) {
        let mut utterances = Utterances::new(ENDPOINT, LONGEST);
        let (mut closed, mut settled) = (Vec::new(), Vec::new());
        for (count, loudness) in runs {
            for _ in 0..*count {
                let change = utterances.push(Note::sure(*loudness > 0.0, *loudness));
                closed.extend(change.closed);
                settled.extend(change.settled);
            }
        }
        (closed, settled, utterances)
    }

    #[test]
    fn an_utterance_has_some_audio_around_it_and_ends_by_silence() {
        let (closed, _, left) = found(&[(100, 0.0), (60, 9.0), (ENDPOINT, 0.0)]);
        assert_eq!(closed.len(), 1);
        let one = closed[0];
        assert_eq!((one.start, one.end, one.spoken_until), (100 - BEFORE, 160 + HUSH, 160));
        assert_eq!((one.speech, one.ending, one.counts), (60, Ending::Endpoint, true));
        assert!(left.open().is_none());
        let (closed, ..) = found(&[(100, 0.0), (60, 9.0), (ENDPOINT - 1, 0.0), (60, 9.0), (ENDPOINT, 0.0)]);
        assert_eq!(closed.len(), 1, "a shorter pause does not end it");
    }

    #[test]
    fn clicks_and_blips_do_not_count_and_cost_the_next_one_nothing() {
        assert_eq!(found(&[(50, 0.0), (BEGIN - 1, 9.0), (60, 0.0)]).0, []);
        let (closed, ..) = found(&[(50, 0.0), (LEAST - 1, 9.0), (ENDPOINT, 0.0), (60, 9.0), (ENDPOINT, 0.0)]);
        let counts: Vec<_> = closed.iter().map(|closed| closed.counts).collect();
        assert_eq!(counts, [false, true]);
    }

    #[test]
    fn a_long_one_ends_by_a_short_pause_whose_kind_is_known_later() {
        let long = (LONGEST as f64 * LONG) as usize + 5;
        let (closed, settled, _) = found(&[(long, 9.0), (SHORT_PAUSE, 0.0), (2, 0.0), (40, 9.0)]);
        assert_eq!((closed[0].ending, settled.as_slice()), (Ending::Pause, &[Ending::Length][..]));
        let (closed, settled, _) = found(&[(long, 9.0), (ENDPOINT, 0.0)]);
        assert_eq!((closed[0].ending, settled.as_slice()), (Ending::Pause, &[Ending::Endpoint][..]));
    }

    #[test]
    fn one_without_a_pause_is_cut_where_it_is_quietest_and_goes_on() {
        let (closed, _, left) = found(&[(450, 9.0), (10, 1.0), (200, 9.0)]);
        assert_eq!((closed.len(), closed[0].ending), (1, Ending::Length));
        assert!((450..460).contains(&closed[0].end), "{closed:?}");
        let open = left.open().unwrap();
        assert_eq!((open.start, open.speech), (closed[0].end, 660 - closed[0].end));
        assert!(open.counts(), "the rest of speech counts, however short");
    }

    #[test]
    fn the_client_may_cut_it_off_and_it_goes_on() {
        let (_, _, mut utterances) = found(&[(30, 0.0), (50, 9.0)]);
        let closed = utterances.cut().closed.unwrap();
        assert_eq!((closed.end, closed.ending, closed.counts), (80, Ending::Wish, true));
        assert_eq!(utterances.cut().closed, None);
        for _ in 0..5 {
            utterances.push(Note::sure(true, 9.0));
        }
        let open = utterances.open().unwrap();
        assert_eq!((open.start, open.counts()), (80, true), "the rest of a word counts");
    }

    #[test]
    fn every_frame_of_speech_is_in_exactly_one_utterance() {
        let mut seed = 7u64;
        let mut number = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        for round in 0..300 {
            let mut utterances = Utterances::new(13 + number(60) as usize, 320 + number(900) as usize);
            let (mut spoken, mut closed) = (Vec::new(), Vec::new());
            for _ in 0..30 {
                let speech = number(2) == 0;
                let length = if speech { LEAST as u64 + number(500) } else { GAP as u64 + number(60) };
                for _ in 0..length {
                    if speech {
                        spoken.push(utterances.at());
                    }
                    closed.extend(utterances.push(Note::sure(speech, 1.0 + number(9) as f32)).closed);
                }
                if number(9) == 0 {
                    closed.extend(utterances.cut().closed);
                }
                assert!(utterances.recent.len() <= REACH + BEFORE);
                assert!(utterances.open().is_none_or(|open| open.notes.len() <= utterances.longest));
            }
            closed.extend(utterances.cut().closed);
            assert!(closed.windows(2).all(|pair| pair[0].end <= pair[1].start), "round {round}: {closed:?}");
            assert!(closed.iter().all(|one| one.end - one.start <= utterances.longest), "round {round}");
            for frame in spoken {
                let holds = |one: &&Closed| (one.start..one.end).contains(&frame) && one.counts;
                assert_eq!(
                    closed.iter().filter(holds).count(),
                    1,
                    "round {round}: frame {frame} of {closed:?}"
                );
            }
        }
    }
}
