//! Which language a file is in, from what the model says about a few stretches of it; and that of each chunk,
//! where the language may change.

use steno_shared::language::Language;
use steno_shared::time::SAMPLE_RATE;

/// Sure enough to look at no further stretch.
pub const SURE: f64 = 0.9;
/// The most stretches looked at.
pub const STRETCHES: usize = 3;

/// What the model says about a stretch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opinion {
    /// The likeliest language.
    pub language: Language,
    /// How likely, 0 to 1.
    pub probability: f64,
    /// How much speech the stretch has, in samples.
    pub weight: u64,
}

/// The language with the most weight, each opinion counting by its length and its probability, and the share of
/// the weight that it has.
#[must_use]
pub fn vote(opinions: &[Opinion]) -> Option<(Language, f64)> {
    let share = |language: Language| {
        let of = opinions.iter().filter(|opinion| opinion.language == language);
        of.map(|opinion| opinion.probability * opinion.weight as f64).sum::<f64>()
    };
    let all: f64 = opinions.iter().map(|opinion| opinion.weight as f64).sum();
    // Of equals the first.
    let best =
        opinions.iter().rev().max_by(|one, other| share(one.language).total_cmp(&share(other.language)))?;
    Some((best.language, if all > 0.0 { share(best.language) / all } else { best.probability }))
}

/// The language with the most speech, and how likely it is where it is spoken.
#[must_use]
pub fn most_spoken(opinions: &[Opinion]) -> Option<(Language, f64)> {
    let of = |language: Language| opinions.iter().filter(move |opinion| opinion.language == language);
    let speech = |language: Language| of(language).map(|opinion| opinion.weight).sum::<u64>();
    // Of equals the first.
    let most = opinions.iter().rev().max_by_key(|opinion| speech(opinion.language))?.language;
    let likely: f64 = of(most).map(|opinion| opinion.probability * opinion.weight as f64).sum();
    let likely = likely / speech(most).max(1) as f64;
    Some((most, (likely * 10_000.0).round() / 10_000.0))
}

/// What is needed to change the language: this probability, ...
const CLEAR: f64 = 0.7;
/// ... over this many samples of audio (2 s); models are often wrong about less, ...
const ENOUGH: u64 = 2 * SAMPLE_RATE as u64;
/// ... unless they are surer than [`SURE`] about this many (1 s).
const LEAST: u64 = SAMPLE_RATE as u64;

/// The language of one chunk after the other. It changes only where the model is clearly of another opinion, so
/// that a word it mishears, or a name, is not written in another language than what stands around it.
#[derive(Debug, Clone, Copy)]
pub struct Changing(Language);

impl Changing {
    /// Begins in a language.
    #[must_use]
    pub fn from(language: Language) -> Self {
        Self(language)
    }

    /// The language of the next chunk, and how likely it is.
    pub fn hear(&mut self, opinion: Opinion) -> (Language, f64) {
        let Opinion { language, probability, weight } = opinion;
        let clear = (probability >= CLEAR && weight >= ENOUGH) || (probability >= SURE && weight >= LEAST);
        if language == self.0 {
            return (language, probability);
        }
        if clear {
            self.0 = language;
            return (language, probability);
        }
        // Of the language kept it is known that it has a part of the rest.
        (self.0, 1.0 - probability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opinion(code: &str, probability: f64, weight: u64) -> Opinion {
        Opinion { language: Language::parse(code).unwrap(), probability, weight }
    }

    fn voted(opinions: &[Opinion]) -> Option<(&'static str, f64)> {
        vote(opinions).map(|(language, probability)| (language.code(), probability))
    }

    #[test]
    fn one_opinion_is_the_vote_and_none_is_none() {
        assert_eq!(voted(&[opinion("en", 0.75, 100)]), Some(("en", 0.75)));
        assert_eq!(voted(&[opinion("es", 0.5, 0)]), Some(("es", 0.5)));
        assert_eq!(voted(&[]), None);
    }

    #[test]
    fn length_and_probability_both_count() {
        let two_against_one = [opinion("es", 0.5, 100), opinion("en", 0.75, 100), opinion("en", 0.75, 200)];
        assert_eq!(voted(&two_against_one), Some(("en", 0.5625)));
        let long_and_sure = [opinion("es", 0.5, 900), opinion("en", 0.75, 50), opinion("en", 0.75, 50)];
        assert_eq!(voted(&long_and_sure), Some(("es", 0.45)));
    }

    #[test]
    fn the_language_changes_only_where_the_model_is_clear() {
        let mut changing = Changing::from(Language::parse("en").unwrap());
        let mut heard = |code: &str, probability: f64, seconds: f64| {
            let (language, likely) = changing.hear(opinion(code, probability, (seconds * 16_000.0) as u64));
            (language.code(), (likely * 100.0).round() / 100.0)
        };
        assert_eq!(heard("en", 0.6, 5.0), ("en", 0.6));
        assert_eq!(heard("cy", 0.6, 8.0), ("en", 0.4), "not clear");
        assert_eq!(heard("es", 0.8, 1.5), ("en", 0.2), "too short");
        assert_eq!(heard("es", 0.95, 0.5), ("en", 0.05), "far too short");
        assert_eq!(heard("es", 0.75, 4.0), ("es", 0.75));
        assert_eq!(heard("en", 0.5, 4.0), ("es", 0.5), "it stays with the new one");
        assert_eq!(heard("en", 0.97, 1.2), ("en", 0.97), "short, but sure");
    }
}
