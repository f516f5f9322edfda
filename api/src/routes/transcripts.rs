//! `/v1/jobs/{id}/transcript`: in any form and shape, and how well its subtitles can be read.

use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use steno_shared::job::{Job, JobState};
use steno_shared::transcript::quality;

use super::{Tag, jobs};
use crate::auth::Caller;
use crate::deliver;
use crate::error::{ApiError, Cause};
use crate::options::TranscribeOptions;
use crate::quality_document::QualityDocument;
use crate::reply::Reply;
use crate::state::App;

#[derive(Debug)]
pub(crate) struct Routes;

#[OpenApi]
impl Routes {
    /// Read a job's transcript, in any form.
    ///
    /// The form and the shape are free: a job can be read in as many as you like. In subtitles no word is ever left
    /// out, no cue overlaps another, and each begins with its first word; where people speak too fast for
    /// `min_duration` and `max_cps`, a cue is short, or has to be read fast. `GET .../transcript/quality` says where.
    #[oai(
        path = "/v1/jobs/:id/transcript",
        method = "get",
        operation_id = "get_job_transcript",
        tag = "Tag::Jobs"
    )]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi takes each parameter by itself")]
    async fn transcript(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The job's id.
        id: Path<String>,
        /// json, txt, srt, vtt or tsv.
        format: Query<Option<String>>,
        /// Whether speakers are named: true, false or auto (if there are several).
        speaker_labels: Query<Option<String>>,
        /// Subtitles: columns of a line, 10 to 200; 42 unless given. A full-width character takes two. A word that is
        /// longer than a line is split.
        max_chars: Query<Option<String>>,
        /// Subtitles: lines of a cue, 1 to 10; 2 unless given.
        max_lines: Query<Option<String>>,
        /// Subtitles: seconds for which a cue is shown if the next one does not come earlier, 0.1 to 60; 1 unless
        /// given.
        min_duration: Query<Option<String>>,
        /// Subtitles: seconds for which a cue is shown at most, 0.1 to 60; 7 unless given.
        max_duration: Query<Option<String>>,
        /// Subtitles: columns that are read in a second, 5 to 60; 20 unless given. A cue stays for longer if it has
        /// to, and the next one leaves it the time.
        max_cps: Query<Option<String>>,
    ) -> Result<Reply, ApiError> {
        let options = options(&[
            ("response_format", format),
            ("speaker_labels", speaker_labels),
            ("max_chars", max_chars),
            ("max_lines", max_lines),
            ("min_duration", min_duration),
            ("max_duration", max_duration),
            ("max_cps", max_cps),
        ])?;
        let job = transcribed(&app, &caller, &id).await?;
        deliver::transcript(&app, &job, options.shape()).await
    }

    /// Read how well a job's subtitles can be read.
    ///
    /// The cues are those of `format=srt` in the same shape, and the shape is the limit that they are measured by: by
    /// default 42 columns in 2 lines, 1 to 7 s and 20 columns a second (Netflix, Timed Text Style Guide; BBC,
    /// Subtitle Guidelines).
    #[oai(
        path = "/v1/jobs/:id/transcript/quality",
        method = "get",
        operation_id = "get_job_transcript_quality",
        tag = "Tag::Jobs"
    )]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi takes each parameter by itself")]
    async fn quality(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The job's id.
        id: Path<String>,
        /// Whether speakers are named: true, false or auto (if there are several).
        speaker_labels: Query<Option<String>>,
        /// Columns of a line, 10 to 200; 42 unless given.
        max_chars: Query<Option<String>>,
        /// Lines of a cue, 1 to 10; 2 unless given.
        max_lines: Query<Option<String>>,
        /// Seconds for which a cue is shown at least, 0.1 to 60; 1 unless given.
        min_duration: Query<Option<String>>,
        /// Seconds for which a cue is shown at most, 0.1 to 60; 7 unless given.
        max_duration: Query<Option<String>>,
        /// Columns that are read in a second, 5 to 60; 20 unless given.
        max_cps: Query<Option<String>>,
    ) -> Result<Json<QualityDocument>, ApiError> {
        let options = options(&[
            ("speaker_labels", speaker_labels),
            ("max_chars", max_chars),
            ("max_lines", max_lines),
            ("min_duration", min_duration),
            ("max_duration", max_duration),
            ("max_cps", max_cps),
        ])?;
        let job = transcribed(&app, &caller, &id).await?;
        let (labels, style) = (options.labels, options.style);
        let report =
            deliver::of_stored(&app, &job, move |transcript| quality::report(&transcript, labels, style));
        Ok(Json(report.await?.into()))
    }
}

/// The options of a query, each under the name that a form has for it.
fn options(query: &[(&str, Query<Option<String>>)]) -> Result<TranscribeOptions, ApiError> {
    let mut options = TranscribeOptions::default();
    for (name, value) in query {
        if let Some(value) = value.as_deref() {
            options.set(name, value)?;
        }
    }
    options.check()?;
    Ok(options)
}

/// The job, if there is one that the caller may read, and it has a transcript.
pub(super) async fn transcribed(app: &App, caller: &Caller, id: &str) -> Result<Job, ApiError> {
    let job = jobs::find(app, caller, id).await?;
    if job.transcript.is_some() {
        return Ok(job);
    }
    let message = match job.state {
        JobState::Queued | JobState::Processing => {
            let message = format!("the job is {}; its transcript is not ready", job.state);
            return Err(ApiError::new(Cause::NotReady, message).with_job(job.id).retry_after(2));
        }
        JobState::Failed => {
            let reason = job.failure.map(|failure| failure.message).unwrap_or_default();
            format!("the job failed, so there is no transcript: {reason}")
        }
        JobState::Completed => "the job was a dry run, so there is no transcript".to_owned(),
        JobState::Cancelled => "the job was cancelled, so there is no transcript".to_owned(),
    };
    Err(ApiError::new(Cause::NotReady, message).with_job(job.id))
}
