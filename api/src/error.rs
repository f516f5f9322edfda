//! Every error of the API, and the one table that gives each its status.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object};
use steno_shared::account::{Shortage, Tier, Unit};
use steno_shared::error::{Failure, FailureCode};
use steno_shared::id::JobId;
use steno_shared::object::ObjectError;
use steno_shared::queue::QueueError;
use steno_shared::store::{StoreError, Usage};

use crate::allowance::Allowance;
use crate::edge::ErrorBody;

/// What a client is told when something goes wrong.
#[derive(Debug, Object)]
#[oai(rename = "Error")]
pub(crate) struct ErrorDocument {
    /// What happened, and what mends it.
    error: String,
    /// The same for programs, such as `missing_file`.
    #[oai(skip_serializing_if_is_none)]
    code: Option<String>,
    /// Names the request in the server's log.
    #[oai(skip_serializing_if_is_none)]
    request_id: Option<String>,
    /// The job in question, if there is one.
    #[oai(skip_serializing_if_is_none)]
    job_id: Option<String>,
    /// The credits that are needed, with a 402.
    #[oai(skip_serializing_if_is_none)]
    required: Option<u64>,
    /// The credits that there are, with a 402.
    #[oai(skip_serializing_if_is_none)]
    available: Option<u64>,
}

/// The causes that are the API's own; those of a failed job are [`FailureCode`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The body is not a form, or breaks off.
    InvalidBody,
    /// No part named `file`.
    MissingFile,
    /// A field has a value that it cannot have.
    InvalidField,
    /// No such model in the catalogue.
    UnknownModel,
    /// The key is malformed, unknown or revoked, or none was given where one is needed.
    InvalidKey,
    /// The key is good, but not for this.
    Forbidden,
    /// No such job, or not the caller's.
    NotFound,
    /// The job is not in a state for this.
    NotReady,
    /// The audio that this needs is deleted.
    AudioDeleted,
    /// The idempotency key names another request.
    OtherRequest,
    /// As many jobs of the account run, or wait, as may.
    TooManyJobs,
    /// The caller sends too many requests.
    RateLimited,
    /// There is a webhook with this URL already.
    WebhookExists,
    /// The account has as many webhooks as it may have.
    TooManyWebhooks,
    /// The webhook is told nothing until it is enabled.
    WebhookDisabled,
    /// The file is larger than the caller may send.
    FileTooLarge,
    /// The account has as many unfinished uploads as it may.
    TooManyUploads,
    /// The upload has expired.
    UploadExpired,
    /// The upload does not stand where the request begins.
    WrongOffset,
    /// A newer request goes on with the upload.
    TakenOver,
    /// The bytes are not those that the client meant.
    ChecksumMismatch,
    /// The client speaks another version of the protocol.
    UnsupportedVersion,
    /// The body is of another kind than this address takes.
    UnsupportedMediaType,
    /// No worker can take the job.
    NoWorker,
    /// Too many jobs wait already.
    QueueFull,
    /// What was asked for is spoken over a WebSocket alone.
    UpgradeRequired,
    /// As many live sessions are open as may.
    TooManySessions,
    /// The server is being stopped.
    Stopping,
    /// The client waited as long as it may; the job runs on.
    WaitedTooLong,
    /// A failed job's cause.
    Job(FailureCode),
}

/// A refusal: its cause, its sentence, and what a client needs to go on.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    cause: Cause,
    message: String,
    job: Option<JobId>,
    retry_after: Option<u64>,
    /// What is needed, and what there is.
    amounts: Option<(u64, u64)>,
    /// What the account may still use.
    allowance: Option<Box<Allowance>>,
}

impl Cause {
    /// The table.
    fn status(self) -> StatusCode {
        match self {
            Self::InvalidBody | Self::MissingFile | Self::InvalidField | Self::UnknownModel => {
                StatusCode::BAD_REQUEST
            }
            Self::InvalidKey => StatusCode::UNAUTHORIZED,
            Self::Job(FailureCode::NoCredits) => StatusCode::PAYMENT_REQUIRED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NotReady
            | Self::AudioDeleted
            | Self::WrongOffset
            | Self::TakenOver
            | Self::WebhookExists
            | Self::TooManyWebhooks
            | Self::WebhookDisabled => StatusCode::CONFLICT,
            Self::UploadExpired => StatusCode::GONE,
            Self::UnsupportedVersion => StatusCode::PRECONDITION_FAILED,
            Self::FileTooLarge | Self::Job(FailureCode::AudioTooLong | FailureCode::FileTooLarge) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::OtherRequest | Self::Job(FailureCode::Incomplete) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyJobs
            | Self::TooManyUploads
            | Self::RateLimited
            | Self::Job(FailureCode::QuotaExceeded) => StatusCode::TOO_MANY_REQUESTS,
            // tus' own.
            Self::ChecksumMismatch => StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Job(
                FailureCode::EmptyFile
                | FailureCode::UnsupportedFormat
                | FailureCode::NoAudio
                | FailureCode::NoSuchTrack
                | FailureCode::TooManyChannels
                | FailureCode::StartBeyondEnd
                | FailureCode::Undecodable
                | FailureCode::UrlRefused
                | FailureCode::UrlFailed,
            ) => StatusCode::BAD_REQUEST,
            Self::NoWorker
            | Self::QueueFull
            | Self::TooManySessions
            | Self::Stopping
            | Self::WaitedTooLong
            | Self::Job(FailureCode::ModelNotInstalled | FailureCode::OutOfSpace) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Job(FailureCode::WorkerLost | FailureCode::TimedOut | FailureCode::Internal) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::InvalidBody => "invalid_body",
            Self::MissingFile => "missing_file",
            Self::InvalidField => "invalid_field",
            Self::UnknownModel => "unknown_model",
            Self::InvalidKey => "invalid_key",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::NotReady => "not_ready",
            Self::AudioDeleted => "audio_deleted",
            Self::OtherRequest => "idempotency_mismatch",
            Self::TooManyJobs => "too_many_jobs",
            Self::RateLimited => "rate_limited",
            Self::WebhookExists => "webhook_exists",
            Self::TooManyWebhooks => "too_many_webhooks",
            Self::WebhookDisabled => "webhook_disabled",
            Self::FileTooLarge => "file_too_large",
            Self::TooManyUploads => "too_many_uploads",
            Self::UploadExpired => "upload_expired",
            Self::WrongOffset => "wrong_offset",
            Self::TakenOver => "taken_over",
            Self::ChecksumMismatch => "checksum_mismatch",
            Self::UnsupportedVersion => "unsupported_version",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::NoWorker => "no_worker",
            Self::QueueFull => "queue_full",
            Self::UpgradeRequired => "upgrade_required",
            Self::TooManySessions => "too_many_sessions",
            Self::Stopping => "stopping",
            Self::WaitedTooLong => "waited_too_long",
            Self::Job(code) => code.as_str(),
        }
    }
}

impl ApiError {
    /// A refusal with its sentence.
    pub(crate) fn new(cause: Cause, message: impl Into<String>) -> Self {
        let again = matches!(cause.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        Self {
            cause,
            message: message.into(),
            job: None,
            retry_after: again.then_some(5),
            amounts: None,
            allowance: None,
        }
    }

    /// A field with a value that it cannot have.
    pub(crate) fn field(message: impl Into<String>) -> Self {
        Self::new(Cause::InvalidField, message)
    }

    /// No such job, for this caller.
    pub(crate) fn no_such_job() -> Self {
        Self::new(Cause::NotFound, "no such job")
    }

    /// A limit of the account does not leave what is needed.
    pub(crate) fn shortage(shortage: &Shortage, tier: &Tier, usage: &Usage) -> Self {
        let error = Self::from(shortage.failure()).with_allowance(Allowance::of(tier, usage));
        let until = |end: i64| usize::try_from(end - usage.now).unwrap_or(0).div_ceil(1000) as u64;
        match shortage.unit {
            Unit::Credits => Self { amounts: Some((shortage.required, shortage.available)), ..error },
            Unit::Minutes => error.retry_after(until(usage.month_ends)),
            Unit::Transcriptions => error.retry_after(until(usage.day_ends)),
        }
    }

    /// The server's own fault. The cause is logged here, once; the client gets a fixed text.
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        let mut causes = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            causes = format!("{causes}: {error}");
            source = error.source();
        }
        tracing::error!(error = causes, "a request failed");
        Self::new(Cause::Job(FailureCode::Internal), "internal error")
    }

    /// Names the job in question.
    pub(crate) fn with_job(self, job: JobId) -> Self {
        Self { job: Some(job), ..self }
    }

    /// Tells what the account may still use.
    pub(crate) fn with_allowance(self, allowance: Allowance) -> Self {
        Self { allowance: Some(Box::new(allowance)), ..self }
    }

    /// The status that it has in HTTP.
    pub(crate) fn status(&self) -> StatusCode {
        self.cause.status()
    }

    /// Its cause, as programs know it.
    pub(crate) fn code(&self) -> &'static str {
        self.cause.code()
    }

    /// When to try again, in seconds.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        Self::new(Cause::Job(failure.code), failure.message)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        Self::internal(&error)
    }
}

impl From<ObjectError> for ApiError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Full => Self::out_of_space(),
            error => Self::internal(&error),
        }
    }
}

impl ApiError {
    /// The disk is full.
    pub(crate) fn out_of_space() -> Self {
        let message = "the server has no room for this file at the moment; try again later";
        Self::new(Cause::Job(FailureCode::OutOfSpace), message).retry_after(60)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.cause.status();
        let mut response = Response::builder().status(status).finish();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allowance) = &self.allowance {
            allowance.write(headers);
        }
        match status {
            StatusCode::UPGRADE_REQUIRED => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // Sending the same again cannot help; some clients would.
            StatusCode::BAD_REQUEST | StatusCode::PAYMENT_REQUIRED | StatusCode::PAYLOAD_TOO_LARGE => {
                headers.insert("x-should-retry", HeaderValue::from_static("false"));
            }
            StatusCode::TOO_MANY_REQUESTS if self.cause == Cause::Job(FailureCode::QuotaExceeded) => {
                headers.insert("x-should-retry", HeaderValue::from_static("false"));
            }
            _ => {}
        }
        let job_id = self.job.map(|job| job.to_string());
        if let Some(id) = &job_id {
            for (name, value) in [("x-job-id", id.clone()), ("location", format!("/v1/jobs/{id}"))] {
                if let Ok(value) = HeaderValue::try_from(value) {
                    headers.insert(name, value);
                }
            }
        }
        let body = ErrorBody {
            error: self.message,
            code: self.cause.code().to_owned(),
            job_id,
            required: self.amounts.map(|(required, _)| required),
            available: self.amounts.map(|(_, available)| available),
        };
        response.extensions_mut().insert(body);
        response
    }
}

impl From<ApiError> for poem::Error {
    fn from(error: ApiError) -> Self {
        let response = error.into_response();
        let body = response.extensions().get::<ErrorBody>().cloned();
        let mut error = Self::from_response(response);
        // A poem error becomes a response with the extensions of the error, not of the response in it.
        if let Some(body) = body {
            error.set_data(body);
        }
        error
    }
}

/// The statuses that any operation may answer with.
const DOCUMENTED: &[(u16, &str)] = &[
    (400, "The request or the file is at fault; the sentence says what to change."),
    (401, "The API key is malformed, unknown or revoked, or one is needed."),
    (402, "The account has not the credits that the audio costs."),
    (403, "The API key is good, but not for this."),
    (404, "There is no such thing, or it is not the caller's."),
    (405, "This address does not take this method."),
    (408, "The request body stopped arriving."),
    (409, "The job, or the webhook, is not in a state for this."),
    (413, "The file is larger, or its audio longer, than this server accepts."),
    (
        422,
        "The idempotency key was used for another request, or `strict` was asked for and the result is incomplete.",
    ),
    (429, "A limit of the account is reached. `Retry-After` says when to try again."),
    (500, "The server's own fault. `request_id` names the request in its log."),
    (503, "No worker can take the job just now. `Retry-After` says when to try again."),
];

impl ApiError {
    /// What the document says of these statuses.
    pub(crate) fn documented(statuses: &[(u16, &'static str)]) -> MetaResponses {
        let retry_after = || MetaHeader {
            name: "Retry-After".to_owned(),
            description: Some("Seconds until a new try makes sense.".to_owned()),
            required: false,
            deprecated: false,
            schema: u64::schema_ref(),
        };
        let response = |(status, description): &(u16, &'static str)| MetaResponse {
            description,
            status: Some(*status),
            status_range: None,
            content: vec![MetaMediaType {
                content_type: "application/json",
                schema: ErrorDocument::schema_ref(),
            }],
            headers: if [429, 503].contains(status) { vec![retry_after()] } else { vec![] },
        };
        MetaResponses { responses: statuses.iter().map(response).collect() }
    }
}

impl ApiResponse for ApiError {
    fn meta() -> MetaResponses {
        Self::documented(DOCUMENTED)
    }

    fn register(registry: &mut Registry) {
        ErrorDocument::register(registry);
    }
}
