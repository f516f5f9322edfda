//! What retention and the sweeper of the object store need to know.

use std::collections::HashSet;
use std::time::Duration;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::entity::job;
use super::{Store, StoreError, column, during, unreadable};
use crate::object::ObjectKey;

impl Store {
    /// Those of `keys` that no job's row names: they can be removed.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub async fn unreferenced(&self, keys: &[ObjectKey]) -> Result<Vec<ObjectKey>, StoreError> {
        let jobs: HashSet<String> = keys.iter().map(|key| key.job().to_string()).collect();
        let rows = job::Entity::find().filter(job::Column::Id.is_in(jobs)).all(&self.db).await;
        let named: HashSet<String> = rows
            .map_err(during("read jobs"))?
            .into_iter()
            .flat_map(|row| [row.upload_key, row.samples_key, row.transcript_key])
            .flatten()
            .collect();
        Ok(keys.iter().filter(|key| !named.contains(&key.to_string())).copied().collect())
    }

    /// Forgets the audio, and the chunks, of jobs that failed longer than `retention` ago, and returns the objects that are the
    /// caller's to remove.
    ///
    /// # Errors
    /// If the rows cannot be written.
    pub async fn forget_failed_audio(&self, retention: Duration) -> Result<Vec<ObjectKey>, StoreError> {
        let writing = self.write("forget old audio").await?;
        let old = format!(
            "state = 'failed' AND finished_at < {} - $1 \
             AND (upload_key IS NOT NULL OR samples_key IS NOT NULL)",
            self.now()
        );
        let values = [(retention.as_millis() as i64).into()];
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
}
