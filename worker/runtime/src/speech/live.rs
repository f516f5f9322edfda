//! Decides frame by frame whether somebody speaks, as the audio comes: with the seconds before a frame in view, and
//! none after it.
//!
//! The level is that of the last seconds, the tally that of the last two. What seemed to be no speech, as its first
//! frames told too little, may be found to be some a moment later: whoever listens keeps the last [`REACH`] frames.

use std::collections::VecDeque;

use crate::engine::SpeechDetector;

use super::judge::{self, BEGIN, END, Entry, SMOOTH, Tally};
use super::{level, listener::Listener};

/// Frames that are looked at together: two seconds.
pub const REACH: usize = judge::REACH;
/// The level is set by as many frames: two seconds.
const MEMORY: usize = 125;
/// A sound that is louder than what came before sets the level at once: by this many frames (0.1 s), ...
const ONSET: usize = 6;
/// ... which have to be this much louder.
const LOUDER: f32 = 1.5;

/// Listens to a session.
#[derive(Debug)]
pub struct LiveJudge {
    listener: Listener,
    levels: VecDeque<f32>,
    scores: VecDeque<f32>,
    recent: VecDeque<Entry>,
    tally: Tally,
    speaking: bool,
}

/// A frame, judged at once.
#[derive(Debug, Clone, Copy)]
pub struct Note {
    /// Whether it sounds like speech.
    pub active: bool,
    /// Whether it does, and the last two seconds do not tell otherwise.
    pub speech: bool,
    /// Root mean square of the samples as they are.
    pub loudness: f32,
    entry: Entry,
}

impl Note {
    /// A frame of which the detector is sure.
    #[must_use]
    pub fn sure(speech: bool, loudness: f32) -> Self {
        let score = if speech { 1.0 } else { 0.0 };
        let heard = super::listener::Heard { score, steady: super::steadiness::Steady::default(), loudness };
        Self { active: speech, speech, loudness, entry: Entry { heard, smoothed: score } }
    }
}

/// Whether frames are speech when they are looked at as a whole.
pub fn are_speech<'a>(notes: impl IntoIterator<Item = &'a Note>) -> bool {
    let mut tally = Tally::default();
    notes.into_iter().for_each(|note| tally.add(&note.entry));
    tally.is_speech()
}

impl LiveJudge {
    /// Listens from now on.
    ///
    /// # Panics
    /// If the detector's frames are not of [`super::FRAME`] samples.
    #[must_use]
    pub fn new(detector: Box<dyn SpeechDetector>) -> Self {
        Self {
            listener: Listener::new(detector),
            levels: VecDeque::new(),
            scores: VecDeque::new(),
            recent: VecDeque::new(),
            tally: Tally::default(),
            speaking: false,
        }
    }

    /// Judges the next frame.
    pub fn push(&mut self, frame: &[i16]) -> Note {
        push_within(&mut self.levels, level::level(frame), MEMORY);
        let heard = self.listener.hear_frame(frame, self.gain());
        push_within(&mut self.scores, heard.score, SMOOTH);
        let smoothed = self.scores.iter().sum::<f32>() / self.scores.len() as f32;
        let entry = Entry { heard, smoothed };
        self.tally.add(&entry);
        if let Some(left) = push_within(&mut self.recent, entry, REACH) {
            self.tally.remove(&left);
        }
        self.speaking = smoothed >= if self.speaking { END } else { BEGIN };
        let speech = self.speaking && self.tally.is_speech();
        Note { active: self.speaking, speech, loudness: heard.loudness, entry }
    }

    /// The gain for the newest frame.
    fn gain(&self) -> f32 {
        let mut levels: Vec<f32> = self.levels.iter().copied().collect();
        let newest = &levels[levels.len().saturating_sub(ONSET)..];
        let onset = newest.iter().sum::<f32>() / newest.len().max(1) as f32;
        let loud = level::loud(&mut levels);
        level::gain_for(if onset > LOUDER * loud { onset } else { loud })
    }
}

/// Adds to the newest; gives back what is too old.
fn push_within<T>(newest: &mut VecDeque<T>, next: T, most: usize) -> Option<T> {
    newest.push_back(next);
    if newest.len() > most { newest.pop_front() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::FRAME;
    use crate::speech::level::gain_for;

    /// Scores a frame by its loudness.
    struct Loudness;

    impl SpeechDetector for Loudness {
        fn frame(&self) -> usize {
            FRAME
        }

        fn judge(&mut self, frame: &[i16]) -> f32 {
            (level::level(frame) / 2000.0).min(1.0)
        }
    }

    fn frame(loudness: i16) -> Vec<i16> {
        (0..FRAME).map(|at| if (at * at) % 7 < 3 { loudness } else { -loudness }).collect()
    }

    #[test]
    fn a_louder_sound_sets_the_level_within_a_tenth_of_a_second() {
        let mut judge = LiveJudge::new(Box::new(Loudness));
        for _ in 0..MEMORY {
            judge.push(&frame(100));
        }
        assert!((judge.gain() - gain_for(100.0)).abs() < 0.1, "{}", judge.gain());
        for _ in 0..ONSET {
            judge.push(&frame(8000));
        }
        assert!((judge.gain() - gain_for(8000.0)).abs() < 0.01, "{}", judge.gain());
        for _ in 0..MEMORY {
            judge.push(&frame(100));
        }
        assert!((judge.gain() - gain_for(100.0)).abs() < 0.1, "it is forgotten: {}", judge.gain());
    }

    #[test]
    fn silence_is_none_and_what_it_hears_begins_within_few_frames() {
        let mut judge = LiveJudge::new(Box::new(Loudness));
        for _ in 0..1000 {
            assert!(!judge.push(&frame(0)).active);
        }
        let began = (0..10).position(|_| judge.push(&frame(3000)).speech);
        assert!(began.is_some_and(|frames| frames <= SMOOTH), "{began:?}");
    }

    #[test]
    fn memory_is_bounded() {
        let mut judge = LiveJudge::new(Box::new(Loudness));
        for at in 0..5000 {
            judge.push(&frame((at % 3000) as i16));
        }
        assert_eq!((judge.levels.len(), judge.scores.len(), judge.recent.len()), (MEMORY, SMOOTH, REACH));
        let mut tally = Tally::default();
        judge.recent.iter().for_each(|entry| tally.add(entry));
        assert_eq!(judge.tally, tally, "what left is taken away");
    }
}
