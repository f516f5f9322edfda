//! A job on the wire.

use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Object};
use steno_shared::account::credits;
use steno_shared::job::{Job, Stage, StageKind, StageState};
use steno_shared::time::rfc3339;

use crate::deliver;
use crate::error::ApiError;
use crate::estimate::EstimateDocument;
use crate::state::App;

/// A job.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(rename = "Job")]
pub(crate) struct JobDocument {
    /// Its name.
    id: String,
    /// queued, processing, completed, failed or cancelled.
    state: String,
    /// The model that transcribes.
    model: String,
    /// The language asked for; absent = detected.
    #[oai(skip_serializing_if_is_none)]
    language: Option<String>,
    /// Whether speakers are told apart.
    diarize: bool,
    /// Expected speakers; 0 = to be found out.
    speakers: u8,
    /// At least so many are to be found; absent without such a limit.
    #[oai(skip_serializing_if_is_none)]
    min_speakers: Option<u8>,
    /// At most so many are to be found; absent without such a limit.
    #[oai(skip_serializing_if_is_none)]
    max_speakers: Option<u8>,
    /// The name that the client gave its file.
    #[oai(skip_serializing_if_is_none)]
    file_name: Option<String>,
    /// Where the file was fetched from.
    #[oai(skip_serializing_if_is_none)]
    url: Option<String>,
    /// Length of the audio, in seconds, once known.
    #[oai(skip_serializing_if_is_none)]
    duration: Option<f64>,
    /// What it costs, once the length is known: one for each minute of audio, rounded up.
    #[oai(skip_serializing_if_is_none)]
    credits: Option<u64>,
    /// Its place in the queue, from 1, while it waits.
    #[oai(skip_serializing_if_is_none)]
    queue_position: Option<u64>,
    /// What is being done.
    #[oai(skip_serializing_if_is_none)]
    progress: Option<ProgressDocument>,
    /// Why it failed, or, of a completed one, why it failed when it was run again.
    #[oai(skip_serializing_if_is_none)]
    error: Option<FailureDocument>,
    /// RFC 3339.
    created_at: String,
    /// When work on it began.
    #[oai(skip_serializing_if_is_none)]
    started_at: Option<String>,
    /// When it was completed, failed or cancelled.
    #[oai(skip_serializing_if_is_none)]
    finished_at: Option<String>,
}

/// How far a job is. No number of seconds in it goes back while the job runs.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(rename = "Progress")]
struct ProgressDocument {
    /// The step that runs or waits: fetch, intake (decoding) or transcribe.
    stage: String,
    /// Tries of it so far.
    attempts: u32,
    /// Seconds of media decoded.
    decoded_seconds: f64,
    /// Seconds of media transcribed.
    done_seconds: f64,
    /// Seconds of media in all, once known.
    #[oai(skip_serializing_if_is_none)]
    total_seconds: Option<f64>,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(rename = "Failure")]
struct FailureDocument {
    /// For programs.
    code: String,
    /// For people.
    message: String,
}

/// The document of a job.
pub(crate) async fn of(app: &App, job: Job) -> Result<JobDocument, ApiError> {
    let stages = if job.state.is_final() { Vec::new() } else { app.store.stages(job.id).await? };
    let open = stages.iter().find(|stage| matches!(stage.state, StageState::Queued | StageState::Running));
    let queue_position = match open {
        Some(stage) if stage.state == StageState::Queued => {
            app.store.ahead_of(job.id, stage.kind.lane()).await?.map(|ahead| ahead + 1)
        }
        _ => None,
    };
    Ok(JobDocument {
        id: job.id.to_string(),
        state: job.state.to_string(),
        model: job.options.model.to_string(),
        language: job.options.language.map(|language| language.code().to_owned()),
        diarize: job.options.diarize,
        speakers: job.options.speakers,
        min_speakers: Some(job.options.min_speakers).filter(|limit| *limit > 0),
        max_speakers: Some(job.options.max_speakers).filter(|limit| *limit > 0),
        progress: open.map(|open| progress(&job, open, &stages)),
        file_name: job.file_name,
        url: job.source_url,
        duration: job.duration.map(|duration| duration.as_seconds()),
        credits: job.duration.map(|duration| credits(job.options.heard_of(duration))),
        queue_position,
        error: job
            .failure
            .map(|failure| FailureDocument { code: failure.code.to_string(), message: failure.message }),
        created_at: rfc3339(job.created_at),
        started_at: job.started_at.map(rfc3339),
        finished_at: job.finished_at.map(rfc3339),
    })
}

fn progress(job: &Job, open: &Stage, stages: &[Stage]) -> ProgressDocument {
    let of = |kind: StageKind| stages.iter().find(|stage| stage.kind == kind);
    let intake = of(StageKind::Intake).map(|stage| stage.progress).unwrap_or_default();
    let done = of(StageKind::Transcribe).map(|stage| stage.progress.done).unwrap_or_default();
    // The length is known when all of it is decoded; of it, what is asked for is heard.
    let heard = job.duration.map(|duration| job.options.heard_of(duration));
    let total = heard.or(intake.total);
    let decoded = heard.unwrap_or(intake.done);
    ProgressDocument {
        stage: open.kind.to_string(),
        attempts: open.attempts,
        decoded_seconds: decoded.as_seconds(),
        done_seconds: done.as_seconds(),
        total_seconds: total.map(|total| total.as_seconds()),
    }
}

/// The answer to a request for a job: the job, or the estimate of a dry run.
#[derive(Debug)]
pub(crate) struct JobReply(pub(crate) Response);

impl JobReply {
    /// 202 with the job.
    pub(crate) async fn accepted(app: &App, job: Job) -> Result<Self, ApiError> {
        let allowance = deliver::allowance(app, &job).await?;
        let id = job.id.to_string();
        let body = of(app, job).await?.to_json_string();
        let response = Response::builder().status(StatusCode::ACCEPTED).content_type("application/json");
        let mut response = response.body(body);
        let headers = response.headers_mut();
        allowance.write(headers);
        let address = format!("/v1/jobs/{id}");
        for (name, value) in [(HeaderName::from_static("x-job-id"), &id), (header::LOCATION, &address)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        Ok(Self(response))
    }
}

impl IntoResponse for JobReply {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for JobReply {
    fn meta() -> MetaResponses {
        let response = |status, description, schema, headers| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content: vec![MetaMediaType { content_type: "application/json", schema }],
            headers,
        };
        let location = MetaHeader {
            name: "Location".to_owned(),
            description: Some("The job's address.".to_owned()),
            required: false,
            deprecated: false,
            schema: String::schema_ref(),
        };
        MetaResponses {
            responses: vec![
                response(202, "The job.", JobDocument::schema_ref(), vec![location]),
                response(200, "The estimate of a dry run.", EstimateDocument::schema_ref(), vec![]),
            ],
        }
    }

    fn register(registry: &mut Registry) {
        JobDocument::register(registry);
        EstimateDocument::register(registry);
    }
}
