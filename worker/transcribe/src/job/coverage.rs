//! How much of the speech the segments cover, and where they leave some out.

use steno_shared::time::{Millis, SAMPLE_RATE};
use steno_shared::transcript::Segment;

use steno_runtime::speech::Span;

/// Less speech than this (2 s) between two segments is no hole: times are not that exact.
const HOLE: u64 = 2 * SAMPLE_RATE as u64;
const SAMPLES_PER_MS: u64 = SAMPLE_RATE as u64 / 1000;

fn span_of(segment: &Segment) -> Span {
    Span { start: segment.start.0 * SAMPLES_PER_MS, end: segment.end.0 * SAMPLES_PER_MS }
}

/// How many samples of `speech` lie within `stretch`.
fn speech_within(speech: &[Span], stretch: &Span) -> u64 {
    speech.iter().map(|span| span.within(stretch).len()).sum()
}

/// How long some spans are together.
#[must_use]
pub fn length(spans: &[Span]) -> Millis {
    Millis::of_samples(spans.iter().map(Span::len).sum())
}

/// How much of the speech lies within segments, which do not overlap.
#[must_use]
pub fn covered(speech: &[Span], segments: &[Segment]) -> Millis {
    let samples: u64 = segments.iter().map(|segment| speech_within(speech, &span_of(segment))).sum();
    Millis::of_samples(samples).min(length(speech))
}

/// The stretches between segments, in order of time, that hold two seconds of speech or more, each from its first
/// to its last speech. Segments are in order of time.
#[must_use]
pub fn holes(speech: &[Span], segments: &[Segment]) -> Vec<Span> {
    let (Some(first), Some(last)) = (speech.first(), speech.last()) else { return Vec::new() };
    let starts = segments.iter().map(|segment| span_of(segment).start).chain([last.end]);
    let ends = [first.start].into_iter().chain(segments.iter().map(|segment| span_of(segment).end));
    let gaps = ends.zip(starts).map(|(start, end)| Span { start, end: end.max(start) });
    gaps.filter(|gap| speech_within(speech, gap) >= HOLE).map(|gap| tight(speech, &gap)).collect()
}

/// From the first to the last of some spans.
#[must_use]
pub fn whole(spans: &[Span]) -> Vec<Span> {
    let ends = spans.first().zip(spans.last());
    ends.map(|(first, last)| Span { start: first.start, end: last.end }).into_iter().collect()
}

/// What is left of some spans without a stretch.
#[must_use]
pub fn without(spans: &[Span], stretch: &Span) -> Vec<Span> {
    let around = |span: &Span| {
        let before = Span { start: span.start, end: span.end.min(stretch.start) };
        let behind = Span { start: span.start.max(stretch.end), end: span.end };
        [before, behind]
    };
    spans.iter().flat_map(around).filter(|span| !span.is_empty()).collect()
}

/// The part of a gap from its first to its last speech.
fn tight(speech: &[Span], gap: &Span) -> Span {
    let mut inside = speech.iter().map(|span| span.within(gap)).filter(|span| !span.is_empty());
    let first = inside.next().unwrap_or(*gap);
    Span { start: first.start, end: inside.next_back().unwrap_or(first).end }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(seconds: &[(u64, u64)]) -> Vec<Span> {
        seconds.iter().map(|(start, end)| Span { start: start * 16_000, end: end * 16_000 }).collect()
    }

    fn segments(seconds: &[(u64, u64)]) -> Vec<Segment> {
        let segment = |(start, end): &(u64, u64)| Segment {
            start: Millis(start * 1000),
            end: Millis(end * 1000),
            text: String::new(),
            speaker: None,
            channel: None,
            language: None,
            confidence: 1.0,
            words: Vec::new(),
        };
        seconds.iter().map(segment).collect()
    }

    #[test]
    fn covered_speech_is_what_lies_within_segments() {
        let speech = spans(&[(1, 5), (10, 12)]);
        assert_eq!(length(&speech), Millis(6000));
        assert_eq!(covered(&speech, &segments(&[(0, 3), (4, 11)])), Millis(4000));
        assert_eq!(covered(&speech, &segments(&[])), Millis(0));
        assert_eq!(covered(&speech, &segments(&[(0, 30)])), Millis(6000));
    }

    #[test]
    fn holes_are_found_before_between_and_behind_segments() {
        let speech = spans(&[(1, 5), (10, 20)]);
        assert_eq!(holes(&speech, &segments(&[(1, 20)])), []);
        assert_eq!(holes(&speech, &segments(&[])), spans(&[(1, 20)]));
        assert_eq!(holes(&speech, &segments(&[(3, 12), (17, 18)])), spans(&[(1, 3), (12, 17), (18, 20)]));
        // One second each is not enough.
        assert_eq!(holes(&speech, &segments(&[(2, 19)])), []);
    }

    #[test]
    fn a_stretch_is_taken_out_of_spans() {
        let speech = spans(&[(1, 5), (10, 20)]);
        let without = |start: u64, end: u64| without(&speech, &spans(&[(start, end)])[0]);
        assert_eq!(without(2, 3), spans(&[(1, 2), (3, 5), (10, 20)]));
        assert_eq!(without(3, 12), spans(&[(1, 3), (12, 20)]));
        assert_eq!(without(0, 30), []);
        assert_eq!(without(5, 10), speech);
    }

    #[test]
    fn a_hole_reaches_from_its_first_to_its_last_speech() {
        let speech = spans(&[(1, 2), (30, 31), (50, 60)]);
        assert_eq!(holes(&speech, &segments(&[(50, 60)])), spans(&[(1, 31)]));
    }
}
