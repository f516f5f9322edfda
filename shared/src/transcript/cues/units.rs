//! The text of a segment as parts that are not broken, each with its columns and its times.
//!
//! Belongs here: how words lie in the text, and when each part of it is spoken. Does not belong here: which parts
//! make a line or a cue.

use std::ops::Range;

use unicode_width::UnicodeWidthStr;

use super::super::Segment;
use super::super::render::{append, one_line};
use super::breaks::{Piece, clings, cut_hard, joint, pieces};
use super::phrases::{Break, quality};
use crate::language::Language;
use crate::time::Millis;

/// A part of the text that stays on one line.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) text: String,
    /// What separates it from the unit before on the same line.
    pub(super) gap: Option<char>,
    pub(super) columns: usize,
    pub(super) start: Millis,
    pub(super) end: Millis,
    /// How good a break is behind it.
    pub(super) after: Break,
}

/// When a part of the text is spoken.
struct Span {
    bytes: Range<usize>,
    start: Millis,
    end: Millis,
}

impl Span {
    /// When the byte at `at` is spoken, in proportion to the text.
    fn time(&self, at: usize) -> Millis {
        let (done, all) = (at.saturating_sub(self.bytes.start) as u64, self.bytes.len().max(1) as u64);
        self.start + Millis(self.end.since(self.start).0 * done.min(all) / all)
    }
}

/// A segment's text and when each word of it is spoken.
struct TimedText {
    text: String,
    /// In the order of the text; never empty.
    words: Vec<Span>,
}

/// The units of a segment, none wider than `columns` unless a single character is.
pub(super) fn units(segment: &Segment, columns: usize, language: Option<Language>) -> Vec<Unit> {
    let Some(timed) = TimedText::of(segment, language) else { return Vec::new() };
    let parts = parts(&timed.text, columns);
    let mut units: Vec<Unit> = parts.iter().map(|part| timed.unit(part)).collect();
    for (index, part) in parts.iter().enumerate() {
        units[index].after = match parts.get(index + 1) {
            Some(next) if timed.splits_word(next.bytes.start) => Break::Inside,
            Some(next) => {
                quality(&timed.text[..part.bytes.end], next.gap, &timed.text[next.bytes.start..], language)
            }
            // Behind the segment there is a clause's end at least.
            None => quality(&timed.text, None, "", language).min(Break::Clause),
        };
    }
    units
}

/// The units of a speaker's name. It is not broken if there is another way.
pub(super) fn name_units(name: &str, columns: usize) -> Vec<Unit> {
    let name = one_line(name);
    let at = Millis::default();
    let unit = |part: Piece| {
        let text = name[part.bytes].to_owned();
        Unit { columns: text.width(), text, gap: part.gap, start: at, end: at, after: Break::Inside }
    };
    let whole = Piece { bytes: 0..name.len(), gap: None };
    let parts = if name.width() <= columns { vec![whole] } else { parts(&name, columns) };
    parts.into_iter().map(unit).collect()
}

/// The pieces of `text`, those together that cling to each other, and those apart that are wider than a line.
fn parts(text: &str, columns: usize) -> Vec<Piece> {
    let mut parts: Vec<Piece> = Vec::new();
    for piece in pieces(text) {
        if let Some(last) = parts.last_mut() {
            let both = last.bytes.start..piece.bytes.end;
            let cling = clings(&text[last.bytes.clone()], &text[piece.bytes.clone()]);
            if cling && text[both.clone()].width() <= columns {
                last.bytes = both;
                continue;
            }
        }
        let Piece { bytes, gap } = piece;
        let cuts = cut_hard(&text[bytes.clone()], columns).into_iter().enumerate();
        parts.extend(cuts.map(|(index, cut)| Piece {
            bytes: bytes.start + cut.start..bytes.start + cut.end,
            gap: gap.filter(|_| index == 0),
        }));
    }
    parts
}

impl TimedText {
    /// The segment's text with its words found in it. Where words and text contradict each other, the words
    /// count; without words, time is in proportion to the text. `None` if there is nothing to read.
    fn of(segment: &Segment, language: Option<Language>) -> Option<Self> {
        let whole = Self { text: one_line(&segment.text), words: Vec::new() };
        let timed = whole.with_words_of(segment).unwrap_or_else(|| Self::of_words(segment, language));
        (timed.text.width() > 0 && !timed.words.is_empty()).then_some(timed)
    }

    fn with_words_of(mut self, segment: &Segment) -> Option<Self> {
        let mut from = 0;
        for word in &segment.words {
            let written = one_line(&word.punctuated_word);
            if written.is_empty() {
                continue;
            }
            let at = from + self.text[from..].find(&written)?;
            from = at + written.len();
            self.words.push(Span { bytes: at..from, start: word.start, end: word.end });
        }
        if self.words.is_empty() {
            let all = Span { bytes: 0..self.text.len(), start: segment.start, end: segment.end };
            let span = |Piece { bytes, .. }| {
                let (start, end) = (all.time(bytes.start), all.time(bytes.end));
                Span { bytes, start, end }
            };
            self.words = pieces(&self.text).into_iter().map(span).collect();
        }
        Some(self)
    }

    fn of_words(segment: &Segment, language: Option<Language>) -> Self {
        let mut timed = Self { text: String::new(), words: Vec::new() };
        for word in &segment.words {
            let written = one_line(&word.punctuated_word);
            append(&mut timed.text, &written, language);
            let bytes = timed.text.len() - written.len()..timed.text.len();
            timed.words.push(Span { bytes, start: word.start, end: word.end });
        }
        timed
    }

    fn unit(&self, part: &Piece) -> Unit {
        let text = self.text[part.bytes.clone()].to_owned();
        let columns = text.width();
        let (start, end) = (self.start(part.bytes.start), self.end(part.bytes.end));
        Unit { text, gap: part.gap, columns, start, end: end.max(start), after: Break::Word }
    }

    /// When what begins at `at` begins; what is in no word belongs to the next.
    fn start(&self, at: usize) -> Millis {
        let next = self.words.partition_point(|word| word.bytes.end <= at);
        match self.words.get(next) {
            Some(word) => word.time(at),
            None => self.words.last().map_or(Millis::default(), |word| word.end),
        }
    }

    /// When what ends at `at` ends; what is in no word belongs to the one before.
    fn end(&self, at: usize) -> Millis {
        let after = self.words.partition_point(|word| word.bytes.start < at);
        match after.checked_sub(1).map(|last| &self.words[last]) {
            Some(word) => word.time(at),
            None => self.words.first().map_or(Millis::default(), |word| word.start),
        }
    }

    fn splits_word(&self, at: usize) -> bool {
        let word = self.words.partition_point(|word| word.bytes.end <= at);
        self.words.get(word).is_some_and(|word| word.bytes.start < at)
    }
}

/// What separates the first unit of a text from what was said before.
pub(super) fn gap_between(before: &Unit, after: &Unit, language: Option<Language>) -> Option<char> {
    joint(&before.text, &after.text, language)
}

#[cfg(test)]
mod tests {
    use super::super::super::sample::{of, said, segment};
    use super::*;

    /// Text and times of the units.
    fn all(segment: &Segment) -> Vec<(String, u64, u64)> {
        let units = units(segment, 12, Language::parse("en").ok());
        units.into_iter().map(|unit| (unit.text, unit.start.0, unit.end.0)).collect()
    }

    fn unit(text: &str, start: u64, end: u64) -> (String, u64, u64) {
        (text.to_owned(), start, end)
    }

    #[test]
    fn words_are_found_in_the_text_and_the_rest_goes_with_them() {
        let mut segment = said("", "one two three", 0, 3000);
        segment.text = "♪ one – (um) two, three ♪".to_owned();
        let expected = [
            unit("♪", 0, 0),
            unit("one –", 0, 1000),
            unit("(um)", 1000, 1000),
            unit("two,", 1000, 2000),
            unit("three ♪", 2000, 3000),
        ];
        assert_eq!(all(&segment), expected);
    }

    #[test]
    fn the_words_count_where_the_text_contradicts_them() {
        let mut segment = said("", "one two three", 0, 3000);
        segment.text = "two one".to_owned();
        assert_eq!(all(&segment), [unit("one", 0, 1000), unit("two", 1000, 2000), unit("three", 2000, 3000)]);
    }

    #[test]
    fn without_words_time_is_in_proportion_to_the_text() {
        let wordless = segment("abcd ef gh", 1000, 2000, &[]);
        assert_eq!(
            all(&wordless),
            [unit("abcd", 1000, 1400), unit("ef", 1500, 1700), unit("gh", 1800, 2000)]
        );
    }

    #[test]
    fn a_long_word_is_cut_and_so_is_its_time() {
        let long = said("", "abcdefghijklmnopqrstuvwx", 0, 2400);
        assert_eq!(all(&long), [unit("abcdefghijkl", 0, 1200), unit("mnopqrstuvwx", 1200, 2400)]);
        let units = units(&long, 12, None);
        assert_eq!(units[0].after, Break::Inside);
        assert_eq!(of("en", vec![long]).check(), Ok(()));
    }
}
