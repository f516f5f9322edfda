//! What retention and the sweeper of the object store need to know.

use std::collections::HashSet;
use std::time::Duration;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::entity::job;
use super::{Store, StoreError, column, during, unreadable};
use crate::id::JobId;
use crate::object::ObjectKey;

/// How long the audio of jobs is kept after their end.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Of completed and cancelled ones.
    pub completed: Duration,
    /// Of failed ones, for another try.
    pub failed: Duration,
}

impl Store {
    /// Those of `keys` that no row of a job or an upload names: they can be removed.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub async fn unreferenced(&self, keys: &[ObjectKey]) -> Result<Vec<ObjectKey>, StoreError> {
        let jobs: HashSet<String> = keys.iter().map(|key| key.job().to_string()).collect();
        let uploading = self.named_by_uploads(&jobs).await?;
        let rows = job::Entity::find().filter(job::Column::Id.is_in(jobs)).all(&self.db).await;
        let mut named = HashSet::new();
        for row in rows.map_err(during("read jobs"))? {
            let pending = [row.pending_transcript_key, row.pending_diarization_key];
            let keys = [row.upload_key, row.samples_key, row.transcript_key, row.diarization_key];
            named.extend(keys.into_iter().chain(pending).flatten());
        }
        named.extend(uploading);
        Ok(keys.iter().filter(|key| !named.contains(&key.to_string())).copied().collect())
    }

    /// Forgets the audio, and the chunks, of jobs that ended longer ago than `kept` says, and returns the objects
    /// that are the caller's to remove.
    ///
    /// # Errors
    /// If the rows cannot be written.
    pub async fn forget_old_audio(&self, kept: Retention) -> Result<Vec<ObjectKey>, StoreError> {
        let writing = self.write("forget old audio").await?;
        let now = self.now();
        let old = format!(
            "(upload_key IS NOT NULL OR samples_key IS NOT NULL) \
             AND ((state = 'failed' AND finished_at < {now} - $1) \
               OR (state IN ('completed', 'cancelled') AND finished_at < {now} - $2))"
        );
        let values = [(kept.failed.as_millis() as i64).into(), (kept.completed.as_millis() as i64).into()];
        let select = format!("SELECT upload_key, samples_key FROM job WHERE {old}");
        let rows = writing.transaction.query_all_raw(self.statement(select, values.clone())).await;
        let mut keys = Vec::new();
        for row in rows.map_err(during("look for old audio"))? {
            for name in ["upload_key", "samples_key"] {
                if let Some(text) = column::<Option<String>>(&row, name)? {
                    keys.push(text.parse().map_err(unreadable)?);
                }
            }
        }
        if keys.is_empty() {
            return Ok(keys);
        }
        let chunks = format!("DELETE FROM chunk WHERE job_id IN (SELECT id FROM job WHERE {old})");
        let removed = writing.transaction.execute_raw(self.statement(chunks, values.clone())).await;
        removed.map_err(during("remove chunks"))?;
        let update = format!("UPDATE job SET upload_key = NULL, samples_key = NULL WHERE {old}");
        let forgotten = writing.transaction.execute_raw(self.statement(update, values)).await;
        forgotten.map_err(during("forget old audio"))?;
        writing.commit("forget old audio").await?;
        Ok(keys)
    }

    /// Some of the jobs that ended longer than `kept` ago.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn jobs_finished_before(&self, kept: Duration) -> Result<Vec<JobId>, StoreError> {
        let sql = format!(
            "SELECT id FROM job WHERE state IN ('completed', 'failed', 'cancelled') \
             AND finished_at < {} - $1 ORDER BY finished_at LIMIT 1000",
            self.now()
        );
        let rows = self.db.query_all_raw(self.statement(sql, [(kept.as_millis() as i64).into()])).await;
        let rows = rows.map_err(during("look for old jobs"))?;
        rows.iter().map(|row| column::<String>(row, "id")?.parse().map_err(unreadable)).collect()
    }

    /// Some of the dry runs that were completed longer than `kept` ago: their clients left before the answer.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn dry_runs_finished_before(&self, kept: Duration) -> Result<Vec<JobId>, StoreError> {
        let sql = format!(
            "SELECT id FROM job WHERE state = 'completed' AND transcript_key IS NULL \
             AND finished_at < {} - $1 LIMIT 1000",
            self.now()
        );
        let rows = self.db.query_all_raw(self.statement(sql, [(kept.as_millis() as i64).into()])).await;
        let rows = rows.map_err(during("look for dry runs"))?;
        rows.iter().map(|row| column::<String>(row, "id")?.parse().map_err(unreadable)).collect()
    }

    /// Forgets the idempotency keys that are older than `kept`.
    ///
    /// # Errors
    /// If the rows cannot be removed.
    pub async fn forget_idempotency_keys(&self, kept: Duration) -> Result<(), StoreError> {
        let sql = format!("DELETE FROM idempotency WHERE created_at < {} - $1", self.now());
        let _turn = self.writer.acquire().await.map_err(unreadable)?;
        let forgotten = self.db.execute_raw(self.statement(sql, [(kept.as_millis() as i64).into()])).await;
        forgotten.map(|_| ()).map_err(during("forget idempotency keys"))
    }
}
