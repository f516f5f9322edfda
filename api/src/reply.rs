//! A transcript on the wire: its JSON document, its written forms, their headers.

use poem::http::{HeaderValue, header};
use poem::{Body, Response};
use poem_openapi::registry::{
    MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry,
};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Object};
use serde::Serialize;
use steno_shared::job::Job;
use steno_shared::transcript::{self, CueStyle, SpeakerLabels, Transcript};

use crate::allowance::Allowance;
use crate::options::Format;

/// A transcript.
#[derive(Debug, Clone, Object, Serialize)]
#[oai(rename = "Transcript")]
pub(crate) struct TranscriptDocument {
    /// The texts of the segments, joined.
    text: String,
    /// The language spoken, as ISO 639 code: of several that with the most speech; `und` if nothing was said and
    /// none was given.
    language: String,
    /// How sure the detection was, 0 to 1; 1 if the language was given.
    language_probability: f64,
    /// Length of the decoded audio, in seconds.
    duration: f64,
    /// The model really used.
    model: String,
    /// In order of time.
    segments: Vec<SegmentDocument>,
    /// The speakers' names, or their labels if they have none, in order of first speech; empty without diarization.
    speakers: Vec<String>,
    /// Seconds of the audio that hold speech; with `multichannel`, of all channels together.
    speech_seconds: f64,
    /// Seconds of that speech that the segments cover.
    transcribed_seconds: f64,
    /// Whatever there is to know about this result. Nothing is left out without one.
    warnings: Vec<WarningDocument>,
    /// What it cost.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageDocument>,
}

/// What a transcription cost.
#[derive(Debug, Clone, Object, Serialize)]
#[oai(rename = "TranscriptUsage")]
pub(crate) struct UsageDocument {
    /// One for each minute of audio, rounded up.
    credits_used: u64,
    /// Credits of the account, or minutes of its month, that are left; absent without a limit.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    credits_remaining: Option<u64>,
}

/// A stretch of speech.
#[derive(Debug, Clone, Object, Serialize)]
#[oai(rename = "Segment")]
pub(crate) struct SegmentDocument {
    /// Seconds.
    start: f64,
    /// Seconds.
    end: f64,
    /// With punctuation.
    text: String,
    /// The speaker's name or label; absent without diarization.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    speaker: Option<String>,
    /// The channel it was said in, from 1; there with `multichannel`.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<u16>,
    /// The language it was said in, as ISO 639 code; there with `multilingual`.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// exp(mean token log-probability), 0 to 1, uncalibrated.
    confidence: f64,
    /// The words of the segment.
    words: Vec<WordDocument>,
}

/// A word.
#[derive(Debug, Clone, Object, Serialize)]
#[oai(rename = "Word")]
pub(crate) struct WordDocument {
    /// Without punctuation at its edges.
    word: String,
    /// As it stands in the text.
    punctuated_word: String,
    /// Seconds.
    start: f64,
    /// Seconds.
    end: f64,
    /// exp(mean token log-probability), 0 to 1, uncalibrated.
    confidence: f64,
    /// The speaker's name or label; absent without diarization.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    speaker: Option<String>,
    /// True where at least half of the word lies where several people speak at once; absent everywhere else.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    overlap: Option<bool>,
}

/// Something to know about a result.
#[derive(Debug, Clone, Object, Serialize)]
#[oai(rename = "Warning")]
pub(crate) struct WarningDocument {
    /// For programs, such as `no_speech`.
    code: String,
    /// For people.
    message: String,
    /// Where it begins, in seconds, if it is about a part.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<f64>,
    /// Where it ends, in seconds.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<f64>,
}

impl From<Transcript> for TranscriptDocument {
    fn from(transcript: Transcript) -> Self {
        Self {
            text: transcript.text,
            language: transcript.language,
            language_probability: rounded(transcript.language_probability),
            duration: transcript.duration.as_seconds(),
            model: transcript.model.to_string(),
            segments: transcript.segments.into_iter().map(Into::into).collect(),
            speakers: transcript.speakers,
            speech_seconds: transcript.speech_seconds.as_seconds(),
            transcribed_seconds: transcript.transcribed_seconds.as_seconds(),
            warnings: transcript.warnings.into_iter().map(Into::into).collect(),
            usage: None,
        }
    }
}

impl From<transcript::Segment> for SegmentDocument {
    fn from(segment: transcript::Segment) -> Self {
        Self {
            start: segment.start.as_seconds(),
            end: segment.end.as_seconds(),
            text: segment.text,
            speaker: segment.speaker,
            channel: segment.channel,
            language: segment.language,
            confidence: rounded(segment.confidence),
            words: segment.words.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<transcript::Word> for WordDocument {
    fn from(word: transcript::Word) -> Self {
        Self {
            word: word.word,
            punctuated_word: word.punctuated_word,
            start: word.start.as_seconds(),
            end: word.end.as_seconds(),
            confidence: rounded(word.confidence),
            speaker: word.speaker,
            overlap: word.overlap.then_some(true),
        }
    }
}

impl From<transcript::Warning> for WarningDocument {
    fn from(warning: transcript::Warning) -> Self {
        let code = serde_json::to_value(warning.code).ok();
        Self {
            code: code.as_ref().and_then(|code| code.as_str()).unwrap_or_default().to_owned(),
            message: warning.message,
            start: warning.start.map(|at| at.as_seconds()),
            end: warning.end.map(|at| at.as_seconds()),
        }
    }
}

impl TranscriptDocument {
    /// As JSON, without the tree of values that `to_json_string` builds: ten hours of dense speech have ten megabytes
    /// of words, and that tree takes ten times as much.
    fn written(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| self.to_json_string())
    }
}

/// Three decimals are more than a confidence means.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// A transcript in the form asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) format: Format,
    pub(crate) labels: SpeakerLabels,
    /// For subtitles.
    pub(crate) style: CueStyle,
}

impl Shape {
    /// The body.
    pub(crate) fn render(self, transcript: Transcript, allowance: &Allowance) -> String {
        match self.format {
            Format::Json => {
                let usage = allowance.credits_used.map(|credits_used| UsageDocument {
                    credits_used,
                    credits_remaining: allowance.credits_remaining,
                });
                TranscriptDocument { usage, ..TranscriptDocument::from(transcript) }.written()
            }
            Format::Text => transcript::text(&transcript, self.labels),
            Format::Srt => transcript::srt(&transcript, self.labels, self.style),
            Format::Vtt => transcript::vtt(&transcript, self.labels, self.style),
            Format::Tsv => transcript::tsv(&transcript, self.labels),
        }
    }

    /// An answer of this form, for `job`.
    pub(crate) fn reply(self, job: &Job, allowance: &Allowance, body: Body) -> Reply {
        let (content_type, extension) = match self.format {
            Format::Json => ("application/json", None),
            Format::Text => ("text/plain; charset=utf-8", Some("txt")),
            Format::Srt => ("application/x-subrip; charset=utf-8", Some("srt")),
            Format::Vtt => ("text/vtt; charset=utf-8", Some("vtt")),
            Format::Tsv => ("text/tab-separated-values; charset=utf-8", Some("tsv")),
        };
        let mut response = Response::builder().content_type(content_type).body(body);
        let headers = response.headers_mut();
        allowance.write(headers);
        let id = job.id.to_string();
        let mut set = |name: header::HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(header::HeaderName::from_static("x-job-id"), &id);
        set(header::LOCATION, &format!("/v1/jobs/{id}"));
        if let Some(extension) = extension {
            set(header::CONTENT_DISPOSITION, &disposition(job.file_name.as_deref(), extension));
        }
        Reply(response)
    }
}

/// `inline; filename="<stem>.srt"`, with the exact name beside it where it is not plain ASCII (RFC 6266).
fn disposition(file_name: Option<&str>, extension: &str) -> String {
    let name = file_name.unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let stem: String = stem.chars().filter(|letter| !letter.is_control()).take(200).collect();
    let stem = if stem.is_empty() { "transcript" } else { &stem };
    let plain: String = stem
        .chars()
        .map(|letter| match letter {
            '"' | '\\' => '_',
            letter if letter.is_ascii() => letter,
            _ => '_',
        })
        .collect();
    if stem == plain {
        return format!("inline; filename=\"{plain}.{extension}\"");
    }
    let encoded: String = stem
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect();
    format!("inline; filename=\"{plain}.{extension}\"; filename*=UTF-8''{encoded}.{extension}")
}

/// A response that carries a transcript in one of its forms.
#[derive(Debug)]
pub(crate) struct Reply(pub(crate) Response);

impl poem::IntoResponse for Reply {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for Reply {
    fn meta() -> MetaResponses {
        let text = |content_type| MetaMediaType { content_type, schema: String::schema_ref() };
        let header = |name: &str, description: &str| MetaHeader {
            name: name.to_owned(),
            description: Some(description.to_owned()),
            required: false,
            deprecated: false,
            schema: String::schema_ref(),
        };
        let json = MetaMediaType { content_type: "application/json", schema: transcript_schema() };
        let texts = ["text/plain", "application/x-subrip", "text/vtt", "text/tab-separated-values"].map(text);
        MetaResponses {
            responses: vec![MetaResponse {
                description: "The transcript, in the form asked for.",
                status: Some(200),
                status_range: None,
                content: std::iter::once(json).chain(texts).collect(),
                headers: vec![
                    header("X-Job-Id", "The job's id."),
                    header("Location", "The job's address."),
                    header("X-Credits-Used", "What the transcription costs, once its length is known."),
                    header("X-Credits-Remaining", "Credits, or minutes of the month, that are left."),
                ],
            }],
        }
    }

    fn register(registry: &mut Registry) {
        TranscriptDocument::register(registry);
    }
}

fn transcript_schema() -> MetaSchemaRef {
    TranscriptDocument::schema_ref()
}

#[cfg(test)]
mod tests {
    use steno_shared::time::Millis;

    use super::*;

    #[test]
    fn the_json_written_at_once_is_that_of_the_documents() {
        let segment = |speaker: Option<&str>| SegmentDocument {
            start: 0.0,
            end: 1.5,
            text: "\"Hola\"\n\u{1F600}".to_owned(),
            speaker: speaker.map(str::to_owned),
            channel: speaker.map(|_| 2),
            language: speaker.map(|_| "es".to_owned()),
            confidence: 0.1,
            words: vec![WordDocument {
                word: "Hola".to_owned(),
                punctuated_word: "Hola,".to_owned(),
                start: 0.001,
                end: 36_000.123,
                confidence: 1.0,
                speaker: speaker.map(str::to_owned),
                overlap: speaker.map(|_| true),
            }],
        };
        let warning =
            transcript::Warning::about(transcript::WarningCode::Untranscribed, Millis(1), Millis(2500), "x");
        let document = TranscriptDocument {
            text: "Hola".to_owned(),
            language: "es".to_owned(),
            language_probability: 0.5,
            duration: 2.0,
            model: "mini".to_owned(),
            segments: vec![segment(None), segment(Some("Speaker 1"))],
            speakers: vec!["Speaker 1".to_owned()],
            speech_seconds: 1.0,
            transcribed_seconds: 1.0,
            warnings: vec![warning.into()],
            usage: Some(UsageDocument { credits_used: 1, credits_remaining: None }),
        };
        assert_eq!(document.written(), document.to_json_string());
        let bare = TranscriptDocument { usage: None, segments: Vec::new(), ..document };
        assert_eq!(bare.written(), bare.to_json_string());
    }

    #[test]
    fn downloads_are_named_after_the_upload() {
        assert_eq!(disposition(Some("a talk.mp3"), "srt"), "inline; filename=\"a talk.srt\"");
        assert_eq!(disposition(Some("C:\\x\\talk.tar.gz"), "vtt"), "inline; filename=\"talk.tar.vtt\"");
        assert_eq!(disposition(Some("../../etc/passwd"), "txt"), "inline; filename=\"passwd.txt\"");
        assert_eq!(disposition(None, "txt"), "inline; filename=\"transcript.txt\"");
        assert_eq!(
            disposition(Some("a\r\nSet-Cookie: x\".mp3"), "txt"),
            "inline; filename=\"aSet-Cookie: x_.txt\"; filename*=UTF-8''aSet-Cookie%3A%20x%22.txt"
        );
        assert_eq!(
            disposition(Some("día.mp3"), "srt"),
            "inline; filename=\"d_a.srt\"; filename*=UTF-8''d%C3%ADa.srt"
        );
    }
}
