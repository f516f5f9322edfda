//! Who spoke when: the engine is asked chunk by chunk, in processes of its own, and the voices of all chunks are
//! grouped into speakers.
//!
//! Belongs here: chunks of a file, the children and how jobs share them, the choice of models. Does not belong here:
//! the engine (`steno-sherpa`), grouping voices and what becomes of words (`steno_shared::diarization`).
//!
//! A child per engine, because the library ends or crashes its process at a bad model, and cannot be stopped.

pub mod child;
mod chunks;
mod group;
mod keeper;
pub mod models;
mod pool;
mod protocol;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{StreamExt, TryStreamExt, stream};
use steno_runtime::Meter;
use steno_runtime::engine::ChunkVoices;
use steno_shared::diarization::{Diarization, SpeakerCount, Turn, cluster};
use steno_shared::time::Millis;

use crate::chunk::Piece;
use crate::samples::Samples;
pub use keeper::Program;
pub use pool::{ChunkLimit, Pool};
pub use protocol::ModelFile;
use protocol::{Request, Setup};

/// A file up to this has a voice for each turn: some four thousand in three hours, as many as decide when voices are
/// grouped. In a longer one those of a chunk that are alike beyond doubt are one.
const PER_TURN: Millis = Millis(3 * 3600 * 1000);
/// From this length on a file is diarized at less cost.
const LONG: Millis = Millis(600_000);
/// How far one window of 10 s lies behind the one before, as a part of it: as sherpa-onnx has it, ...
const SHIFT: f32 = 0.1;
/// ... and where the file is long: half of the cost. With the miniature pair on the development set, 7.5 % of the time is
/// wrong instead of 6.4 %.
const LONG_SHIFT: f32 = 0.25;

/// The models that a job is diarized with.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Finds turns.
    pub segmentation: ModelFile,
    /// Tells voices apart.
    pub embedding: ModelFile,
    /// How much less alike the voices of two speakers are than those of one, 0 to 1.
    pub threshold: f32,
}

/// What shall be diarized.
#[derive(Debug, Clone)]
pub struct Order {
    /// One channel.
    pub samples: Arc<Samples>,
    /// By which models.
    pub models: Pair,
    /// How many speakers there may be.
    pub count: SpeakerCount,
}

/// Why it cannot be told who spoke when.
#[derive(Debug, thiserror::Error)]
pub enum DiarizeError {
    /// A model's file is at fault; the sentence says which, and what mends it.
    #[error("{0}")]
    Model(String),
    /// The engine crashed, hung or failed.
    #[error("{0}")]
    Engine(String),
    /// The samples cannot be read.
    #[error("cannot read the samples")]
    Samples(#[from] io::Error),
    /// The pool has ended.
    #[error("stopped")]
    Stopped,
}

/// Finds out who spoke when. Dropping the future kills the children that work for it.
///
/// # Errors
/// [`DiarizeError`]
pub async fn diarize(order: &Order, pool: &Pool, meter: &Meter) -> Result<Diarization, DiarizeError> {
    let whole = Millis::of_samples(order.samples.count());
    meter.set_total(whole);
    let samples = Arc::clone(&order.samples);
    let planned = tokio::task::spawn_blocking(move || chunks::plan(&samples)).await;
    let pieces = planned.map_err(io::Error::other)??;
    let seat = pool.join();
    let done = Done::of(&pieces, meter);
    let requests = pieces.into_iter().enumerate();
    let asked = requests.map(async |(number, piece)| {
        let (of_all, length) = (Arc::clone(&done), Millis::of_samples(piece.len()));
        let progress = move |part: f64| of_all.is_done(number, Millis((length.0 as f64 * part) as u64));
        let voices = seat.run(request(order, piece, whole), Box::new(progress)).await?;
        done.is_done(number, length);
        Ok::<_, DiarizeError>((piece, voices))
    });
    let mut found: Vec<(Piece, ChunkVoices)> = Vec::new();
    // No more at once than can be worked on, so that other jobs come in between.
    let mut answers = stream::iter(asked).buffer_unordered(pool.size().max(1));
    while let Some((piece, mut voices)) = answers.try_next().await? {
        if whole > PER_TURN {
            group::alike(&mut voices, order.models.threshold);
        }
        found.push((piece, voices));
    }
    found.sort_by_key(|(piece, _)| piece.start);
    let order = order.clone();
    tokio::task::spawn_blocking(move || Ok(join(&order, found))).await.map_err(io::Error::other)?
}

/// How far the chunks of a file are.
#[derive(Debug)]
struct Done {
    /// Of each chunk, in milliseconds.
    chunks: Vec<AtomicU64>,
    meter: Meter,
}

impl Done {
    fn of(pieces: &[Piece], meter: &Meter) -> Arc<Self> {
        let chunks = pieces.iter().map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { chunks, meter: meter.clone() })
    }

    /// So much of a chunk is done. It never goes back, also where a chunk is begun again.
    fn is_done(&self, number: usize, done: Millis) {
        self.chunks[number].fetch_max(done.0, Ordering::Relaxed);
        let all = self.chunks.iter().map(|chunk| chunk.load(Ordering::Relaxed)).sum();
        self.meter.advance_to(Millis(all));
    }
}

fn request(order: &Order, piece: Piece, whole: Millis) -> Request {
    let Pair { segmentation, embedding, threshold } = order.models.clone();
    let shift = if whole > LONG { LONG_SHIFT } else { SHIFT };
    Request {
        setup: Setup { segmentation, embedding, shift, threshold },
        samples: order.samples.path().to_owned(),
        start: piece.start,
        end: piece.end,
    }
}

/// Puts the chunks together, which are in order.
fn join(order: &Order, found: Vec<(Piece, ChunkVoices)>) -> Diarization {
    let (mut turns, mut voices) = (Vec::new(), Vec::new());
    for (number, (piece, chunk)) in (0..).zip(found) {
        let offset = Millis::of_samples(piece.start);
        let before = voices.len() as u32;
        turns.extend(chunk.turns.into_iter().map(|turn| Turn {
            start: turn.start + offset,
            end: turn.end + offset,
            voice: turn.voice + before,
        }));
        voices.extend(chunk.voices.into_iter().map(|mut voice| {
            voice.chunk = number;
            voice
        }));
    }
    turns.sort_by_key(|turn| (turn.start, turn.end));
    let speakers = cluster(&turns, &voices, order.models.threshold, order.count);
    Diarization {
        segmentation: order.models.segmentation.id.clone(),
        embedding: order.models.embedding.id.clone(),
        threshold: order.models.threshold,
        turns,
        voices,
        speakers,
        warnings: Vec::new(),
    }
}
