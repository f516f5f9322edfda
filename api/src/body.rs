//! The body of a request for a job: a form with a file, or with a URL in its place; for `/v1/jobs` JSON too.

use futures::TryStreamExt;
use poem::http::HeaderMap;
use poem::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use poem::{Body, Request, RequestBody};
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::types::multipart::Upload;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, Multipart, Object};
use serde_json::Value;
use steno_shared::id::JobId;
use steno_shared::job::Priority;

use crate::auth::Caller;
use crate::edge::RequestId;
use crate::error::{ApiError, Cause};
use crate::options::TranscribeOptions;
use crate::state::App;
use crate::submit::{self, Accepted, Incoming, Submission};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MAX_IDEMPOTENCY_KEY: usize = 255;
/// A request without a file is small.
const MAX_JSON: usize = 64 * 1024;

/// What the document says of the form. The form itself is streamed by hand, so these fields are never read.
#[derive(Debug, Multipart)]
#[expect(dead_code, reason = "the schema of a body that is streamed")]
struct TranscribeForm {
    /// Audio or video: MP3, WAV, FLAC, OGG, M4A, AAC, OPUS, WMA, MP4, `WebM`, MKV, AVI, MOV, WMV, MPG or MPEG.
    file: Upload,
    /// large-v3-turbo, large-v3, medium or small, or another of GET /v1/models.
    model: Option<String>,
    /// ISO 639-1 code, or auto.
    language: Option<String>,
    /// Tell speakers apart.
    diarize: Option<bool>,
    /// Expected speakers, at most 32; 0 = find out.
    speakers: Option<u8>,
    /// Where the number of speakers is found out, at least so many; 0 = no such limit.
    min_speakers: Option<u8>,
    /// Where the number of speakers is found out, at most so many; 0 = no such limit.
    max_speakers: Option<u8>,
    /// json, txt, srt, vtt or tsv.
    response_format: Option<String>,
    /// Whether txt, srt, vtt and tsv name the speakers: true, false or auto (if there are several).
    speaker_labels: Option<String>,
    /// Subtitles: columns of a line, 10 to 200; 42 unless given. A full-width character takes two. A word that is
    /// longer than a line is split.
    max_chars: Option<u16>,
    /// Subtitles: lines of a cue, 1 to 10; 2 unless given.
    max_lines: Option<u8>,
    /// Subtitles: seconds for which a cue is shown if the next one does not come earlier, 0.1 to 60; 1 unless given.
    min_duration: Option<f64>,
    /// Subtitles: seconds for which a cue is shown at most, 0.1 to 60; 7 unless given.
    max_duration: Option<f64>,
    /// Subtitles: columns that are read in a second, 5 to 60; 20 unless given. A cue stays for longer if it has to,
    /// and the next one leaves it the time.
    max_cps: Option<u8>,
    /// Only say how long the audio is and what it would cost.
    dry_run: Option<bool>,
    /// The number of the audio track, from 1; 0 = the first.
    track: Option<u16>,
    /// Milliseconds: nothing before this is transcribed, or paid for. Times remain those of the file.
    audio_start_from: Option<u64>,
    /// Milliseconds: nothing from this on is transcribed, or paid for.
    audio_end_at: Option<u64>,
    /// Each channel is a speaker, transcribed by itself.
    multichannel: Option<bool>,
    /// Fail with `incomplete`, rather than answer with a result that lacks anything.
    strict: Option<bool>,
    /// The language may change within the file, unless one is given; each segment says its own.
    multilingual: Option<bool>,
    /// Names, spellings and style, as text that could have been said before.
    prompt: Option<String>,
    /// Words that are likely to be said, spelled as they shall be; at most 100.
    keywords: Option<Vec<String>>,
    /// What is written in place of what: find:replacement; at most 100.
    replace: Option<Vec<String>>,
    /// 0 takes the likeliest words, up to 1 less likely ones too, drawn by chance but the same for the same audio. From 0.5 on the model
    /// hears no prompt and no keywords.
    temperature: Option<f32>,
}

/// What the document says of the form for a job.
#[derive(Debug, Multipart)]
#[expect(dead_code, reason = "the schema of a body that is streamed")]
struct JobForm {
    /// Audio or video: MP3, WAV, FLAC, OGG, M4A, AAC, OPUS, WMA, MP4, `WebM`, MKV, AVI, MOV, WMV, MPG or MPEG.
    file: Option<Upload>,
    /// Where the file is, in place of sending it.
    url: Option<String>,
    /// large-v3-turbo, large-v3, medium or small, or another of GET /v1/models.
    model: Option<String>,
    /// ISO 639-1 code, or auto.
    language: Option<String>,
    /// Tell speakers apart.
    diarize: Option<bool>,
    /// Expected speakers, at most 32; 0 = find out.
    speakers: Option<u8>,
    /// Where the number of speakers is found out, at least so many; 0 = no such limit.
    min_speakers: Option<u8>,
    /// Where the number of speakers is found out, at most so many; 0 = no such limit.
    max_speakers: Option<u8>,
    /// A URL that is told of the job's end, signed by the Standard Webhooks scheme.
    webhook_url: Option<String>,
    /// Only say how long the audio is and what it would cost.
    dry_run: Option<bool>,
    /// The number of the audio track, from 1; 0 = the first.
    track: Option<u16>,
    /// Milliseconds: nothing before this is transcribed, or paid for. Times remain those of the file.
    audio_start_from: Option<u64>,
    /// Milliseconds: nothing from this on is transcribed, or paid for.
    audio_end_at: Option<u64>,
    /// Each channel is a speaker, transcribed by itself.
    multichannel: Option<bool>,
    /// Fail with `incomplete`, rather than answer with a result that lacks anything.
    strict: Option<bool>,
    /// The language may change within the file, unless one is given; each segment says its own.
    multilingual: Option<bool>,
    /// Names, spellings and style, as text that could have been said before.
    prompt: Option<String>,
    /// Words that are likely to be said, spelled as they shall be; at most 100.
    keywords: Option<Vec<String>>,
    /// What is written in place of what: find:replacement; at most 100.
    replace: Option<Vec<String>>,
    /// 0 takes the likeliest words, up to 1 less likely ones too, drawn by chance but the same for the same audio. From 0.5 on the model
    /// hears no prompt and no keywords.
    temperature: Option<f32>,
}

/// A job made of a URL.
#[derive(Debug, Object)]
struct JobRequest {
    /// Where the file is.
    url: String,
    /// large-v3-turbo, large-v3, medium or small, or another of GET /v1/models.
    model: Option<String>,
    /// ISO 639-1 code, or auto.
    language: Option<String>,
    /// Tell speakers apart.
    diarize: Option<bool>,
    /// Expected speakers, at most 32; 0 = find out.
    speakers: Option<u8>,
    /// Where the number of speakers is found out, at least so many; 0 = no such limit.
    min_speakers: Option<u8>,
    /// Where the number of speakers is found out, at most so many; 0 = no such limit.
    max_speakers: Option<u8>,
    /// A URL that is told of the job's end, signed by the Standard Webhooks scheme.
    webhook_url: Option<String>,
    /// Only say how long the audio is and what it would cost.
    dry_run: Option<bool>,
    /// The number of the audio track, from 1; 0 = the first.
    track: Option<u16>,
    /// Milliseconds: nothing before this is transcribed, or paid for. Times remain those of the file.
    audio_start_from: Option<u64>,
    /// Milliseconds: nothing from this on is transcribed, or paid for.
    audio_end_at: Option<u64>,
    /// Each channel is a speaker, transcribed by itself.
    multichannel: Option<bool>,
    /// Fail with `incomplete`, rather than answer with a result that lacks anything.
    strict: Option<bool>,
    /// The language may change within the file, unless one is given; each segment says its own.
    multilingual: Option<bool>,
    /// Names, spellings and style, as text that could have been said before.
    prompt: Option<String>,
    /// Words that are likely to be said, spelled as they shall be; at most 100.
    keywords: Option<Vec<String>>,
    /// What is written in place of what: find:replacement; at most 100.
    replace: Option<Vec<String>>,
    /// 0 takes the likeliest words, up to 1 less likely ones too, drawn by chance but the same for the same audio. From 0.5 on the model
    /// hears no prompt and no keywords.
    temperature: Option<f32>,
}

/// A body that has not been read yet.
#[derive(Debug)]
pub(crate) struct UnreadBody {
    content_type: String,
    content_length: Option<u64>,
    request_id: String,
    idempotency_key: Result<Option<String>, ApiError>,
    dry_run: Result<bool, ApiError>,
    stream: Body,
}

impl UnreadBody {
    fn of(request: &Request, body: &mut RequestBody) -> poem::Result<Self> {
        let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let request_id = request.extensions().get::<RequestId>().map(ToString::to_string);
        Ok(Self {
            content_type: text(CONTENT_TYPE).unwrap_or_default().to_owned(),
            content_length: text(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            request_id: request_id.unwrap_or_default(),
            idempotency_key: idempotency_key(request.headers()),
            dry_run: dry_run(request.uri().query().unwrap_or_default()),
            stream: body.take()?,
        })
    }

    /// The request for a new job of this body.
    pub(crate) fn submission<'a>(
        &self,
        caller: &'a Caller,
        priority: Priority,
    ) -> Result<Submission<'a>, ApiError> {
        Ok(Submission {
            job: JobId::random(),
            caller,
            priority,
            request_id: self.request_id.clone(),
            idempotency_key: self.idempotency_key.clone()?,
            dry_run: self.dry_run.clone()?,
        })
    }

    /// Reads it and makes a job of it.
    pub(crate) async fn accept(self, app: &App, submission: &Submission<'_>) -> Result<Accepted, ApiError> {
        let media_type = self.content_type.split(';').next().unwrap_or_default().trim();
        // `/v1/transcribe` takes a form alone.
        let may_be_json = submission.priority == Priority::Batch;
        if may_be_json && media_type.eq_ignore_ascii_case("application/json") {
            let options = of_json(self.stream).await?;
            let dry_run = submission.dry_run || options.dry_run;
            submit::expect(app, &Submission { dry_run, ..submission.clone() }).await?;
            return submit::of_url(app, submission, options).await;
        }
        let incoming = Incoming {
            content_type: &self.content_type,
            content_length: self.content_length,
            stream: self.stream.into_bytes_stream().map_err(std::io::Error::other),
        };
        submit::accept(app, submission, incoming).await
    }
}

/// The options of a JSON body. Values are taken as leniently as those of a form.
async fn of_json(body: Body) -> Result<TranscribeOptions, ApiError> {
    let invalid = |message: &str| ApiError::new(Cause::InvalidBody, message);
    let bytes = body.into_bytes_limit(MAX_JSON).await;
    let bytes = bytes.map_err(|_| invalid("the JSON body breaks off, or is larger than 64 KiB"))?;
    let Ok(Value::Object(fields)) = serde_json::from_slice(&bytes) else {
        return Err(invalid("the body is not a JSON object, such as {\"url\": \"https://...\"}"));
    };
    let mut options = TranscribeOptions::default();
    for (name, value) in fields.iter().filter(|(name, _)| TranscribeOptions::knows(name)) {
        match value {
            Value::Null => {}
            Value::String(text) => options.set(name, text)?,
            Value::Bool(_) | Value::Number(_) => options.set(name, &value.to_string())?,
            Value::Array(entries) if TranscribeOptions::is_list(name) => {
                for entry in entries {
                    let entry = entry.as_str();
                    let entry =
                        entry.ok_or_else(|| ApiError::field(format!("{name} must be a list of texts")))?;
                    options.set(name, entry)?;
                }
            }
            _ => return Err(ApiError::field(format!("{name} must be a text, a number or a truth value"))),
        }
    }
    options.check()?;
    Ok(options)
}

/// Whether the query asks for a dry run: known before the body is.
fn dry_run(query: &str) -> Result<bool, ApiError> {
    let mut options = TranscribeOptions::default();
    for pair in query.split('&') {
        if let Some(("dry_run", value)) = pair.split_once('=') {
            options.set("dry_run", value)?;
        }
    }
    Ok(options.dry_run)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > MAX_IDEMPOTENCY_KEY {
        let message = "the Idempotency-Key must be 1 to 255 printable ASCII characters";
        return Err(ApiError::field(message));
    }
    Ok(Some(text.to_owned()))
}

/// The body of `/v1/transcribe`.
#[derive(Debug)]
pub(crate) struct TranscribeBody(pub(crate) UnreadBody);

/// The body of `/v1/jobs`.
#[derive(Debug)]
pub(crate) struct JobBody(pub(crate) UnreadBody);

impl<'a> ApiExtractor<'a> for TranscribeBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <TranscribeForm as Payload>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: Some("The file, and options before or after it."),
            content: vec![MetaMediaType {
                content_type: TranscribeForm::CONTENT_TYPE,
                schema: TranscribeForm::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        UnreadBody::of(request, body).map(Self)
    }
}

impl<'a> ApiExtractor<'a> for JobBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <JobForm as Payload>::register(registry);
        <JobRequest as Type>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: Some("The file or its URL, and options before or after it."),
            content: vec![
                MetaMediaType { content_type: JobForm::CONTENT_TYPE, schema: JobForm::schema_ref() },
                MetaMediaType {
                    content_type: Json::<JobRequest>::CONTENT_TYPE,
                    schema: JobRequest::schema_ref(),
                },
            ],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        UnreadBody::of(request, body).map(Self)
    }
}
