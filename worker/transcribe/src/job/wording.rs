//! How the chunks of a job are decoded and written down: what all of them have in common.

use steno_runtime::engine::{Decoding, Prompt};
use steno_runtime::models::Loaded;
use steno_shared::job::{JobOptions, Temperature};
use steno_shared::language::Language;
use steno_shared::time::Millis;
use steno_shared::transcript::Warning;

use super::journal::ChunkResult;
use super::prompt;
use super::replace::Replacements;

/// A second try is this much freer than the first.
const FREER: f32 = 0.4;
/// The most there is.
const FREEST: f32 = 1.0;

/// What the options of a job come to for each of its chunks.
#[derive(Debug, Clone, Default)]
pub struct Wording {
    prompt: Option<Prompt>,
    temperature: Temperature,
    replacements: Replacements,
    /// Segments name their language.
    names_language: bool,
    /// The media time of the first sample.
    origin: Millis,
}

impl Wording {
    /// For a job with these options, the first sample of which is at `origin` in the media, and that is done by
    /// `model`; and a warning if the model does not hear all of the prompt.
    #[must_use]
    pub fn of(options: &JobOptions, origin: Millis, model: &Loaded) -> (Self, Option<Warning>) {
        let told = prompt::told(&options.text, |prompt| model.hears_all_of(prompt));
        let wording = Self {
            prompt: told.prompt,
            temperature: options.text.temperature.unwrap_or_default(),
            replacements: Replacements::of(&options.text.replace),
            names_language: options.text.multilingual,
            origin,
        };
        (wording, told.warning)
    }

    /// What the model is told was said before.
    #[must_use]
    pub fn prompt(&self) -> Option<&Prompt> {
        self.prompt.as_ref()
    }

    /// How a chunk is decoded at first.
    #[must_use]
    pub fn decoding(&self) -> Decoding {
        if self.temperature == Temperature::default() {
            Decoding::Likeliest
        } else {
            Decoding::Sampled(self.temperature)
        }
    }

    /// And how if that led into a loop.
    #[must_use]
    pub fn second_try(&self) -> Decoding {
        let freer = Temperature::of((self.temperature.as_f32() + FREER).min(FREEST));
        Decoding::Sampled(freer.unwrap_or_default())
    }

    /// The result as the caller sees it, which is in media time.
    #[must_use]
    pub fn written(&self, mut result: ChunkResult, channel: Option<u16>) -> ChunkResult {
        result.segments = self.replacements.apply(result.segments);
        let code = self.names_language.then(|| Language::code(result.language));
        for segment in &mut result.segments {
            segment.channel = channel;
            segment.language = code.map(str::to_owned);
            segment.start = segment.start + self.origin;
            segment.end = segment.end + self.origin;
            for word in &mut segment.words {
                word.start = word.start + self.origin;
                word.end = word.end + self.origin;
            }
        }
        for warning in &mut result.warnings {
            warning.start = warning.start.map(|start| start + self.origin);
            warning.end = warning.end.map(|end| end + self.origin);
            if let Some(channel) = channel {
                warning.message = format!("channel {channel}: {}", warning.message);
            }
        }
        result
    }
}
