//! One chunk: its text, with second tries where the first left something out or ran in circles.

use std::sync::Arc;

use steno_runtime::engine::{ChunkOptions, ChunkText, Decoding, EngineError};
use steno_runtime::models::Loaded;
use steno_runtime::speech::Span;
use steno_shared::language::Language;
use steno_shared::time::{Millis, SAMPLE_RATE};
use steno_shared::transcript::{Warning, WarningCode};

use super::journal::ChunkResult;
use super::wording::Wording;
use super::{coverage, place, prompt, repetition};
use crate::chunk::Chunk;
use crate::chunk::time_map::TimeMap;
use crate::engine::{Answer, Seat, Task, Work};
use crate::samples::Samples;

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

/// The model is not sure of text below this mean log-probability: a little above half.
const DOUBTFUL: f64 = -0.5;

/// What the chunks of a channel have in common.
#[derive(Debug)]
pub struct Desk<'a> {
    /// Where its tasks are run.
    pub seat: &'a Seat,
    /// By what model.
    pub model: Arc<Loaded>,
    /// Where its audio is.
    pub samples: Arc<Samples>,
    /// Its number, from 1, if it is one of several speakers.
    pub channel: Option<u16>,
    /// How it is written down.
    pub wording: &'a Wording,
}

impl Desk<'_> {
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
        let text = self.text(chunk, language.0, self.wording.decoding()).await?;
        if hears_nobody(&text) || (text.segments.is_empty() && result.speech < BLIP) {
            // The detector took something else for speech: nothing was left out.
            if result.speech >= BLIP {
                result.warnings.extend(coverage::whole(&chunk.speech).into_iter().map(not_speech));
            }
            result.speech = Millis(0);
            return Ok(self.wording.written(result, self.channel));
        }
        let text = self.without_loop(chunk, text, &mut result).await?;
        result.segments = place::segments(&text, &TimeMap::new(&chunk.pieces), chunk.span());
        let speech = self.fill_holes(chunk, &mut result).await?;
        let holes = if result.segments.is_empty() {
            coverage::whole(&speech)
        } else {
            coverage::holes(&speech, &result.segments)
        };
        for hole in holes {
            let message = "the model wrote nothing for this stretch of speech";
            result.warnings.push(about(WarningCode::Untranscribed, hole, message));
        }
        result.speech = coverage::length(&speech);
        result.transcribed = coverage::covered(&speech, &result.segments);
        Ok(self.wording.written(result, self.channel))
    }

    /// Has a chunk that ended in a loop decoded another way; if that ends in one too, each is said once. Text that
    /// is much the same without being a loop stays, for it may have been said.
    async fn without_loop(
        &self,
        chunk: &Chunk,
        text: ChunkText,
        result: &mut ChunkResult,
    ) -> Result<ChunkText, EngineError> {
        if !repetition::is_stuck(&text) {
            return Ok(text);
        }
        let again = self.text(chunk, result.language, self.wording.second_try()).await?;
        if !again.segments.is_empty() && !repetition::is_stuck(&again) {
            return Ok(again);
        }
        if !repetition::has_loop(&text) {
            let message = "the text is much the same again and again here, also at a second try";
            result.warnings.push(about(WarningCode::Repetitive, chunk.span(), message));
            return Ok(text);
        }
        result.warnings.push(repeated(chunk.span()));
        Ok(repetition::cut(text))
    }

    /// Transcribes what the segments leave out once more, by itself. What is left of the speech: that in which the
    /// model hears nobody is none.
    async fn fill_holes(&self, chunk: &Chunk, result: &mut ChunkResult) -> Result<Vec<Span>, EngineError> {
        let mut speech = chunk.speech.clone();
        for hole in coverage::holes(&chunk.speech, &result.segments).into_iter().take(HOLES) {
            let part = chunk.part(hole, MARGIN);
            // The same audio again would give the same.
            if part.samples() + 2 * MARGIN >= chunk.samples() {
                continue;
            }
            let text = self.text(&part, result.language, self.wording.decoding()).await?;
            if hears_nobody(&text) {
                result.warnings.push(not_speech(hole));
                speech = coverage::without(&speech, &hole);
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
        Ok(speech)
    }

    /// The text of a chunk. If the model gives its prompt back for it, and there is reason to doubt that just this
    /// was said, it is not told again.
    async fn text(
        &self,
        chunk: &Chunk,
        language: Language,
        decoding: Decoding,
    ) -> Result<ChunkText, EngineError> {
        let Some(prompt) = self.wording.prompt() else {
            return self.plain_text(chunk, ChunkOptions { decoding, ..ChunkOptions::of(language) }).await;
        };
        let options = ChunkOptions { language, decoding, prompt: Some(prompt.clone()) };
        let text = self.plain_text(chunk, options.clone()).await?;
        let doubtful = text.no_speech_probability > NO_SPEECH || sureness(&text) < DOUBTFUL;
        if doubtful && prompt::is_echo(&text, prompt) {
            return self.plain_text(chunk, ChunkOptions { prompt: None, ..options }).await;
        }
        Ok(text)
    }

    async fn plain_text(&self, chunk: &Chunk, options: ChunkOptions) -> Result<ChunkText, EngineError> {
        match self.run(chunk, Work::Text(options)).await? {
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

fn about(code: WarningCode, stretch: Span, message: &str) -> Warning {
    Warning::about(code, Millis::of_samples(stretch.start), Millis::of_samples(stretch.end), message)
}

fn repeated(stretch: Span) -> Warning {
    about(WarningCode::Repetition, stretch, "the model repeated itself here; the repetition was left out")
}

fn not_speech(stretch: Span) -> Warning {
    about(WarningCode::NotSpeech, stretch, "this sounds like speech, but the model hears nobody speak")
}

/// The mean log-probability of the tokens; that of no tokens is as low as can be.
fn sureness(text: &ChunkText) -> f64 {
    let words = text.segments.iter().flat_map(|segment| &segment.words);
    let (sum, tokens) =
        words.fold((0.0, 0), |(sum, tokens), word| (sum + word.log_probability, tokens + word.tokens));
    if tokens == 0 { f64::NEG_INFINITY } else { sum / f64::from(tokens) }
}

/// Whether the model finds that nobody speaks.
fn hears_nobody(text: &ChunkText) -> bool {
    text.no_speech_probability > NO_SPEECH && sureness(text) < UNSURE
}
