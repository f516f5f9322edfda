//! The language of a session: the one that was asked for, or that of the first speech.

use steno_shared::language::Language;

/// Speech of this many frames (1 s) tells the language for good; ...
const ENOUGH: usize = 62;
/// ... less tells it if the model is as sure as this.
const SURE: f64 = 0.9;

/// What is known of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    /// Nothing.
    Unknown,
    /// It is held.
    Held(Language),
}

/// What the model said about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Opinion {
    pub(super) language: Language,
    pub(super) probability: f64,
}

impl Tongue {
    /// Whether so many frames of speech tell enough to ask the model.
    pub(super) fn can_ask(speech: usize) -> bool {
        speech >= ENOUGH
    }

    /// Takes what the model said about so many frames of speech. True if it is held from now on, and was not before.
    pub(super) fn hear(&mut self, opinion: Opinion, speech: usize) -> bool {
        let tells = speech >= ENOUGH || opinion.probability >= SURE;
        if *self != Self::Unknown || !tells {
            return false;
        }
        *self = Self::Held(opinion.language);
        true
    }

    /// The language that is held.
    pub(super) fn language(self) -> Option<Language> {
        match self {
            Self::Unknown => None,
            Self::Held(language) => Some(language),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_that_of_the_first_speech_that_tells() {
        let opinion = |code, probability| Opinion { language: Language::parse(code).unwrap(), probability };
        let mut tongue = Tongue::Unknown;
        assert!(!tongue.hear(opinion("es", 0.6), 20), "short and unsure");
        assert_eq!(tongue.language(), None);
        assert!(tongue.hear(opinion("en", 0.6), ENOUGH));
        assert!(!tongue.hear(opinion("es", 1.0), 900), "it is held");
        assert_eq!(tongue.language().map(Language::code), Some("en"));
        let mut tongue = Tongue::Unknown;
        assert!(tongue.hear(opinion("es", 0.95), 20), "short but sure");
    }
}
