//! What the caller wants written in another way: found in the text of a segment and replaced there, with its words.
//!
//! Upper and lower case do not count. What is found are whole words or phrases; in scripts without spaces, whatever
//! stands there. Of two that could be found at one place the longer is; what was put in place of something is not
//! looked through again. The new words share the time of those that they stand for.

use std::ops::Range;

use steno_runtime::place;
use steno_shared::job::Replacement;
use steno_shared::time::Millis;
use steno_shared::transcript::{Segment, Word};

use super::place::STOPS;

/// What is to be replaced, the longest first.
#[derive(Debug, Clone, Default)]
pub struct Replacements(Vec<Pair>);

#[derive(Debug, Clone)]
struct Pair {
    /// In lower case, white space as one space.
    find: Vec<char>,
    with: String,
}

/// A place in a text, and what is to stand there.
#[derive(Debug, PartialEq, Eq)]
struct Match<'a> {
    at: Range<usize>,
    with: &'a str,
}

impl Replacements {
    /// As the caller gave them.
    #[must_use]
    pub fn of(pairs: &[Replacement]) -> Self {
        let folded = |text: &str| -> Vec<char> {
            let words: Vec<&str> = text.split_whitespace().collect();
            words.join(" ").chars().flat_map(char::to_lowercase).collect()
        };
        let pair = |pair: &Replacement| Pair { find: folded(&pair.find), with: pair.with.clone() };
        let mut pairs: Vec<Pair> = pairs.iter().map(pair).filter(|pair| !pair.find.is_empty()).collect();
        // Of equals the one given first.
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.find.len()));
        Self(pairs)
    }

    /// Replaces in the segments of a chunk; one of which nothing is left goes.
    #[must_use]
    pub fn apply(&self, segments: Vec<Segment>) -> Vec<Segment> {
        if self.0.is_empty() {
            return segments;
        }
        segments.into_iter().filter_map(|segment| self.replaced(segment)).collect()
    }

    fn replaced(&self, segment: Segment) -> Option<Segment> {
        let matches = self.matches(&segment.text);
        match places(&segment) {
            Some(places) if !matches.is_empty() => rewritten(&segment, &places, &matches),
            _ => Some(segment),
        }
    }

    fn matches(&self, text: &str) -> Vec<Match<'_>> {
        let mut matches = Vec::new();
        let mut free = 0;
        for (at, _) in text.char_indices() {
            if at < free {
                continue;
            }
            let found = self.0.iter().find_map(|pair| Some((pair, end_of_match(text, at, &pair.find)?)));
            if let Some((pair, end)) = found {
                matches.push(Match { at: at..end, with: &pair.with });
                free = end;
            }
        }
        matches
    }
}

/// Where what begins here ends, if it is what is looked for and stands for itself.
fn end_of_match(text: &str, at: usize, find: &[char]) -> Option<usize> {
    let mut wanted = find.iter().copied().peekable();
    let mut end = at;
    let mut rest = text[at..].chars().peekable();
    while let Some(c) = rest.peek().copied().filter(|_| wanted.peek().is_some()) {
        rest.next();
        end += c.len_utf8();
        if c.is_whitespace() {
            while let Some(space) = rest.next_if(|next| next.is_whitespace()) {
                end += space.len_utf8();
            }
            wanted.next_if_eq(&' ')?;
            continue;
        }
        for lower in c.to_lowercase() {
            wanted.next_if_eq(&lower)?;
        }
    }
    let found = &text[at..end];
    let alone = !goes_on(text[..at].chars().next_back(), found.chars().next())
        && !goes_on(found.chars().next_back(), text[end..].chars().next());
    (wanted.peek().is_none() && alone).then_some(end)
}

/// Whether a word goes on from one character to the next.
fn goes_on(before: Option<char>, after: Option<char>) -> bool {
    let both = before.zip(after);
    both.is_some_and(|(before, after)| {
        let letters = before.is_alphanumeric() && after.is_alphanumeric();
        letters && !(is_unspaced(before) || is_unspaced(after))
    })
}

/// Characters of scripts without spaces: a word may end behind any of them.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0E00}'..='\u{0EFF}' | '\u{0F00}'..='\u{0FFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}'
        | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Where each word stands in the segment's text.
fn places(segment: &Segment) -> Option<Vec<Range<usize>>> {
    let mut at = 0;
    let place = |word: &Word| {
        let start = at + segment.text.get(at..)?.find(&word.punctuated_word)?;
        at = start + word.punctuated_word.len();
        Some(start..at)
    };
    segment.words.iter().map(place).collect()
}

/// The segment with its matches replaced.
fn rewritten(segment: &Segment, places: &[Range<usize>], matches: &[Match<'_>]) -> Option<Segment> {
    let mut new = Rewriting::default();
    let (mut at, mut written) = (0, 0);
    while let Some(place) = places.get(at) {
        let between = &segment.text[written..place.start];
        // The words that a match has a part in, and those that share matches with them.
        let mut whole = place.clone();
        let mut next = at + 1;
        while let Some(after) = places.get(next)
            && meeting(matches, &whole).iter().any(|found| after.start < found.at.end)
        {
            whole.end = after.end;
            next += 1;
        }
        let found = meeting(matches, &whole);
        let text = spliced(&segment.text, &whole, found);
        if found.is_empty() {
            new.keep(between, segment.words[at].clone());
        } else if found.iter().all(|found| found.with.is_empty()) && !text.contains(char::is_alphanumeric) {
            new.close(&text);
        } else {
            new.put(between, &text, &segment.words[at..next]);
        }
        (at, written) = (next, whole.end);
    }
    let (first, last) = (new.words.first()?, new.words.last()?);
    Some(Segment {
        start: first.start,
        end: last.end,
        text: new.text.trim().to_owned(),
        words: new.words.clone(),
        ..segment.clone()
    })
}

/// The matches, which are in order and do not overlap, that have a part in a stretch of the text.
fn meeting<'a, 'b>(matches: &'a [Match<'b>], part: &Range<usize>) -> &'a [Match<'b>] {
    let first = matches.partition_point(|found| found.at.end <= part.start);
    let count = matches[first..].partition_point(|found| found.at.start < part.end);
    &matches[first..first + count]
}

/// A part of a text with what was found in it replaced.
fn spliced(text: &str, part: &Range<usize>, matches: &[Match<'_>]) -> String {
    let mut spliced = String::new();
    let mut at = part.start;
    for found in matches {
        spliced.push_str(&text[at..found.at.start.max(at)]);
        spliced.push_str(found.with);
        at = found.at.end.min(part.end);
    }
    spliced.push_str(&text[at..part.end]);
    spliced
}

/// A segment as it is written anew.
#[derive(Debug, Default)]
struct Rewriting {
    text: String,
    words: Vec<Word>,
}

impl Rewriting {
    fn keep(&mut self, between: &str, word: Word) {
        self.text.push_str(between);
        self.text.push_str(&word.punctuated_word);
        self.words.push(word);
    }

    /// Writes a text for some words.
    fn put(&mut self, between: &str, text: &str, instead_of: &[Word]) {
        self.text.push_str(between);
        self.text.push_str(text.trim());
        let pieces = pieces(text);
        let letters: Vec<u64> = pieces.iter().map(|piece| piece.chars().count() as u64).collect();
        let all = letters.iter().sum::<u64>().max(1);
        let (Some(first), Some(last)) = (instead_of.first(), instead_of.last()) else { return };
        let length = last.end.since(first.start).0;
        let confidence = instead_of.iter().map(|word| word.confidence).sum::<f64>() / instead_of.len() as f64;
        let mut said = 0;
        for (piece, letters) in pieces.into_iter().zip(letters) {
            let start = Millis(first.start.0 + length * said / all);
            said += letters;
            self.words.push(Word {
                word: place::bare(piece).to_owned(),
                punctuated_word: piece.to_owned(),
                start,
                end: Millis(first.start.0 + length * said / all),
                confidence: (confidence * 10_000.0).round() / 10_000.0,
                speaker: first.speaker.clone(),
                overlap: false,
            });
        }
    }

    /// Of words that are gone, nothing but their punctuation is left: the end of a sentence goes to the word
    /// before, everything else goes with them.
    fn close(&mut self, punctuation: &str) {
        let Some(stop) = punctuation.chars().find(|c| STOPS.contains(c)) else { return };
        let Some(last) = self.words.last_mut() else { return };
        if last.punctuated_word.ends_with(STOPS) {
            return;
        }
        let word = last.punctuated_word.trim_end_matches([',', ';', ':', '\u{3001}', '\u{FF0C}']).to_owned();
        let text = self.text.strip_suffix(&last.punctuated_word).unwrap_or(&self.text).to_owned();
        last.punctuated_word = format!("{word}{stop}");
        self.text = text + &last.punctuated_word;
    }
}

/// The words of a text: between spaces and, in scripts without them, the single characters with the marks behind.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    for word in text.split_whitespace() {
        let mut from = 0;
        let mut earlier: Option<char> = None;
        for (at, c) in word.char_indices() {
            let begins = c.is_alphanumeric()
                && earlier.is_some_and(|earlier| is_unspaced(c) || is_unspaced(earlier))
                && word[from..at].contains(char::is_alphanumeric);
            if begins {
                pieces.push(&word[from..at]);
                from = at;
            }
            earlier = Some(c);
        }
        pieces.push(&word[from..]);
    }
    pieces
}

#[cfg(test)]
mod tests;
