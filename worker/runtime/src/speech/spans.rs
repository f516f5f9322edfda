//! Makes spans of speech out of judged frames.
//!
//! A pause of 0.3 s ends a span. Speech that goes on for longer than a chunk can be is cut at the quietest place
//! of its second half.

use super::judge::Judged;
use super::{FRAME, FRAMES_PER_SECOND, Span};

/// A pause of this many frames (0.32 s) ends a span: a longer one is none that a word has inside.
const PAUSE: usize = 20;
/// Fewer speech frames than this (0.13 s) are no speech: a click, a breath.
const LEAST: usize = 8;
/// The quietest place is that of the least mean loudness over this many frames (0.1 s).
const QUIET: usize = 7;

/// Collects frames into spans.
#[derive(Debug)]
pub struct Spans {
    /// The most frames of a span.
    longest: usize,
    at: usize,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    start: usize,
    /// The frame after the last of speech.
    end: usize,
    speech: usize,
    /// Of every frame since `start`.
    loudness: Vec<f32>,
}

impl Spans {
    /// For spans of at most `longest` seconds.
    #[must_use]
    pub fn new(longest: f64) -> Self {
        Self { longest: (longest * FRAMES_PER_SECOND) as usize, at: 0, open: None }
    }

    /// Takes the next frame; gives back a span that ends by it.
    pub fn push(&mut self, frame: Judged) -> Option<Span> {
        let at = self.at;
        self.at += 1;
        if self.open.is_none() && frame.speech {
            self.open = Some(Open { start: at, end: at, speech: 0, loudness: Vec::new() });
        }
        let open = self.open.as_mut()?;
        open.loudness.push(frame.loudness);
        if frame.speech {
            open.end = at + 1;
            open.speech += 1;
        }
        if at + 1 - open.end >= PAUSE {
            return self.close();
        }
        if open.loudness.len() < self.longest {
            return None;
        }
        let cut = quietest(&open.loudness);
        let span = span(open.start, open.start + cut);
        open.start += cut;
        open.end = open.end.max(open.start);
        open.loudness.drain(..cut);
        // What is left is the rest of a span that was long enough.
        open.speech = LEAST;
        Some(span)
    }

    /// The span that the end of the file ends.
    pub fn finish(mut self) -> Option<Span> {
        self.close()
    }

    fn close(&mut self) -> Option<Span> {
        let open = self.open.take()?;
        (open.speech >= LEAST && open.end > open.start).then(|| span(open.start, open.end))
    }
}

fn span(start: usize, end: usize) -> Span {
    Span { start: (start * FRAME) as u64, end: (end * FRAME) as u64 }
}

/// The middle of the quietest place in the second half; of equals the last.
fn quietest(loudness: &[f32]) -> usize {
    let from = loudness.len() / 2;
    let places = loudness[from..].windows(QUIET).map(|place| place.iter().sum::<f32>());
    let quietest =
        places.enumerate().min_by(|one, other| one.1.total_cmp(&other.1).then(other.0.cmp(&one.0)));
    quietest.map_or(loudness.len(), |(place, _)| from + place + QUIET / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spans in frames, of frames given as loudness; 0 is no speech.
    fn spans(longest: f64, frames: &[f32]) -> Vec<(u64, u64)> {
        let mut spans = Spans::new(longest);
        let frames = frames.iter().map(|loudness| Judged { speech: *loudness > 0.0, loudness: *loudness });
        let mut found: Vec<_> = frames.filter_map(|frame| spans.push(frame)).collect();
        found.extend(spans.finish());
        found.iter().map(|span| (span.start / FRAME as u64, span.end / FRAME as u64)).collect()
    }

    fn runs(parts: &[(usize, f32)]) -> Vec<f32> {
        parts.iter().flat_map(|(count, loudness)| std::iter::repeat_n(*loudness, *count)).collect()
    }

    #[test]
    fn pauses_end_spans_and_shorter_breaks_do_not() {
        let frames = runs(&[(10, 0.0), (50, 9.0), (PAUSE - 1, 0.0), (50, 9.0), (PAUSE, 0.0), (50, 9.0)]);
        assert_eq!(spans(30.0, &frames), [(10, 129), (149, 199)]);
    }

    #[test]
    fn clicks_are_dropped_and_an_empty_file_has_no_spans() {
        assert_eq!(spans(30.0, &runs(&[(10, 0.0), (LEAST - 1, 9.0), (40, 0.0)])), []);
        assert_eq!(spans(30.0, &runs(&[(10, 0.0), (LEAST, 9.0), (40, 0.0)])), [(10, 18)]);
        assert_eq!(spans(30.0, &[]), []);
    }

    #[test]
    fn long_speech_is_cut_where_it_is_quietest() {
        // 2 s are 125 frames.
        let mut frames = runs(&[(300, 9.0)]);
        frames[80..90].fill(1.0);
        let found = spans(2.0, &frames);
        assert_eq!(found[0].0, 0);
        assert!((80..90).contains(&found[0].1), "{found:?}");
        assert_eq!(found.last().unwrap().1, 300);
        for pair in found.windows(2) {
            assert_eq!(pair[0].1, pair[1].0, "nothing is lost between {pair:?}");
        }
        assert!(found.iter().all(|(start, end)| end - start <= 125), "{found:?}");
    }

    #[test]
    fn speech_of_one_loudness_is_cut_as_late_as_possible() {
        assert_eq!(spans(2.0, &runs(&[(200, 9.0)])), [(0, 121), (121, 200)]);
    }
}
