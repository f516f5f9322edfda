//! `POST /v1/transcribe`: a job, and the wait for it.

use poem::web::Data;
use poem_openapi::OpenApi;
use steno_shared::job::Priority;

use super::Tag;
use crate::auth::Caller;
use crate::body::TranscribeBody;
use crate::deliver::{self, Waiting};
use crate::error::ApiError;
use crate::estimate;
use crate::reply::Reply;
use crate::state::App;
use crate::submit::Accepted;

#[derive(Debug)]
pub(crate) struct Routes;

#[OpenApi]
impl Routes {
    /// Transcribe a file.
    ///
    /// The answer comes when the transcript is there. After 30 s a JSON answer begins, with white space, so that
    /// nothing in between gives up, however long it takes; the other forms wait in silence, two hours at most. A
    /// client with a key that loses the connection finds its job under the id in `X-Job-Id`; the job of one
    /// without is cancelled.
    #[oai(path = "/v1/transcribe", method = "post", operation_id = "transcribe", tag = "Tag::Transcription")]
    async fn transcribe(
        &self,
        caller: Caller,
        app: Data<&App>,
        body: TranscribeBody,
    ) -> Result<Reply, ApiError> {
        let TranscribeBody(body) = body;
        let submission = body.submission(&caller, Priority::Interactive)?;
        let mut waiting = Waiting::new(&app, submission.job, &caller);
        let accepted = body.accept(&app, &submission).await;
        let Accepted { job, options } = accepted.inspect_err(|_| waiting.refused())?;
        waiting.accepted(job);
        if options.dry_run {
            return estimate::reply(deliver::when_estimated(waiting).await?);
        }
        deliver::when_finished(waiting, options.shape()).await
    }
}
