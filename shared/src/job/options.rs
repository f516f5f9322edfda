//! What the caller asked for, resolved: no aliases, no defaults left open.

use serde::{Deserialize, Serialize};

use crate::catalog::ModelId;
use crate::diarization::SpeakerCount;
use crate::language::Language;
use crate::time::Millis;

/// What a job shall do. Every field has a default, so that rows written by an older version still read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobOptions {
    /// The model that shall transcribe.
    pub model: ModelId,
    /// The language spoken; none = detect.
    pub language: Option<Language>,
    /// Tell speakers apart.
    pub diarize: bool,
    /// Expected speakers, target and ceiling; 0 = find out.
    pub speakers: u8,
    /// Where the number is to be found out, at least so many; 0 = no such limit.
    #[serde(skip_serializing_if = "is_none")]
    pub min_speakers: u8,
    /// Where the number is to be found out, at most so many; 0 = no such limit.
    #[serde(skip_serializing_if = "is_none")]
    pub max_speakers: u8,
    /// Keep media and samples when the job is completed.
    #[serde(skip_serializing_if = "is_false")]
    pub keep_audio: bool,
    /// End after intake, with the length of the audio as the result.
    #[serde(skip_serializing_if = "is_false")]
    pub dry_run: bool,
    /// What of the media is heard.
    #[serde(skip_serializing_if = "MediaOptions::is_default")]
    pub media: MediaOptions,
    /// How it is written down.
    #[serde(skip_serializing_if = "TextOptions::is_default")]
    pub text: TextOptions,
}

impl JobOptions {
    /// How much of media of this length is transcribed, and paid for.
    #[must_use]
    pub fn heard_of(&self, duration: Millis) -> Millis {
        self.media.window(duration).1 - self.media.window(duration).0
    }

    /// How many speakers there may be.
    #[must_use]
    pub fn speaker_count(&self) -> SpeakerCount {
        if self.speakers > 0 {
            return SpeakerCount::exactly(self.speakers);
        }
        let max = if self.max_speakers == 0 { SpeakerCount::MOST } else { self.max_speakers };
        SpeakerCount { min: self.min_speakers.clamp(1, max), max }
    }

    /// Whether media with so many channels of samples needs to be listened to for who speaks: one speaker, or one in
    /// each channel, is known beforehand.
    #[must_use]
    pub fn wants_diarization(&self, channels: u16) -> bool {
        self.diarize && channels <= 1 && self.speaker_count().max > 1
    }
}

/// What of the media is heard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MediaOptions {
    /// The number of the audio track, from 1; 0 = the first.
    #[serde(skip_serializing_if = "is_zero")]
    pub track: u16,
    /// Nothing before this is heard. Times in the transcript are those of the whole file all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Millis>,
    /// Nothing from this on is heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
    /// Each channel is a speaker, and is transcribed by itself.
    #[serde(skip_serializing_if = "is_false")]
    pub multichannel: bool,
}

impl MediaOptions {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Where in media of this length the part that is heard begins and ends.
    #[must_use]
    pub fn window(&self, duration: Millis) -> (Millis, Millis) {
        let end = self.until.unwrap_or(duration).min(duration);
        (self.from.unwrap_or_default().min(end), end)
    }
}

/// How speech is written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TextOptions {
    /// A result that lacks anything is a failure.
    #[serde(skip_serializing_if = "is_false")]
    pub strict: bool,
    /// The language may change within the file.
    #[serde(skip_serializing_if = "is_false")]
    pub multilingual: bool,
    /// What the model is told was said before: names and spellings, a style.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Words that are likely to be said, spelled as they shall be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// What is put in place of what, in the text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replace: Vec<Replacement>,
    /// How freely the model chooses its words; none = the likeliest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Temperature>,
}

impl TextOptions {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Words of the text that are written in another way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// What the model writes; upper and lower case do not count.
    pub find: String,
    /// What is put in its place; empty = nothing.
    pub with: String,
}

/// A softmax temperature from 0 to 1, in hundredths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Temperature(u8);

impl Temperature {
    /// The nearest hundredth; none outside of 0 to 1.
    #[must_use]
    pub fn of(value: f32) -> Option<Self> {
        (0.0..=1.0).contains(&value).then(|| Self((value * 100.0).round() as u8))
    }

    /// As engines take it.
    #[must_use]
    pub fn as_f32(self) -> f32 {
        f32::from(self.0) / 100.0
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_none(value: &u8) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_zero(value: &u16) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_an_older_version_still_read() {
        let options: JobOptions = serde_json::from_str(r#"{"model": "mini", "later": true}"#).unwrap();
        assert_eq!(options, JobOptions { model: ModelId::from("mini"), ..JobOptions::default() });
    }

    #[test]
    fn what_is_heard_lies_within_the_file() {
        let heard = |from: Option<u64>, until: Option<u64>| {
            let media =
                MediaOptions { from: from.map(Millis), until: until.map(Millis), ..MediaOptions::default() };
            (media.window(Millis(10_000)), JobOptions { media, ..JobOptions::default() })
        };
        for (from, until, expected) in [
            (None, None, (0, 10_000)),
            (Some(2_000), None, (2_000, 10_000)),
            (None, Some(3_000), (0, 3_000)),
            (Some(2_000), Some(99_000), (2_000, 10_000)),
            (Some(20_000), None, (10_000, 10_000)),
        ] {
            let (window, options) = heard(from, until);
            assert_eq!(window, (Millis(expected.0), Millis(expected.1)), "{from:?} {until:?}");
            assert_eq!(options.heard_of(Millis(10_000)), Millis(expected.1 - expected.0));
        }
    }

    #[test]
    fn the_number_of_speakers_is_a_target_or_a_range() {
        let range = |speakers, min_speakers, max_speakers| {
            let options =
                JobOptions { diarize: true, speakers, min_speakers, max_speakers, ..JobOptions::default() };
            let SpeakerCount { min, max } = options.speaker_count();
            (min, max, options.wants_diarization(1))
        };
        assert_eq!(range(0, 0, 0), (1, 32, true));
        assert_eq!(range(3, 0, 0), (3, 3, true));
        assert_eq!(range(1, 0, 0), (1, 1, false));
        assert_eq!(range(0, 2, 0), (2, 32, true));
        assert_eq!(range(0, 0, 4), (1, 4, true));
        assert_eq!(range(0, 2, 4), (2, 4, true));
        assert_eq!(range(0, 0, 1), (1, 1, false));
        assert!(!JobOptions { diarize: true, ..JobOptions::default() }.wants_diarization(2));
        assert!(!JobOptions::default().wants_diarization(1));
    }

    #[test]
    fn temperatures_lie_between_0_and_1() {
        assert_eq!(Temperature::of(0.4).map(Temperature::as_f32), Some(0.4));
        assert_eq!(Temperature::of(1.01), None);
        assert_eq!(Temperature::of(f32::NAN), None);
    }
}
