//! `/v1/uploads`: the protocol tus 1.0.0 with its extensions creation, termination, checksum and expiration.

use std::time::{Duration, UNIX_EPOCH};

use poem::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use poem::web::Data;
use poem::{Body, IntoResponse, Request, RequestBody};
use poem_openapi::param::{Header, Path};
use poem_openapi::payload::{Binary, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaResponses, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, OpenApi};
use steno_shared::error::FailureCode;
use steno_shared::id::JobId;
use steno_shared::settings;
use steno_shared::store::{NewUpload, UploadRecord};

use super::{Tag, tus};
use crate::auth::Caller;
use crate::edge::RequestId;
use crate::error::{ApiError, Cause};
use crate::state::App;
use crate::uploads::{self, Patch};

const CONTENT: &str = "application/offset+octet-stream";
const EXTENSIONS: &str = "creation,termination,checksum,expiration";

#[derive(Debug)]
pub(crate) struct Routes;

/// What this server speaks.
#[derive(ApiResponse)]
enum Capabilities {
    /// No body; the headers say it.
    #[oai(status = 204)]
    Listed(
        /// Versions of the protocol.
        #[oai(header = "Tus-Version")]
        String,
        /// Its extensions.
        #[oai(header = "Tus-Extension")]
        String,
        /// The largest file, in bytes.
        #[oai(header = "Tus-Max-Size")]
        u64,
        /// Algorithms of checksums.
        #[oai(header = "Tus-Checksum-Algorithm")]
        String,
    ),
}

/// A new upload.
#[derive(ApiResponse)]
enum Created {
    /// It waits for its bytes.
    #[oai(status = 201)]
    At(
        /// Its address.
        #[oai(header = "Location")]
        String,
        /// When it is removed, if no byte comes.
        #[oai(header = "Upload-Expires")]
        String,
    ),
}

/// Where an upload stands.
#[derive(ApiResponse)]
enum Standing {
    /// No body; the headers say it.
    #[oai(status = 200)]
    At(
        /// Bytes that have arrived.
        #[oai(header = "Upload-Offset")]
        u64,
        /// Bytes in all.
        #[oai(header = "Upload-Length")]
        u64,
        /// As it was given.
        #[oai(header = "Upload-Metadata")]
        Option<String>,
        /// When it is removed, if no byte comes.
        #[oai(header = "Upload-Expires")]
        Option<String>,
        /// The job that was made of it.
        #[oai(header = "X-Job-Id")]
        Option<String>,
        /// no-store.
        #[oai(header = "Cache-Control")]
        String,
    ),
}

/// Bytes that were taken.
#[derive(ApiResponse)]
enum Taken {
    /// They are stored; with the last of them, the job is made.
    #[oai(status = 204)]
    To(
        /// Bytes that have arrived.
        #[oai(header = "Upload-Offset")]
        u64,
        /// When the upload is removed, if no byte comes.
        #[oai(header = "Upload-Expires")]
        Option<String>,
        /// The job that was made of it.
        #[oai(header = "X-Job-Id")]
        Option<String>,
        /// The job's address.
        #[oai(header = "Location")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
enum Removed {
    /// It is gone. A job that was made of it goes on.
    #[oai(status = 204)]
    Gone,
}

/// A refusal, with the statuses that only uploads have.
#[derive(Debug)]
struct UploadError(ApiError);

impl From<ApiError> for UploadError {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<UploadError> for poem::Error {
    fn from(error: UploadError) -> Self {
        error.0.into()
    }
}

impl IntoResponse for UploadError {
    fn into_response(self) -> poem::Response {
        self.0.into_response()
    }
}

impl ApiResponse for UploadError {
    fn meta() -> MetaResponses {
        ApiError::documented(&[
            (400, "The request is at fault; the sentence says what to change."),
            (401, "The API key is malformed, unknown or revoked, or one is needed."),
            (404, "There is no such upload, or it is not the caller's."),
            (405, "This address does not take this method."),
            (408, "The request body stopped arriving; what has arrived is kept."),
            (409, "The upload does not stand at Upload-Offset, or a newer request goes on with it."),
            (410, "The upload has expired."),
            (412, "Tus-Resumable is missing, or names another version."),
            (413, "The file is larger than accepted, or the request goes beyond Upload-Length."),
            (415, "The body is not application/offset+octet-stream."),
            (429, "There are too many unfinished uploads."),
            (460, "The bytes do not match Upload-Checksum; none of them are kept."),
            (500, "The server's own fault. `request_id` names the request in its log."),
            (503, "The server cannot take it just now. `Retry-After` says when to try again."),
        ])
    }

    fn register(registry: &mut Registry) {
        ApiError::register(registry);
    }
}

/// The body of a PATCH, not read yet.
#[derive(Debug)]
struct PatchBody {
    content_type: String,
    content_length: Option<u64>,
    body: Body,
}

impl<'a> ApiExtractor<'a> for PatchBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: Some("Bytes of the file, from Upload-Offset on; as many as you like."),
            content: vec![MetaMediaType {
                content_type: CONTENT,
                schema: <Binary<Vec<u8>> as Payload>::schema_ref(),
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
        Ok(Self {
            content_type: text(CONTENT_TYPE).unwrap_or_default().to_owned(),
            content_length: text(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            body: body.take()?,
        })
    }
}

#[OpenApi]
impl Routes {
    /// Say what this server speaks of tus.
    #[oai(
        path = "/v1/uploads",
        method = "options",
        operation_id = "get_upload_options",
        tag = "Tag::Uploads"
    )]
    async fn options(&self, app: Data<&App>) -> Capabilities {
        let [version, extensions, algorithms] =
            [tus::VERSION, EXTENSIONS, uploads::ALGORITHMS].map(str::to_owned);
        Capabilities::Listed(version, extensions, app.settings.max_file.0, algorithms)
    }

    /// Begin a resumable upload.
    ///
    /// Every request for an upload but OPTIONS carries `Tus-Resumable: 1.0.0`. `Upload-Metadata` takes the fields of
    /// POST /v1/transcribe as keys, and `filename`. When the last byte is there, the upload becomes a job.
    #[oai(path = "/v1/uploads", method = "post", operation_id = "create_upload", tag = "Tag::Uploads")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi takes each parameter by itself")]
    async fn create(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The file's length in bytes.
        #[oai(name = "Upload-Length")]
        length: Header<Option<String>>,
        /// Pairs of a key and a value in base 64, with a space between; the pairs separated by commas.
        #[oai(name = "Upload-Metadata")]
        metadata: Header<Option<String>>,
        request: &Request,
    ) -> Result<Created, UploadError> {
        if request.headers().contains_key("upload-defer-length") {
            let message = "Upload-Defer-Length is not supported here: say the length in Upload-Length";
            return Err(ApiError::field(message).into());
        }
        let length = announced(length.0.as_deref(), caller.max_file(&app))?;
        let new = NewUpload {
            id: JobId::random(),
            account: caller.account().clone(),
            tier: caller.tier.clone(),
            length,
            metadata: metadata.0.unwrap_or_default(),
            request_id: request.extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default(),
        };
        let created = uploads::create(&app, &caller, &new).await?;
        Ok(Created::At(format!("/v1/uploads/{}", new.id), http_date(created)))
    }

    /// Ask where an upload stands.
    ///
    /// A request that is still sending to it is told to stop, and what it brought counts.
    #[oai(path = "/v1/uploads/:id", method = "head", operation_id = "get_upload", tag = "Tag::Uploads")]
    async fn head(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The upload's id.
        id: Path<String>,
    ) -> Result<Standing, UploadError> {
        let upload = uploads::find(&app, &caller, &id).await?;
        let upload = uploads::settled(&app, &upload).await?;
        let job = upload.job.map(|job| job.to_string());
        let expires = expires(&upload);
        let metadata = Some(upload.metadata).filter(|metadata| !metadata.is_empty());
        Ok(Standing::At(upload.received, upload.length, metadata, expires, job, "no-store".to_owned()))
    }

    /// Send bytes of an upload.
    ///
    /// When the connection breaks, what has arrived is kept, unless there is a checksum. `X-Job-Id` is in the answer
    /// to the last bytes.
    #[oai(
        path = "/v1/uploads/:id",
        method = "patch",
        operation_id = "append_to_upload",
        tag = "Tag::Uploads"
    )]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi takes each parameter by itself")]
    async fn patch(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The upload's id.
        id: Path<String>,
        /// Where the bytes belong: as many as have arrived.
        #[oai(name = "Upload-Offset")]
        offset: Header<Option<String>>,
        /// sha1 or sha256, a space, and the checksum of the body in base 64.
        #[oai(name = "Upload-Checksum")]
        checksum: Header<Option<String>>,
        body: PatchBody,
    ) -> Result<Taken, UploadError> {
        let upload = uploads::find(&app, &caller, &id).await?;
        if body.content_type != CONTENT {
            let message = format!("the Content-Type of a PATCH must be {CONTENT}");
            return Err(ApiError::new(Cause::UnsupportedMediaType, message).into());
        }
        let offset = bytes("Upload-Offset", offset.0.as_deref())?;
        let checksum = checksum.0.map(|header| header.parse()).transpose()?;
        let patch = Patch { offset, length: body.content_length, checksum, body: body.body };
        // In a task of its own: a client that leaves does not take with it what it has sent.
        let received = tokio::spawn(uploads::receive(app.clone(), upload, patch)).await;
        let upload = received.map_err(|error| ApiError::internal(&error))??;
        let job = upload.job.map(|job| job.to_string());
        let location = job.as_ref().map(|job| format!("/v1/jobs/{job}"));
        Ok(Taken::To(upload.received, expires(&upload), job, location))
    }

    /// Give an upload up.
    #[oai(path = "/v1/uploads/:id", method = "delete", operation_id = "delete_upload", tag = "Tag::Uploads")]
    async fn delete(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The upload's id.
        id: Path<String>,
    ) -> Result<Removed, UploadError> {
        let upload = uploads::find(&app, &caller, &id).await?;
        uploads::remove(&app, &upload).await?;
        Ok(Removed::Gone)
    }
}

/// The length of a file that may be sent.
fn announced(header: Option<&str>, max_file: u64) -> Result<u64, ApiError> {
    let length = bytes("Upload-Length", header)?;
    if length == 0 {
        return Err(ApiError::new(Cause::Job(FailureCode::EmptyFile), "the file is empty"));
    }
    if length > max_file {
        let message =
            format!("the file is larger than {}, the most that is accepted", settings::Bytes(max_file));
        return Err(ApiError::new(Cause::FileTooLarge, message));
    }
    Ok(length)
}

/// A header that is a number of bytes.
fn bytes(name: &str, header: Option<&str>) -> Result<u64, ApiError> {
    let digits = header.map(str::trim).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| ApiError::field(format!("the header {name} must be a number of bytes")))
}

/// When an upload expires that is not finished.
fn expires(upload: &UploadRecord) -> Option<String> {
    upload.job.is_none().then(|| http_date(upload.expires_at))
}

fn http_date(millis: i64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(millis.unsigned_abs()))
}
