//! Models fall into loops: the same few words over and over. Found here, and cut.
//!
//! Within a chunk by [`steno_runtime::repetition`]; here a sentence that is all there is to one chunk after the other.
//! People do repeat themselves, so it needs more than they do.

use steno_runtime::repetition::letters;
pub use steno_runtime::repetition::{cut, has_loop, is_stuck};
use steno_shared::time::Millis;
use steno_shared::transcript::{Segment, WarningCode};

use super::journal::ChunkResult;

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

/// Where the text of a chunk begins and ends.
#[must_use]
pub fn extent(segments: &[Segment]) -> Option<(Millis, Millis)> {
    Some((segments.first()?.start, segments.iter().map(|segment| segment.end).max()?))
}

#[cfg(test)]
mod tests {
    use super::*;

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
