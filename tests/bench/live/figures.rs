//! What the messages of a session tell of it.

use serde_json::Value;
use steno_tests::score::words;

use super::replay::{Heard, Speech};

/// The figures of one session; times in seconds.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// From the beginning of a sentence to the first text of it.
    pub(super) first_partials: Vec<f64>,
    /// From the end of a sentence to its last final text.
    pub(super) finals: Vec<f64>,
    /// From the end of the newest word of a partial text to that text.
    pub(super) lags: Vec<f64>,
    /// Words shown and taken back, for each word of the final text: as they are shown, with case and punctuation.
    pub(super) erasure: f64,
    /// The same, with no eye to case and punctuation.
    pub(super) word_erasure: f64,
    /// Sentences of which no text came.
    pub(super) unheard: usize,
}

/// Words that are shown, of which a later text takes some back.
#[derive(Debug, Default)]
struct Shown {
    now: Vec<String>,
    taken_back: usize,
    kept: usize,
}

impl Shown {
    fn partial(&mut self, words: Vec<String>) {
        let same = self.now.iter().zip(&words).take_while(|(one, other)| one == other).count();
        self.taken_back += self.now.len() - same;
        self.now = words;
    }

    fn last(&mut self, words: Vec<String>) {
        self.kept += words.len();
        self.partial(words);
        self.now.clear();
    }

    fn erasure(&self) -> f64 {
        self.taken_back as f64 / self.kept.max(1) as f64
    }
}

impl Figures {
    pub(super) fn of(speech: &Speech, heard: &Heard) -> Self {
        let mut figures = Self::default();
        let count = speech.sentences.len();
        let (mut firsts, mut lasts) = (vec![None; count], vec![None; count]);
        let [mut shown, mut shown_words] = [Shown::default(), Shown::default()];
        for (at, message) in &heard.said {
            let (text, is_last) = match (message["text"].as_str(), message["partial"].as_str()) {
                (Some(text), _) if !text.is_empty() => (text, true),
                (None, Some(partial)) => (partial, false),
                _ => continue,
            };
            let as_shown = text.split_whitespace().map(str::to_owned).collect();
            if is_last {
                shown.last(as_shown);
                shown_words.last(words(text));
            } else {
                shown.partial(as_shown);
                shown_words.partial(words(text));
            }
            let Some(end) = end(message).filter(|_| !text.is_empty()) else { continue };
            if !is_last {
                figures.lags.push(at - end);
            }
            let Some(number) = speech.sentences.iter().rposition(|sentence| sentence.start < end) else {
                continue;
            };
            firsts[number].get_or_insert(*at);
            if is_last {
                lasts[number] = Some(*at);
            }
        }
        for ((sentence, first), last) in speech.sentences.iter().zip(&firsts).zip(&lasts) {
            figures.first_partials.extend(first.map(|at| at - sentence.start));
            figures.finals.extend(last.map(|at| at - sentence.end));
        }
        figures.unheard = firsts.iter().filter(|first| first.is_none()).count();
        figures.erasure = shown.erasure();
        figures.word_erasure = shown_words.erasure();
        figures
    }
}

/// When the newest word of a message ends: its own end, or, in the last message, that of its last word.
fn end(message: &Value) -> Option<f64> {
    let word = || message["words"].as_array()?.last()?["end"].as_f64();
    message["end"].as_f64().or_else(word)
}

/// The value below which so large a share of them lies; 0 of none.
pub(super) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

/// The value in the middle.
pub(super) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use steno_tests::clips;

    #[test]
    fn times_and_erasure_are_as_the_messages_say() {
        let speech = Speech::of(&clips::heldout(), 6.0);
        let [first, second] = &speech.sentences[..] else { panic!("{speech:?}") };
        let said = vec![
            (first.start + 0.5, json!({"partial": "I forgot", "end": first.start + 0.25})),
            (first.start + 0.9, json!({"partial": "I forget my", "end": first.start + 0.75})),
            (first.end + 0.25, json!({"text": "I forget my umbrella.", "partial": "", "end": first.end})),
            (first.end + 0.3, json!({"event": "utterance_end", "end": first.end})),
            (
                second.end + 2.0,
                json!({"text": "Yes", "partial": "", "is_final": true, "words": [{"end": second.end}]}),
            ),
        ];
        let figures = Figures::of(&speech, &Heard { said, transcript: String::new() });
        let near = |values: &[f64], wanted: &[f64]| {
            assert_eq!(values.len(), wanted.len(), "{values:?}");
            assert!(values.iter().zip(wanted).all(|(one, other)| (one - other).abs() < 1e-6), "{values:?}");
        };
        near(&figures.lags, &[0.25, 0.15]);
        near(&figures.first_partials, &[0.5, second.end + 2.0 - second.start]);
        near(&figures.finals, &[0.25, 2.0]);
        // One word of five was taken back: "forgot".
        near(&[figures.erasure, figures.word_erasure], &[0.2, 0.2]);
        assert_eq!(figures.unheard, 0);
        near(
            &[percentile(&[], 0.5), percentile(&[3.0, 1.0, 2.0], 0.95), median(&[3.0, 1.0, 2.0])],
            &[0.0, 3.0, 2.0],
        );
    }
}
