//! What of an engine's text is believed.

use steno_runtime::engine::{ChunkText, Prompt, TextWord};
use steno_runtime::repetition::{self, letters};
use steno_shared::time::Millis;

/// The model hears nobody above this, ...
const NO_SPEECH: f64 = 0.6;
/// ... unless it is surer of its text than this: the mean log-probability of its tokens (both limits are those of
/// OpenAI's `transcribe.py`).
const UNSURE: f64 = -1.0;
/// More words than this in a second of speech are not said by anybody, ...
const FASTEST: f64 = 6.0;
/// ... but for so many, since the speech of a short utterance is not measured well.
const SPARE: f64 = 3.0;
/// What is written without spaces counts by its characters, of which this many are a word.
const CHARACTERS: f64 = 2.0;
/// A text is the prompt's own if it has this many letters in common with it, or all of a shorter prompt, ...
const ECHO: usize = 8;
/// ... and the model is not surer of it than this.
const DOUBTFUL: f64 = -0.5;

/// The text as far as it is believed: without loops, and none where nobody speaks or nobody could speak like that.
pub(super) fn believed(text: ChunkText, speech: Millis) -> Option<ChunkText> {
    if text.segments.is_empty() || hears_nobody(&text) {
        return None;
    }
    let text = repetition::cut(text);
    let spaced = |word: &TextWord| if word.spaced { 1.0 } else { 1.0 / CHARACTERS };
    let words: f64 = words(&text).map(spaced).sum();
    (words <= SPARE + FASTEST * speech.as_seconds()).then_some(text)
}

/// Whether a text seems to be the prompt given back.
pub(super) fn is_echo(text: &ChunkText, prompt: &Prompt) -> bool {
    let said: String = words(text).flat_map(|word| letters(&word.text)).collect();
    let told: String = letters(prompt.text()).collect();
    let long = said.chars().count() >= ECHO.min(told.chars().count());
    let same = !said.is_empty() && !told.is_empty() && (told.contains(&said) || said.contains(&told));
    long && same && (text.no_speech_probability > NO_SPEECH || sureness(text) < DOUBTFUL)
}

fn words(text: &ChunkText) -> impl Iterator<Item = &TextWord> {
    text.segments.iter().flat_map(|segment| &segment.words)
}

/// The mean log-probability of the tokens.
fn sureness(text: &ChunkText) -> f64 {
    let (sum, tokens) =
        words(text).fold((0.0, 0), |(sum, tokens), word| (sum + word.log_probability, tokens + word.tokens));
    if tokens == 0 { f64::NEG_INFINITY } else { sum / f64::from(tokens) }
}

fn hears_nobody(text: &ChunkText) -> bool {
    text.no_speech_probability > NO_SPEECH && sureness(text) < UNSURE
}

#[cfg(test)]
mod tests {
    use steno_runtime::engine::TextSegment;

    use super::*;

    fn text(said: &str, log_probability: f64, no_speech_probability: f64) -> ChunkText {
        let word = |text: &str| TextWord {
            text: text.to_owned(),
            spaced: true,
            start: Millis(0),
            end: Millis(1),
            log_probability,
            tokens: 1,
        };
        let words = said.split_whitespace().map(word).collect();
        let segments = vec![TextSegment { start: Millis(0), end: Millis(1), words }];
        ChunkText { segments, no_speech_probability }
    }

    fn is_believed(text: ChunkText, speech_ms: u64) -> bool {
        believed(text, Millis(speech_ms)).is_some()
    }

    #[test]
    fn where_the_model_hears_nobody_there_is_no_text() {
        assert!(!is_believed(ChunkText::default(), 5000));
        assert!(!is_believed(text("thank you", -1.5, 0.9), 5000));
        assert!(is_believed(text("thank you", -0.2, 0.9), 5000));
        assert!(is_believed(text("thank you", -1.5, 0.1), 5000));
    }

    #[test]
    fn nobody_speaks_that_fast_and_loops_are_cut() {
        let many: String = (0..20).map(|at| format!("w{at} ")).collect();
        assert!(!is_believed(text(&many, -0.2, 0.0), 1000));
        assert!(is_believed(text(&many, -0.2, 0.0), 3000));
        let looped = believed(text(&"so ".repeat(40), -0.2, 0.0), Millis(1000)).unwrap();
        assert_eq!(words(&looped).count(), 1);
    }

    #[test]
    fn a_doubtful_text_from_the_prompt_is_an_echo() {
        let prompt = Prompt::of("Quarterly figures of the northern branch.");
        assert!(is_echo(&text("the northern branch", -0.9, 0.0), &prompt));
        assert!(!is_echo(&text("the northern branch", -0.1, 0.0), &prompt), "it may be said");
        assert!(!is_echo(&text("the", -0.9, 0.0), &prompt));
        assert!(!is_echo(&text("something else was said", -0.9, 0.0), &prompt));
        assert!(!is_echo(&ChunkText::default(), &prompt));
    }
}
