//! Stages from the workers' side: claim, beat, reap. How they end is in [`super::finish`].
//!
//! Whoever claims a stage holds a lease, renewed by every beat. All that is written under a claim is fenced by
//! its owner and attempt, so a worker that lost its lease can no longer write.

use std::time::Duration;

use sea_orm::{ConnectionTrait, EntityTrait, Statement, Value};

use super::entity::job;
use super::{Store, StoreError, Writing, column, during, unreadable};
use crate::catalog::ModelId;
use crate::error::{Failure, FailureCode};
use crate::id::{JobId, WorkerId};
use crate::job::{Claim, Job, Lane, MAX_ATTEMPTS, Progress, StageKind, StageState};
use crate::object::ObjectKey;

/// What the database says to a worker's beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// Go on: the lease is renewed.
    Held,
    /// The job was cancelled: stop.
    Cancelled,
    /// Somebody else has the stage now, or nobody: stop, and write nothing.
    Lost,
}

/// A stage whose lease ran out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaped {
    /// Its job.
    pub job: JobId,
    /// Where it stands now: queued again, failed or cancelled.
    pub state: StageState,
    /// Media and samples of a job that is completed without this stage: the worker's to remove.
    pub left: Vec<ObjectKey>,
}

/// The condition that a claim is still the current one, for parameters $1 to $4.
pub(super) const HELD: &str =
    "job_id = $1 AND kind = $2 AND owner = $3 AND attempts = $4 AND state = 'running'";

pub(super) fn held(claim: &Claim) -> [Value; 4] {
    [
        claim.job.to_string().into(),
        claim.stage.as_str().into(),
        claim.owner.0.clone().into(),
        claim.attempt.cast_signed().into(),
    ]
}

impl Store {
    /// Takes the best queued stage of a lane: interactive before batch, then the account with the fewest stages
    /// running, then the oldest. The jobs of an account that has as many in flight as it may, open sessions included,
    /// wait; those that somebody waits on were counted when they were created. With `models`, only stages that want one of them.
    /// The attempt is counted here, so that a job which kills its worker uses up its attempts too. A worker's
    /// process runs one stage at a time that is at its last attempt: so those that were lost beside such a job do not
    /// fail with it.
    ///
    /// # Errors
    /// If the rows cannot be read or written.
    pub async fn claim(
        &self,
        lane: Lane,
        owner: &WorkerId,
        lease: Duration,
        models: Option<&[ModelId]>,
    ) -> Result<Option<(Claim, Job)>, StoreError> {
        let now = self.now();
        let mut values: Vec<Value> = vec![
            owner.0.clone().into(),
            (lease.as_millis() as i64).into(),
            lane.as_str().into(),
            MAX_ATTEMPTS.cast_signed().into(),
            owner.of_its_process().into(),
        ];
        let wanted = match models {
            None => String::new(),
            Some(models) => {
                let from = values.len() + 1;
                values.extend(models.iter().map(|model| Value::from(model.as_str())));
                let places: Vec<_> = (from..=values.len()).map(|place| format!("${place}")).collect();
                format!("AND s.model IN ({})", places.join(", "))
            }
        };
        let claim = self.statement(
            format!(
                "UPDATE stage SET state = 'running', attempts = attempts + 1, owner = $1, \
                 lease_until = {now} + $2, started_at = {now} \
                 WHERE state = 'queued' AND (job_id, kind) = (\
                   SELECT s.job_id, s.kind FROM stage s JOIN job j ON j.id = s.job_id LEFT JOIN (\
                     SELECT account, COUNT(*) AS running FROM stage \
                     WHERE lane = $3 AND state = 'running' GROUP BY account\
                   ) r ON r.account = s.account LEFT JOIN (\
                     SELECT account, COUNT(*) AS jobs FROM (\
                       SELECT account FROM job \
                       WHERE state = 'processing' OR (state = 'queued' AND priority > 0) \
                       UNION ALL SELECT account FROM live_session\
                     ) o GROUP BY account\
                   ) f ON f.account = s.account \
                   WHERE s.lane = $3 AND s.state = 'queued' AND s.run_at <= {now} {wanted} \
                   AND (j.concurrent IS NULL OR j.state = 'processing' OR j.priority > 0 \
                     OR COALESCE(f.jobs, 0) < j.concurrent) \
                   AND (s.attempts < $4 - 1 OR NOT EXISTS (SELECT 1 FROM stage l \
                     WHERE l.owner LIKE $5 AND l.state = 'running' AND l.attempts >= $4)) \
                   ORDER BY s.priority DESC, COALESCE(r.running, 0), s.created_at, s.job_id LIMIT 1\
                 ) RETURNING job_id, kind, attempts"
            ),
            values,
        );
        // An idle worker looks often: a look takes no turn to write.
        if models.is_some_and(<[_]>::is_empty) || !self.has_queued(lane).await? {
            return Ok(None);
        }
        let writing = self.write("claim a stage").await?;
        let row = writing.transaction.query_one_raw(claim).await.map_err(during("claim a stage"))?;
        let Some(row) = row else { return Ok(None) };
        let id: String = column(&row, "job_id")?;
        let claim = Claim {
            job: id.parse().map_err(unreadable)?,
            stage: column::<String>(&row, "kind")?.parse().map_err(unreadable)?,
            owner: owner.clone(),
            attempt: column::<i32>(&row, "attempts")?.unsigned_abs(),
        };
        let started = self.statement(
            format!(
                "UPDATE job SET state = 'processing', started_at = COALESCE(started_at, {now}) \
                 WHERE id = $1 AND state IN ('queued', 'processing')"
            ),
            [id.clone().into()],
        );
        writing.transaction.execute_raw(started).await.map_err(during("start a job"))?;
        let row =
            job::Entity::find_by_id(id).one(&writing.transaction).await.map_err(during("read a job"))?;
        let job = row.ok_or_else(|| unreadable("a stage without a job"))?;
        writing.commit("claim a stage").await?;
        Ok(Some((claim, job.try_into()?)))
    }

    async fn has_queued(&self, lane: Lane) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM stage WHERE lane = $1 AND state = 'queued' LIMIT 1";
        let row = self.db.query_one_raw(self.statement(sql, [lane.as_str().into()])).await;
        row.map(|row| row.is_some()).map_err(during("look for queued stages"))
    }

    /// Renews the lease, stores the progress, which never goes back, and learns whether to go on, in one statement.
    ///
    /// # Errors
    /// If the row cannot be written: the lease may run out.
    pub async fn beat(&self, claim: &Claim, lease: Duration, progress: Progress) -> Result<Beat, StoreError> {
        let mut values = held(claim).to_vec();
        values.push((lease.as_millis() as i64).into());
        values.push(progress.done.0.cast_signed().into());
        values.push(progress.total.map(|total| total.0.cast_signed()).into());
        let now = self.now();
        let sql = format!(
            "UPDATE stage SET lease_until = {now} + $5, done_ms = CASE WHEN done_ms > $6 THEN done_ms ELSE $6 END, \
             total_ms = COALESCE($7, total_ms) WHERE {HELD} RETURNING cancel"
        );
        let _turn = self.writer.acquire().await.map_err(unreadable)?;
        let row =
            self.db.query_one_raw(self.statement(sql, values)).await.map_err(during("renew a lease"))?;
        Ok(match row {
            None => Beat::Lost,
            Some(row) if column::<bool>(&row, "cancel")? => Beat::Cancelled,
            Some(_) => Beat::Held,
        })
    }

    /// Ends the attempts whose lease ran out: back into the queue, or, after the last attempt, the job fails.
    ///
    /// # Errors
    /// If the rows cannot be read or written.
    pub async fn reap(&self, lane: Lane) -> Result<Vec<Reaped>, StoreError> {
        let now = self.now();
        let expired = format!("lane = $1 AND state = 'running' AND lease_until < {now}");
        let any = self.statement(format!("SELECT 1 FROM stage WHERE {expired}"), [lane.as_str().into()]);
        if self.db.query_one_raw(any).await.map_err(during("look for expired leases"))?.is_none() {
            return Ok(Vec::new());
        }
        let writing = self.write("reap").await?;
        let sql = format!(
            "UPDATE stage SET state = CASE WHEN cancel THEN 'cancelled' WHEN attempts >= $2 THEN 'failed' \
             ELSE 'queued' END, \
             error = 'the worker was lost', owner = NULL, lease_until = NULL, run_at = {now} \
             WHERE {expired} RETURNING job_id, kind, state, attempts"
        );
        let values = [lane.as_str().into(), MAX_ATTEMPTS.cast_signed().into()];
        let rows =
            writing.transaction.query_all_raw(self.statement(sql, values)).await.map_err(during("reap"))?;
        let mut reaped = Vec::new();
        for row in rows {
            let job: JobId = column::<String>(&row, "job_id")?.parse().map_err(unreadable)?;
            let state: StageState = column::<String>(&row, "state")?.parse().map_err(unreadable)?;
            let mut left = Vec::new();
            if state == StageState::Failed {
                let attempts: i32 = column(&row, "attempts")?;
                let message = format!("the worker stopped {attempts} times while working on this file");
                let kind: StageKind = column::<String>(&row, "kind")?.parse().map_err(unreadable)?;
                let failure = Failure::new(FailureCode::WorkerLost, message);
                let audio = self.audio_of(&writing, job).await?;
                if self.fail_stage(&writing, (job, kind), &failure).await? {
                    left = audio;
                }
            }
            reaped.push(Reaped { job, state, left });
        }
        writing.commit("reap").await?;
        Ok(reaped)
    }

    /// The media and the samples of a job, unless its options keep them.
    async fn audio_of(&self, writing: &Writing<'_>, job: JobId) -> Result<Vec<ObjectKey>, StoreError> {
        let row = job::Entity::find_by_id(job.to_string()).one(&writing.transaction).await;
        let row = row.map_err(during("read a job"))?.ok_or_else(|| unreadable("a stage without a job"))?;
        let job = Job::try_from(row)?;
        let audio = [job.upload, job.samples].into_iter().flatten();
        Ok(audio.filter(|_| !job.options.keep_audio).collect())
    }

    /// The statement that queues a stage of a job, for the first time or again.
    pub(super) fn insert_stage(&self, job: JobId, kind: StageKind, turn: &Turn) -> Statement {
        let now = self.now();
        self.statement(
            format!(
                "INSERT INTO stage (job_id, kind, lane, state, account, model, priority, attempts, cancel, \
                 run_at, done_ms, created_at) VALUES ($1, $2, $3, 'queued', $4, $5, $6, 0, FALSE, {now}, 0, {now}) \
                 ON CONFLICT (job_id, kind) DO UPDATE SET state = 'queued', model = excluded.model, \
                 priority = excluded.priority, attempts = 0, cancel = FALSE, owner = NULL, lease_until = NULL, \
                 run_at = excluded.run_at, done_ms = 0, total_ms = NULL, error = NULL, \
                 created_at = excluded.created_at, started_at = NULL, finished_at = NULL"
            ),
            [
                job.to_string().into(),
                kind.as_str().into(),
                kind.lane().as_str().into(),
                turn.account.clone().into(),
                turn.model.as_ref().map(ToString::to_string).into(),
                turn.priority.into(),
            ],
        )
    }
}

/// What decides when a stage has its turn, and which worker may take it. Each stage of a job takes it over from
/// the one before.
#[derive(Clone)]
pub(super) struct Turn {
    pub(super) account: String,
    pub(super) priority: i32,
    pub(super) model: Option<ModelId>,
}
