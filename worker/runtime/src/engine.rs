//! The traits behind which engines live. Each engine runs on threads of its own; a value of [`Transcriber`] is
//! one decoding state and stays on one of them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steno_shared::diarization::{Turn, Voice};
use steno_shared::job::Temperature;
use steno_shared::language::Language;
use steno_shared::time::Millis;

/// Tells an engine, between two steps of its computation, that nobody waits for the result any more.
pub type StopFlag = std::sync::Arc<std::sync::atomic::AtomicBool>;

/// A model in memory, from which states are opened.
pub trait TranscriberModel: fmt::Debug + Send + Sync {
    /// Opens another decoding state. The weights are shared.
    ///
    /// # Errors
    /// [`EngineError`], as when memory runs out.
    fn open(&self) -> Result<Box<dyn Transcriber>, EngineError>;

    /// Whether all of a prompt reaches the model; what is too long reaches it in part.
    fn hears_all_of(&self, _prompt: &Prompt) -> bool {
        true
    }
}

/// Speech to text, a chunk at a time. What one call returns does not depend on the calls before it, but for the
/// random numbers of the second tries that a greedy search makes of itself.
pub trait Transcriber: fmt::Debug + Send {
    /// The language spoken in `samples` (16 kHz mono, -1 to 1, at most 30 s), and how likely it is, 0 to 1. Only
    /// languages that the model has learnt are considered.
    ///
    /// # Errors
    /// [`EngineError`].
    fn detect_language(&mut self, samples: &[f32], stop: &StopFlag) -> Result<(Language, f64), EngineError>;

    /// The text of `samples` (16 kHz mono, -1 to 1, at most 30 s).
    ///
    /// # Errors
    /// [`EngineError`].
    fn transcribe(
        &mut self,
        samples: &[f32],
        options: &ChunkOptions,
        stop: &StopFlag,
    ) -> Result<ChunkText, EngineError>;
}

/// How a chunk shall be transcribed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkOptions {
    /// The language spoken. A model that has not learnt it does its best in one that it has.
    pub language: Language,
    /// How tokens are chosen.
    pub decoding: Decoding,
    /// What the model is told was said before. Models of the Whisper family do not hear it at temperatures of
    /// [`DEAF`] and above.
    pub prompt: Option<Prompt>,
}

impl ChunkOptions {
    /// The likeliest text in this language.
    #[must_use]
    pub fn of(language: Language) -> Self {
        Self { language, decoding: Decoding::Likeliest, prompt: None }
    }
}

/// What a model is told was said before. It is the caller's text: no log shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Prompt(Arc<str>);

impl Prompt {
    /// Of this text.
    pub fn of(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prompt({} bytes)", self.0.len())
    }
}

/// From this temperature on prompts do more harm than good (OpenAI's `transcribe.py`; whisper.cpp has the limit
/// built in).
pub const DEAF: f32 = 0.5;

/// How an engine chooses among the tokens that may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoding {
    /// The most likely one; by chance only where that gives a text that fails the engine's own tests.
    Likeliest,
    /// The most likely one in one go, whatever comes of it: for texts that are soon replaced.
    Quick,
    /// By chance from the start, as freely as this: as was asked for, or another way through a chunk in which the
    /// likeliest text was a loop.
    Sampled(Temperature),
}

/// The text of a chunk. Times are relative to its first sample, none lies beyond its last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChunkText {
    /// In order of time. Empty if nothing is said.
    pub segments: Vec<TextSegment>,
    /// How likely the model finds it that nobody speaks, 0 to 1.
    pub no_speech_probability: f64,
}

/// A stretch of text that the engine put between two timestamps.
#[derive(Debug, Clone, PartialEq)]
pub struct TextSegment {
    /// When it begins.
    pub start: Millis,
    /// When it ends.
    pub end: Millis,
    /// Its words, in order of time, within its start and end. Never empty.
    pub words: Vec<TextWord>,
}

/// A word as the engine wrote it; in scripts without spaces, the fewest tokens that are whole characters.
#[derive(Debug, Clone, PartialEq)]
pub struct TextWord {
    /// With punctuation, without surrounding spaces.
    pub text: String,
    /// True if a space stands before it.
    pub spaced: bool,
    /// When it begins.
    pub start: Millis,
    /// When it ends.
    pub end: Millis,
    /// Sum of the log-probabilities of its tokens.
    pub log_probability: f64,
    /// Its number of tokens.
    pub tokens: u32,
}

/// Finds speech in a stream of samples.
pub trait SpeechDetector: Send {
    /// How many samples one judgement is about.
    fn frame(&self) -> usize;

    /// How likely the next [`SpeechDetector::frame`] samples hold speech, 0 to 1. Frames are to be given in
    /// order, since the detector remembers.
    fn judge(&mut self, frame: &[i16]) -> f32;
}

/// Tells who speaks when, a stretch of audio at a time. What one call returns does not depend on the calls before it.
/// A call cannot be stopped: it is made in a process that can.
pub trait Diarizer: fmt::Debug {
    /// The turns in `samples` (16 kHz mono, -1 to 1, some minutes at most) and what their speakers sound like: a voice
    /// for each turn. `progress` is told what part of the work is done, 0 to 1, from time to time.
    ///
    /// # Errors
    /// [`EngineError`].
    fn diarize(&mut self, samples: &[f32], progress: &mut dyn FnMut(f64))
    -> Result<ChunkVoices, EngineError>;
}

/// Who speaks when in a chunk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChunkVoices {
    /// In order of their starts, which are relative to the first sample; none ends beyond the last.
    pub turns: Vec<Turn>,
    /// What they sound like, one for each turn, in order. Their `chunk` is 0.
    pub voices: Vec<Voice>,
}

/// What can go wrong in an engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// It was told to stop.
    #[error("stopped")]
    Stopped,
    /// The model cannot be loaded.
    #[error("cannot load the model: {0}")]
    Load(String),
    /// The computation failed.
    #[error("the engine failed: {0}")]
    Failed(String),
}
