//! How stages end, from the workers' side: with an output, a setback, or handed back; and how jobs end with them.
//!
//! A job ends in the transaction that ends its last stage: with it go the charge or the release of what it
//! reserved, and the outbox rows of its webhooks.

use std::time::Duration;

use sea_orm::{ConnectionTrait, QueryResult};

use super::stages::{HELD, Turn, held};
use super::{Store, StoreError, Writing, column, during, unreadable};
use crate::account;
use crate::error::{Failure, FailureCode};
use crate::id::JobId;
use crate::job::{Claim, JobOptions, MAX_ATTEMPTS, Setback, StageKind, StageState, Upload};
use crate::object::ObjectKey;
use crate::time::Millis;
use crate::transcript::Warning;

/// What intake found out and stored.
#[derive(Debug, Clone)]
pub struct IntakeOutput {
    /// Where the samples are.
    pub samples: ObjectKey,
    /// The exact length of the media; the samples are of the part that the options ask for.
    pub duration: Millis,
    /// How many channels the samples have.
    pub channels: u16,
    /// What the caller should know about the media.
    pub warnings: Vec<Warning>,
}

/// What became of a job at the end of its intake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntakeEnd {
    /// Its transcription is queued, and what it costs is reserved.
    Queued,
    /// It was a dry run, and is completed. Its objects are the worker's to remove.
    Completed,
    /// Its account cannot pay for it, and it has failed. The samples are the worker's to remove.
    Refused(Failure),
    /// The claim was lost or the job cancelled: nothing was written. The samples are the worker's to remove.
    Lost,
}

/// What became of a job at the end of one of the two stages that its samples go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BranchEnd {
    /// It is completed. Its media and its samples are the worker's to remove, unless its options keep them.
    Completed,
    /// The other stage has not ended yet.
    Waiting,
    /// The claim was lost or the job cancelled: nothing was written. The output is the worker's to remove.
    Lost,
}

/// Where a stage stands after an attempt without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetBack {
    /// Where it stands.
    pub state: StageState,
    /// Whether the job is completed all the same: what the stage is for can be done without. Its media and its
    /// samples are the worker's to remove, unless its options keep them.
    pub completed: bool,
    /// Whether the job was cancelled, not only this stage of it. Its objects are the worker's to remove.
    pub cancelled: bool,
}

/// A file that was fetched from a URL.
#[derive(Debug, Clone)]
pub struct FetchOutput {
    /// Where it is stored.
    pub upload: Upload,
    /// What it is called there, for naming downloads.
    pub file_name: Option<String>,
}

impl Store {
    /// Ends a fetch with the file and queues its intake. False if the claim was lost or the job cancelled: then
    /// nothing was written, and the file is the worker's to remove.
    ///
    /// # Errors
    /// If the rows cannot be written; then none was.
    pub async fn finish_fetch(&self, claim: &Claim, output: &FetchOutput) -> Result<bool, StoreError> {
        let writing = self.write("finish a fetch").await?;
        let Some(turn) = self.end_stage(&writing, claim, StageState::Done, None).await? else {
            return Ok(false);
        };
        let sql = "UPDATE job SET upload_key = $2, upload_bytes = $3, upload_sha256 = $4, \
                   file_name = COALESCE(file_name, $5) WHERE id = $1 AND state = 'processing'";
        let values = [
            claim.job.to_string().into(),
            output.upload.key.to_string().into(),
            output.upload.bytes.cast_signed().into(),
            output.upload.sha256.clone().into(),
            output.file_name.clone().into(),
        ];
        let stored = writing.transaction.execute_raw(self.statement(sql, values)).await;
        if stored.map_err(during("store a fetched file"))?.rows_affected() == 0 {
            return Ok(false);
        }
        let next = self.insert_stage(claim.job, StageKind::Intake, &turn);
        writing.transaction.execute_raw(next).await.map_err(during("queue the intake"))?;
        writing.commit("finish a fetch").await?;
        Ok(true)
    }

    /// Ends intake with its output, reserves what the transcription costs, and queues it.
    ///
    /// # Errors
    /// If the rows cannot be written; then none was.
    pub async fn finish_intake(&self, claim: &Claim, output: &IntakeOutput) -> Result<IntakeEnd, StoreError> {
        let writing = self.write("finish intake").await?;
        let sql = "UPDATE job SET duration_ms = $2, warnings = $3, channels = $4 \
                   WHERE id = $1 AND state = 'processing' RETURNING options";
        let values = [
            claim.job.to_string().into(),
            output.duration.0.cast_signed().into(),
            serde_json::to_string(&output.warnings).map_err(unreadable)?.into(),
            i32::from(output.channels).into(),
        ];
        let row = writing.transaction.query_one_raw(self.statement(sql, values)).await;
        let Some(row) = row.map_err(during("store the output of intake"))? else {
            return Ok(IntakeEnd::Lost);
        };
        let options: JobOptions =
            serde_json::from_str(&column::<String>(&row, "options")?).map_err(unreadable)?;
        let shortage = if options.dry_run {
            None
        } else {
            self.reserve_minutes(&writing, claim.job, account::credits(options.heard_of(output.duration)))
                .await?
        };
        let failure = shortage.map(|shortage| shortage.failure());
        let state = if failure.is_some() { StageState::Failed } else { StageState::Done };
        let message = failure.as_ref().map(|failure| &failure.message);
        let Some(turn) = self.end_stage(&writing, claim, state, message).await? else {
            return Ok(IntakeEnd::Lost);
        };
        let end = match failure {
            Some(failure) => {
                self.fail_job(&writing, claim.job, &failure).await?;
                IntakeEnd::Refused(failure)
            }
            None if options.dry_run => {
                self.complete_job(&writing, claim.job).await?;
                IntakeEnd::Completed
            }
            None => {
                self.queue_branches(&writing, (claim.job, &options), output, turn).await?;
                IntakeEnd::Queued
            }
        };
        writing.commit("finish intake").await?;
        Ok(end)
    }

    /// Queues the two stages that the samples go to.
    async fn queue_branches(
        &self,
        writing: &Writing<'_>,
        (job, options): (JobId, &JobOptions),
        output: &IntakeOutput,
        turn: Turn,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE job SET samples_key = $2 WHERE id = $1";
        let values = [job.to_string().into(), output.samples.to_string().into()];
        let stored = writing.transaction.execute_raw(self.statement(sql, values)).await;
        stored.map_err(during("store the output of intake"))?;
        if options.wants_diarization(output.channels) {
            let beside = self.insert_stage(job, StageKind::Diarize, &turn);
            writing.transaction.execute_raw(beside).await.map_err(during("queue the diarization"))?;
        }
        let turn = Turn { model: Some(options.model.clone()), ..turn };
        let next = self.insert_stage(job, StageKind::Transcribe, &turn);
        writing.transaction.execute_raw(next).await.map(|_| ()).map_err(during("queue the transcription"))
    }

    /// Ends a transcription, and the job with it unless its diarization has not ended yet.
    ///
    /// # Errors
    /// If the rows cannot be written; then none was.
    pub async fn finish_transcribe(
        &self,
        claim: &Claim,
        transcript: &ObjectKey,
    ) -> Result<BranchEnd, StoreError> {
        self.finish_branch(claim, "pending_transcript_key = $2", transcript).await
    }

    /// Ends a diarization, and the job with it unless its transcription has not ended yet.
    ///
    /// # Errors
    /// If the rows cannot be written; then none was.
    pub async fn finish_diarize(
        &self,
        claim: &Claim,
        diarization: &ObjectKey,
    ) -> Result<BranchEnd, StoreError> {
        self.finish_branch(claim, "pending_diarization_key = $2", diarization).await
    }

    async fn finish_branch(
        &self,
        claim: &Claim,
        assignment: &str,
        output: &ObjectKey,
    ) -> Result<BranchEnd, StoreError> {
        let writing = self.write("finish a stage").await?;
        if self.end_stage(&writing, claim, StageState::Done, None).await?.is_none() {
            return Ok(BranchEnd::Lost);
        }
        let sql = format!("UPDATE job SET {assignment} WHERE id = $1 AND state = 'processing'");
        let values = [claim.job.to_string().into(), output.to_string().into()];
        let stored = writing.transaction.execute_raw(self.statement(sql, values)).await;
        if stored.map_err(during("store the output of a stage"))?.rows_affected() == 0 {
            return Ok(BranchEnd::Lost);
        }
        let end = self.join_branches(&writing, claim.job).await?;
        writing.commit("finish a stage").await?;
        Ok(end)
    }

    /// Completes a job that has a transcript, unless one of the stages that its samples go to has not ended yet.
    pub(super) async fn join_branches(
        &self,
        writing: &Writing<'_>,
        job: JobId,
    ) -> Result<BranchEnd, StoreError> {
        // Held until the end of the transaction: of two stages that end at once, one sees the other.
        let hold = "UPDATE job SET state = state WHERE id = $1 AND state = 'processing'";
        let held = writing.transaction.execute_raw(self.statement(hold, [job.to_string().into()])).await;
        if held.map_err(during("hold a job"))?.rows_affected() == 0 {
            return Ok(BranchEnd::Lost);
        }
        let sql = "SELECT 1 FROM job j WHERE j.id = $1 \
                   AND COALESCE(j.pending_transcript_key, j.transcript_key) IS NOT NULL \
                   AND NOT EXISTS (SELECT 1 FROM stage s WHERE s.job_id = j.id AND s.state IN ('queued', 'running'))";
        let ready = writing.transaction.query_one_raw(self.statement(sql, [job.to_string().into()])).await;
        if ready.map_err(during("read stages"))?.is_none() {
            return Ok(BranchEnd::Waiting);
        }
        let completed = self.complete_job(writing, job).await?;
        Ok(if completed { BranchEnd::Completed } else { BranchEnd::Lost })
    }

    /// Completes a job: unless it was a dry run, it is charged. What callers made of the speakers of an earlier run is
    /// forgotten: they may be others now. False if it had ended.
    async fn complete_job(&self, writing: &Writing<'_>, job: JobId) -> Result<bool, StoreError> {
        let id = job.to_string();
        let options = self.options_of(writing, job).await?;
        let forget = if options.keep_audio && !options.dry_run {
            ""
        } else {
            ", upload_key = NULL, samples_key = NULL"
        };
        let sql = format!(
            "UPDATE job SET state = 'completed', finished_at = {}, \
             transcript_key = COALESCE(pending_transcript_key, transcript_key), pending_transcript_key = NULL, \
             diarization_key = COALESCE(pending_diarization_key, diarization_key), \
             pending_diarization_key = NULL, speaker_edits = NULL, \
             error_code = NULL, error = NULL{forget} WHERE id = $1 AND state = 'processing'",
            self.now()
        );
        let completed = writing.transaction.execute_raw(self.statement(sql, [id.into()])).await;
        if completed.map_err(during("complete a job"))?.rows_affected() == 0 {
            return Ok(false);
        }
        self.remove_chunks(writing, job).await?;
        if !options.dry_run {
            self.settle(writing, job).await?;
            self.announce(writing, job).await?;
        }
        Ok(true)
    }

    async fn options_of(&self, writing: &Writing<'_>, job: JobId) -> Result<JobOptions, StoreError> {
        let find = self.statement("SELECT options FROM job WHERE id = $1", [job.to_string().into()]);
        let row = writing.transaction.query_one_raw(find).await.map_err(during("read a job"))?;
        let row = row.ok_or_else(|| unreadable("a stage without a job"))?;
        serde_json::from_str(&column::<String>(&row, "options")?).map_err(unreadable)
    }

    /// Ends an attempt that has no result. Returns where the stage stands now, or `None` if the claim was lost
    /// already. If the caller's file is at fault, the job's media is the worker's to remove.
    ///
    /// # Errors
    /// If the rows cannot be written.
    pub async fn set_back(&self, claim: &Claim, setback: &Setback) -> Result<Option<SetBack>, StoreError> {
        let writing = self.write("end an attempt").await?;
        let (failure, last) = match setback {
            Setback::Final(failure) => (Some(failure), true),
            Setback::Retry(failure) => (Some(failure), claim.attempt >= MAX_ATTEMPTS),
            Setback::HandBack => (None, false),
        };
        let cancelled = self.is_cancelled(&writing, claim).await?;
        let state = match (cancelled, last) {
            (true, _) => StageState::Cancelled,
            (false, true) => StageState::Failed,
            (false, false) => StageState::Queued,
        };
        let ended = self.end_stage(&writing, claim, state, failure.map(|failure| &failure.message)).await?;
        if ended.is_none() {
            return Ok(None);
        }
        let mut completed = false;
        match (state, failure) {
            (StageState::Failed, Some(failure)) => {
                completed = self.fail_stage(&writing, (claim.job, claim.stage), failure).await?;
            }
            (StageState::Queued, failure) => {
                self.requeue(&writing, claim, failure.map(|_| backoff(claim.attempt))).await?;
            }
            _ => {}
        }
        let cancelled = cancelled && self.was_cancelled(&writing, claim.job).await?;
        writing.commit("end an attempt").await?;
        Ok(Some(SetBack { state, completed, cancelled }))
    }

    /// What the failure of a stage means for its job: that it fails, or, where a transcript without speakers will
    /// do, that it goes on without. True if it is completed by that.
    pub(super) async fn fail_stage(
        &self,
        writing: &Writing<'_>,
        (job, kind): (JobId, StageKind),
        failure: &Failure,
    ) -> Result<bool, StoreError> {
        if kind != StageKind::Diarize {
            self.fail_job(writing, job, failure).await?;
            return Ok(false);
        }
        if self.options_of(writing, job).await?.text.strict {
            let message =
                format!("the transcript is incomplete, and strict was asked for: {}", failure.message);
            self.fail_job(writing, job, &Failure::new(FailureCode::Incomplete, message)).await?;
            return Ok(false);
        }
        if self.has_nothing_new(writing, job).await? {
            self.fail_job(writing, job, failure).await?;
            return Ok(false);
        }
        Ok(self.join_branches(writing, job).await? == BranchEnd::Completed)
    }

    /// Whether a job that was completed before has run again for nothing.
    async fn has_nothing_new(&self, writing: &Writing<'_>, job: JobId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM job j WHERE j.id = $1 AND j.transcript_key IS NOT NULL \
                   AND j.pending_transcript_key IS NULL \
                   AND NOT EXISTS (SELECT 1 FROM stage s WHERE s.job_id = j.id AND s.state IN ('queued', 'running'))";
        let row = writing.transaction.query_one_raw(self.statement(sql, [job.to_string().into()])).await;
        row.map(|row| row.is_some()).map_err(during("read a job"))
    }

    async fn was_cancelled(&self, writing: &Writing<'_>, job: JobId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM job WHERE id = $1 AND state = 'cancelled'";
        let row = writing.transaction.query_one_raw(self.statement(sql, [job.to_string().into()])).await;
        row.map(|row| row.is_some()).map_err(during("read a job"))
    }

    async fn is_cancelled(&self, writing: &Writing<'_>, claim: &Claim) -> Result<bool, StoreError> {
        let sql = format!("SELECT cancel FROM stage WHERE {HELD}");
        let row = writing.transaction.query_one_raw(self.statement(sql, held(claim))).await;
        row.map_err(during("read a stage"))?.map_or(Ok(false), |row| column(&row, "cancel"))
    }

    /// Back into the queue: after a failure for later, after a hand-back, without a wait, at once and uncounted.
    async fn requeue(
        &self,
        writing: &Writing<'_>,
        claim: &Claim,
        wait: Option<Duration>,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "UPDATE stage SET attempts = attempts - $3, run_at = {} + $4, finished_at = NULL \
             WHERE job_id = $1 AND kind = $2",
            self.now()
        );
        let values = [
            claim.job.to_string().into(),
            claim.stage.as_str().into(),
            i32::from(wait.is_none()).into(),
            (wait.unwrap_or_default().as_millis() as i64).into(),
        ];
        let requeued = writing.transaction.execute_raw(self.statement(sql, values)).await;
        requeued.map(|_| ()).map_err(during("queue a stage again"))
    }

    /// Fails a job that runs, stops its other stage, and gives back what it reserved. One that has a transcript from
    /// an earlier run is completed as before, and says why the new run failed.
    pub(super) async fn fail_job(
        &self,
        writing: &Writing<'_>,
        job: JobId,
        failure: &Failure,
    ) -> Result<(), StoreError> {
        // A file that cannot be read is of no use for another try.
        let forget =
            if failure.code.is_the_callers() { ", upload_key = NULL, samples_key = NULL" } else { "" };
        let sql = format!(
            "UPDATE job SET state = CASE WHEN transcript_key IS NULL THEN 'failed' ELSE 'completed' END, \
             finished_at = {}, error_code = $2, error = $3, \
             pending_transcript_key = CASE WHEN transcript_key IS NULL THEN pending_transcript_key END, \
             pending_diarization_key = CASE WHEN transcript_key IS NULL THEN pending_diarization_key END{forget} \
             WHERE id = $1 AND state = 'processing' RETURNING state, options",
            self.now()
        );
        let values = [job.to_string().into(), failure.code.as_str().into(), failure.message.clone().into()];
        let failed = writing.transaction.query_one_raw(self.statement(sql, values)).await;
        let Some(row) = failed.map_err(during("fail a job"))? else { return Ok(()) };
        self.cancel_stages(writing, job).await?;
        self.release(writing, job).await?;
        // Of a job that is completed as before, nobody is told again.
        if column::<String>(&row, "state")? != "failed" || is_dry_run(&row)? {
            return Ok(());
        }
        self.announce(writing, job).await
    }

    /// Gives up the lease and sets the state, if the claim still holds.
    async fn end_stage(
        &self,
        writing: &Writing<'_>,
        claim: &Claim,
        state: StageState,
        error: Option<&String>,
    ) -> Result<Option<Turn>, StoreError> {
        let mut values = held(claim).to_vec();
        values.extend([state.as_str().into(), error.cloned().into()]);
        let sql = format!(
            "UPDATE stage SET state = $5, error = $6, owner = NULL, lease_until = NULL, finished_at = {} \
             WHERE {HELD} RETURNING account, priority",
            self.now()
        );
        let row = writing.transaction.query_one_raw(self.statement(sql, values)).await;
        let row = row.map_err(during("end a stage"))?;
        let turn = |row| {
            Ok(Turn { account: column(&row, "account")?, priority: column(&row, "priority")?, model: None })
        };
        row.map(turn).transpose()
    }
}

/// Nobody is told of a dry run: whoever asked for it waits for it.
pub(super) fn is_dry_run(row: &QueryResult) -> Result<bool, StoreError> {
    let options: JobOptions = serde_json::from_str(&column::<String>(row, "options")?).map_err(unreadable)?;
    Ok(options.dry_run)
}

/// One second after the first failure, twice as long after each further one.
fn backoff(attempt: u32) -> Duration {
    Duration::from_secs(1 << attempt.saturating_sub(1).min(6))
}
