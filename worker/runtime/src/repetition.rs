//! Models fall into loops: the same few words over and over. Found here, and cut.
//!
//! A group of words that follows itself too often within a chunk; and a chunk whose text is no such loop, but so much
//! the same that hardly anybody talks like that. People do repeat themselves, so each needs more than they do.

use std::collections::HashSet;
use std::ops::Range;

use crate::engine::{ChunkText, TextWord};

/// The longest loop looked for, in words.
const LONGEST: usize = 12;

/// How often a group of so many words in a row is a loop: people repeat a word more often than a sentence.
fn too_often(words: usize) -> usize {
    match words {
        1 => 8,
        2..=3 => 6,
        _ => 4,
    }
}

/// Letters and digits alone, lower case.
pub fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
}

fn plain(word: &TextWord) -> String {
    letters(&word.text).collect()
}

/// The words of a loop but for their first time, by their number in the chunk.
fn find_loop(words: &[String]) -> Option<Range<usize>> {
    for start in 0..words.len() {
        for length in 1..=LONGEST.min((words.len() - start) / 2) {
            let group = &words[start..start + length];
            let times = words[start..].chunks_exact(length).take_while(|other| *other == group).count();
            if times >= too_often(length) {
                return Some(start + length..start + times * length);
            }
        }
    }
    None
}

/// Whether the text has a loop.
#[must_use]
pub fn has_loop(text: &ChunkText) -> bool {
    let words: Vec<_> = text.segments.iter().flat_map(|segment| &segment.words).map(plain).collect();
    find_loop(&words).is_some()
}

/// Groups of so many words are compared where the text is no exact loop, ...
const GROUP: usize = 3;
/// ... if it has this many of them.
const GROUPS: usize = 24;
/// Text is too much the same if fewer of its groups than this share are different ones: such text is compressed to
/// less than the 1/2.4 that is the limit in OpenAI's `transcribe.py`.
const DIFFERENT: f64 = 0.4;

/// Whether hardly anybody would talk like that: the same words again and again, if not in an exact loop.
#[must_use]
pub fn is_monotonous(text: &ChunkText) -> bool {
    let words: Vec<_> = text.segments.iter().flat_map(|segment| &segment.words).map(plain).collect();
    let groups = words.windows(GROUP);
    let all = groups.len();
    let different: HashSet<&[String]> = groups.collect();
    all >= GROUPS && (different.len() as f64) < DIFFERENT * all as f64
}

/// Whether the engine fell into a loop of either kind.
#[must_use]
pub fn is_stuck(text: &ChunkText) -> bool {
    has_loop(text) || is_monotonous(text)
}

/// The text with each loop's words said once.
#[must_use]
pub fn cut(mut text: ChunkText) -> ChunkText {
    loop {
        let words: Vec<_> = text.segments.iter().flat_map(|segment| &segment.words).map(plain).collect();
        let Some(found) = find_loop(&words) else { return text };
        let mut at = 0;
        for segment in &mut text.segments {
            segment.words.retain(|_| {
                at += 1;
                !found.contains(&(at - 1))
            });
            segment.end = segment.words.last().map_or(segment.start, |word| word.end);
        }
        text.segments.retain(|segment| !segment.words.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use steno_shared::time::Millis;

    use super::*;
    use crate::engine::TextSegment;

    fn text(segments: &[&str]) -> ChunkText {
        let word = |text: &str| TextWord {
            text: text.to_owned(),
            spaced: true,
            start: Millis(0),
            end: Millis(1),
            log_probability: 0.0,
            tokens: 1,
        };
        let segments = segments.iter().map(|text| TextSegment {
            start: Millis(0),
            end: Millis(1),
            words: text.split_whitespace().map(word).collect(),
        });
        ChunkText { segments: segments.collect(), no_speech_probability: 0.0 }
    }

    fn said(text: &ChunkText) -> Vec<String> {
        let join = |segment: &TextSegment| {
            segment.words.iter().map(|word| word.text.clone()).collect::<Vec<_>>().join(" ")
        };
        text.segments.iter().map(join).collect()
    }

    #[test]
    fn what_people_repeat_is_no_loop() {
        for spoken in [
            "no no no no no",
            "ha ha ha ha ha ha ha",
            "that is it that is it that is it",
            "a b a b a b a c",
            "",
        ] {
            assert!(!has_loop(&text(&[spoken])), "{spoken}");
        }
    }

    #[test]
    fn a_loop_is_found_over_segments_and_whatever_its_punctuation() {
        let looped = text(&[
            "We went on. Thank you",
            "very much. Thank you,",
            "very much! thank you very much",
            "Thank you very much. So",
        ]);
        assert!(has_loop(&looped));
        assert_eq!(said(&cut(looped)), ["We went on. Thank you", "very much.", "So"]);
    }

    #[test]
    fn a_single_word_may_loop_too() {
        let words = "so ".repeat(40) + "it ends";
        assert_eq!(said(&cut(text(&[&words]))), ["so it ends"]);
    }

    #[test]
    fn text_that_is_much_the_same_is_told_from_speech() {
        let same: String = ["it", "that", "this"]
            .iter()
            .cycle()
            .take(12)
            .enumerate()
            .map(|(at, word)| {
                format!("I think {word} is the way we go {} ", if at % 2 == 0 { "" } else { "now" })
            })
            .collect();
        assert!(is_monotonous(&text(&[&same])) && is_stuck(&text(&[&same])));
        let chorus = "row row row your boat gently down the stream merrily merrily merrily merrily life is but a \
                      dream row row row your boat gently down the stream if you see a crocodile do not forget to \
                      scream";
        assert!(!is_stuck(&text(&[chorus])));
        assert!(!is_monotonous(&text(&["one two three one two three one two three"])), "too short to tell");
    }
}
