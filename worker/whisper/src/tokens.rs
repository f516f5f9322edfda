//! From the tokens of a chunk to its segments and words.
//!
//! The model writes `<0.00> text <4.20><5.10> text <9.80>`: times stand around each stretch of text. A character
//! may span tokens, and even stretches, so bytes are joined before they become text.

use steno_runtime::engine::TextSegment;
use steno_shared::time::Millis;

use crate::clock::Clock;
use crate::raw::{RawToken, Vocabulary};
use crate::words::{self, Script, Unit};

/// Time tokens are this far apart.
const MS_PER_TIME_TOKEN: i64 = 20;

/// What is known about a chunk beside its tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk {
    /// Which token is which.
    pub(crate) vocabulary: Vocabulary,
    /// How its language is written.
    pub(crate) script: Script,
    /// How its words get their times.
    pub(crate) clock: Clock,
    /// Its length, without what was added to it.
    pub(crate) length: Millis,
}

/// Text between two times, as the model wrote them, in milliseconds.
#[derive(Debug, Default)]
struct Stretch {
    start: Option<i64>,
    end: Option<i64>,
    tokens: Vec<RawToken>,
}

/// The segments of a chunk. Times are made to keep what [`TextSegment`] promises whatever the model wrote.
pub(crate) fn segments(tokens: &[RawToken], chunk: &Chunk) -> Vec<TextSegment> {
    let mut stretches = stretches(tokens, &chunk.vocabulary);
    carry_broken_characters(&mut stretches);
    let length = chunk.length.0.cast_signed();
    let mut segments = Vec::new();
    let mut earlier = 0;
    for stretch in stretches {
        let start = stretch.start.unwrap_or(earlier).clamp(earlier, length);
        let end = stretch.end.unwrap_or(length).clamp(start, length);
        let timed = chunk.clock.time(&stretch.tokens, start, end);
        let units = words::group(&timed, chunk.script);
        let Some(last) = units.last() else { continue };
        // The model stopped within a sentence: nothing but the last word tells where.
        let end = if stretch.end.is_some() { end } else { last.end.clamp(start, end) };
        earlier = end;
        let words = fit(units, start, end).into_iter().map(Unit::into_word).collect();
        segments.push(TextSegment { start: millis(start), end: millis(end), words });
    }
    segments
}

fn millis(time: i64) -> Millis {
    Millis(time.max(0).unsigned_abs())
}

fn stretches(tokens: &[RawToken], vocabulary: &Vocabulary) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let mut open = Stretch::default();
    for token in tokens {
        if token.id >= vocabulary.first_time {
            let time = i64::from(token.id - vocabulary.first_time) * MS_PER_TIME_TOKEN;
            if open.tokens.is_empty() {
                open.start = Some(time);
            } else {
                open.end = Some(time);
                stretches.push(std::mem::take(&mut open));
            }
        } else if token.id < vocabulary.end_of_text {
            open.tokens.push(token.clone());
        }
    }
    if !open.tokens.is_empty() {
        stretches.push(open);
    }
    stretches
}

/// Moves the first bytes of a character that goes on behind a time to where it goes on.
fn carry_broken_characters(stretches: &mut [Stretch]) {
    for at in 1..stretches.len() {
        let (before, after) = stretches.split_at_mut(at);
        let (Some(before), Some(after)) = (before.last_mut(), after.first_mut()) else { continue };
        let bytes: Vec<u8> = before.tokens.iter().flat_map(|token| token.bytes.iter().copied()).collect();
        let mut broken = broken_end(&bytes);
        let Some(first) = after.tokens.first_mut() else { continue };
        let goes_on = first.bytes.first().is_some_and(|byte| byte & 0xC0 == 0x80);
        if broken == 0 || !goes_on {
            continue;
        }
        first.bytes.splice(0..0, bytes[bytes.len() - broken..].iter().copied());
        for token in before.tokens.iter_mut().rev() {
            let cut = broken.min(token.bytes.len());
            token.bytes.truncate(token.bytes.len() - cut);
            broken -= cut;
        }
    }
}

/// How many bytes at the end begin a character that is not complete.
pub(crate) fn broken_end(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.len() - error.valid_up_to(),
        // A broken character further ahead hides the end: only the last three bytes can begin one.
        Err(error) => {
            let from =
                (error.valid_up_to() + error.error_len().unwrap_or(1)).max(bytes.len().saturating_sub(3));
            if from >= bytes.len() { 0 } else { broken_end(&bytes[from..]) }
        }
        Ok(_) => 0,
    }
}

/// Lets the words lie within the segment, in order, without overlap; the first begins and the last ends with it,
/// since the model's own times are the best there are.
fn fit(mut units: Vec<Unit>, start: i64, end: i64) -> Vec<Unit> {
    let nexts: Vec<i64> = units.iter().skip(1).map(|unit| unit.start).chain([end]).collect();
    let mut earliest = start;
    if let Some(first) = units.first_mut() {
        first.start = start;
    }
    for (unit, next) in units.iter_mut().zip(nexts) {
        unit.start = unit.start.clamp(earliest, end);
        unit.end = unit.end.min(next).clamp(unit.start, end);
        earliest = unit.end;
    }
    if let Some(last) = units.last_mut() {
        last.end = end;
    }
    units
}

#[cfg(test)]
mod tests {
    use steno_shared::catalog::WordTimes;
    use steno_shared::language::Language;

    use super::*;
    use crate::raw::TokenId;

    const END: TokenId = 1000;
    const ZERO: TokenId = 2000;

    fn vocabulary() -> Vocabulary {
        Vocabulary {
            size: 4000,
            end_of_text: END,
            start: 1001,
            no_speech: 1002,
            first_time: ZERO,
            multilingual: true,
            audio_positions: 1500,
            text_positions: 448,
        }
    }

    /// `<1.20>` is a time, `END` the end, anything else text.
    fn token(text: &[u8]) -> RawToken {
        let shown = std::str::from_utf8(text).unwrap_or_default();
        let time =
            shown.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).map(|rest| rest.parse::<f64>());
        let id = match time {
            Some(Ok(seconds)) => ZERO + (seconds * 50.0).round() as TokenId,
            _ if shown == "END" => END,
            _ => 7,
        };
        RawToken { id, bytes: text.to_vec(), log_probability: -0.5, aligned_end: -1 }
    }

    fn read(language: &str, tokens: &[&[u8]]) -> Vec<TextSegment> {
        let chunk = Chunk {
            vocabulary: vocabulary(),
            script: Language::parse(language).unwrap().into(),
            clock: Clock::of(&WordTimes::default()),
            length: Millis(10_000),
        };
        let tokens: Vec<_> = tokens.iter().map(|bytes| token(bytes)).collect();
        segments(&tokens, &chunk)
    }

    fn words(segment: &TextSegment) -> Vec<&str> {
        segment.words.iter().map(|word| word.text.as_str()).collect()
    }

    #[test]
    fn times_stand_around_the_text_of_a_segment() {
        let found = read(
            "en",
            &[b"<0.20>", b" Good", b" mor", b"ning", b".", b"<2.00>", b"<3.00>", b" Yes", b"<3.5>", b"END"],
        );
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].start, found[0].end), (Millis(200), Millis(2000)));
        assert_eq!((found[1].start, found[1].end), (Millis(3000), Millis(3500)));
        assert_eq!(words(&found[0]), ["Good", "morning."]);
        assert_eq!(found[0].words[1].tokens, 3);
        assert_eq!(found[0].words[1].log_probability, -1.5);
        assert_eq!((found[0].words[0].start, found[0].words[1].end), (Millis(200), Millis(2000)));
        assert!(found[0].words[0].end == found[0].words[1].start);
    }

    #[test]
    fn a_segment_without_its_end_ends_where_the_chunk_does() {
        let found = read("en", &[b"<9.00>", b" Good", b" day"]);
        assert_eq!((found[0].start, found[0].end), (Millis(9000), Millis(10_000)));
    }

    #[test]
    fn times_that_make_no_sense_are_bent_into_order() {
        let found = read("en", &[b"<8.00>", b" a", b"<12.00>", b"<3.00>", b" b", b"<1.00>", b" c", b"END"]);
        let spans: Vec<_> = found.iter().map(|segment| (segment.start.0, segment.end.0)).collect();
        assert_eq!(spans, [(8000, 10_000), (10_000, 10_000), (10_000, 10_000)]);
    }

    #[test]
    fn nothing_said_is_no_segment() {
        assert_eq!(read("en", &[b"<0.00>", b"END"]), []);
        assert_eq!(read("en", &[b"<0.00>", b" ", b"<1.00>", b"END"]), []);
        assert_eq!(read("en", &[]), []);
    }

    #[test]
    fn a_character_may_span_tokens_and_times() {
        let heart = "\u{1F600}".as_bytes();
        let found = read("en", &[b"<0.00>", b" caf", &"é".as_bytes()[..1], &"é".as_bytes()[1..], b"<1.00>"]);
        assert_eq!(words(&found[0]), ["café"]);
        let found = read(
            "en",
            &[b"<0.00>", b" a ", &heart[..3], b"<1.00>", b"<1.00>", &heart[3..], b" b", b"<2.00>"],
        );
        assert_eq!(words(&found[0]), ["a"]);
        assert_eq!(words(&found[1]), ["\u{1F600}", "b"]);
    }

    #[test]
    fn half_a_character_at_the_very_end_is_replaced() {
        let found = read("en", &[b"<0.00>", b" ok", &"é".as_bytes()[..1], b"<1.00>", b"END"]);
        assert_eq!(words(&found[0]), ["ok\u{FFFD}"]);
        let found = read("ja", &[b"<0.00>", &"日".as_bytes()[..2]]);
        assert_eq!(words(&found[0]), ["\u{FFFD}"]);
    }

    #[test]
    fn the_broken_end_is_what_the_next_bytes_complete() {
        assert_eq!(broken_end("日本".as_bytes()), 0);
        assert_eq!(broken_end(&"日本".as_bytes()[..5]), 2);
        assert_eq!(broken_end(b"\xFFab"), 0);
        assert_eq!(broken_end(b"\xFFa\xE6\x97"), 2);
        assert_eq!(broken_end(b""), 0);
    }
}
