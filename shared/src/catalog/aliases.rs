//! Other names for models, given by the operator or well known.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::{Model, ModelId, model};

/// Other names for models, given by the operator: `large-v3-turbo=mini,whisper-1=mini`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases(BTreeMap<String, ModelId>);

/// Why the text is no list of aliases.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAliases {
    /// Not `name=model`.
    #[error("{0:?} is not of the form name=model")]
    Form(String),
    /// The right side is not in the catalogue.
    #[error("{0:?} leads to {1:?}, which is not in the catalogue")]
    Target(String, String),
    /// The aliases lead round in a circle.
    #[error("{0:?} leads back to itself")]
    Circle(String),
}

/// Names that clients of other services send, unless the operator says otherwise.
const WELL_KNOWN: &[(&str, &str)] = &[("turbo", "large-v3-turbo")];

/// The one model name of the OpenAI API's clients: it stands for the server's default model.
const STANDS_FOR_DEFAULT: &str = "whisper-1";

/// What a model name in a request stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Named {
    /// This entry.
    Model(&'static Model),
    /// The server's default.
    Default,
    /// Nothing in the catalogue.
    Unknown,
}

impl Aliases {
    /// Whether every alias leads to a model. The catalogue must be complete by now, unlike when the text is read.
    ///
    /// # Errors
    /// [`InvalidAliases::Target`].
    pub fn check(&self) -> Result<(), InvalidAliases> {
        let astray = self.0.iter().find(|(name, _)| !matches!(self.resolve(name), Named::Model(_)));
        match astray {
            Some((name, target)) => Err(InvalidAliases::Target(name.clone(), target.to_string())),
            None => Ok(()),
        }
    }

    /// Follows aliases from the name in a request to a catalogue entry.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Named {
        let mut name = name.trim();
        // Checked at start not to lead in a circle; each step uses another alias.
        for _ in 0..=self.0.len() + WELL_KNOWN.len() {
            if let Some(target) = self.0.get(name) {
                name = target.as_str();
            } else if let Some((_, target)) = WELL_KNOWN.iter().find(|(alias, _)| *alias == name) {
                name = target;
            } else {
                break;
            }
        }
        match model(name) {
            Some(model) => Named::Model(model),
            None if name.is_empty() || name == STANDS_FOR_DEFAULT => Named::Default,
            None => Named::Unknown,
        }
    }
}

impl FromStr for Aliases {
    type Err = InvalidAliases;

    fn from_str(text: &str) -> Result<Self, InvalidAliases> {
        let mut aliases = BTreeMap::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let form = || InvalidAliases::Form(pair.to_owned());
            let (name, target) = pair.split_once('=').ok_or_else(form)?;
            let (name, target) = (name.trim(), target.trim());
            if name.is_empty() || target.is_empty() {
                return Err(form());
            }
            aliases.insert(name.to_owned(), ModelId::from(target));
        }
        for (name, target) in &aliases {
            let mut seen = vec![name.as_str()];
            let mut at = target.as_str();
            while let Some(next) = aliases.get(at) {
                if seen.contains(&at) {
                    return Err(InvalidAliases::Circle(name.clone()));
                }
                seen.push(at);
                at = next.as_str();
            }
        }
        Ok(Self(aliases))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_followed_to_a_model() {
        let aliases: Aliases = " large-v3-turbo=mini, tiny = small,".parse().unwrap();
        let resolved = |name| match aliases.resolve(name) {
            Named::Model(model) => model.id.as_str(),
            Named::Default => "(default)",
            Named::Unknown => "(unknown)",
        };
        assert_eq!(resolved("large-v3-turbo"), "mini");
        assert_eq!(resolved("turbo"), "mini");
        assert_eq!(resolved("tiny"), "small");
        assert_eq!(resolved("medium"), "medium");
        assert_eq!(resolved("whisper-1"), "(default)");
        assert_eq!(resolved(""), "(default)");
        assert_eq!(resolved("tinier"), "(unknown)");
    }

    #[test]
    fn aliases_that_lead_nowhere_are_refused() {
        use InvalidAliases::{Circle, Form, Target};
        assert_eq!("a".parse::<Aliases>(), Err(Form("a".into())));
        assert_eq!("=mini".parse::<Aliases>(), Err(Form("=mini".into())));
        let check = |text: &str| text.parse::<Aliases>().and_then(|aliases| aliases.check());
        assert_eq!(check("a=b"), Err(Target("a".into(), "b".into())));
        assert_eq!(check("a=silero-v6.2.0"), Err(Target("a".into(), "silero-v6.2.0".into())));
        assert_eq!(check("a=turbo,b=a,c=mini"), Ok(()));
        assert_eq!("a=b,b=a".parse::<Aliases>(), Err(Circle("a".into())));
        assert_eq!("small=small".parse::<Aliases>(), Err(Circle("small".into())));
    }
}
