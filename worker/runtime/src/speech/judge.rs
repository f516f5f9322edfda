//! Decides frame by frame whether somebody speaks, with the seconds around each frame in view.
//!
//! A detector's score alone takes music for speech. So the active frames within two seconds on either side are
//! looked at together: how sure the detector is of them, and how steady their tones are. The limits keep every
//! one of 301 sentences of synthetic speech, also 5 dB above white noise or music (99 of 100), and reject silence,
//! noise of any level, beeps, dial tones, sirens, chords, plucked strings and melodies.

use std::collections::VecDeque;

use super::listener::Heard;

/// Scores are means over this many frames.
pub(super) const SMOOTH: usize = 5;
/// A smoothed score from here on begins speech, ...
pub(super) const BEGIN: f32 = 0.5;
/// ... and below this it ends.
pub(super) const END: f32 = 0.35;
/// Frames on either side that are looked at together: two seconds.
pub(super) const REACH: usize = 125;
/// The detector is sure of a frame above this score.
const SURE: f32 = 0.9;
/// Fewer active frames than this (0.2 s) say nothing about steadiness: a vowel may be held as long.
const FEW: u32 = 12;

/// A frame, judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Whether it is speech.
    pub speech: bool,
    /// Its loudness: root mean square.
    pub loudness: f32,
}

/// The frames within reach of the one to be judged.
#[derive(Debug, Default)]
pub struct Judge {
    recent: VecDeque<f32>,
    entries: VecDeque<Entry>,
    /// The entry to be judged next.
    next: usize,
    tally: Tally,
    speaking: bool,
}

/// A frame as it was heard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) heard: Heard,
    /// The mean score of the last [`SMOOTH`] frames.
    pub(super) smoothed: f32,
}

impl Judge {
    /// Takes the next frame; gives back the one two seconds before, judged.
    pub fn push(&mut self, heard: Heard) -> Option<Judged> {
        self.recent.push_back(heard.score);
        if self.recent.len() > SMOOTH {
            self.recent.pop_front();
        }
        let smoothed = self.recent.iter().sum::<f32>() / self.recent.len() as f32;
        let entry = Entry { heard, smoothed };
        self.tally.add(&entry);
        self.entries.push_back(entry);
        if self.entries.len() > self.next + REACH { self.judge() } else { None }
    }

    /// The frames that are left when the file ends.
    #[must_use]
    pub fn finish(mut self) -> Vec<Judged> {
        std::iter::from_fn(|| self.judge()).collect()
    }

    fn judge(&mut self) -> Option<Judged> {
        let entry = *self.entries.get(self.next)?;
        self.next += 1;
        if self.next > REACH + 1
            && let Some(left) = self.entries.pop_front()
        {
            self.next -= 1;
            self.tally.remove(&left);
        }
        self.speaking = entry.smoothed >= if self.speaking { END } else { BEGIN };
        Some(Judged { speech: self.speaking && self.tally.is_speech(), loudness: entry.heard.loudness })
    }
}

/// Sums over the active frames.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Tally {
    active: u32,
    sure: u32,
    near: u32,
    far: u32,
    /// In thousandths, so that what is added and taken away again leaves no remainder.
    scores: u64,
}

impl Tally {
    fn of(entry: &Entry) -> Self {
        if entry.smoothed < BEGIN {
            return Self::default();
        }
        let Heard { score, steady, .. } = entry.heard;
        Self {
            active: 1,
            sure: (score > SURE).into(),
            near: steady.near.into(),
            far: steady.far.into(),
            scores: (score * 1000.0) as u64,
        }
    }

    pub(super) fn add(&mut self, entry: &Entry) {
        let Self { active, sure, near, far, scores } = Self::of(entry);
        *self = Self {
            active: self.active + active,
            sure: self.sure + sure,
            near: self.near + near,
            far: self.far + far,
            scores: self.scores + scores,
        };
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        let Self { active, sure, near, far, scores } = Self::of(entry);
        *self = Self {
            active: self.active - active,
            sure: self.sure - sure,
            near: self.near - near,
            far: self.far - far,
            scores: self.scores - scores,
        };
    }

    /// Whether the active frames are speech. Doubtful ones are.
    pub(super) fn is_speech(&self) -> bool {
        let share = |count: u32| f64::from(count) / f64::from(self.active.max(1));
        let mean = self.scores as f64 / 1000.0 / f64::from(self.active.max(1));
        // Synthetic speech: mean 0.79 and sure 0.24 at least, in white noise of the same loudness 0.70 and 0.03.
        if mean < 0.70 && share(self.sure) < 0.05 {
            return false;
        }
        if self.active < FEW {
            return true;
        }
        // Synthetic speech: near 0.56 at most, and far 0.39, where the detector is most sure of it.
        let steady = share(self.near) >= 0.8;
        let unsure_and_steady = share(self.sure) < 0.3 && (share(self.near) >= 0.4 || share(self.far) >= 0.4);
        !steady && !unsure_and_steady
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::steadiness::Steady;

    fn heard(score: f32, steady: bool) -> Heard {
        Heard { score, steady: Steady { near: steady, far: steady }, loudness: 100.0 }
    }

    fn judge(frames: impl IntoIterator<Item = Heard>) -> Vec<bool> {
        let mut judge = Judge::default();
        let mut judged: Vec<_> = frames.into_iter().filter_map(|frame| judge.push(frame)).collect();
        judged.extend(judge.finish());
        judged.iter().map(|frame| frame.speech).collect()
    }

    #[test]
    fn every_frame_is_judged_once_and_in_order() {
        for count in [0, 1, 124, 125, 126, 127, 251, 252, 1000] {
            let mut judge = Judge::default();
            let frames = (0..count).map(|at| Heard { loudness: at as f32, ..heard(0.1, false) });
            let mut judged: Vec<_> = frames.filter_map(|frame| judge.push(frame)).collect();
            assert_eq!(judged.len(), usize::saturating_sub(count, REACH), "{count}");
            judged.extend(judge.finish());
            let order: Vec<_> = judged.iter().map(|frame| frame.loudness as usize).collect();
            assert_eq!(order, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn speech_is_found_between_silences() {
        let silence = || std::iter::repeat_n(heard(0.1, false), 300);
        let speech = std::iter::repeat_n(heard(0.95, false), 100);
        let found = judge(silence().chain(speech).chain(silence()));
        let first = found.iter().position(|speech| *speech).unwrap();
        let last = found.iter().rposition(|speech| *speech).unwrap();
        assert!((300..305).contains(&first) && (399..405).contains(&last), "{first} to {last}");
        assert!(found[first..=last].iter().all(|speech| *speech));
    }

    #[test]
    fn steady_tones_are_no_speech_and_weak_scores_neither() {
        let only = |score, steady| judge(std::iter::repeat_n(heard(score, steady), 400));
        assert!(only(0.95, true).iter().all(|speech| !speech));
        assert!(only(0.6, false).iter().all(|speech| !speech));
        assert!(only(0.95, false).iter().all(|speech| *speech));
    }

    #[test]
    fn music_before_speech_does_not_cost_the_speech() {
        let music = std::iter::repeat_n(heard(0.8, true), 1000);
        let speech = std::iter::repeat_n(heard(0.95, false), 500);
        let found = judge(music.chain(speech));
        assert!(found[..800].iter().all(|speech| !speech));
        assert!(found[1000..].iter().all(|speech| *speech));
    }

    #[test]
    fn what_leaves_the_window_leaves_no_remainder() {
        let mut judge = Judge::default();
        for at in 0..2000_u16 {
            judge.push(heard(f32::from(at % 100) / 100.0, at % 3 == 0));
        }
        for _ in 0..2 * REACH + SMOOTH {
            judge.push(heard(0.0, false));
        }
        assert_eq!(judge.tally, Tally::default());
    }
}
