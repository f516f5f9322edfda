//! Chunks of running transcriptions: stored as they come, so that a killed worker's successor continues.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::entity::chunk;
use super::{Store, StoreError, during, unreadable};
use crate::id::JobId;

/// The result for one chunk of a job's samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRecord {
    /// Its first sample.
    pub start: u64,
    /// The sample after its last.
    pub end: u64,
    /// The result, as JSON of the worker's own making.
    pub content: String,
}

impl Store {
    /// Stores the result for a chunk, replacing an earlier one. It need not be fenced: two workers that
    /// transcribe the same samples store the same.
    ///
    /// # Errors
    /// If the row cannot be written, as when the job was removed.
    pub async fn put_chunk(&self, job: JobId, record: ChunkRecord) -> Result<(), StoreError> {
        let row = chunk::ActiveModel {
            job_id: Set(job.to_string()),
            start_sample: Set(record.start.cast_signed()),
            end_sample: Set(record.end.cast_signed()),
            content: Set(record.content),
        };
        let replace = OnConflict::columns([chunk::Column::JobId, chunk::Column::StartSample])
            .update_columns([chunk::Column::EndSample, chunk::Column::Content])
            .to_owned();
        let _turn = self.writer.acquire().await.map_err(unreadable)?;
        let inserted = chunk::Entity::insert(row).on_conflict(replace).exec_without_returning(&self.db).await;
        inserted.map(|_| ()).map_err(during("store a chunk"))
    }

    /// The chunks of a job stored so far, in order of time.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn chunks(&self, job: JobId) -> Result<Vec<ChunkRecord>, StoreError> {
        let rows = chunk::Entity::find()
            .filter(chunk::Column::JobId.eq(job.to_string()))
            .order_by_asc(chunk::Column::StartSample)
            .all(&self.db)
            .await
            .map_err(during("read chunks"))?;
        let record = |row: chunk::Model| ChunkRecord {
            start: row.start_sample.unsigned_abs(),
            end: row.end_sample.unsigned_abs(),
            content: row.content,
        };
        Ok(rows.into_iter().map(record).collect())
    }
}
