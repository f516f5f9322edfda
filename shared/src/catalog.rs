//! The catalogue: which models there are, what they are called and how each wants to be run.
//!
//! The entries are data (`models/catalog.json`), compiled in. Whether one is installed is seen by its file:
//! `MODELS/<id>/<file>`. Which worker has it loaded is the registry's business ([`crate::store::workers`]).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::language::Language;

/// The id of a catalogue entry, such as `large-v3-turbo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelId(String);

impl ModelId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ModelId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One entry of the catalogue: a speech-to-text model in whisper.cpp's format.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What clients call it.
    pub id: ModelId,
    /// What people call it.
    pub name: String,
    /// What it is good for, in a sentence or two.
    pub description: String,
    /// How many languages it knows.
    pub languages: u32,
    /// `standard`, `fast` or `very_fast`.
    pub speed: String,
    /// The name of its file within its folder.
    pub file: String,
    /// SPDX expression for the weights.
    pub licence: String,
    /// Whether it was trained to translate to English.
    pub translates: bool,
    /// The languages it knows, if they are fewer than Whisper's.
    #[serde(default)]
    pub only_languages: Vec<Language>,
    /// The longest stretch of audio that it is given at once, in seconds.
    #[serde(default = "longest_chunk")]
    pub chunk_seconds: u32,
    /// How many texts its decoder follows at once (beam search); 1 takes the likeliest token each time.
    #[serde(default = "greedy")]
    pub beams: u8,
    /// How the times of its words are found.
    #[serde(default)]
    pub word_times: WordTimes,
}

/// How the times of a model's words are found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WordTimes {
    /// The attention heads of the decoder that follow the sound: words are aligned to it by dynamic time warping
    /// of what these attend to. None: by the probabilities of the model's time tokens, which is faster.
    pub heads: Vec<AlignmentHead>,
    /// What the method is found to be early by on measured clips, in milliseconds; it is added.
    pub shift_ms: i64,
}

/// An attention head of a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlignmentHead {
    /// Its layer, from 0.
    pub layer: u16,
    /// Its number within the layer, from 0.
    pub head: u16,
}

/// Two seconds less than a Whisper model sees at once, for what rounding adds.
const LONGEST_CHUNK: u32 = 28;

fn longest_chunk() -> u32 {
    LONGEST_CHUNK
}

fn greedy() -> u8 {
    1
}

impl Model {
    /// Where its file lies under the folder of all models.
    #[must_use]
    pub fn path(&self, models: &Path) -> PathBuf {
        models.join(self.id.as_str()).join(&self.file)
    }

    /// True if its file is there.
    #[must_use]
    pub fn is_installed(&self, models: &Path) -> bool {
        self.path(models).is_file()
    }

    /// True unless it is known not to have learnt `language`.
    #[must_use]
    pub fn knows(&self, language: Language) -> bool {
        self.only_languages.is_empty() || self.only_languages.contains(&language)
    }
}

static MODELS: LazyLock<Vec<Model>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../models/catalog.json")).unwrap_or_else(|error| {
        // A test parses the file, so a build that gets here was never tested.
        panic!("models/catalog.json: {error}")
    })
});

/// Every entry, the most capable first.
#[must_use]
pub fn models() -> &'static [Model] {
    &MODELS
}

/// The entry with this id.
#[must_use]
pub fn model(id: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.id.as_str() == id)
}

/// The model for requests that name none: large-v3-turbo where it is installed, else the best that the hardware
/// runs well, and the miniature one only where there is nothing else.
#[must_use]
pub fn default_model(installed: &[ModelId], gpu: bool) -> Option<&'static Model> {
    let by_preference: &[&str] = if gpu {
        &["large-v3-turbo", "large-v3", "medium", "small", "mini"]
    } else {
        &["large-v3-turbo", "small", "medium", "large-v3", "mini"]
    };
    let found = by_preference.iter().find(|id| installed.iter().any(|other| other.as_str() == **id));
    found.and_then(|id| model(id))
}

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
            let known = model(at).is_some() || WELL_KNOWN.iter().any(|(alias, _)| *alias == at);
            if !known {
                return Err(InvalidAliases::Target(name.clone(), target.to_string()));
            }
        }
        Ok(Self(aliases))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_catalogue_parses_and_names_each_model_once() {
        let mut ids: Vec<_> = models().iter().map(|model| model.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), models().len());
        for id in ["large-v3-turbo", "large-v3", "medium", "small", "mini"] {
            assert!(model(id).is_some(), "{id}");
        }
        for model in models() {
            // whisper.cpp has room for eight beams.
            assert!((1..=8).contains(&model.beams), "{}", model.id);
            assert!((5..=LONGEST_CHUNK).contains(&model.chunk_seconds), "{}", model.id);
        }
    }

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
        assert_eq!("a=b".parse::<Aliases>(), Err(Target("a".into(), "b".into())));
        assert_eq!("a=b,b=a".parse::<Aliases>(), Err(Circle("a".into())));
        assert_eq!("small=small".parse::<Aliases>(), Err(Circle("small".into())));
    }

    #[test]
    fn the_default_model_is_the_best_for_the_hardware() {
        let ids = |names: &[&str]| names.iter().map(|name| ModelId::from(*name)).collect::<Vec<_>>();
        let chosen = |names, gpu| default_model(&ids(names), gpu).map(|model| model.id.as_str());
        assert_eq!(chosen(&["mini", "small", "large-v3-turbo"], false), Some("large-v3-turbo"));
        assert_eq!(chosen(&["mini", "small", "medium"], false), Some("small"));
        assert_eq!(chosen(&["mini", "small", "medium"], true), Some("medium"));
        assert_eq!(chosen(&["mini"], false), Some("mini"));
        assert_eq!(chosen(&[], true), None);
    }
}
