//! From the text of a chunk to segments in media time.

use steno_runtime::engine::ChunkText;
use steno_runtime::place::{self, PlacedWord};
use steno_runtime::speech::Span;
use steno_shared::time::Millis;
use steno_shared::transcript::Segment;

use crate::chunk::time_map::TimeMap;

/// A pause as long as this ends a segment, also where silence was left out of the chunk.
const PAUSE: Millis = Millis(1500);
/// A longer segment is split at the ends of its sentences.
const LONG: Millis = Millis(12_000);
/// What ends a sentence.
pub(super) const STOPS: &[char] =
    &['.', '!', '?', '\u{2026}', '\u{3002}', '\u{FF01}', '\u{FF1F}', '\u{964}', '\u{61F}'];
/// What may stand behind it.
const CLOSING: &[char] = &['"', '\'', ')', ']', '\u{201D}', '\u{2019}', '\u{300D}', '\u{300F}', '\u{FF09}'];

/// The segments of a chunk in media time, in order: words one after the other, segments within their words. Words
/// that lie wholly outside of `within` are left out.
#[must_use]
pub fn segments(text: &ChunkText, map: &TimeMap, within: Span) -> Vec<Segment> {
    let (mut earlier, last) = (Millis::of_samples(within.start), Millis::of_samples(within.end));
    let mut segments = Vec::new();
    for segment in &text.segments {
        let mut placed = Vec::with_capacity(segment.words.len());
        for word in &segment.words {
            let place = map.place(word.start, word.end);
            if place.end < Millis::of_samples(within.start) || place.start > last {
                continue;
            }
            let start = place.start.max(earlier).min(last);
            let end = place.end.max(start).min(last);
            earlier = end;
            placed.push(PlacedWord { word, start, end });
        }
        for run in at_pauses(&placed) {
            segments.extend(at_sentences(run).into_iter().filter_map(place::segment));
        }
    }
    segments
}

fn at_pauses<'a, 'b>(words: &'b [PlacedWord<'a>]) -> impl Iterator<Item = &'b [PlacedWord<'a>]> {
    words.chunk_by(|one, next| next.start - one.end < PAUSE)
}

fn at_sentences<'a, 'b>(words: &'b [PlacedWord<'a>]) -> Vec<&'b [PlacedWord<'a>]> {
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return Vec::new() };
    if last.end - first.start <= LONG {
        return vec![words];
    }
    words.chunk_by(|one, _| !ends_sentence(&one.word.text)).collect()
}

fn ends_sentence(word: &str) -> bool {
    word.trim_end_matches(CLOSING).ends_with(STOPS)
}

#[cfg(test)]
mod tests {
    use steno_runtime::engine::{TextSegment, TextWord};

    use super::*;
    use crate::chunk::Piece;

    fn word(text: &str, start: u64, end: u64) -> TextWord {
        TextWord {
            text: text.trim().to_owned(),
            spaced: text.starts_with(' '),
            start: Millis(start),
            end: Millis(end),
            log_probability: -1.0,
            tokens: 2,
        }
    }

    fn text(words: &[(&str, u64, u64)]) -> ChunkText {
        let words: Vec<_> = words.iter().map(|(text, start, end)| word(text, *start, *end)).collect();
        let segment = TextSegment { start: Millis(0), end: Millis(0), words };
        ChunkText { segments: vec![segment], no_speech_probability: 0.0 }
    }

    fn placed(text: &ChunkText, map: &TimeMap) -> Vec<Segment> {
        segments(text, map, Span { start: 0, end: u64::from(u32::MAX) })
    }

    /// Pieces in milliseconds.
    fn map(pieces: &[(u64, u64)]) -> TimeMap {
        TimeMap::new(
            &pieces.iter().map(|(start, end)| Piece { start: start * 16, end: end * 16 }).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn a_segment_begins_and_ends_with_its_words_in_media_time() {
        let found = placed(&text(&[(" Hello,", 100, 400), (" world.", 500, 900)]), &map(&[(10_000, 12_000)]));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].start, found[0].end), (Millis(10_100), Millis(10_900)));
        assert_eq!(found[0].text, "Hello, world.");
        assert_eq!(found[0].words[0].word, "Hello");
        assert_eq!(found[0].confidence, 0.6065);
    }

    #[test]
    fn scripts_without_spaces_are_joined_without() {
        let found =
            placed(&text(&[("今日", 0, 100), ("は、", 100, 200), ("晴れ。", 200, 300)]), &map(&[(0, 1000)]));
        assert_eq!(found[0].text, "今日は、晴れ。");
    }

    #[test]
    fn a_silence_that_was_left_out_splits_a_segment() {
        let words = [(" before", 0, 900), (" and", 950, 1000), (" after", 1010, 1900)];
        let found = placed(&text(&words), &map(&[(0, 1000), (60_000, 61_000)]));
        let texts: Vec<_> = found.iter().map(|segment| segment.text.as_str()).collect();
        assert_eq!(texts, ["before and", "after"]);
        assert_eq!((found[1].start, found[1].end), (Millis(60_010), Millis(60_900)));
    }

    #[test]
    fn long_segments_are_split_at_the_ends_of_sentences() {
        let words = [
            (" One", 0, 4000),
            (" two.\"", 4000, 8000),
            (" Three", 8000, 12_000),
            (" four.", 12_000, 14_000),
        ];
        let found = placed(&text(&words), &map(&[(0, 20_000)]));
        let texts: Vec<_> = found.iter().map(|segment| segment.text.as_str()).collect();
        assert_eq!(texts, ["One two.\"", "Three four."]);
        assert_eq!(placed(&text(&words[..2]), &map(&[(0, 20_000)])).len(), 1);
    }

    #[test]
    fn words_that_overlap_are_put_one_after_the_other() {
        let found =
            placed(&text(&[(" a", 0, 1500), (" b", 900, 1000), (" c", 1100, 2000)]), &map(&[(0, 3000)]));
        let spans: Vec<_> = found[0].words.iter().map(|word| (word.start.0, word.end.0)).collect();
        assert_eq!(spans, [(0, 1500), (1500, 1500), (1500, 2000)]);
    }

    #[test]
    fn words_outside_of_the_stretch_asked_for_are_left_out() {
        let words = [(" their", 0, 150), (" own", 150, 900), (" words", 900, 1300), (" again.", 1350, 1500)];
        let hole = Span { start: 200 * 16, end: 1200 * 16 };
        let found = segments(&text(&words), &map(&[(0, 1500)]), hole);
        assert_eq!(found[0].text, "own words");
        assert_eq!((found[0].start, found[0].end), (Millis(200), Millis(1200)));
    }
}
