//! Models fall into loops: the same few words over and over. Found here, and cut.
//!
//! Three kinds: a group of words that follows itself too often within a chunk; a chunk whose text is no such loop,
//! but so much the same that hardly anybody talks like that; and a sentence that is all there is to one chunk after
//! the other. People do repeat themselves, so each needs more than they do.

use std::collections::HashSet;
use std::ops::Range;

use steno_runtime::engine::{ChunkText, TextWord};
use steno_shared::time::Millis;
use steno_shared::transcript::{Segment, WarningCode};

use super::journal::ChunkResult;

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

/// A sentence may be all there is to this many chunks in a row.
const CHUNKS: usize = 2;
/// Fewer letters in a second of speech are too few to be all that is said; slow speech has five times that.
const SPARSE: f64 = 2.0;
/// The model is not sure of text below this confidence, ...
const UNSURE: f64 = 0.5;
/// ... which tells something of as much speech as this.
const TELLING: Millis = Millis(2000);

/// Tells whether the model writes the same for one chunk after the other, whatever is said.
#[derive(Debug, Clone, Default)]
pub struct Refrain {
    text: String,
    times: usize,
}

impl Refrain {
    /// Takes the next chunk of a channel, in order of time. True if its text is that of the chunks before it once
    /// more, and there is reason to doubt it.
    pub fn goes_on(&mut self, chunk: &ChunkResult) -> bool {
        let text: String = chunk.segments.iter().flat_map(|segment| letters(&segment.text)).collect();
        // One in which it was cut before, or nothing was said.
        if text.is_empty() {
            let cut = chunk.warnings.iter().any(|warning| warning.code == WarningCode::Repetition);
            self.times += usize::from(cut && self.times > 0);
            return false;
        }
        if text != self.text {
            *self = Self { text, times: 1 };
            return false;
        }
        self.times += 1;
        self.times > CHUNKS && is_doubtful(&self.text, chunk)
    }
}

fn is_doubtful(text: &str, chunk: &ChunkResult) -> bool {
    let sparse = (text.chars().count() as f64) < SPARSE * chunk.speech.as_seconds();
    // People do say "yes" three times, one by one, where chunks end at every pause.
    sparse || (chunk.speech >= TELLING && mean(&chunk.segments) < UNSURE)
}

/// The mean confidence, each segment counting by its words.
fn mean(segments: &[Segment]) -> f64 {
    let words: usize = segments.iter().map(|segment| segment.words.len()).sum();
    let sum: f64 = segments.iter().map(|segment| segment.confidence * segment.words.len() as f64).sum();
    sum / words.max(1) as f64
}

fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
}

/// Where the text of a chunk begins and ends.
#[must_use]
pub fn extent(segments: &[Segment]) -> Option<(Millis, Millis)> {
    Some((segments.first()?.start, segments.iter().map(|segment| segment.end).max()?))
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
    use steno_runtime::engine::TextSegment;
    use steno_shared::time::Millis;

    use super::*;

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

    /// A chunk with 10 s of speech.
    fn chunk(text: &str, confidence: f64) -> ChunkResult {
        let segment = Segment {
            start: Millis(0),
            end: Millis(10_000),
            text: text.to_owned(),
            speaker: None,
            channel: None,
            language: None,
            confidence,
            words: vec![steno_shared::transcript::Word {
                word: text.to_owned(),
                punctuated_word: text.to_owned(),
                start: Millis(0),
                end: Millis(10_000),
                confidence,
                speaker: None,
                overlap: false,
            }],
        };
        ChunkResult {
            language: steno_shared::language::Language::parse("en").unwrap(),
            language_probability: 1.0,
            segments: if text.is_empty() { Vec::new() } else { vec![segment] },
            warnings: Vec::new(),
            speech: Millis(10_000),
            transcribed: Millis(10_000),
        }
    }

    fn judged(chunks: &[(&str, f64)]) -> Vec<bool> {
        let mut refrain = Refrain::default();
        chunks.iter().map(|(text, confidence)| refrain.goes_on(&chunk(text, *confidence))).collect()
    }

    #[test]
    fn the_same_sentence_for_chunk_after_chunk_is_doubted_from_the_third_on() {
        let thanks = ("Thank you.", 0.9);
        assert_eq!(
            judged(&[thanks, ("thank you", 0.9), ("", 0.0), thanks, thanks, ("Well.", 0.9), thanks]),
            [false, false, false, true, true, false, false]
        );
    }

    #[test]
    fn an_announcement_that_is_really_repeated_stays() {
        let announcement =
            "Dear passengers, please keep your luggage with you at all times and report what others left";
        assert_eq!(judged(&[(announcement, 0.9); 5]), [false; 5]);
        assert_eq!(
            judged(&[(announcement, 0.3); 4]),
            [false, false, true, true],
            "but not if it is doubtful"
        );
    }
}
