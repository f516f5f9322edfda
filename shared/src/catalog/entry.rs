//! An entry of the catalogue, and what makes one invalid.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::manifest::{self, Manifest};
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

/// What a model is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Speech to text, in whisper.cpp's format: what clients ask for.
    #[default]
    Transcription,
    /// Finds speech among other sounds.
    SpeechDetection,
    /// Finds out when how many people speak, in the ONNX form that sherpa-onnx reads.
    SpeakerSegmentation,
    /// Tells voices apart, in the ONNX form that sherpa-onnx reads.
    SpeakerEmbedding,
}

/// One entry of the catalogue.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What clients call it.
    pub id: ModelId,
    /// What it is for.
    #[serde(default)]
    pub kind: Kind,
    /// What people call it.
    pub name: String,
    /// What it is good for, in a sentence or two.
    pub description: String,
    /// How many languages it knows.
    #[serde(default)]
    pub languages: u32,
    /// `standard`, `fast` or `very_fast`.
    #[serde(default)]
    pub speed: String,
    /// Its files within its folder, the weights first.
    pub files: Vec<ModelFile>,
    /// Whether it is within the executables, which unpack it as they start.
    #[serde(default)]
    pub bundled: bool,
    /// SPDX expression for the weights.
    pub licence: String,
    /// Whether it was trained to translate to English.
    #[serde(default)]
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
    /// Whether it writes better for knowing what was said before. Whisper's models do.
    #[serde(default = "yes")]
    pub follows_context: bool,
    /// How the times of its words are found.
    #[serde(default)]
    pub word_times: WordTimes,
    /// How voices are grouped into speakers by what it makes of them.
    #[serde(default)]
    pub diarization: Grouping,
}

/// How voices are grouped into speakers.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grouping {
    /// Two groups of voices are two speakers from where the voices of one are less like those of the other than like
    /// each other, by this part, 0 to 1. A speaker's own likeness is taken out of it, so that it is much the same for
    /// all models. Without meaning where the number of speakers is given.
    pub threshold: f32,
}

impl Default for Grouping {
    /// In the middle: no model has been found to need another but the miniature.
    fn default() -> Self {
        Self { threshold: 0.5 }
    }
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Its name within the model's folder.
    pub name: String,
    /// How long it is, if that is published.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// SHA-256 of its content, in lower-case hexadecimal, if that is published.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Where it can be downloaded; the next is tried where one has it no more.
    #[serde(default)]
    pub urls: Vec<String>,
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
/// Less has too little context for a word at its edge.
const SHORTEST_CHUNK: u32 = 5;
/// whisper.cpp has room for so many.
const MOST_BEAMS: u8 = 8;
const LONGEST_NAME: usize = 100;
/// The hexadecimal digits of a SHA-256.
const SHA256_DIGITS: usize = 64;

fn longest_chunk() -> u32 {
    LONGEST_CHUNK
}

fn greedy() -> u8 {
    1
}

fn yes() -> bool {
    true
}

impl Model {
    /// Where its files lie under the folder of all models.
    #[must_use]
    pub fn folder(&self, models: &Path) -> PathBuf {
        models.join(self.id.as_str())
    }

    /// The file with the weights.
    #[must_use]
    pub fn file(&self) -> &str {
        // An entry without files is refused when the catalogue is read.
        self.files.first().map_or("", |file| &file.name)
    }

    /// Where its weights lie under the folder of all models.
    #[must_use]
    pub fn path(&self, models: &Path) -> PathBuf {
        self.folder(models).join(self.file())
    }

    /// True if all its files are there, as long as the manifest says, which is written last. A bundled one has no
    /// manifest: whoever unpacks it looks at its content.
    #[must_use]
    pub fn is_installed(&self, models: &Path) -> bool {
        let folder = self.folder(models);
        if self.bundled {
            return self.files.iter().all(|file| folder.join(&file.name).is_file());
        }
        let Ok(Some(manifest)) = Manifest::read(&folder) else { return false };
        self.files.iter().all(|file| manifest.file(&file.name).is_some_and(|file| file.is_there(&folder)))
    }

    /// True unless it is known not to have learnt `language`.
    #[must_use]
    pub fn knows(&self, language: Language) -> bool {
        self.only_languages.is_empty() || self.only_languages.contains(&language)
    }

    /// What is wrong with the entry, as the end of a sentence about it.
    pub(super) fn fault(&self) -> Option<String> {
        let within = |least, most, value| (least..=most).contains(&value);
        let fault = match self {
            _ if !is_name(self.id.as_str()) => "an id is of lower-case letters, digits and `.`, `_`, `-`",
            _ if self.files.is_empty() => "it has no files",
            _ if !within(SHORTEST_CHUNK, LONGEST_CHUNK, self.chunk_seconds) => {
                "chunk_seconds must be from 5 to 28"
            }
            _ if !within(1, u32::from(MOST_BEAMS), u32::from(self.beams)) => "beams must be from 1 to 8",
            _ if self.kind == Kind::Transcription
                && !["standard", "fast", "very_fast"].contains(&self.speed.as_str()) =>
            {
                "speed must be standard, fast or very_fast"
            }
            _ if !(self.diarization.threshold > 0.0 && self.diarization.threshold < 1.0) => {
                "diarization.threshold must be between 0 and 1"
            }
            _ if self.kind == Kind::Transcription && self.languages == 0 => "languages must be 1 at least",
            _ => return self.files.iter().find_map(ModelFile::fault),
        };
        Some(fault.to_owned())
    }
}

impl ModelFile {
    fn fault(&self) -> Option<String> {
        let name = &self.name;
        let hex = |sum: &String| {
            sum.len() == SHA256_DIGITS && sum.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let fault = match self {
            _ if !is_name(&name.to_ascii_lowercase()) || manifest::takes(name) => {
                "cannot be the name of a file"
            }
            _ if self.sha256.as_ref().is_some_and(|sum| !hex(sum)) => {
                "has a sha256 that is not 64 lower-case hexadecimal digits"
            }
            _ if !self.urls.is_empty() && (self.bytes.is_none() || self.sha256.is_none()) => {
                "has urls, and so needs bytes and sha256"
            }
            _ if self.urls.iter().any(|url| !is_web(url)) => "has an address that is not http or https",
            _ => return None,
        };
        Some(format!("{name:?} {fault}"))
    }
}

fn is_web(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Whether it can be a part of a path: no separator, no dot at its beginning.
fn is_name(text: &str) -> bool {
    let begins_well = text.starts_with(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    let permitted = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
    begins_well && text.len() <= LONGEST_NAME && text.chars().all(permitted)
}
