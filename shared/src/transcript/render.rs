//! What the written forms share: when speakers are named, how a time and a line are written.
//!
//! Belongs here: what at least two of txt, srt, vtt and tsv need. Does not belong here: where a text is broken
//! ([`super::cues`]).

use super::Transcript;
use crate::language::Language;
use crate::time::Millis;

use super::cues::joint;

/// Whether the written forms name the speakers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SpeakerLabels {
    /// If there are two or more.
    #[default]
    Auto,
    /// Wherever a speaker is known, even if there is only one.
    On,
    /// Never.
    Off,
}

impl SpeakerLabels {
    /// Whether the speakers of `transcript` are named.
    pub(super) fn are_shown(self, transcript: &Transcript) -> bool {
        match self {
            Self::Auto => transcript.speakers.len() >= 2,
            Self::On => !transcript.speakers.is_empty(),
            Self::Off => false,
        }
    }
}

/// `text` on one line: every run of white space becomes one space, and control characters go. A no-break space
/// stays what it is, and so does the ideographic space.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut gap = None;
    for c in text.chars() {
        match blank(c) {
            Some(space) => gap = gap.or(Some(space)),
            None if c.is_control() => {}
            None => {
                if let Some(space) = gap.take().filter(|_| !line.is_empty()) {
                    line.push(space);
                }
                line.push(c);
            }
        }
    }
    line
}

/// What a character that separates is written as: the space, the ideographic space and the zero-width space.
pub(super) fn blank(c: char) -> Option<char> {
    match c {
        '\u{a0}' | '\u{2007}' | '\u{202f}' => None,
        '\u{3000}' | '\u{200b}' => Some(c),
        c if c.is_whitespace() => Some(' '),
        _ => None,
    }
}

/// Appends `text` to what was said before, with a space between if the language is written with one.
pub(super) fn append(line: &mut String, text: &str, language: Option<Language>) {
    if let Some(space) = joint(line, text, language) {
        line.push(space);
    }
    line.push_str(text);
}

/// `HH:MM:SS`, the separator, and three digits of milliseconds. Hours have more than two digits if need be.
pub(super) fn timestamp(at: Millis, separator: char) -> String {
    let (seconds, millis) = (at.0 / 1000, at.0 % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{separator}{millis:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_grow_beyond_two_digits() {
        for (millis, written) in [
            (0, "00:00:00,000"),
            (3_599_999, "00:59:59,999"),
            (3_600_000, "01:00:00,000"),
            (363_723_004, "101:02:03,004"),
        ] {
            assert_eq!(timestamp(Millis(millis), ','), written);
        }
    }

    #[test]
    fn a_line_has_single_spaces_and_no_control_characters() {
        for (text, line) in [
            (" a\r\n\r\n b\u{0}\u{2028}c\t", "a b c"),
            ("Bonjour\u{202f}! «\u{a0}Oui\u{a0}»", "Bonjour\u{202f}! «\u{a0}Oui\u{a0}»"),
            ("そう\u{3000} だ", "そう\u{3000}だ"),
            (" \n\u{200b} ", ""),
        ] {
            assert_eq!(one_line(text), line);
        }
    }
}
