//! A final text: its words in the time of the session.

use steno_runtime::engine::ChunkText;
use steno_runtime::place::{self, PlacedWord};
use steno_shared::time::Millis;
use steno_shared::transcript::Segment;

/// A segment of the text of an utterance that lies between two times; no word begins before `said_until`, where the last
/// text has ended.
pub(super) fn segment(text: &ChunkText, utterance: (Millis, Millis), said_until: Millis) -> Option<Segment> {
    let (start, end) = utterance;
    let mut earliest = start.max(said_until);
    let latest = end.max(earliest);
    let words = text.segments.iter().flat_map(|segment| &segment.words);
    let placed: Vec<_> = words
        .map(|word| {
            let begins = (start + word.start).clamp(earliest, latest);
            let ends = (start + word.end).clamp(begins, latest);
            earliest = begins;
            PlacedWord { word, start: begins, end: ends }
        })
        .collect();
    let mut segment = place::segment(&placed)?;
    // Words may overlap; the last to end ends the segment.
    segment.end = placed.iter().map(|word| word.end).max()?;
    Some(segment)
}

#[cfg(test)]
mod tests {
    use steno_runtime::engine::{TextSegment, TextWord};

    use super::*;

    fn text(times: &[(u64, u64)]) -> ChunkText {
        let word = |(start, end): &(u64, u64)| TextWord {
            text: "word".to_owned(),
            spaced: true,
            start: Millis(*start),
            end: Millis(*end),
            log_probability: 0.0,
            tokens: 1,
        };
        let words = times.iter().map(word).collect();
        let segments = vec![TextSegment { start: Millis(0), end: Millis(9), words }];
        ChunkText { segments, no_speech_probability: 0.0 }
    }

    #[test]
    fn times_are_of_the_session_in_order_and_within_the_utterance() {
        let found =
            segment(&text(&[(0, 100), (90, 300), (250, 9000)]), (Millis(1000), Millis(2000)), Millis(1040));
        let found = found.unwrap();
        let times: Vec<_> = found.words.iter().map(|word| (word.start.0, word.end.0)).collect();
        assert_eq!(times, [(1040, 1100), (1090, 1300), (1250, 2000)]);
        assert_eq!(
            (found.start, found.end, found.text.as_str()),
            (Millis(1040), Millis(2000), "word word word")
        );
        assert!(segment(&ChunkText::default(), (Millis(0), Millis(1)), Millis(0)).is_none());
    }
}
