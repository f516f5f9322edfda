//! Chunks of running transcriptions: stored as they come, so that a killed worker's successor continues.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::Deserialize;

use super::entity::chunk;
use super::{Store, StoreError, Writing, during, unreadable};
use crate::id::JobId;
use crate::transcript::Segment;

/// The result for one chunk of a job's samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRecord {
    /// Its first sample; where there are several channels, as it stands among the samples of all of them.
    pub start: u64,
    /// The sample after its last, likewise.
    pub end: u64,
    /// The result, as JSON of the worker's own making.
    pub content: String,
}

impl ChunkRecord {
    /// The segments in it: of the worker's JSON, only `segments` means something to others. None from a version
    /// that wrote it otherwise.
    #[must_use]
    pub fn segments(&self) -> Vec<Segment> {
        #[derive(Deserialize)]
        struct Content {
            segments: Vec<Segment>,
        }
        serde_json::from_str::<Content>(&self.content).map(|content| content.segments).unwrap_or_default()
    }
}

impl Store {
    /// Stores the result for a chunk, replacing an earlier one; nothing for a job that has ended. It need not be
    /// fenced: two workers that transcribe the same samples store the same.
    ///
    /// # Errors
    /// If the row cannot be written.
    pub async fn put_chunk(&self, job: JobId, record: ChunkRecord) -> Result<(), StoreError> {
        let sql = "INSERT INTO chunk (job_id, start_sample, end_sample, content) \
                   SELECT $1, $2, $3, $4 WHERE EXISTS (\
                     SELECT 1 FROM job WHERE id = $1 AND state IN ('queued', 'processing')) \
                   ON CONFLICT (job_id, start_sample) DO UPDATE SET \
                   end_sample = excluded.end_sample, content = excluded.content";
        let values = [
            job.to_string().into(),
            record.start.cast_signed().into(),
            record.end.cast_signed().into(),
            record.content.into(),
        ];
        let _turn = self.writer.acquire().await.map_err(unreadable)?;
        let stored = self.db.execute_raw(self.statement(sql, values)).await;
        stored.map(|_| ()).map_err(during("store a chunk"))
    }

    /// Removes the chunks of a job: it has its transcript, or will have none.
    pub(super) async fn remove_chunks(&self, writing: &Writing<'_>, job: JobId) -> Result<(), StoreError> {
        let remove = self.statement("DELETE FROM chunk WHERE job_id = $1", [job.to_string().into()]);
        writing.transaction.execute_raw(remove).await.map(|_| ()).map_err(during("remove chunks"))
    }

    /// The chunks of a job stored so far, in order of time.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn chunks(&self, job: JobId) -> Result<Vec<ChunkRecord>, StoreError> {
        self.chunks_after(job, None).await
    }

    /// The same, those that begin after this sample only.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn chunks_after(&self, job: JobId, after: Option<u64>) -> Result<Vec<ChunkRecord>, StoreError> {
        let after = after.map_or(-1, u64::cast_signed);
        let rows = chunk::Entity::find()
            .filter(chunk::Column::JobId.eq(job.to_string()))
            .filter(chunk::Column::StartSample.gt(after))
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
