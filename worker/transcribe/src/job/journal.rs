//! What is kept of a running job, so that a successor need not begin anew.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use steno_shared::catalog::ModelId;
use steno_shared::id::JobId;
use steno_shared::language::Language;
use steno_shared::store::{ChunkRecord, Store};
use steno_shared::time::Millis;
use steno_shared::transcript::{Segment, Warning};

use steno_runtime::speech::Span;

/// Changes with the meaning of [`ChunkResult`]; others are not reused.
const VERSION: u32 = 2;

/// What came of a chunk. Times are media time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChunkResult {
    /// The language that the model was told.
    pub language: Language,
    /// How sure its detection was, 1 if it was given.
    pub language_probability: f64,
    /// What is said.
    pub segments: Vec<Segment>,
    /// What the caller should know.
    pub warnings: Vec<Warning>,
    /// How much speech there is.
    pub speech: Millis,
    /// How much of it the segments cover.
    pub transcribed: Millis,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    version: u32,
    model: ModelId,
    #[serde(flatten)]
    result: ChunkResult,
}

/// Keeps the chunks of one job.
#[async_trait]
pub trait Journal: Send + Sync {
    /// What was kept so far.
    async fn entries(&self) -> Vec<ChunkRecord>;

    /// Keeps a chunk; whether it is kept. Failing to is no failure of the job.
    async fn keep(&self, record: ChunkRecord) -> bool;
}

/// A journal that keeps nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoJournal;

#[async_trait]
impl Journal for NoJournal {
    async fn entries(&self) -> Vec<ChunkRecord> {
        Vec::new()
    }

    async fn keep(&self, _: ChunkRecord) -> bool {
        true
    }
}

/// The journal in the database.
#[derive(Debug, Clone)]
pub struct StoreJournal {
    /// The database.
    pub store: Store,
    /// Whose chunks.
    pub job: JobId,
}

#[async_trait]
impl Journal for StoreJournal {
    async fn entries(&self) -> Vec<ChunkRecord> {
        self.store.chunks(self.job).await.unwrap_or_else(|error| {
            tracing::warn!(error = %error, "cannot read the chunks done before; beginning anew");
            Vec::new()
        })
    }

    async fn keep(&self, record: ChunkRecord) -> bool {
        let kept = self.store.put_chunk(self.job, record).await;
        kept.inspect_err(|error| {
            tracing::warn!(error = %error, "cannot keep a chunk; a successor would do it again");
        })
        .is_ok()
    }
}

/// The samples by which a chunk is known: where it begins and ends among those of all channels, which stand in the
/// file in turn. So chunks are told apart, and in order of time.
#[must_use]
pub fn key(chunk: Span, channel: usize, channels: usize) -> Span {
    let at = |sample: u64| sample * channels as u64 + channel as u64;
    Span { start: at(chunk.start), end: at(chunk.end) }
}

/// The entry for a chunk, by its [`key`].
#[must_use]
pub fn record(chunk: Span, model: &ModelId, result: &ChunkResult) -> Option<ChunkRecord> {
    let entry = Entry { version: VERSION, model: model.clone(), result: result.clone() };
    let content = serde_json::to_string(&entry).ok()?;
    Some(ChunkRecord { start: chunk.start, end: chunk.end, content })
}

/// The result of a chunk among the entries of an earlier attempt, if it is by the same model and about the same
/// samples.
#[must_use]
pub fn find(entries: &[ChunkRecord], chunk: Span, model: &ModelId) -> Option<ChunkResult> {
    let record = entries.iter().find(|record| record.start == chunk.start && record.end == chunk.end)?;
    let entry: Entry = serde_json::from_str(&record.content).ok()?;
    (entry.version == VERSION && entry.model == *model).then_some(entry.result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_again_by_its_samples_and_model_alone() {
        let result = ChunkResult {
            language: Language::parse("en").unwrap(),
            language_probability: 0.9,
            segments: Vec::new(),
            warnings: Vec::new(),
            speech: Millis(1500),
            transcribed: Millis(1000),
        };
        let (chunk, model) = (Span { start: 5, end: 9 }, ModelId::from("mini"));
        let entries = [record(chunk, &model, &result).unwrap()];
        assert_eq!(find(&entries, chunk, &model), Some(result));
        assert_eq!(find(&entries, Span { start: 5, end: 8 }, &model), None);
        assert_eq!(find(&entries, chunk, &ModelId::from("small")), None);
        let older = [ChunkRecord {
            content: entries[0].content.replace("\"version\":2", "\"version\":1"),
            ..entries[0].clone()
        }];
        assert_eq!(find(&older, chunk, &model), None);
        let broken = [ChunkRecord { content: "{".into(), ..entries[0].clone() }];
        assert_eq!(find(&broken, chunk, &model), None);
    }
}
