//! `/v1/jobs/{id}/speakers`: who they are, and what they are called.

use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;

use super::{Tag, jobs, transcripts};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::json_body::JsonBody;
use crate::speakers::{self, SpeakersBody, SpeakersDocument};
use crate::state::App;

#[derive(Debug)]
pub(crate) struct Routes;

#[OpenApi]
impl Routes {
    /// Read who speaks in a job's transcript, and when.
    #[oai(
        path = "/v1/jobs/:id/speakers",
        method = "get",
        operation_id = "get_job_speakers",
        tag = "Tag::Jobs"
    )]
    async fn get(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The job's id.
        id: Path<String>,
    ) -> Result<Json<SpeakersDocument>, ApiError> {
        let job = transcripts::transcribed(&app, &caller, &id).await?;
        Ok(Json(speakers::read(&app, &job).await?))
    }

    /// Name, merge or recount the speakers of a completed job.
    ///
    /// At once, and for nothing: the transcript is not made again, and every form of it has the new names from the next
    /// request on. The order is: another number of speakers, `split`, `merge`, `names`. A request that is sent twice
    /// does no more than once.
    #[oai(
        path = "/v1/jobs/:id/speakers",
        method = "patch",
        operation_id = "edit_job_speakers",
        tag = "Tag::Jobs"
    )]
    async fn edit(
        &self,
        caller: Caller,
        app: Data<&App>,
        /// The job's id.
        id: Path<String>,
        request: JsonBody<SpeakersBody>,
    ) -> Result<Json<SpeakersDocument>, ApiError> {
        let job = jobs::find(&app, &caller, &id).await?;
        let request = request.0.read()?;
        Ok(Json(speakers::edit(&app, job.id, request).await?))
    }
}
