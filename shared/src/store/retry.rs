//! Running a job, or one stage of it, again.

use sea_orm::{ConnectionTrait, EntityTrait};

use super::entity::job;
use super::stages::Turn;
use super::{Store, StoreError, Writing, during, unreadable};
use crate::account::{self, Shortage, Tier};
use crate::id::JobId;
use crate::job::{Job, JobState, Priority, StageKind};

/// What became of the wish to run a job again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retried {
    /// The stage is queued.
    Queued(StageKind),
    /// The audio that the stage needs is deleted.
    AudioDeleted,
    /// The job has not ended yet.
    Active,
    /// Each channel is a speaker: there are none to be told apart.
    Channels,
    /// It was cancelled, and its worker has not let go of it yet.
    Held,
    /// It is completed; only a stage of it, by name, can be run again.
    Completed,
    /// The account cannot pay for it.
    Refused(Shortage),
    /// As many of the account's jobs wait for their turn as may.
    TooMany(u32),
    /// There is no such job.
    Missing,
}

impl Store {
    /// Queues a job that failed or was cancelled once more, from the stage whose input is still there; with
    /// `stage`, from that one, of a completed job too. A job that was charged is not charged again. From here on it
    /// has these limits, of its account as it is now.
    ///
    /// # Errors
    /// If the rows cannot be written; then none was.
    pub async fn retry_job(
        &self,
        id: JobId,
        stage: Option<StageKind>,
        limits: &Tier,
    ) -> Result<Retried, StoreError> {
        let writing = self.write("retry a job").await?;
        let row = job::Entity::find_by_id(id.to_string()).one(&writing.transaction).await;
        let Some(row) = row.map_err(during("read a job"))? else { return Ok(Retried::Missing) };
        let mut job = Job { limits: limits.clone(), ..Job::try_from(row)? };
        match job.state {
            JobState::Queued | JobState::Processing => return Ok(Retried::Active),
            JobState::Completed if stage.is_none() => return Ok(Retried::Completed),
            _ => {}
        }
        if let Some(limit) = limits.queued
            && self.waiting_jobs(&writing, &job.account).await? >= i64::from(limit)
        {
            return Ok(Retried::TooMany(limit));
        }
        if self.is_charged(&writing, id).await? {
            // What is at the URL by now is not what was paid for.
            job.source_url = None;
        }
        if stage == Some(StageKind::Diarize) {
            if job.channels > 1 {
                return Ok(Retried::Channels);
            }
            // Asked for by name, it is wanted.
            let options = &mut job.options;
            options.diarize = true;
            if !options.wants_diarization(1) {
                (options.speakers, options.max_speakers) = (0, 0);
            }
        }
        let Some(kind) = first_stage(&job, stage) else { return Ok(Retried::AudioDeleted) };
        if self.is_held(&writing, id).await? {
            return Ok(Retried::Held);
        }
        // The row first: the reservation goes by the limits in it.
        self.requeue_job(&writing, &job, kind).await?;
        if let Some(shortage) = self.reserve_again(&writing, &job, kind).await? {
            return Ok(Retried::Refused(shortage));
        }
        writing.commit("retry a job").await?;
        Ok(Retried::Queued(kind))
    }

    /// Whether a worker still works for the job, as one does for a moment after it was cancelled. The attempts of
    /// another run are counted from 1 again, so that its claim could not be told from the new one.
    async fn is_held(&self, writing: &Writing<'_>, job: JobId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM stage WHERE job_id = $1 AND state = 'running'";
        let held = writing.transaction.query_one_raw(self.statement(sql, [job.to_string().into()])).await;
        held.map(|row| row.is_some()).map_err(during("read stages"))
    }

    /// What the job reserved was given back when it ended; what it was charged stays charged, and a dry run takes
    /// nothing.
    async fn reserve_again(
        &self,
        writing: &Writing<'_>,
        job: &Job,
        kind: StageKind,
    ) -> Result<Option<Shortage>, StoreError> {
        if job.options.dry_run || self.is_charged(writing, job.id).await? {
            return Ok(None);
        }
        let shortage = self.reserve_transcription(writing, job.id, &job.account, &job.limits).await?;
        match (shortage, kind, job.duration) {
            // The end of intake reserves the rest.
            (None, StageKind::Transcribe | StageKind::Diarize, Some(duration)) => {
                self.reserve_minutes(writing, job.id, account::credits(job.options.heard_of(duration))).await
            }
            (shortage, ..) => Ok(shortage),
        }
    }

    async fn requeue_job(&self, writing: &Writing<'_>, job: &Job, kind: StageKind) -> Result<(), StoreError> {
        // Its transcript, if it has one, stays until it is replaced.
        let sql = "UPDATE job SET state = 'queued', error_code = NULL, error = NULL, started_at = NULL, \
                   finished_at = NULL, runs = runs + 1, priority = $2, limits = $3, concurrent = $4, options = $5 \
                   WHERE id = $1";
        let values = [
            job.id.to_string().into(),
            Priority::Batch.rank().into(),
            serde_json::to_string(&job.limits).map_err(unreadable)?.into(),
            job.limits.concurrent.map(u32::cast_signed).into(),
            serde_json::to_string(&job.options).map_err(unreadable)?.into(),
        ];
        let changed = writing.transaction.execute_raw(self.statement(sql, values)).await;
        changed.map_err(during("queue a job again"))?;
        self.remove_chunks_before(writing, job.id, kind).await?;
        let model = (kind == StageKind::Transcribe).then(|| job.options.model.clone());
        let turn = Turn { account: job.account.to_string(), priority: Priority::Batch.rank(), model };
        let mut stages = vec![kind];
        let told = job.pending_diarization.or(job.diarization);
        let untold = told.is_none() && job.options.wants_diarization(job.channels);
        if kind == StageKind::Transcribe && untold {
            stages.push(StageKind::Diarize);
        }
        for kind in stages {
            let model = turn.model.clone().filter(|_| kind == StageKind::Transcribe);
            let stage = self.insert_stage(job.id, kind, &Turn { model, ..turn.clone() });
            writing.transaction.execute_raw(stage).await.map_err(during("queue a stage again"))?;
        }
        Ok(())
    }

    /// Samples that are made anew need not be the same.
    async fn remove_chunks_before(
        &self,
        writing: &Writing<'_>,
        job: JobId,
        kind: StageKind,
    ) -> Result<(), StoreError> {
        match kind {
            StageKind::Transcribe | StageKind::Diarize => Ok(()),
            StageKind::Fetch | StageKind::Intake => self.remove_chunks(writing, job).await,
        }
    }
}

/// The stage to begin with: the one asked for, or the latest, whose input is still there.
fn first_stage(job: &Job, asked: Option<StageKind>) -> Option<StageKind> {
    // One that was transcribed lacks no more than its speakers.
    let is_transcribed = job.pending_transcript.is_some();
    let next = if is_transcribed { StageKind::Diarize } else { StageKind::Transcribe };
    let samples = job.samples.map(|_| next);
    let upload = job.upload.map(|_| StageKind::Intake);
    let url = job.source_url.as_ref().map(|_| StageKind::Fetch);
    match asked {
        None => samples.or(upload).or(url),
        // Without samples, those of another intake do.
        Some(StageKind::Transcribe) => job.samples.map(|_| StageKind::Transcribe).or(upload).or(url),
        // Another transcript is not what was asked for.
        Some(StageKind::Diarize) => samples.map(|from| job.transcript.map_or(from, |_| StageKind::Diarize)),
        Some(StageKind::Intake) => upload.or(url),
        Some(StageKind::Fetch) => url,
    }
}
