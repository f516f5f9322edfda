//! The scalar fields of a transcription request, and every way in which a client may write them.

use steno_shared::diarization::SpeakerCount;
use steno_shared::job::{MediaOptions, TextOptions};
use steno_shared::language::Language;
use steno_shared::outside::OutsideUrl;
use steno_shared::time::Millis;
use steno_shared::transcript::{CueStyle, SpeakerLabels};

use crate::error::ApiError;
use crate::reply::Shape;

mod shaping;
mod wording;

pub(crate) use wording::prompt;

/// The written form of a transcript.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// Everything, with times.
    #[default]
    Json,
    /// The text alone.
    Text,
    /// SubRip subtitles.
    Srt,
    /// `WebVTT` subtitles.
    Vtt,
    /// A line for each segment, its columns separated by tabs.
    Tsv,
}

/// What was asked for, before models and defaults are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TranscribeOptions {
    /// A model's name or alias; empty = the server's default.
    pub(crate) model: String,
    /// None = detect.
    pub(crate) language: Option<Language>,
    pub(crate) diarize: bool,
    /// 0 = find out.
    pub(crate) speakers: u8,
    /// At least so many are found; 0 = no such limit.
    pub(crate) min_speakers: u8,
    /// At most so many are found; 0 = no such limit.
    pub(crate) max_speakers: u8,
    pub(crate) format: Format,
    pub(crate) labels: SpeakerLabels,
    /// The shape of subtitles.
    pub(crate) style: CueStyle,
    /// Where the media is, in place of a file.
    pub(crate) url: Option<OutsideUrl>,
    /// Whom to tell of the job's end.
    pub(crate) webhook_url: Option<OutsideUrl>,
    /// Only say what it would cost.
    pub(crate) dry_run: bool,
    /// What of the media is heard.
    pub(crate) media: MediaOptions,
    /// How it is written down.
    pub(crate) text: TextOptions,
}

impl Default for TranscribeOptions {
    fn default() -> Self {
        Self {
            model: String::new(),
            language: None,
            diarize: true,
            speakers: 0,
            min_speakers: 0,
            max_speakers: 0,
            format: Format::default(),
            labels: SpeakerLabels::Auto,
            style: CueStyle::default(),
            url: None,
            webhook_url: None,
            dry_run: false,
            media: MediaOptions::default(),
            text: TextOptions::default(),
        }
    }
}

impl TranscribeOptions {
    /// Whether a field of this name means something here.
    pub(crate) fn knows(name: &str) -> bool {
        matches!(
            name,
            "model"
                | "language"
                | "diarize"
                | "speakers"
                | "min_speakers"
                | "max_speakers"
                | "response_format"
                | "speaker_labels"
                | "url"
                | "webhook_url"
                | "dry_run"
                | "track"
                | "audio_start_from"
                | "audio_end_at"
                | "multichannel"
        ) || shaping::knows(name)
            || wording::knows(name)
    }

    /// Whether a field of this name has as many values as it is given.
    pub(crate) fn is_list(name: &str) -> bool {
        matches!(name, "keywords" | "keywords[]" | "replace" | "replace[]")
    }

    /// Takes the value of a field; of a repeated field, the last counts.
    ///
    /// # Errors
    /// With a sentence that says which values there are.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        let value = value.trim();
        match name {
            "model" => self.model = value.to_owned(),
            "language" => self.language = language(value)?,
            "diarize" => self.diarize = boolean(name, value)?,
            "speakers" => self.speakers = speakers(name, value)?,
            "min_speakers" => self.min_speakers = speakers(name, value)?,
            "max_speakers" => self.max_speakers = speakers(name, value)?,
            "response_format" => self.format = value.parse()?,
            "speaker_labels" => self.labels = labels(value)?,
            "url" => self.url = url(name, value)?,
            "webhook_url" => self.webhook_url = url(name, value)?,
            "dry_run" => self.dry_run = boolean(name, value)?,
            "track" => self.media.track = track(value)?,
            "audio_start_from" => self.media.from = moment(name, value)?,
            "audio_end_at" => self.media.until = moment(name, value)?,
            "multichannel" => self.media.multichannel = boolean(name, value)?,
            _ if shaping::knows(name) => shaping::set(&mut self.style, name, value)?,
            _ => wording::set(&mut self.text, name, value)?,
        }
        Ok(())
    }

    /// Refuses what no file can satisfy.
    ///
    /// # Errors
    /// With a sentence that says what is wrong.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        match (self.media.from.unwrap_or_default(), self.media.until) {
            (from, Some(until)) if until <= from => Err(ApiError::field(
                "audio_end_at must be later than audio_start_from; both are milliseconds",
            )),
            _ => self.check_speakers().and(shaping::check(self.style)),
        }
    }

    fn check_speakers(&self) -> Result<(), ApiError> {
        let Self { speakers, min_speakers, max_speakers, .. } = *self;
        let max = if max_speakers == 0 { SpeakerCount::MOST } else { max_speakers };
        if min_speakers > max {
            return Err(ApiError::field(format!(
                "min_speakers must not be greater than max_speakers: {min_speakers} is greater than {max}"
            )));
        }
        if speakers > 0 && !(min_speakers..=max).contains(&speakers) {
            return Err(ApiError::field(format!(
                "speakers must lie between min_speakers and max_speakers, and {speakers} does not; send the number \
                 or its limits"
            )));
        }
        Ok(())
    }

    /// The form of the answer.
    pub(crate) fn shape(&self) -> Shape {
        Shape { format: self.format, labels: self.labels, style: self.style }
    }
}

/// Every form in which clients write a truth value; an empty one is an error, as is any other.
pub(crate) fn boolean(name: &str, value: &str) -> Result<bool, ApiError> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(ApiError::field(format!("{name} must be true or false, not {}", shown(value)))),
    }
}

pub(crate) fn language(value: &str) -> Result<Option<Language>, ApiError> {
    if value.is_empty() || value.eq_ignore_ascii_case("auto") {
        return Ok(None);
    }
    Language::parse(value).map(Some).map_err(|_| {
        let message =
            format!("unknown language {}; GET /v1/languages lists them, or send auto", shown(value));
        ApiError::field(message)
    })
}

fn track(value: &str) -> Result<u16, ApiError> {
    value.parse().map_err(|_| {
        let message = "track must be the number of an audio track, from 1 (0 takes the first), not";
        ApiError::field(format!("{message} {}", shown(value)))
    })
}

/// Milliseconds from the beginning of the file.
fn moment(name: &str, value: &str) -> Result<Option<Millis>, ApiError> {
    if value.is_empty() {
        return Ok(None);
    }
    value.parse().map(|millis| Some(Millis(millis))).map_err(|_| {
        ApiError::field(format!("{name} must be a whole number of milliseconds, not {}", shown(value)))
    })
}

fn speakers(name: &str, value: &str) -> Result<u8, ApiError> {
    let most = SpeakerCount::MOST;
    let number = value.parse::<u8>().ok().filter(|number| *number <= most);
    number.ok_or_else(|| {
        let message =
            format!("{name} must be a whole number from 0 (find out) to {most}, not {}", shown(value));
        ApiError::field(message)
    })
}

/// Where it leads is judged when the job is made.
fn url(name: &str, value: &str) -> Result<Option<OutsideUrl>, ApiError> {
    if value.is_empty() {
        return Ok(None);
    }
    value.parse().map(Some).map_err(|refused| ApiError::field(format!("{name}: {refused}")))
}

fn labels(value: &str) -> Result<SpeakerLabels, ApiError> {
    if value.eq_ignore_ascii_case("auto") {
        return Ok(SpeakerLabels::Auto);
    }
    boolean("speaker_labels", value).map(|on| if on { SpeakerLabels::On } else { SpeakerLabels::Off })
}

impl std::str::FromStr for Format {
    type Err = ApiError;

    fn from_str(value: &str) -> Result<Self, ApiError> {
        match value.to_ascii_lowercase().as_str() {
            "json" | "verbose_json" => Ok(Self::Json),
            "txt" | "text" => Ok(Self::Text),
            "srt" => Ok(Self::Srt),
            "vtt" => Ok(Self::Vtt),
            "tsv" => Ok(Self::Tsv),
            _ => Err(ApiError::field(format!(
                "the response format must be json, txt, srt, vtt or tsv, not {}",
                shown(value)
            ))),
        }
    }
}

/// A client's value in an error's sentence, shortened.
fn shown(value: &str) -> String {
    let short: String = value.chars().take(40).collect();
    let dots = if short.len() < value.len() { "..." } else { "" };
    format!("{short:?}{dots}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Result<TranscribeOptions, ApiError> {
        let mut options = TranscribeOptions::default();
        options.set(name, value).map(|()| options)
    }

    #[test]
    fn truth_values_in_every_form() {
        for value in ["false", "FALSE", "0", "no", "Off", " false "] {
            assert!(!set("diarize", value).unwrap().diarize, "{value}");
        }
        for value in ["true", "True", "1", "yes", "on"] {
            assert!(set("diarize", value).unwrap().diarize, "{value}");
        }
        for value in ["", "2", "maybe", "truee"] {
            assert!(set("diarize", value).is_err(), "{value}");
        }
    }

    #[test]
    fn speakers_from_0_to_32() {
        assert_eq!(set("speakers", "0").unwrap().speakers, 0);
        assert_eq!(set("speakers", "32").unwrap().speakers, 32);
        for value in ["33", "-1", "2.5", "two", "", "999999999999"] {
            assert!(set("speakers", value).is_err(), "{value}");
        }
    }

    #[test]
    fn the_number_of_speakers_and_its_limits_must_not_contradict_each_other() {
        let check = |fields: [&str; 3]| {
            let mut options = TranscribeOptions::default();
            let names = ["speakers", "min_speakers", "max_speakers"];
            for (name, value) in names.into_iter().zip(fields) {
                options.set(name, value)?;
            }
            options.check().map(|()| (options.speakers, options.min_speakers, options.max_speakers))
        };
        assert_eq!(check(["0", "2", "4"]).unwrap(), (0, 2, 4));
        for fields in [["0", "0", "0"], ["0", "3", "0"], ["0", "0", "3"], ["3", "3", "3"], ["3", "2", "0"]] {
            assert!(check(fields).is_ok(), "{fields:?}");
        }
        for (fields, says) in [
            (["0", "4", "3"], "min_speakers must not be greater than max_speakers: 4 is greater than 3"),
            (["0", "33", "0"], "min_speakers must be a whole number from 0"),
            (["0", "0", "-1"], "max_speakers must be"),
            (["0", "", "0"], "min_speakers must be"),
            (["2", "3", "0"], "speakers must lie between"),
            (["5", "0", "4"], "speakers must lie between"),
        ] {
            let refused = check(fields).unwrap_err().to_string();
            assert!(refused.starts_with(says), "{fields:?}: {refused}");
        }
    }

    #[test]
    fn formats_and_their_aliases() {
        for (value, format) in [
            ("json", Format::Json),
            ("verbose_json", Format::Json),
            ("TEXT", Format::Text),
            ("txt", Format::Text),
            ("srt", Format::Srt),
            ("vtt", Format::Vtt),
            ("tsv", Format::Tsv),
        ] {
            assert_eq!(set("response_format", value).unwrap().format, format, "{value}");
        }
        assert!(set("response_format", "docx").is_err());
    }

    #[test]
    fn languages_and_auto() {
        assert_eq!(set("language", "auto").unwrap().language, None);
        assert_eq!(set("language", "").unwrap().language, None);
        assert_eq!(set("language", "en-US").unwrap().language, Language::parse("en").ok());
        assert!(set("language", "xx").is_err());
    }
}
