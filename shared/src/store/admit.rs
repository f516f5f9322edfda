//! A job's beginning: whether there is one already, whether its account may have another, and its rows.

use sea_orm::{ConnectionTrait, Value};

use super::stages::Turn;
use super::{Store, StoreError, Writing, column, during, unreadable};
use crate::account::AccountId;
use crate::id::JobId;
use crate::job::{Admission, Idempotency, JobState, NewJob, Priority, Refusal, Source, StageKind};

/// The jobs of account $1 that run or are waited on, and its open sessions.
pub(super) const IN_FLIGHT: &str = "SELECT (SELECT COUNT(*) FROM job WHERE account = $1 \
     AND (state = 'processing' OR (state = 'queued' AND priority > 0))) \
     + (SELECT COUNT(*) FROM live_session WHERE account = $1) AS n";
/// The jobs of account $1 that wait for their turn.
const WAITING: &str =
    "SELECT COUNT(*) AS n FROM job WHERE account = $1 AND state = 'queued' AND priority = 0";

impl Store {
    /// Creates a job with its first stage, in one transaction with its idempotency key and its reservation. When
    /// this returns [`Admission::Created`], the job is not lost any more.
    ///
    /// # Errors
    /// If the rows cannot be written; then there is no job.
    pub async fn create_job(&self, new: &NewJob) -> Result<Admission, StoreError> {
        let writing = self.write("create a job").await?;
        if let Some(admission) = self.existing(&writing, new).await? {
            if let Admission::Existing(job) = admission {
                self.join(&writing, job).await?;
                writing.commit("create a job").await?;
            }
            return Ok(admission);
        }
        if let Some(refusal) = self.refusal(&writing, new).await? {
            return Ok(Admission::Refused(refusal));
        }
        self.insert_job(&writing, new).await?;
        if !new.options.dry_run
            && let Some(shortage) =
                self.reserve_transcription(&writing, new.id, &new.account, &new.limits).await?
        {
            return Ok(Admission::Refused(Refusal::Shortage(shortage)));
        }
        let turn = Turn { account: new.account.to_string(), priority: new.priority.rank(), model: None };
        let kind = match new.source {
            Source::Upload(_) => StageKind::Intake,
            Source::Url(_) => StageKind::Fetch,
        };
        let first = self.insert_stage(new.id, kind, &turn);
        writing.transaction.execute_raw(first).await.map_err(during("create a stage"))?;
        writing.commit("create a job").await?;
        Ok(Admission::Created)
    }

    /// Whether a request of the account with this idempotency key has made a job.
    ///
    /// # Errors
    /// If the row cannot be read.
    pub async fn knows_idempotency_key(&self, account: &AccountId, key: &str) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM idempotency WHERE account = $1 AND key = $2";
        let row = self.db.query_one_raw(self.statement(sql, [account.as_str().into(), key.into()])).await;
        row.map(|row| row.is_some()).map_err(during("look up an idempotency key"))
    }

    /// The job that this one would be once more.
    async fn existing(&self, writing: &Writing<'_>, new: &NewJob) -> Result<Option<Admission>, StoreError> {
        if let Some(idempotency) = &new.idempotency
            && let Some(admission) = self.of_key(writing, &new.account, idempotency).await?
        {
            return Ok(Some(admission));
        }
        let Source::Upload(upload) = &new.source else { return Ok(None) };
        // Callers without a key do not share jobs: one may leave and cancel. Nor do dry runs, which are removed as
        // soon as one of those who wait has its answer.
        if new.account.is_anonymous() || new.options.dry_run || upload.sha256.is_empty() {
            return Ok(None);
        }
        let sql = "SELECT id FROM job WHERE account = $1 AND state IN ('queued', 'processing') \
                   AND upload_sha256 = $2 AND options = $3 AND COALESCE(webhook, '') = $4 \
                   AND COALESCE(file_name, '') = $5 ORDER BY created_at LIMIT 1";
        let values = [
            new.account.as_str().into(),
            upload.sha256.clone().into(),
            serde_json::to_string(&new.options).map_err(unreadable)?.into(),
            // Whoever asked to be told is told.
            new.webhook.clone().unwrap_or_default().into(),
            new.file_name.clone().unwrap_or_default().into(),
        ];
        let row = writing.transaction.query_one_raw(self.statement(sql, values)).await;
        let Some(row) = row.map_err(during("look for the same upload"))? else { return Ok(None) };
        let id: JobId = column::<String>(&row, "id")?.parse().map_err(unreadable)?;
        if new.priority == Priority::Interactive
            && let Some(refusal) = self.hurry(writing, new, id).await?
        {
            return Ok(Some(Admission::Refused(refusal)));
        }
        if let Some(idempotency) = &new.idempotency {
            self.keep_key(writing, new, idempotency, id).await?;
        }
        Ok(Some(Admission::Existing(id)))
    }

    async fn of_key(
        &self,
        writing: &Writing<'_>,
        account: &AccountId,
        idempotency: &Idempotency,
    ) -> Result<Option<Admission>, StoreError> {
        let sql = "SELECT digest, job_id FROM idempotency WHERE account = $1 AND key = $2";
        let values = [account.as_str().into(), idempotency.key.clone().into()];
        let row = writing.transaction.query_one_raw(self.statement(sql, values)).await;
        let Some(row) = row.map_err(during("look up an idempotency key"))? else { return Ok(None) };
        if column::<String>(&row, "digest")? != idempotency.digest {
            return Ok(Some(Admission::Refused(Refusal::OtherRequest)));
        }
        let id = column::<String>(&row, "job_id")?.parse().map_err(unreadable)?;
        Ok(Some(Admission::Existing(id)))
    }

    async fn keep_key(
        &self,
        writing: &Writing<'_>,
        new: &NewJob,
        idempotency: &Idempotency,
        job: JobId,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO idempotency (account, key, digest, job_id, created_at) VALUES ($1, $2, $3, $4, {})",
            self.now()
        );
        let values = [
            new.account.as_str().into(),
            idempotency.key.clone().into(),
            idempotency.digest.clone().into(),
            job.to_string().into(),
        ];
        let kept = writing.transaction.execute_raw(self.statement(sql, values)).await;
        kept.map(|_| ()).map_err(during("keep an idempotency key"))
    }

    /// Somebody waits for the job now. One that waited for its turn is in flight from here on, so there must be
    /// room for it.
    async fn hurry(
        &self,
        writing: &Writing<'_>,
        new: &NewJob,
        job: JobId,
    ) -> Result<Option<Refusal>, StoreError> {
        let sql = "SELECT 1 FROM job WHERE id = $1 AND state = 'queued' AND priority = 0";
        let waits = writing.transaction.query_one_raw(self.statement(sql, [job.to_string().into()])).await;
        let waits = waits.map_err(during("read a job"))?.is_some();
        if waits && let Some(refusal) = self.refusal(writing, new).await? {
            return Ok(Some(refusal));
        }
        for sql in [
            "UPDATE job SET priority = $2 WHERE id = $1 AND priority < $2",
            "UPDATE stage SET priority = $2 WHERE job_id = $1 AND priority < $2",
        ] {
            let values = [job.to_string().into(), Priority::Interactive.rank().into()];
            let hurried = writing.transaction.execute_raw(self.statement(sql, values)).await;
            hurried.map_err(during("hurry a job"))?;
        }
        Ok(None)
    }

    /// How many of the account's jobs wait for their turn.
    pub(super) async fn waiting_jobs(
        &self,
        writing: &Writing<'_>,
        account: &AccountId,
    ) -> Result<i64, StoreError> {
        self.count(writing, WAITING, account).await
    }

    /// How many of the account's jobs run or are waited on, with its open sessions.
    pub(super) async fn in_flight(
        &self,
        writing: &Writing<'_>,
        account: &AccountId,
    ) -> Result<i64, StoreError> {
        self.count(writing, IN_FLIGHT, account).await
    }

    async fn count(&self, writing: &Writing<'_>, sql: &str, account: &AccountId) -> Result<i64, StoreError> {
        let row = writing.transaction.query_one_raw(self.statement(sql, [account.as_str().into()])).await;
        column(&row.map_err(during("count jobs"))?.ok_or_else(|| unreadable("no count"))?, "n")
    }

    /// The job is another request's too, and no single one's to remove.
    async fn join(&self, writing: &Writing<'_>, job: JobId) -> Result<(), StoreError> {
        let sql = "UPDATE job SET joined = TRUE WHERE id = $1";
        let joined = writing.transaction.execute_raw(self.statement(sql, [job.to_string().into()])).await;
        joined.map(|_| ()).map_err(during("join a job"))
    }

    async fn refusal(&self, writing: &Writing<'_>, new: &NewJob) -> Result<Option<Refusal>, StoreError> {
        match (new.priority, new.limits.concurrent, new.limits.queued) {
            (Priority::Interactive, Some(limit), _)
                if self.in_flight(writing, &new.account).await? >= i64::from(limit) =>
            {
                Ok(Some(Refusal::Concurrent(limit)))
            }
            (Priority::Batch, _, Some(limit))
                if self.waiting_jobs(writing, &new.account).await? >= i64::from(limit) =>
            {
                Ok(Some(Refusal::Queued(limit)))
            }
            _ => Ok(None),
        }
    }

    async fn insert_job(&self, writing: &Writing<'_>, new: &NewJob) -> Result<(), StoreError> {
        let (upload, url) = match &new.source {
            Source::Upload(upload) => (Some(upload), None),
            Source::Url(url) => (None, Some(url.clone())),
        };
        let values: [Value; 15] = [
            new.id.to_string().into(),
            new.account.as_str().into(),
            JobState::Queued.as_str().into(),
            serde_json::to_string(&new.options).map_err(unreadable)?.into(),
            new.file_name.clone().into(),
            upload.map(|upload| upload.key.to_string()).into(),
            upload.map_or(0, |upload| upload.bytes.cast_signed()).into(),
            upload.map(|upload| upload.sha256.clone()).unwrap_or_default().into(),
            new.request_id.clone().into(),
            url.into(),
            new.webhook.clone().into(),
            serde_json::to_string(&new.limits).map_err(unreadable)?.into(),
            new.limits.concurrent.map(u32::cast_signed).into(),
            new.priority.rank().into(),
            "[]".into(),
        ];
        let sql = format!(
            "INSERT INTO job (id, account, state, options, file_name, upload_key, upload_bytes, upload_sha256, \
             request_id, source_url, webhook, limits, concurrent, priority, warnings, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, {})",
            self.now()
        );
        let inserted = writing.transaction.execute_raw(self.statement(sql, values)).await;
        inserted.map_err(during("create a job"))?;
        if let Some(idempotency) = &new.idempotency {
            self.keep_key(writing, new, idempotency, new.id).await?;
        }
        Ok(())
    }
}
