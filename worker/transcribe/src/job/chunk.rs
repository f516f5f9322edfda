//! One chunk: its text, with second tries where the first left something out or ran in circles.

use std::sync::Arc;

use steno_runtime::engine::{ChunkOptions, ChunkText, Decoding, EngineError};
use steno_shared::language::Language;
use steno_shared::time::{Millis, SAMPLE_RATE};
use steno_shared::transcript::{Warning, WarningCode};

use super::journal::ChunkResult;
use super::{coverage, place, repetition};
use crate::chunk::Chunk;
use crate::chunk::time_map::TimeMap;
use crate::engine::{Answer, Loaded, Seat, Task, Work};
use crate::samples::Samples;
use crate::speech::Span;

/// The model hears nobody above this, ...
const NO_SPEECH: f64 = 0.6;
/// ... unless it is surer of its text than this: the mean log-probability of its tokens (both limits are those of
/// OpenAI's `transcribe.py`).
const UNSURE: f64 = -1.0;
/// Holes of a chunk that are tried once more.
const HOLES: usize = 3;
/// Audio around a hole that is given along, so that no word is cut.
const MARGIN: u64 = SAMPLE_RATE as u64 / 5;
/// Less speech than this in a chunk without text is taken for a mistake of the detector.
const BLIP: Millis = Millis(500);

/// What a job's chunks have in common.
#[derive(Debug)]
pub struct Desk {
    /// Where its tasks are run.
    pub seat: Seat,
    /// By what model.
    pub model: Arc<Loaded>,
    /// Where its audio is.
    pub samples: Arc<Samples>,
}

impl Desk {
    /// Which language is spoken in a chunk, and how likely that is.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn language(&self, chunk: &Chunk) -> Result<(Language, f64), EngineError> {
        match self.run(chunk, Work::Language).await? {
            Answer::Language(language, probability) => Ok((language, probability)),
            Answer::Text(_) => Err(EngineError::Failed("it answered another question".into())),
        }
    }

    /// What is said in a chunk, with second tries. `language` is what the model is told and how sure that is.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn transcribe(
        &self,
        chunk: &Chunk,
        language: (Language, f64),
    ) -> Result<ChunkResult, EngineError> {
        let mut result = ChunkResult {
            language: language.0,
            language_probability: language.1,
            segments: Vec::new(),
            warnings: Vec::new(),
            speech: coverage::length(&chunk.speech),
            transcribed: Millis(0),
        };
        let text = self.text(chunk, language.0, Decoding::Likeliest).await?;
        if hears_nobody(&text) || (text.segments.is_empty() && result.speech < BLIP) {
            // The detector took something else for speech: nothing was left out.
            result.speech = Millis(0);
            return Ok(result);
        }
        let text = self.without_loop(chunk, text, &mut result).await?;
        result.segments = place::segments(&text, &TimeMap::new(&chunk.pieces), chunk.span());
        self.fill_holes(chunk, &mut result).await?;
        let holes = if result.segments.is_empty() {
            whole(chunk)
        } else {
            coverage::holes(&chunk.speech, &result.segments)
        };
        for hole in holes {
            let (start, end) = (Millis::of_samples(hole.start), Millis::of_samples(hole.end));
            let message = "the model wrote nothing for this stretch of speech";
            result.warnings.push(Warning::about(WarningCode::Untranscribed, start, end, message));
        }
        result.transcribed = coverage::covered(&chunk.speech, &result.segments);
        Ok(result)
    }

    /// Has a chunk that ended in a loop decoded another way; if that ends in one too, each is said once.
    async fn without_loop(
        &self,
        chunk: &Chunk,
        text: ChunkText,
        result: &mut ChunkResult,
    ) -> Result<ChunkText, EngineError> {
        if !repetition::has_loop(&text) {
            return Ok(text);
        }
        let again = self.text(chunk, result.language, Decoding::Sampled).await?;
        if !again.segments.is_empty() && !repetition::has_loop(&again) {
            return Ok(again);
        }
        result.warnings.push(repeated(chunk.span()));
        Ok(repetition::cut(text))
    }

    /// Transcribes what the segments leave out once more, by itself.
    async fn fill_holes(&self, chunk: &Chunk, result: &mut ChunkResult) -> Result<(), EngineError> {
        for hole in coverage::holes(&chunk.speech, &result.segments).into_iter().take(HOLES) {
            let part = chunk.part(hole, MARGIN);
            // The same audio again would give the same.
            if part.samples() + 2 * MARGIN >= chunk.samples() {
                continue;
            }
            let text = self.text(&part, result.language, Decoding::Likeliest).await?;
            if hears_nobody(&text) {
                continue;
            }
            if repetition::has_loop(&text) {
                result.warnings.push(repeated(hole));
            }
            // The margins belong to the neighbours.
            result.segments.extend(place::segments(
                &repetition::cut(text),
                &TimeMap::new(&part.pieces),
                hole,
            ));
            result.segments.sort_by_key(|segment| segment.start);
        }
        Ok(())
    }

    async fn text(
        &self,
        chunk: &Chunk,
        language: Language,
        decoding: Decoding,
    ) -> Result<ChunkText, EngineError> {
        match self.run(chunk, Work::Text(ChunkOptions { language, decoding })).await? {
            Answer::Text(text) => Ok(text),
            Answer::Language(..) => Err(EngineError::Failed("it answered another question".into())),
        }
    }

    async fn run(&self, chunk: &Chunk, work: Work) -> Result<Answer, EngineError> {
        let task = Task {
            model: Arc::clone(&self.model),
            samples: Arc::clone(&self.samples),
            pieces: chunk.pieces.clone(),
            work,
        };
        self.seat.run(task).await
    }
}

fn repeated(stretch: Span) -> Warning {
    let (start, end) = (Millis::of_samples(stretch.start), Millis::of_samples(stretch.end));
    let message = "the model repeated itself here; the repetition was left out";
    Warning::about(WarningCode::Repetition, start, end, message)
}

/// From the first to the last speech of a chunk.
fn whole(chunk: &Chunk) -> Vec<Span> {
    let ends = chunk.speech.first().zip(chunk.speech.last());
    ends.map(|(first, last)| Span { start: first.start, end: last.end }).into_iter().collect()
}

/// Whether the model finds that nobody speaks.
fn hears_nobody(text: &ChunkText) -> bool {
    let words = text.segments.iter().flat_map(|segment| &segment.words);
    let (sum, tokens) =
        words.fold((0.0, 0), |(sum, tokens), word| (sum + word.log_probability, tokens + word.tokens));
    let unsure = tokens == 0 || sum / f64::from(tokens) < UNSURE;
    text.no_speech_probability > NO_SPEECH && unsure
}
