//! Jobs from the caller's side: read, cancel, remove.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::entity::{job, stage};
use super::finish::is_dry_run;
use super::{Store, StoreError, Writing, column, during, unreadable};
use crate::diarization::SpeakerEdits;
use crate::id::JobId;
use crate::job::{Job, JobState, Lane, Stage};
use crate::object::ObjectKey;

/// What became of the wish to remove a job.
#[derive(Debug)]
pub enum Removed {
    /// Its rows are gone; its objects, named in here, are the caller's to remove.
    Gone(Box<Job>),
    /// It is still queued or processing: cancel it first.
    Active,
    /// There is no such job.
    Missing,
}

impl Store {
    /// One job.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let row =
            job::Entity::find_by_id(id.to_string()).one(&self.db).await.map_err(during("read a job"))?;
        row.map(Job::try_from).transpose()
    }

    /// The stages of a job, in the order they were made.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn stages(&self, id: JobId) -> Result<Vec<Stage>, StoreError> {
        let rows = stage::Entity::find()
            .filter(stage::Column::JobId.eq(id.to_string()))
            .order_by_asc(stage::Column::CreatedAt)
            .order_by_asc(stage::Column::Kind)
            .all(&self.db)
            .await;
        rows.map_err(during("read stages"))?.into_iter().map(Stage::try_from).collect()
    }

    /// Those of `ids` that will not change any more, with their states; `None` for one that has been removed.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn settled(&self, ids: &[JobId]) -> Result<Vec<(JobId, Option<JobState>)>, StoreError> {
        let rows: Vec<(String, String)> = job::Entity::find()
            .select_only()
            .column(job::Column::Id)
            .column(job::Column::State)
            .filter(job::Column::Id.is_in(ids.iter().map(ToString::to_string)))
            .into_tuple()
            .all(&self.db)
            .await
            .map_err(during("read job states"))?;
        let states: HashMap<String, String> = rows.into_iter().collect();
        let mut settled = Vec::new();
        for id in ids {
            match states.get(&id.to_string()) {
                None => settled.push((*id, None)),
                Some(state) => {
                    let state: JobState = state.parse().map_err(unreadable)?;
                    settled.extend(state.is_final().then_some((*id, Some(state))));
                }
            }
        }
        Ok(settled)
    }

    /// Whether `limit` stages or more wait to be claimed.
    ///
    /// # Errors
    /// If they cannot be counted.
    pub async fn queue_is_full(&self, limit: u32) -> Result<bool, StoreError> {
        let Some(others) = limit.checked_sub(1) else { return Ok(true) };
        // Naming the lanes lets the index find the few that are queued among all that are done.
        // A diarization is beside a transcription, which counts.
        let counted = Lane::ALL.iter().filter(|lane| **lane != Lane::Diarize);
        let lanes: Vec<_> = counted.map(|lane| format!("'{lane}'")).collect();
        let sql = format!(
            "SELECT 1 FROM stage WHERE lane IN ({}) AND state = 'queued' LIMIT 1 OFFSET $1",
            lanes.join(", ")
        );
        let row = self.db.query_one_raw(self.statement(sql, [i64::from(others).into()])).await;
        row.map(|row| row.is_some()).map_err(during("count the queue"))
    }

    /// Cancels a job that is not finished: it is cancelled when this returns, a queued stage will not be claimed,
    /// a running one is told at its next beat. Returns the objects that are the caller's to remove. One that has a
    /// transcript from an earlier run is completed as before, and keeps its audio. `None` if the job was finished,
    /// or there is none.
    ///
    /// # Errors
    /// If the rows cannot be written.
    pub async fn cancel_job(&self, id: JobId) -> Result<Option<Vec<ObjectKey>>, StoreError> {
        let writing = self.write("cancel a job").await?;
        let now = self.now();
        let row = job::Entity::find_by_id(id.to_string()).one(&writing.transaction).await;
        let Some(row) = row.map_err(during("read a job"))? else { return Ok(None) };
        let before = Job::try_from(row)?;
        let job = self.statement(
            format!(
                "UPDATE job SET state = CASE WHEN transcript_key IS NULL THEN 'cancelled' ELSE 'completed' END, \
                 finished_at = {now}, \
                 upload_key = CASE WHEN transcript_key IS NULL THEN NULL ELSE upload_key END, \
                 samples_key = CASE WHEN transcript_key IS NULL THEN NULL ELSE samples_key END, \
                 pending_transcript_key = NULL, pending_diarization_key = NULL \
                 WHERE id = $1 AND state IN ('queued', 'processing') RETURNING state, options"
            ),
            [id.to_string().into()],
        );
        let row = writing.transaction.query_one_raw(job).await.map_err(during("cancel a job"))?;
        let Some(row) = row else { return Ok(None) };
        let state: String = column(&row, "state")?;
        self.cancel_stages(&writing, id).await?;
        self.remove_chunks(&writing, id).await?;
        self.release(&writing, id).await?;
        if state == JobState::Cancelled.as_str() && !is_dry_run(&row)? {
            self.announce(&writing, id).await?;
        }
        writing.commit("cancel a job").await?;
        let objects = match before.transcript {
            None => before.objects(),
            Some(_) => {
                [before.pending_transcript, before.pending_diarization].into_iter().flatten().collect()
            }
        };
        Ok(Some(objects))
    }

    /// Takes back the stages of a job that have not ended: a queued one is not claimed, a running one is told at its
    /// next beat.
    pub(super) async fn cancel_stages(&self, writing: &Writing<'_>, id: JobId) -> Result<(), StoreError> {
        let now = self.now();
        let stages = self.statement(
            format!(
                "UPDATE stage SET cancel = TRUE, \
                 finished_at = CASE state WHEN 'queued' THEN {now} ELSE finished_at END, \
                 state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END \
                 WHERE job_id = $1 AND state IN ('queued', 'running')"
            ),
            [id.to_string().into()],
        );
        writing.transaction.execute_raw(stages).await.map(|_| ()).map_err(during("cancel stages"))
    }

    /// Stores what callers make of a completed job's speakers, unless it is not `before` that they changed any more, or
    /// the speakers have been found anew. False in that case.
    ///
    /// # Errors
    /// If the row cannot be written.
    pub async fn edit_speakers(&self, job: &Job, after: &SpeakerEdits) -> Result<bool, StoreError> {
        let text = |edits: &SpeakerEdits| match *edits == SpeakerEdits::default() {
            true => Ok(None),
            false => serde_json::to_string(edits).map(Some).map_err(unreadable),
        };
        let sql = "UPDATE job SET speaker_edits = $2 WHERE id = $1 AND state = 'completed' \
                   AND COALESCE(speaker_edits, '') = COALESCE($3, '') \
                   AND COALESCE(diarization_key, '') = COALESCE($4, '') \
                   AND COALESCE(transcript_key, '') = COALESCE($5, '')";
        let values = [
            job.id.to_string().into(),
            text(after)?.into(),
            text(&job.speaker_edits)?.into(),
            job.diarization.map(|key| key.to_string()).into(),
            job.transcript.map(|key| key.to_string()).into(),
        ];
        let _turn = self.writer.acquire().await.map_err(unreadable)?;
        let edited = self.db.execute_raw(self.statement(sql, values)).await;
        edited.map(|done| done.rows_affected() > 0).map_err(during("store a job's speakers"))
    }

    /// Removes every trace of a finished job from the database.
    ///
    /// # Errors
    /// If the rows cannot be removed.
    pub async fn remove_job(&self, id: JobId) -> Result<Removed, StoreError> {
        let writing = self.write("remove a job").await?;
        let row = job::Entity::find_by_id(id.to_string()).one(&writing.transaction).await;
        let Some(row) = row.map_err(during("read a job"))? else { return Ok(Removed::Missing) };
        let job = Job::try_from(row)?;
        if !job.state.is_final() {
            return Ok(Removed::Active);
        }
        let removed = job::Entity::delete_by_id(id.to_string()).exec(&writing.transaction).await;
        removed.map_err(during("remove a job"))?;
        writing.commit("remove a job").await?;
        Ok(Removed::Gone(Box::new(job)))
    }
}
