//! A Whisper model, and the states that decode with it.

use std::ffi::CString;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use steno_runtime::engine::{
    ChunkOptions, ChunkText, Decoding, EngineError, Prompt, StopFlag, Transcriber, TranscriberModel,
};
use steno_shared::catalog::Model;
use steno_shared::language::Language;
use steno_shared::time::{Millis, SAMPLE_RATE};

use crate::clock::Clock;
use crate::file;
use crate::raw::{Code, Context, Request, State, TokenId};
use crate::tokens::{self, Chunk};

/// The longest chunk: what the encoder sees at once.
const LONGEST: usize = 30 * SAMPLE_RATE as usize;
/// Shorter chunks are filled up with silence: whisper.cpp reads beyond the end of fewer than 201 samples, and
/// ignores what is shorter than 0.1 s.
const SHORTEST: usize = SAMPLE_RATE as usize;
/// Fewer positions of the encoder than this cost quality (whisper.cpp#1951).
const FEWEST_POSITIONS: usize = 512;
/// The codes that whisper.cpp gives after Whisper's first 99 languages begin with Cantonese.
const NEW_IN_LARGE_V3: &str = "yue";
/// Vocabulary of the models that know the languages new in large-v3, at least.
const LARGE_V3_VOCABULARY: usize = 51_866;

/// A model in memory.
#[derive(Debug)]
pub struct WhisperModel {
    context: Arc<Context>,
    clock: Clock,
    known: Vec<Language>,
    beams: u8,
}

impl WhisperModel {
    /// Loads the file of a catalogue entry: seconds for a large one.
    ///
    /// # Errors
    /// [`EngineError::Load`] if the file is damaged, whisper.cpp cannot read it or memory runs out; the log says more
    /// at debug level.
    pub fn load(path: &Path, entry: &Model) -> Result<Self, EngineError> {
        file::check(path)
            .map_err(|damage| EngineError::Load(format!("{} is damaged: {damage}", entry.file())))?;
        let context = Context::load(path, &entry.word_times.heads)
            .ok_or_else(|| EngineError::Load(format!("whisper.cpp cannot read {}", entry.file())))?;
        let known = Language::all()
            .filter(|language| entry.knows(*language))
            .filter(|language| context.vocabulary.multilingual || language.code() == "en")
            .filter(|language| {
                context.vocabulary.size >= LARGE_V3_VOCABULARY || language.code() != NEW_IN_LARGE_V3
            })
            .collect();
        let clock = Clock::of(&entry.word_times);
        Ok(Self { context: Arc::new(context), clock, known, beams: entry.beams })
    }
}

impl TranscriberModel for WhisperModel {
    fn open(&self) -> Result<Box<dyn Transcriber>, EngineError> {
        let state = State::open(&self.context).ok_or_else(no_memory)?;
        Ok(Box::new(WhisperState {
            state,
            context: Arc::clone(&self.context),
            clock: self.clock,
            known: self.known.clone(),
            beams: self.beams,
        }))
    }

    fn hears_all_of(&self, prompt: &Prompt) -> bool {
        tokens_of(prompt, &self.context).len() <= self.context.vocabulary.prompt_positions()
    }
}

/// Text is tokenized this many bytes at a time: whisper.cpp has it matched by `std::regex`, which recurs once for
/// each byte of a word.
const PIECE: usize = 200;

/// The tokens of a prompt. Each word has the space before it that Whisper's models write.
fn tokens_of(prompt: &Prompt, context: &Context) -> Vec<TokenId> {
    let pieces = pieces(prompt.text()).into_iter().filter_map(|piece| CString::new(piece).ok());
    pieces.flat_map(|piece| context.tokenize(&piece)).collect()
}

/// A text in pieces that end at spaces, but for words that are longer than a piece.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c == '\0').filter(|word| !word.is_empty()) {
        let mut rest = word;
        let mut space = " ";
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.floor_char_boundary(PIECE));
            if piece.len() + space.len() + part.len() > PIECE && !piece.is_empty() {
                pieces.push(std::mem::take(&mut piece));
            }
            piece.push_str(space);
            piece.push_str(part);
            (rest, space) = (after, "");
        }
    }
    pieces.push(piece);
    pieces
}

/// One decoding state.
#[derive(Debug)]
struct WhisperState {
    state: State,
    context: Arc<Context>,
    clock: Clock,
    known: Vec<Language>,
    beams: u8,
}

impl WhisperState {
    /// The language that the model is told: one that it knows.
    fn told(&self, language: Language) -> Language {
        let cantonese = language.code() == NEW_IN_LARGE_V3;
        let nearest = if cantonese { Language::parse("zh").ok() } else { None };
        [Some(language), nearest, self.known.first().copied()]
            .into_iter()
            .flatten()
            .find(|language| self.known.contains(language))
            .unwrap_or(language)
    }

    /// Positions of the encoder for this many samples: 50 a second and some room, so that a clip of 5 s does not
    /// pay for 30.
    fn positions(&self, samples: usize) -> usize {
        let wanted = (samples * 50).div_ceil(SAMPLE_RATE as usize) + 64;
        wanted.next_multiple_of(64).max(FEWEST_POSITIONS).min(self.context.vocabulary.audio_positions)
    }

    /// The most tokens that can be needed: dense speech takes some 8 a second, scripts that fall apart into bytes
    /// twice that. At 4 below half of its positions the decoder would give up as failed.
    fn tokens(&self, samples: usize) -> usize {
        let most = (self.context.vocabulary.text_positions / 2).saturating_sub(6);
        (32 + samples * 16 / SAMPLE_RATE as usize).min(most)
    }
}

impl Transcriber for WhisperState {
    fn detect_language(&mut self, samples: &[f32], stop: &StopFlag) -> Result<(Language, f64), EngineError> {
        let samples = padded(samples)?;
        let language = CString::from(c"en");
        let request = Request {
            language: &language,
            prompt: &[],
            audio_positions: self.positions(samples.len()),
            tokens: 1,
            beams: 1,
            temperature: 0.0,
            temperature_step: 0.0,
            // Only the spectrogram, and the number of positions, which nothing else sets.
            encodes: 0,
            stop,
        };
        self.state.decode(&samples, &request).map_err(|code| failed(code, stop))?;
        if stop.load(Ordering::Relaxed) {
            return Err(EngineError::Stopped);
        }
        let probabilities = self.state.languages().map_err(|code| failed(code, stop))?;
        let all: Vec<_> = Language::all().zip(probabilities).collect();
        let known = all.iter().filter(|(language, _)| self.known.contains(language));
        let sum: f32 = known.clone().map(|(_, probability)| probability).sum();
        let best = known.max_by(|one, other| one.1.total_cmp(&other.1));
        let (language, probability) =
            best.ok_or_else(|| EngineError::Failed("the model knows no language".into()))?;
        Ok((*language, f64::from(probability / sum.max(f32::MIN_POSITIVE))))
    }

    fn transcribe(
        &mut self,
        samples: &[f32],
        options: &ChunkOptions,
        stop: &StopFlag,
    ) -> Result<ChunkText, EngineError> {
        let length = Millis::of_samples(samples.len() as u64);
        let samples = padded(samples)?;
        let language = CString::new(self.told(options.language).whisper_code()).unwrap_or_default();
        let prompt = options.prompt.as_ref().map(|prompt| tokens_of(prompt, &self.context));
        let temperature = match options.decoding {
            Decoding::Likeliest | Decoding::Quick => 0.0,
            Decoding::Sampled(temperature) => temperature.as_f32(),
        };
        // Chance is another way to look beyond the likeliest token.
        let greedy = temperature > 0.0 || options.decoding == Decoding::Quick;
        let beams = if greedy { 1 } else { self.beams };
        if beams > 1 || temperature > 0.0 {
            // whisper.cpp seeds its random numbers when a state is opened, and a beam search draws too: only a fresh
            // state gives the same text for the same audio.
            self.state = State::open(&self.context).ok_or_else(no_memory)?;
        }
        let request = Request {
            language: &language,
            prompt: &prompt.unwrap_or_default(),
            audio_positions: self.positions(samples.len()),
            tokens: self.tokens(samples.len()),
            beams,
            temperature,
            // A beam search follows other ways already; second tries by chance made it no better (measured).
            temperature_step: if self.beams > 1 || options.decoding == Decoding::Quick { 0.0 } else { 0.4 },
            encodes: 1,
            stop,
        };
        self.state.decode(&samples, &request).map_err(|code| failed(code, stop))?;
        if stop.load(Ordering::Relaxed) {
            return Err(EngineError::Stopped);
        }
        let tokens = self.state.tokens().map_err(|code| failed(code, stop))?;
        let no_speech_probability = self.state.no_speech_probability().map_err(|code| failed(code, stop))?;
        let chunk = Chunk {
            vocabulary: self.context.vocabulary,
            script: options.language.into(),
            clock: self.clock,
            length,
        };
        Ok(ChunkText { segments: tokens::segments(&tokens, &chunk), no_speech_probability })
    }
}

fn no_memory() -> EngineError {
    EngineError::Failed("no memory for another decoding state".into())
}

/// The samples, with silence behind them if they are few.
fn padded(samples: &[f32]) -> Result<std::borrow::Cow<'_, [f32]>, EngineError> {
    if samples.len() > LONGEST {
        return Err(EngineError::Failed(format!("{} samples are more than 30 s", samples.len())));
    }
    if samples.len() >= SHORTEST {
        return Ok(samples.into());
    }
    let mut longer = samples.to_vec();
    longer.resize(SHORTEST, 0.0);
    Ok(longer.into())
}

fn failed(code: Code, stop: &AtomicBool) -> EngineError {
    if stop.load(Ordering::Relaxed) {
        return EngineError::Stopped;
    }
    EngineError::Failed(format!("whisper.cpp returned {}", code.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_cut_between_words_where_there_are_some() {
        assert_eq!(pieces("Dear\nall, \0 hello"), [" Dear all, hello"]);
        assert_eq!(pieces(" "), [""]);
        let words = "word ".repeat(100);
        assert_eq!(pieces(&words).concat(), words.replace("word ", " word"));
        let unspaced = "\u{4ECA}".repeat(1000);
        let cut = pieces(&unspaced);
        assert_eq!(cut.concat(), format!(" {unspaced}"));
        assert!(cut.iter().chain(&pieces(&words)).all(|piece| piece.len() <= PIECE + 1), "{cut:?}");
    }
}
