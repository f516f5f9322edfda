//! What is there of a model.

use std::path::Path;

use serde_json::{Value, json};
use steno_shared::catalog::Model;
use steno_shared::catalog::manifest::Manifest;

use super::Place;
use super::part::Part;

/// What is there of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// All of it, as the catalogue has it.
    Installed,
    /// All of it, which nobody has held against a published checksum.
    Unverified,
    /// A download that broke off, with so many bytes.
    Partial(u64),
    /// Files, without a manifest or of other lengths than it says.
    Incomplete,
    /// Nothing.
    Absent,
}

impl Place {
    /// What is there of the model.
    pub(crate) fn state(&self) -> State {
        let (entry, folder) = (self.entry, self.folder());
        if entry.is_installed(&self.models) {
            let manifest = Manifest::read(&folder).ok().flatten();
            let verified = manifest.is_none_or(|manifest| manifest.files.iter().all(|file| file.verified));
            return if verified { State::Installed } else { State::Unverified };
        }
        let begun: u64 = parts(entry, &folder);
        let any = entry.files.iter().any(|file| folder.join(&file.name).exists());
        match begun {
            _ if any => State::Incomplete,
            0 => State::Absent,
            begun => State::Partial(begun),
        }
    }

    /// How long the files of the model are: those that are there, else those of the catalogue.
    pub(crate) fn bytes(&self) -> Option<u64> {
        let folder = self.folder();
        let found = |name: &str| folder.join(name).metadata().ok().map(|found| found.len());
        self.entry.files.iter().map(|file| found(&file.name).or(file.bytes)).sum()
    }
}

fn parts(entry: &Model, folder: &Path) -> u64 {
    entry.files.iter().map(|file| Part::of(&folder.join(&file.name)).bytes()).sum()
}

impl State {
    /// For programs.
    pub(crate) fn document(self) -> Value {
        match self {
            Self::Partial(bytes) => json!({"state": self.as_str(), "partial_bytes": bytes}),
            _ => json!({"state": self.as_str()}),
        }
    }

    /// In a word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Unverified => "unverified",
            Self::Partial(_) => "partial",
            Self::Incomplete => "incomplete",
            Self::Absent => "absent",
        }
    }
}
