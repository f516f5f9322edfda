//! The answer to a dry run: what a transcription would cost.

use poem::Response;
use poem_openapi::Object;
use poem_openapi::types::ToJSON;
use steno_shared::account::credits;
use steno_shared::job::Job;
use steno_shared::store::Usage;

use crate::allowance::Allowance;
use crate::error::ApiError;
use crate::reply::Reply;

/// What a transcription would cost. Nothing was transcribed and nothing is kept.
#[derive(Debug, Object)]
#[oai(rename = "Estimate")]
pub(crate) struct EstimateDocument {
    /// Length of the audio, in seconds.
    duration: f64,
    /// What it would cost: one for each minute of audio, rounded up.
    credits: u64,
    /// Credits of the account, or minutes of its month, that are left; absent without a limit.
    #[oai(skip_serializing_if_is_none)]
    credits_remaining: Option<u64>,
    /// Whether what is left is enough.
    sufficient: bool,
    /// The model that would transcribe.
    model: String,
    /// The name that the client gave its file.
    #[oai(skip_serializing_if_is_none)]
    file_name: Option<String>,
    /// What there is to know about the media.
    warnings: Vec<String>,
}

/// The estimate for a job that ended after its intake.
pub(crate) fn document(job: &Job, usage: &Usage) -> EstimateDocument {
    let duration = job.duration.unwrap_or_default();
    let (cost, allowance) = (credits(job.options.heard_of(duration)), Allowance::of(&job.limits, usage));
    EstimateDocument {
        duration: duration.as_seconds(),
        credits: cost,
        credits_remaining: allowance.credits_remaining,
        sufficient: usage.shortage(&job.limits).is_none()
            && allowance.credits_remaining.is_none_or(|remaining| remaining >= cost),
        model: job.options.model.to_string(),
        file_name: job.file_name.clone(),
        warnings: job.warnings.iter().map(|warning| warning.message.clone()).collect(),
    }
}

/// The same as an answer.
pub(crate) fn reply((job, usage): (Job, Usage)) -> Result<Reply, ApiError> {
    let body = document(&job, &usage).to_json_string();
    let mut response = Response::builder().content_type("application/json").body(body);
    Allowance::of(&job.limits, &usage).write(response.headers_mut());
    Ok(Reply(response))
}
