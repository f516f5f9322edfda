//! Which language a file is in, from what the model says about a few stretches of it.

use steno_shared::language::Language;

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
}
