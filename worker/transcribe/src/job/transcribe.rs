//! Leads through a job.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use steno_runtime::Meter;
use steno_runtime::engine::{EngineError, SpeechDetector};
use steno_shared::catalog::Model;
use steno_shared::failpoint;
use steno_shared::job::JobOptions;
use steno_shared::language::Language;
use steno_shared::store::ChunkRecord;
use steno_shared::time::{Millis, SAMPLE_RATE};
use steno_shared::transcript::{Transcript, Warning};
use tokio::sync::mpsc;

use super::assemble::{self, Frame};
use super::chunk::Desk;
use super::journal::{self, ChunkResult, Journal};
use super::language::{self, Opinion};
use crate::chunk::Chunk;
use crate::chunk::plan::Planner;
use crate::engine::{Engine, Loaded};
use crate::samples::Samples;

/// Tasks of a job that wait or run, for each thread of the engine: enough that no thread waits for the job.
const AHEAD: usize = 2;

/// A job's order.
#[derive(Debug, Clone)]
pub struct Order {
    /// What was asked for.
    pub options: JobOptions,
    /// The catalogue entry of the model.
    pub entry: &'static Model,
    /// The model.
    pub model: Arc<Loaded>,
    /// The audio.
    pub samples: Arc<Samples>,
    /// Its length.
    pub duration: Millis,
    /// What is known about the media.
    pub warnings: Vec<Warning>,
    /// For limiting failpoints to a job.
    pub file_name: Option<String>,
}

/// Why there is no transcript.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The samples cannot be read.
    #[error("cannot read the samples")]
    Samples(#[from] io::Error),
    /// The engine failed, or was told to stop.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Transcribes. Dropping the future stops the engine's work on it.
///
/// # Errors
/// [`Stopped`].
pub async fn transcribe(
    order: Order,
    engine: &Engine,
    detector: Box<dyn SpeechDetector>,
    journal: &dyn Journal,
    meter: &Meter,
) -> Result<Transcript, Stopped> {
    meter.set_total(order.duration);
    let desk =
        Desk { seat: engine.join(), model: Arc::clone(&order.model), samples: Arc::clone(&order.samples) };
    let course = Course {
        order: &order,
        desk: &desk,
        journal,
        kept: journal.entries().await,
        ahead: (engine.threads() * AHEAD).max(1),
    };
    let plan = plan(Arc::clone(&order.samples), detector, order.entry.chunk_seconds);
    let results = course.run(plan, meter).await?;
    meter.advance_to(order.duration);
    let frame = Frame {
        options: &order.options,
        model: order.entry,
        duration: order.duration,
        warnings: order.warnings.clone(),
    };
    Ok(assemble::transcript(frame, results))
}

type Plan = mpsc::Receiver<io::Result<Chunk>>;

/// Finds the chunks, of at most so many seconds, on a thread of its own, a few ahead of who takes them.
fn plan(samples: Arc<Samples>, detector: Box<dyn SpeechDetector>, seconds: u32) -> Plan {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        for found in Planner::new(samples, detector, u64::from(seconds * SAMPLE_RATE)) {
            // Nobody takes them any more.
            if sender.blocking_send(found).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A job under way.
struct Course<'a> {
    order: &'a Order,
    desk: &'a Desk,
    journal: &'a dyn Journal,
    /// What an earlier attempt has done.
    kept: Vec<ChunkRecord>,
    /// The most chunks under way.
    ahead: usize,
}

/// A chunk under way.
type Running<'a> = BoxFuture<'a, Result<(usize, Finished), EngineError>>;

/// A chunk that is done.
#[derive(Debug)]
struct Finished {
    /// Where it ends.
    end: Millis,
    result: ChunkResult,
    /// Whether others can read it.
    kept: bool,
}

impl Course<'_> {
    async fn run(&self, mut plan: Plan, meter: &Meter) -> Result<Vec<ChunkResult>, Stopped> {
        let mut waiting = VecDeque::new();
        let Some(language) = self.language(&mut plan, &mut waiting).await? else { return Ok(Vec::new()) };
        let mut running: FuturesUnordered<Running<'_>> = FuturesUnordered::new();
        let mut done = Done::default();
        let (mut next, mut more) = (0, true);
        loop {
            while running.len() < self.ahead
                && let Some(chunk) = waiting.pop_front()
            {
                running.push(Box::pin(self.chunk(next, chunk, language)));
                next += 1;
            }
            let room = running.len() < self.ahead;
            tokio::select! {
                Some(finished) = running.next() => {
                    let (number, finished) = finished?;
                    meter.advance_to(done.add(number, finished));
                }
                chunk = plan.recv(), if more && room => match chunk {
                    Some(chunk) => waiting.push_back(chunk?),
                    None => more = false,
                },
                else => return Ok(done.results.into_values().map(|finished| finished.result).collect()),
            }
        }
    }

    /// The language, and how sure it is: as given, as an earlier attempt had it, or as the model hears it in the
    /// first chunks, which are then left in `waiting`. None if there are no chunks.
    async fn language(
        &self,
        plan: &mut Plan,
        waiting: &mut VecDeque<Chunk>,
    ) -> Result<Option<(Language, f64)>, Stopped> {
        let Some(first) = plan.recv().await else { return Ok(None) };
        waiting.push_back(first?);
        if let Some(language) = self.order.options.language {
            return Ok(Some((language, 1.0)));
        }
        let mut opinions = Vec::new();
        while let Some(chunk) = waiting.back() {
            if let Some(kept) = journal::find(&self.kept, chunk.span(), &self.order.model.id) {
                return Ok(Some((kept.language, kept.language_probability)));
            }
            let (language, probability) = self.desk.language(chunk).await?;
            opinions.push(Opinion { language, probability, weight: chunk.samples() });
            if probability >= language::SURE || opinions.len() == language::STRETCHES {
                break;
            }
            match plan.recv().await {
                Some(chunk) => waiting.push_back(chunk?),
                None => break,
            }
        }
        let voted = language::vote(&opinions);
        Ok(voted.map(|(language, probability)| (language, (probability * 10_000.0).round() / 10_000.0)))
    }

    /// A chunk from an earlier attempt, or else by the engine.
    async fn chunk(
        &self,
        number: usize,
        chunk: Chunk,
        language: (Language, f64),
    ) -> Result<(usize, Finished), EngineError> {
        let (span, model) = (chunk.span(), &self.order.model.id);
        let end = Millis::of_samples(span.end);
        if let Some(kept) = journal::find(&self.kept, span, model) {
            return Ok((number, Finished { end, result: kept, kept: true }));
        }
        let result = self.desk.transcribe(&chunk, language).await?;
        let kept = match journal::record(span, model, &result) {
            Some(record) => self.journal.keep(record).await,
            None => false,
        };
        failpoint::hit("transcribe.chunk", self.order.file_name.as_deref()).await;
        Ok((number, Finished { end, result, kept }))
    }
}

/// Finished chunks.
#[derive(Debug, Default)]
struct Done {
    results: BTreeMap<usize, Finished>,
    /// All before this one are finished, and kept: whoever follows the job reads those.
    frontier: usize,
}

impl Done {
    /// Adds one; the time up to which everything is finished and kept.
    fn add(&mut self, number: usize, finished: Finished) -> Millis {
        self.results.insert(number, finished);
        while self.results.get(&self.frontier).is_some_and(|finished| finished.kept) {
            self.frontier += 1;
        }
        let last = self.frontier.checked_sub(1).and_then(|last| self.results.get(&last));
        last.map_or(Millis(0), |finished| finished.end)
    }
}
