//! From what an engine wrote to segments of the transcript: words with their places in the media.

use steno_shared::time::Millis;
use steno_shared::transcript::{Segment, Word};

use crate::engine::TextWord;

/// A word with its place in the media.
#[derive(Debug, Clone)]
pub struct PlacedWord<'a> {
    /// As the engine wrote it.
    pub word: &'a TextWord,
    /// When it begins.
    pub start: Millis,
    /// When it ends.
    pub end: Millis,
}

/// A segment of these words, from the start of the first to the end of the last; none of none.
#[must_use]
pub fn segment(words: &[PlacedWord<'_>]) -> Option<Segment> {
    let (first, last) = (words.first()?, words.last()?);
    let mut text = String::new();
    for (at, placed) in words.iter().enumerate() {
        if placed.word.spaced && at > 0 {
            text.push(' ');
        }
        text.push_str(&placed.word.text);
    }
    let (sum, tokens) = words.iter().fold((0.0, 0), |(sum, tokens), placed| {
        (sum + placed.word.log_probability, tokens + placed.word.tokens)
    });
    Some(Segment {
        start: first.start,
        end: last.end,
        text,
        speaker: None,
        channel: None,
        language: None,
        confidence: confidence(sum, tokens),
        words: words.iter().map(word_of).collect(),
    })
}

fn word_of(placed: &PlacedWord<'_>) -> Word {
    let TextWord { text, log_probability, tokens, .. } = placed.word;
    Word {
        word: bare(text).to_owned(),
        punctuated_word: text.clone(),
        start: placed.start,
        end: placed.end,
        confidence: confidence(*log_probability, *tokens),
        speaker: None,
        overlap: false,
    }
}

/// exp(mean log-probability of the tokens), with four decimals.
fn confidence(log_probability: f64, tokens: u32) -> f64 {
    let mean = log_probability / f64::from(tokens.max(1));
    (mean.exp().clamp(0.0, 1.0) * 10_000.0).round() / 10_000.0
}

/// The word without punctuation at its edges. Signs that are read aloud stay (`$20`, `5%`, `C++`); what is
/// nothing but punctuation stays as it is.
#[must_use]
pub fn bare(word: &str) -> &str {
    let edge = |c: char| {
        !c.is_alphanumeric() && !matches!(c, '$' | '€' | '£' | '¥' | '%' | '°' | '+' | '#' | '&' | '@')
    };
    match word.trim_matches(edge) {
        "" => word,
        bare => bare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lose_the_punctuation_at_their_edges() {
        for (punctuated, expected) in [
            ("Hello,", "Hello"),
            ("\u{201C}don't!\u{201D}", "don't"),
            ("twenty-two.", "twenty-two"),
            ("$20?", "$20"),
            ("C++", "C++"),
            ("\u{BF}Qu\u{E9}", "Qu\u{E9}"),
            ("...", "..."),
            ("\u{826F}\u{3044}\u{300D}\u{3002}", "\u{826F}\u{3044}"),
        ] {
            assert_eq!(bare(punctuated), expected);
        }
    }
}
