//! The transcript: segments of words with times, what was not transcribed and why, and its written forms.
//!
//! The stored form is JSON of these types. A transcript that [`Transcript::check`] accepts holds every promise
//! of the contract about times and text.

mod channels;
mod cues;
mod direction;
pub mod quality;
mod render;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod scripts;
mod split;
mod srt;
mod text;
mod tsv;
mod vtt;

use serde::{Deserialize, Serialize};

use crate::catalog::ModelId;
use crate::language::Language;
use crate::time::Millis;

pub use channels::ChannelSpeakers;
pub(crate) use cues::Break;
pub use cues::CueStyle;
pub use render::SpeakerLabels;
pub(crate) use split::Seam;
pub use srt::render as srt;
pub use text::render as text;
pub use tsv::render as tsv;
pub use vtt::render as vtt;

/// The result of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// The trimmed texts of the segments, joined by one space (by nothing in scripts without spaces).
    pub text: String,
    /// ISO 639 code; `und` if nothing was said and none was given.
    pub language: String,
    /// How sure the detection was, 0 to 1; 1 if the language was given.
    pub language_probability: f64,
    /// The length of the decoded audio.
    pub duration: Millis,
    /// The catalogue id of the model really used.
    pub model: ModelId,
    /// How many channels were transcribed, each by itself; 1 if they were mixed.
    #[serde(default = "one")]
    pub channels: u16,
    /// In order of time.
    pub segments: Vec<Segment>,
    /// The labels that occur, in order of first speech. Empty without diarization.
    pub speakers: Vec<String>,
    /// How much of the audio was found to be speech. Where each channel was transcribed by itself, the sum.
    pub speech_seconds: Millis,
    /// How much of that speech is covered by the segments.
    pub transcribed_seconds: Millis,
    /// Whatever the caller should know. Nothing is dropped without one.
    pub warnings: Vec<Warning>,
}

fn one() -> u16 {
    1
}

/// A stretch of speech by one speaker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// When the first word begins.
    pub start: Millis,
    /// When the last word ends.
    pub end: Millis,
    /// Trimmed, with punctuation.
    pub text: String,
    /// The speaker's label, if diarized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// The channel it was said in, from 1, if each was transcribed by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<u16>,
    /// The ISO 639 code of its language, if that may change within the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// exp(mean token log-probability), 0 to 1, uncalibrated.
    pub confidence: f64,
    /// The words with their times.
    pub words: Vec<Word>,
}

/// One word (one character in scripts without spaces).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// Without punctuation at its edges.
    pub word: String,
    /// As it stands in the text.
    pub punctuated_word: String,
    /// When it begins.
    pub start: Millis,
    /// When it ends.
    pub end: Millis,
    /// exp(mean token log-probability), 0 to 1, uncalibrated.
    pub confidence: f64,
    /// The speaker's label, if diarized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// Whether at least half of it lies where two or more people speak at once.
    #[serde(default, skip_serializing_if = "is_false")]
    pub overlap: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Something that the caller should know about a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// For programs, such as `no_speech`.
    pub code: WarningCode,
    /// For people.
    pub message: String,
    /// Where in the audio it begins, if it is about a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Millis>,
    /// Where in the audio it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Millis>,
}

/// The kinds of warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    /// The audio holds no speech.
    NoSpeech,
    /// The file ends early or is damaged; what could be decoded was transcribed.
    TruncatedMedia,
    /// Channels were asked for apart, and the file has one.
    SingleChannel,
    /// Channels were asked for apart, and all are the same, so one was transcribed.
    IdenticalChannels,
    /// Diarization was asked for and is not to be had on this server.
    DiarizationUnavailable,
    /// Diarization was asked for and failed: no speakers are named.
    DiarizationFailed,
    /// A stretch of speech could not be transcribed.
    Untranscribed,
    /// The detector heard speech in a stretch, and the model nobody: it has no text, and does not count as speech.
    NotSpeech,
    /// The model repeated itself; the repetition was left out.
    Repetition,
    /// The text of a stretch is much the same again and again, twice; it was left as it is.
    Repetitive,
    /// The model cannot take in all of the prompt and the keywords.
    PromptShortened,
    /// The model was not trained for the language asked for.
    LanguageUnsupported,
}

impl WarningCode {
    /// Whether nobody can say who speaks in a transcript with such a warning.
    pub(crate) fn leaves_no_speakers(self) -> bool {
        matches!(self, Self::DiarizationUnavailable | Self::DiarizationFailed)
    }
}

impl Warning {
    /// A warning about the whole result.
    pub fn new(code: WarningCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), start: None, end: None }
    }

    /// A warning about the audio from `start` to `end`.
    pub fn about(code: WarningCode, start: Millis, end: Millis, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), start: Some(start), end: Some(end) }
    }
}

/// What a transcript broke of its promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("inconsistent transcript: {0}")]
pub struct Inconsistent(pub String);

impl Transcript {
    /// What `segment` is spoken in, as far as that is known.
    pub(crate) fn language_of(&self, segment: &Segment) -> Option<Language> {
        Language::parse(segment.language.as_deref().unwrap_or(&self.language)).ok()
    }

    /// Checks the promises about times: `0 <= start <= end <= duration`, monotone, words inside their segment,
    /// no more transcribed than spoken, and no more spoken than the channels have room for.
    ///
    /// # Errors
    /// [`Inconsistent`] with the first promise that is broken.
    pub fn check(&self) -> Result<(), Inconsistent> {
        let broken = |what: String| Err(Inconsistent(what));
        let mut earlier = Millis(0);
        for (number, segment) in self.segments.iter().enumerate() {
            if segment.start < earlier || segment.end < segment.start || segment.end > self.duration {
                return broken(format!("segment {number} lies at {} to {}", segment.start, segment.end));
            }
            let mut word_earlier = segment.start;
            for word in &segment.words {
                if word.start < word_earlier || word.end < word.start || word.end > segment.end {
                    return broken(format!("segment {number}: word at {} to {}", word.start, word.end));
                }
                word_earlier = word.start;
            }
            earlier = segment.start;
        }
        let room = Millis(self.duration.0 * u64::from(self.channels.max(1)));
        if self.transcribed_seconds > self.speech_seconds || self.speech_seconds > room {
            return broken(format!(
                "{} transcribed of {} speech in {}",
                self.transcribed_seconds, self.speech_seconds, self.duration
            ));
        }
        Ok(())
    }
}
