//! The speakers of a job: reading the transcript with them, and what a caller makes of them.
//!
//! Belongs here: which objects are read, what may be asked of which job, and writing it down. Does not belong here:
//! who says what ([`steno_shared::diarization`]).

mod document;
mod request;

use std::io;

use steno_shared::diarization::{
    Diarization, EditError, Heard, Labelled, SpeakerCount, SpeakerEdits, cluster, labelled,
};
use steno_shared::id::JobId;
use steno_shared::job::{Job, JobState};
use steno_shared::transcript::{Transcript, Warning, WarningCode};

use crate::error::{ApiError, Cause};
use crate::state::App;

pub(crate) use document::SpeakersDocument;
pub(crate) use request::{SpeakersBody, SpeakersRequest};

/// A day of fast speech, with all its words, is 200 MB.
const MAX_TRANSCRIPT: u64 = 1 << 30;
/// A day has some ten thousand turns, and far fewer voices.
const MAX_DIARIZATION: u64 = 1 << 28;
/// How often an edit is tried while others edit the same job.
const TRIES: usize = 16;

/// What is stored of a job's transcript and its speakers.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    job: Job,
    transcript: Transcript,
    diarization: Option<Diarization>,
}

/// What `work` makes of what is stored of a completed job, on a thread where it holds up nobody: hours of speech take a
/// while.
pub(crate) async fn of_stored<T: Send + 'static>(
    app: &App,
    job: &Job,
    work: impl FnOnce(Stored) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let missing = || ApiError::internal(&io::Error::other("a completed job without a transcript"));
    let transcript = app.objects.read(&job.transcript.ok_or_else(missing)?, MAX_TRANSCRIPT).await?;
    let diarization = match &job.diarization {
        Some(key) => Some(app.objects.read(key, MAX_DIARIZATION).await?),
        None => None,
    };
    let job = job.clone();
    let made = tokio::task::spawn_blocking(move || -> Result<T, serde_json::Error> {
        let transcript = serde_json::from_slice(&transcript)?;
        let diarization = diarization.map(|bytes| serde_json::from_slice(&bytes)).transpose()?;
        Ok(work(Stored { job, transcript, diarization }))
    });
    made.await.map_err(|error| ApiError::internal(&error))?.map_err(|error| ApiError::internal(&error))
}

/// The speakers of a job that has a transcript.
pub(crate) async fn read(app: &App, job: &Job) -> Result<SpeakersDocument, ApiError> {
    of_stored(app, job, |stored| stored.document()).await
}

/// Does to the speakers of a job what a request asks for. Of two requests at the same time both are done, one after
/// the other.
pub(crate) async fn edit(
    app: &App,
    id: JobId,
    request: SpeakersRequest,
) -> Result<SpeakersDocument, ApiError> {
    for _ in 0..TRIES {
        let job = app.store.job(id).await?.ok_or_else(ApiError::no_such_job)?;
        if job.state != JobState::Completed {
            let message =
                format!("the job is {}; its speakers can be changed once it is completed", job.state);
            return Err(ApiError::new(Cause::NotReady, message).with_job(id));
        }
        let asked = request.clone();
        let edited = of_stored(app, &job, move |stored| {
            let (edits, lost) = stored.edited(&asked)?;
            let labelled = stored.labelled(&edits);
            Ok::<_, ApiError>((edits, labelled, lost))
        });
        let (edits, labelled, lost) = edited.await?.map_err(|error| error.with_job(id))?;
        if edits == job.speaker_edits || app.store.edit_speakers(&job, &edits).await? {
            tracing::info!(job.id = %id, "speakers edited");
            return Ok(SpeakersDocument::of(&labelled, count(&job, &edits)).without(&lost));
        }
    }
    let message = "the speakers of this job are being changed by others all the time; try again";
    Err(ApiError::new(Cause::NotReady, message).with_job(id).retry_after(1))
}

/// How many speakers were asked for.
fn count(job: &Job, edits: &SpeakerEdits) -> SpeakerCount {
    edits.count.unwrap_or_else(|| job.options.speaker_count())
}

impl Stored {
    /// The transcript with its speakers, as the caller has named them.
    pub(crate) fn into_transcript(mut self) -> Transcript {
        let remarks = self.remarks();
        self.transcript.warnings.extend(remarks);
        let heard = Heard::of(&self.job.options, self.job.channels, self.diarization.as_ref());
        labelled(self.transcript, heard, &self.job.speaker_edits).transcript
    }

    /// The transcript without the speakers that were told apart, as it came piece by piece.
    pub(crate) fn into_unlabelled(self) -> Transcript {
        self.transcript
    }

    /// What there is to say of how speakers were told apart. Where nobody speaks, nothing.
    fn remarks(&self) -> Vec<Warning> {
        let Self { job, transcript, diarization } = self;
        let is_known = |warning: &Warning| matches!(warning.code, WarningCode::DiarizationUnavailable);
        match diarization {
            _ if transcript.segments.is_empty() || !job.options.diarize => Vec::new(),
            Some(diarization) => diarization.warnings.clone(),
            // Of before there was diarization, the transcript says so itself.
            None if transcript.warnings.iter().any(is_known) => Vec::new(),
            None if job.options.wants_diarization(job.channels) => {
                let again = format!("; POST /v1/jobs/{}/retry?stage=diarize tries again", job.id);
                let again = job.samples.map(|_| again).unwrap_or_default();
                let message = format!("the speakers could not be told apart, so none are named{again}");
                vec![Warning::new(WarningCode::DiarizationFailed, message)]
            }
            None => Vec::new(),
        }
    }

    fn document(&self) -> SpeakersDocument {
        let edits = &self.job.speaker_edits;
        SpeakersDocument::of(&self.labelled(edits), count(&self.job, edits))
    }

    fn labelled(&self, edits: &SpeakerEdits) -> Labelled {
        let heard = Heard::of(&self.job.options, self.job.channels, self.diarization.as_ref());
        labelled(self.transcript.clone(), heard, edits)
    }

    /// The job's edits with those of a request, and the names that are lost by it: of speakers that are no more.
    fn edited(&self, request: &SpeakersRequest) -> Result<(SpeakerEdits, Vec<String>), ApiError> {
        let mut edits = self.job.speaker_edits.clone();
        let mut before = self.labelled(&edits);
        let mut lost = Vec::new();
        if let Some(count) = request.count {
            let regrouped = self.regrouped(count, &edits, &before)?;
            let is_kept = |name: &String| regrouped.names.values().any(|kept| kept == name);
            lost.extend(edits.names.values().filter(|name| !is_kept(name)).cloned());
            edits = regrouped;
            before = self.labelled(&edits);
        }
        let edits = edits.with(&request.change, &before).map_err(|error| match error {
            EditError::Nobody => {
                let message = if self.transcript.segments.is_empty() {
                    "nobody says anything in this transcript, so it has no speakers".to_owned()
                } else {
                    format!("the transcript has no speakers: {}", self.way_to_voices())
                };
                ApiError::new(Cause::NotReady, message)
            }
            error => ApiError::field(error.to_string()),
        })?;
        // One that the same request gives again is not lost.
        lost.retain(|name| !edits.names.values().any(|given| given == name));
        Ok((edits, lost))
    }

    /// The edits with the voices grouped into another number of speakers.
    fn regrouped(
        &self,
        count: SpeakerCount,
        edits: &SpeakerEdits,
        before: &Labelled,
    ) -> Result<SpeakerEdits, ApiError> {
        let Some(found) = self.diarization.as_ref().filter(|found| !found.is_untold()) else {
            let message = format!("there is nothing to count the speakers by: {}", self.way_to_voices());
            return Err(ApiError::new(Cause::NotReady, message));
        };
        let speakers = cluster(&found.turns, &found.voices, found.threshold, count);
        let bare = SpeakerEdits { speakers: Some(speakers.clone()), ..SpeakerEdits::default() };
        Ok(edits.regrouped(speakers, count, before, &self.labelled(&bare)))
    }

    /// Why no voices were told apart, and what the caller can do.
    fn way_to_voices(&self) -> String {
        let Job { id, channels, samples, .. } = &self.job;
        if *channels > 1 {
            "each channel is a speaker, who can be named and merged".to_owned()
        } else if samples.is_some() {
            format!("its voices were not told apart; POST /v1/jobs/{id}/retry?stage=diarize does that")
        } else {
            "its voices were not told apart, and its audio is deleted; send the file again with diarize=true, and \
             speakers= if you know their number"
                .to_owned()
        }
    }
}
