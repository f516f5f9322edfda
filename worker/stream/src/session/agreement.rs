//! Words that stay: those on which two hypotheses in a row agree (LocalAgreement-2; Liu, Spanakis and Niehues 2020,
//! Macháček, Dabre and Bojar 2023).
//!
//! Every hypothesis is about the utterance from its beginning. What two in a row begin with alike, case and punctuation
//! aside, is shown unchanged from then on; the rest of the newest is shown too, but for words at the very end of the
//! audio, of which the model may have heard a half, and what follows a word of which it is not sure.

use steno_runtime::engine::{ChunkText, TextWord};
use steno_runtime::repetition::letters;
use steno_shared::time::Millis;

/// Words of which the model is less sure are shown once two hypotheses agree on them: the mean probability of a token.
const LIKELY: f64 = 0.5;

/// A word of a hypothesis.
#[derive(Debug, Clone)]
struct Guess {
    /// Letters and digits alone.
    plain: String,
    word: TextWord,
}

impl Guess {
    fn is_likely(&self) -> bool {
        let mean = self.word.log_probability / f64::from(self.word.tokens.max(1));
        mean.exp() >= LIKELY
    }
}

/// What is shown of an utterance that goes on. Times are from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) text: String,
    pub(super) start: Millis,
    pub(super) end: Millis,
}

/// What the hypotheses about one utterance agree on.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    agreed: Vec<Guess>,
    /// What the last hypothesis had behind that.
    tail: Vec<Guess>,
}

impl Agreement {
    /// Takes the next hypothesis. Words that end after `until` are not believed yet. None if nothing is to be shown.
    pub(super) fn hear(&mut self, text: &ChunkText, until: Millis) -> Option<Shown> {
        let words = text.segments.iter().flat_map(|segment| &segment.words);
        let guess = |word: &TextWord| Guess { plain: letters(&word.text).collect(), word: word.clone() };
        let guesses: Vec<Guess> = words.take_while(|word| word.end <= until).map(guess).collect();
        let tail = &guesses[self.reach(&guesses)..];
        let alike = tail.iter().zip(&self.tail).take_while(|(one, other)| one.plain == other.plain).count();
        self.agreed.extend_from_slice(&tail[..alike]);
        self.tail = tail[alike..].to_vec();
        self.shown()
    }

    /// How many words of a hypothesis stand for those agreed on: as many as differ from these in the fewest words.
    fn reach(&self, guesses: &[Guess]) -> usize {
        let mut row: Vec<usize> = (0..=guesses.len()).collect();
        for (at, agreed) in self.agreed.iter().enumerate() {
            let mut diagonal = row[0];
            row[0] = at + 1;
            for (to, guess) in guesses.iter().enumerate() {
                let changed = diagonal + usize::from(agreed.plain != guess.plain);
                diagonal = row[to + 1];
                row[to + 1] = changed.min(row[to] + 1).min(diagonal + 1);
            }
        }
        let wanted = self.agreed.len();
        let best = row.iter().enumerate().min_by_key(|(to, errors)| (**errors, to.abs_diff(wanted)));
        best.map_or(0, |(to, _)| to)
    }

    fn shown(&self) -> Option<Shown> {
        let likely = self.tail.iter().take_while(|guess| guess.is_likely());
        let mut words = self.agreed.iter().chain(likely).map(|guess| &guess.word);
        let first = words.clone().next()?;
        let (mut text, start, mut end) = (first.text.clone(), first.start, first.end);
        for word in words.by_ref().skip(1) {
            if word.spaced {
                text.push(' ');
            }
            text.push_str(&word.text);
            end = end.max(word.end);
        }
        Some(Shown { text, start, end })
    }
}

#[cfg(test)]
mod tests {
    use steno_runtime::engine::TextSegment;

    use super::*;

    const LATE: Millis = Millis(100_000);

    /// A word every 300 ms.
    fn text(words: &str) -> ChunkText {
        let word = |(at, text): (usize, &str)| TextWord {
            text: text.to_owned(),
            spaced: at > 0,
            start: Millis(300 * at as u64),
            end: Millis(300 * at as u64 + 300),
            log_probability: -0.1,
            tokens: 1,
        };
        let words: Vec<_> = words.split_whitespace().enumerate().map(word).collect();
        let end = words.last().map_or(Millis(0), |word| word.end);
        let segment = TextSegment { start: Millis(0), end, words };
        let segments = if segment.words.is_empty() { Vec::new() } else { vec![segment] };
        ChunkText { segments, no_speech_probability: 0.0 }
    }

    fn shown(agreement: &mut Agreement, words: &str) -> String {
        agreement.hear(&text(words), LATE).map(|shown| shown.text).unwrap_or_default()
    }

    #[test]
    fn what_two_agree_on_stays() {
        let mut agreement = Agreement::default();
        assert_eq!(shown(&mut agreement, "the cat"), "the cat");
        assert_eq!(shown(&mut agreement, "The cap sat"), "The cap sat", "only one word is agreed on");
        assert_eq!(shown(&mut agreement, "the cap, sad on"), "The cap, sad on");
        assert_eq!(shown(&mut agreement, "a cup sad on the mat"), "The cap, sad on the mat");
        assert_eq!(shown(&mut agreement, ""), "The cap, sad on", "what is agreed on is never taken back");
    }

    #[test]
    fn a_word_left_out_or_put_in_does_not_shift_the_rest() {
        let mut agreement = Agreement::default();
        shown(&mut agreement, "one two three four");
        shown(&mut agreement, "one two three four");
        assert_eq!(shown(&mut agreement, "one three four five"), "one two three four five");
        assert_eq!(shown(&mut agreement, "one two and three four five six"), "one two three four five six");
    }

    #[test]
    fn a_word_at_the_very_end_is_held_back() {
        let mut agreement = Agreement::default();
        let said = agreement.hear(&text("one two three"), Millis(899)).unwrap();
        assert_eq!(said, Shown { text: "one two".to_owned(), start: Millis(0), end: Millis(600) });
        assert_eq!(agreement.hear(&text(""), Millis(899)), None);
    }

    #[test]
    fn what_is_agreed_on_is_a_beginning_of_all_that_is_shown_later() {
        let mut seed = 1u64;
        for _ in 0..200 {
            let mut agreement = Agreement::default();
            let mut before = String::new();
            for _ in 0..30 {
                let mut words = String::new();
                for at in 0..12 {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
                    words += [format!("w{at} "), format!("v{at} "), String::new()][(seed >> 33) as usize % 3]
                        .as_str();
                }
                let shown = shown(&mut agreement, &words);
                assert!(shown.starts_with(before.trim()), "{shown:?} does not go on {before:?}");
                before = agreement.agreed.iter().map(|guess| guess.word.text.clone() + " ").collect();
            }
        }
    }
}
