//! Leads through a job.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, FuturesUnordered};
use steno_runtime::Meter;
use steno_runtime::engine::{EngineError, SpeechDetector};
use steno_runtime::models::Loaded;
use steno_runtime::speech::Span;
use steno_shared::catalog::Model;
use steno_shared::failpoint;
use steno_shared::job::JobOptions;
use steno_shared::language::Language;
use steno_shared::store::ChunkRecord;
use steno_shared::time::Millis;
use steno_shared::transcript::{Transcript, Warning};

use super::assemble::{self, Frame};
use super::chunk::Desk;
use super::done::{Done, Finished};
use super::journal::{self, Journal};
use super::language::{self, Changing, Opinion};
use super::parts::{Cut, Part, Parts};
use super::wording::Wording;
use crate::engine::Engine;
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
    /// The audio of each channel, of the part of the media that the options ask for. Never none.
    pub channels: Vec<Arc<Samples>>,
    /// The length of the media.
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

/// Transcribes. Dropping the future stops the engine's work on it. Each channel gets a detector of its own.
///
/// # Errors
/// [`Stopped`].
pub async fn transcribe(
    order: Order,
    engine: &Engine,
    detector: fn() -> Box<dyn SpeechDetector>,
    journal: &dyn Journal,
    meter: &Meter,
) -> Result<Transcript, Stopped> {
    let heard = order.options.heard_of(order.duration);
    meter.set_total(heard);
    let origin = order.options.media.window(order.duration).0;
    let (wording, warning) = Wording::of(&order.options, origin, &order.model);
    let seat = engine.join();
    let desk = |(number, samples): (u16, &Arc<Samples>)| Desk {
        seat: &seat,
        model: Arc::clone(&order.model),
        samples: Arc::clone(samples),
        channel: (order.channels.len() > 1).then_some(number),
        wording: &wording,
    };
    let course = Course {
        order: &order,
        desks: (1..).zip(&order.channels).map(desk).collect(),
        journal,
        kept: journal.entries().await,
        ahead: (engine.threads() * AHEAD).max(1),
    };
    let cut = Cut { seconds: order.entry.chunk_seconds, by_language: course.changes_language(), detector };
    let done = course.run(Parts::of(&order.channels, cut), meter).await?;
    meter.advance_to(heard);
    let frame = Frame {
        options: &order.options,
        model: order.entry,
        duration: order.duration,
        channels: order.channels.len(),
        warnings: order.warnings.iter().cloned().chain(warning).collect(),
    };
    Ok(assemble::transcript(frame, done.into_results()))
}

/// A job under way.
struct Course<'a> {
    order: &'a Order,
    /// For each channel.
    desks: Vec<Desk<'a>>,
    journal: &'a dyn Journal,
    /// What an earlier attempt has done.
    kept: Vec<ChunkRecord>,
    /// The most chunks under way.
    ahead: usize,
}

/// A chunk under way.
type Running<'a> = BoxFuture<'a, Result<(usize, Finished), EngineError>>;
/// A chunk of which the language is being told.
type Hearing<'a> = BoxFuture<'a, Result<(usize, Part, Opinion), EngineError>>;

impl Course<'_> {
    /// Whether each chunk may be in another language: where none was given.
    fn changes_language(&self) -> bool {
        self.order.options.text.multilingual && self.order.options.language.is_none()
    }

    async fn run(&self, mut parts: Parts, meter: &Meter) -> Result<Done, Stopped> {
        let mut waiting = VecDeque::new();
        let mut done = Done::new(self.desks.len());
        let Some(first) = self.language(&mut parts, &mut waiting).await? else { return Ok(done) };
        let mut languages = vec![Changing::from(first.0); self.desks.len()];
        let mut hearing: FuturesOrdered<Hearing<'_>> = FuturesOrdered::new();
        let mut running: FuturesUnordered<Running<'_>> = FuturesUnordered::new();
        let (mut next, mut more) = (0, true);
        loop {
            while hearing.len() + running.len() < self.ahead
                && let Some(part) = waiting.pop_front()
            {
                if self.changes_language() {
                    hearing.push_back(Box::pin(self.hear(next, part)));
                } else {
                    running.push(Box::pin(self.chunk(next, part, first)));
                }
                next += 1;
            }
            let room = hearing.len() + running.len() < self.ahead;
            tokio::select! {
                Some(heard) = hearing.next() => {
                    let (number, part, opinion) = heard?;
                    let language = languages.get_mut(part.channel).map_or(first, |own| own.hear(opinion));
                    running.push(Box::pin(self.chunk(number, part, language)));
                }
                Some(finished) = running.next() => {
                    let (number, finished) = finished?;
                    done.add(number, finished);
                    self.settle(&mut done).await;
                    meter.advance_to(done.up_to());
                }
                part = parts.next(), if more && room => match part? {
                    Some(part) => waiting.push_back(part),
                    None => more = false,
                },
                else => return Ok(done),
            }
        }
    }

    /// Goes over the chunks that are finished in a row. Those that change by what came before are kept anew.
    async fn settle(&self, done: &mut Done) {
        while let Some(passed) = done.pass() {
            if !passed.changed {
                continue;
            }
            if let Some(finished) = done.get(passed.number)
                && let Some(record) =
                    journal::record(self.key(finished), &self.order.model.id, &finished.result)
            {
                self.journal.keep(record).await;
            }
        }
    }

    /// The language, and how sure it is: as given, as an earlier attempt had it, or as the model hears it in the
    /// first chunks, which are then left in `waiting`. None if there are no chunks.
    async fn language(
        &self,
        parts: &mut Parts,
        waiting: &mut VecDeque<Part>,
    ) -> Result<Option<(Language, f64)>, Stopped> {
        let Some(first) = parts.next().await? else { return Ok(None) };
        waiting.push_back(first);
        if let Some(language) = self.order.options.language {
            return Ok(Some((language, 1.0)));
        }
        let mut opinions = Vec::new();
        while let Some(part) = waiting.back() {
            if let Some(kept) = journal::find(&self.kept, self.key_of(part), &self.order.model.id) {
                return Ok(Some((kept.language, kept.language_probability)));
            }
            let (language, probability) = self.desk(part.channel)?.language(&part.chunk).await?;
            opinions.push(Opinion { language, probability, weight: part.chunk.samples() });
            if probability >= language::SURE || opinions.len() == language::STRETCHES {
                break;
            }
            match parts.next().await? {
                Some(part) => waiting.push_back(part),
                None => break,
            }
        }
        let voted = language::vote(&opinions);
        Ok(voted.map(|(language, probability)| (language, rounded(probability))))
    }

    /// What the model says about the language of a chunk, or what an earlier attempt decided.
    async fn hear(&self, number: usize, part: Part) -> Result<(usize, Part, Opinion), EngineError> {
        let weight = part.chunk.speech.iter().map(Span::len).sum();
        if let Some(kept) = journal::find(&self.kept, self.key_of(&part), &self.order.model.id) {
            let opinion = Opinion { language: kept.language, probability: 1.0, weight: u64::MAX };
            return Ok((number, part, opinion));
        }
        let (language, probability) = self.desk(part.channel)?.language(&part.chunk).await?;
        let probability = rounded(probability);
        Ok((number, part, Opinion { language, probability, weight }))
    }

    /// A chunk from an earlier attempt, or else by the engine.
    async fn chunk(
        &self,
        number: usize,
        part: Part,
        language: (Language, f64),
    ) -> Result<(usize, Finished), EngineError> {
        let (span, key, model) = (part.chunk.span(), self.key_of(&part), &self.order.model.id);
        let finished = |result, kept| Finished { channel: part.channel, span, result, kept };
        if let Some(kept) = journal::find(&self.kept, key, model) {
            return Ok((number, finished(kept, true)));
        }
        let result = self.desk(part.channel)?.transcribe(&part.chunk, language).await?;
        let kept = match journal::record(key, model, &result) {
            Some(record) => self.journal.keep(record).await,
            None => false,
        };
        failpoint::hit("transcribe.chunk", self.order.file_name.as_deref()).await;
        Ok((number, finished(result, kept)))
    }

    fn desk(&self, channel: usize) -> Result<&Desk<'_>, EngineError> {
        self.desks.get(channel).ok_or_else(|| EngineError::Failed("there is no such channel".into()))
    }

    fn key_of(&self, part: &Part) -> Span {
        journal::key(part.chunk.span(), part.channel, self.desks.len())
    }

    fn key(&self, finished: &Finished) -> Span {
        journal::key(finished.span, finished.channel, self.desks.len())
    }
}

/// Four decimals are more than a probability means.
fn rounded(probability: f64) -> f64 {
    (probability * 10_000.0).round() / 10_000.0
}
