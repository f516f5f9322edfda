//! The catalogue: which models there are, what they are called and how each wants to be run.
//!
//! The entries are data (`models/catalog.json`), compiled in, and those that the operator adds in a file of the
//! same form among the models ([`extend`]). Whether one is installed is seen by its manifest in `MODELS/<id>/`
//! ([`manifest`]). Which worker has it loaded is the registry's business ([`crate::store::workers`]).

mod aliases;
mod entry;
pub mod manifest;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub use aliases::{Aliases, InvalidAliases, Named};
pub use entry::{AlignmentHead, Grouping, Kind, Model, ModelFile, ModelId, WordTimes};

/// The operator's own entries, in the folder of all models.
pub const OWN: &str = "catalog.json";

/// Why the operator's catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The file cannot be read.
    #[error("cannot read {0}")]
    Read(PathBuf, #[source] io::Error),
    /// It is no list of entries.
    #[error("{0} is not a list of models as models/catalog.json of the source code is")]
    Form(PathBuf, #[source] serde_json::Error),
    /// An entry is invalid.
    #[error("{file}: the model {id:?}: {fault}")]
    Entry {
        /// The catalogue's file.
        file: PathBuf,
        /// The entry.
        id: String,
        /// What is wrong with it.
        fault: String,
    },
    /// A fault of ours: [`extend`] comes before everything else.
    #[error("the catalogue was looked at before {0} was read")]
    Late(PathBuf),
}

/// All entries, by what they are for.
#[derive(Debug)]
struct Catalogue {
    models: Vec<Model>,
    others: Vec<Model>,
}

static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();

impl Catalogue {
    fn of(entries: Vec<Model>) -> Self {
        let (models, others) = entries.into_iter().partition(|entry| entry.kind == Kind::Transcription);
        Self { models, others }
    }

    fn get() -> &'static Self {
        CATALOGUE.get_or_init(|| Self::of(built_in()))
    }
}

fn built_in() -> Vec<Model> {
    serde_json::from_str(include_str!("../../models/catalog.json")).unwrap_or_else(|error| {
        // A test parses the file, so a build that gets here was never tested.
        panic!("models/catalog.json: {error}")
    })
}

/// Adds the operator's entries, if there are any in the folder of all models; one with the id of a built-in entry
/// replaces it. Call it once, before anything else looks at the catalogue.
///
/// # Errors
/// [`CatalogueError`].
pub fn extend(models: &Path) -> Result<(), CatalogueError> {
    let path = models.join(OWN);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(CatalogueError::Read(path, error)),
    };
    let catalogue = Catalogue::of(with(built_in(), &text, &path)?);
    CATALOGUE.set(catalogue).map_err(|_| CatalogueError::Late(path))
}

fn with(mut entries: Vec<Model>, text: &str, path: &Path) -> Result<Vec<Model>, CatalogueError> {
    let own: Vec<Model> =
        serde_json::from_str(text).map_err(|error| CatalogueError::Form(path.to_owned(), error))?;
    for (at, entry) in own.iter().enumerate() {
        let replaced = entries.iter().position(|other| other.id == entry.id);
        let is_bundled = entry.bundled || replaced.is_some_and(|at| entries[at].bundled);
        let fault = match entry.fault() {
            None if is_bundled => Some("only the model within the executables is bundled".to_owned()),
            None if own[..at].iter().any(|other| other.id == entry.id) => {
                Some("it is there twice".to_owned())
            }
            fault => fault,
        };
        if let Some(fault) = fault {
            return Err(CatalogueError::Entry { file: path.to_owned(), id: entry.id.to_string(), fault });
        }
        match replaced {
            Some(at) => entries[at] = entry.clone(),
            None => entries.push(entry.clone()),
        }
    }
    Ok(entries)
}

/// Every speech-to-text model, the most capable first, the operator's own last.
#[must_use]
pub fn models() -> &'static [Model] {
    &Catalogue::get().models
}

/// The speech-to-text model with this id.
#[must_use]
pub fn model(id: &str) -> Option<&'static Model> {
    models().iter().find(|model| model.id.as_str() == id)
}

/// Every entry, whatever it is for.
pub fn entries() -> impl Iterator<Item = &'static Model> {
    let catalogue = Catalogue::get();
    catalogue.models.iter().chain(&catalogue.others)
}

/// The entry with this id, whatever it is for.
#[must_use]
pub fn entry(id: &str) -> Option<&'static Model> {
    entries().find(|entry| entry.id.as_str() == id)
}

/// For a GPU, the best first.
const PREFERRED_ON_GPU: &[&str] = &[
    "large-v3-turbo",
    "large-v3-turbo-q8_0",
    "large-v3-turbo-q5_0",
    "large-v3",
    "large-v3-q5_0",
    "medium",
    "medium-q8_0",
    "medium-q5_0",
];
/// For a CPU, the best that it runs in a bearable time first.
const PREFERRED_ON_CPU: &[&str] = &[
    "large-v3-turbo",
    "large-v3-turbo-q8_0",
    "large-v3-turbo-q5_0",
    "small",
    "small-q8_0",
    "small-q5_1",
    "medium",
    "medium-q8_0",
    "medium-q5_0",
];

/// The model for requests that name none: large-v3-turbo where it is installed, else the best that the hardware
/// runs well, else whichever is there, and the miniature one only where there is nothing else.
#[must_use]
pub fn default_model(installed: &[ModelId], gpu: bool) -> Option<&'static Model> {
    let is_installed = |model: &&Model| installed.contains(&model.id);
    let preferred = if gpu { PREFERRED_ON_GPU } else { PREFERRED_ON_CPU };
    let preferred = preferred.iter().filter_map(|id| model(id)).find(is_installed);
    let any = || models().iter().filter(is_installed).min_by_key(|model| model.bundled);
    preferred.or_else(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_catalogue_is_valid_and_names_each_model_once() {
        let mut ids: Vec<_> = entries().map(|model| model.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), entries().count());
        for id in ["large-v3-turbo", "large-v3", "medium", "small", "mini"] {
            assert!(model(id).is_some(), "{id}");
        }
        for entry in entries() {
            assert_eq!(entry.fault(), None, "{}", entry.id);
            let known =
                |file: &ModelFile| file.bytes.is_some() && file.sha256.is_some() && !file.urls.is_empty();
            assert!(entry.bundled || entry.files.iter().all(known), "{}", entry.id);
            assert!(!entry.licence.is_empty() && !entry.description.is_empty(), "{}", entry.id);
        }
    }

    #[test]
    fn what_finds_speech_is_no_model_to_ask_for() {
        assert!(entries().any(|entry| entry.kind == Kind::SpeechDetection));
        assert!(models().iter().all(|model| model.kind == Kind::Transcription));
        assert_eq!(model("silero-v6.2.0"), None);
        assert_eq!(default_model(&["silero-v6.2.0".into()], true), None);
    }

    #[test]
    fn the_default_model_is_the_best_for_the_hardware() {
        let ids = |names: &[&str]| names.iter().map(|name| ModelId::from(*name)).collect::<Vec<_>>();
        let chosen = |names, gpu| default_model(&ids(names), gpu).map(|model| model.id.as_str());
        assert_eq!(chosen(&["mini", "small", "large-v3-turbo"], false), Some("large-v3-turbo"));
        assert_eq!(chosen(&["mini", "small", "large-v3-turbo-q5_0"], false), Some("large-v3-turbo-q5_0"));
        assert_eq!(chosen(&["mini", "small", "medium"], false), Some("small"));
        assert_eq!(chosen(&["mini", "small", "medium"], true), Some("medium"));
        assert_eq!(chosen(&["mini", "tiny"], true), Some("tiny"));
        assert_eq!(chosen(&["mini"], false), Some("mini"));
        assert_eq!(chosen(&[], true), None);
    }

    const OWN_ENTRY: &str = r#"{"id": "own", "name": "Own", "description": "Ours.", "languages": 1,
        "speed": "fast", "files": [{"name": "own.bin"}], "licence": "MIT"}"#;

    fn extended(text: &str) -> Result<Vec<Model>, String> {
        let all = with(built_in(), text, Path::new("catalog.json"));
        all.map_err(|error| with_cause(&error))
    }

    /// An error with its cause.
    fn with_cause(error: &dyn std::error::Error) -> String {
        error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
    }

    #[test]
    fn the_operators_entries_are_added_or_replace_others() {
        let all = extended(&format!("[{OWN_ENTRY}]")).unwrap();
        assert_eq!(all.len(), built_in().len() + 1);
        assert_eq!(all.last().unwrap().id.as_str(), "own");
        let all = extended(&format!("[{}]", OWN_ENTRY.replace("\"own\"", "\"small\""))).unwrap();
        assert_eq!(all.len(), built_in().len());
        assert!(all.iter().any(|entry| entry.id.as_str() == "small" && entry.name == "Own"));
    }

    #[test]
    fn invalid_entries_are_named_with_what_is_wrong() {
        let changed = |from: &str, to: &str| extended(&format!("[{}]", OWN_ENTRY.replacen(from, to, 1)));
        let file =
            |rest: &str| changed(r#"{"name": "own.bin"}"#, &format!(r#"{{"name": "own.bin", {rest}}}"#));
        let sum = "0".repeat(64);
        for (result, sentence) in [
            (extended("{}"), "catalog.json is not a list of models"),
            (changed("\"speed\"", "\"sped\""), "unknown field `sped`"),
            (changed("\"own\"", "\"../own\""), "the model \"../own\": an id is of lower-case letters"),
            (changed("\"own\"", "\"mini\""), "bundled"),
            (changed("fast", "quick"), "speed must be"),
            (changed("\"languages\": 1", "\"languages\": 0"), "languages must be"),
            (changed("\"licence\"", "\"beams\": 9, \"licence\""), "beams must be"),
            (changed("\"licence\"", "\"diarization\": {\"threshold\": 1}, \"licence\""), "threshold must be"),
            (changed("\"licence\"", "\"chunk_seconds\": 30, \"licence\""), "chunk_seconds must be"),
            (changed(r#"[{"name": "own.bin"}]"#, "[]"), "it has no files"),
            (changed("own.bin", "../own.bin"), "cannot be the name of a file"),
            (changed("own.bin", "manifest.json"), "cannot be the name of a file"),
            (changed("own.bin", "own.part"), "cannot be the name of a file"),
            (file(r#""sha256": "12""#), "64 lower-case hexadecimal digits"),
            (file(r#""urls": ["https://example.org/own.bin"]"#), "needs bytes and sha256"),
            (file(&format!(r#""bytes": 1, "sha256": "{sum}", "urls": ["own.bin"]"#)), "not http or https"),
            (extended(&format!("[{OWN_ENTRY}, {OWN_ENTRY}]")), "it is there twice"),
        ] {
            let error = result.unwrap_err();
            assert!(error.contains(sentence), "{error} is not about {sentence}");
        }
    }
}
