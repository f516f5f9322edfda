//! `POST /v1/transcribe`: a job, and the wait for it.

use futures::TryStreamExt;
use poem::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use poem::web::Data;
use poem::{Body, Request, RequestBody};
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::multipart::Upload;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, Multipart, OpenApi};
use steno_shared::id::JobId;

use super::Tag;
use crate::auth::Caller;
use crate::deliver::{self, Waiting};
use crate::edge::RequestId;
use crate::error::ApiError;
use crate::reply::{Reply, Shape};
use crate::state::App;
use crate::submit::{self, Submission};

#[derive(Debug)]
pub(crate) struct Routes;

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
    /// json, txt, srt or vtt.
    response_format: Option<String>,
    /// Whether txt, srt and vtt name the speakers: true, false or auto (if there are several).
    speaker_labels: Option<String>,
}

/// The body of the request, not read yet.
#[derive(Debug)]
struct FormBody {
    content_type: String,
    content_length: Option<u64>,
    request_id: String,
    body: Body,
}

impl<'a> ApiExtractor<'a> for FormBody {
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
        let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let request_id = request.extensions().get::<RequestId>().map(ToString::to_string);
        Ok(Self {
            content_type: text(CONTENT_TYPE).unwrap_or_default().to_owned(),
            content_length: text(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            request_id: request_id.unwrap_or_default(),
            body: body.take()?,
        })
    }
}

#[OpenApi]
impl Routes {
    /// Transcribe a file.
    ///
    /// The answer comes when the transcript is there. After 30 s a JSON answer begins, with white space, so that
    /// nothing in between gives up, however long it takes; the other forms wait in silence, two hours at most. A
    /// client with a key that loses the connection finds its job under the id in `X-Job-Id`; the job of one
    /// without is cancelled.
    #[oai(path = "/v1/transcribe", method = "post", operation_id = "transcribe", tag = "Tag::Transcription")]
    async fn transcribe(&self, caller: Caller, app: Data<&App>, form: FormBody) -> Result<Reply, ApiError> {
        let job = JobId::random();
        let submission = Submission {
            job,
            caller: &caller,
            request_id: form.request_id,
            content_type: &form.content_type,
            content_length: form.content_length,
        };
        let body = form.body.into_bytes_stream().map_err(std::io::Error::other);
        let mut waiting = Waiting::new(&app, job, &caller);
        let accepted = submit::accept(&app, submission, body).await;
        let options = accepted.inspect_err(|_| waiting.refused())?;
        let shape = Shape { format: options.format, labels: options.labels };
        deliver::when_finished(waiting, shape).await
    }
}
