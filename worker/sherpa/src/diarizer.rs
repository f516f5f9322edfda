//! The pipeline of pyannote as sherpa-onnx has it finds the turns; one embedding of each, or of each local speaker,
//! says whose it is.
//!
//! sherpa-onnx embeds windows of 10 s and groups them by complete linkage, which is good for boundaries, and makes
//! the more speakers the longer the audio (k2-fsa/sherpa-onnx#1466). Its groups are therefore taken for no more than
//! what tells neighbours apart; whose turns belong together is for whoever has the embeddings of the whole file.

use std::fmt;
use std::path::PathBuf;

use sherpa_onnx::{
    FastClusteringConfig, OfflineSpeakerDiarization, OfflineSpeakerDiarizationConfig,
    OfflineSpeakerSegmentationModelConfig, OfflineSpeakerSegmentationPyannoteModelConfig,
    SpeakerEmbeddingExtractor, SpeakerEmbeddingExtractorConfig,
};
use steno_runtime::engine::{ChunkVoices, Diarizer, EngineError, Grouping};
use steno_shared::diarization::{Embedding, Turn, Voice};
use steno_shared::time::Millis;

use crate::pieces;

/// Speech shorter than this is none, and pauses shorter than that are none, in seconds: with the miniature pair the
/// best of those tried. The library's own are 0.3 and 0.5.
const SHORTEST_SPEECH: f32 = 0.2;
const SHORTEST_PAUSE: f32 = 0.3;
/// One thread: two were no faster with the miniature pair, and jobs run beside each other.
const THREADS: i32 = 1;
/// Less audio than this is not worth a window, in samples: a quarter of a second.
const SHORTEST_AUDIO: usize = 4000;
/// An embedding of less speech says little, so short turns share that of all the local speaker's speech.
const ENOUGH: Millis = Millis(1000);
/// An embedding of this much speech does not get better by more, which would take memory.
const PLENTY: Millis = Millis(40_000);
const SAMPLE_RATE: i32 = 16_000;
const SAMPLES_PER_MS: usize = 16;

/// A pair of models, and how they are used.
#[derive(Debug, Clone, PartialEq)]
pub struct Models {
    /// The file of the model that finds turns.
    pub segmentation: PathBuf,
    /// The file of the model that tells voices apart.
    pub embedding: PathBuf,
    /// How far one window of 10 s lies behind the one before, as a part of it: the cost is in inverse proportion.
    pub shift: f32,
    /// From this cosine distance on two windows' speakers are two local speakers.
    pub threshold: f32,
}

/// A pair of models in memory. They must have passed [`crate::metadata`]'s checks: loading others can end the
/// process.
pub struct SherpaDiarizer {
    boundaries: OfflineSpeakerDiarization,
    extractor: SpeakerEmbeddingExtractor,
}

impl fmt::Debug for SherpaDiarizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SherpaDiarizer").field("dimensions", &self.extractor.dim()).finish_non_exhaustive()
    }
}

impl SherpaDiarizer {
    /// Loads a pair.
    ///
    /// # Errors
    /// [`EngineError::Load`], naming the file that cannot be loaded.
    pub fn load(models: &Models) -> Result<Self, EngineError> {
        let text = |path: &PathBuf| Some(path.to_string_lossy().into_owned());
        let embedding = SpeakerEmbeddingExtractorConfig {
            model: text(&models.embedding),
            num_threads: THREADS,
            ..SpeakerEmbeddingExtractorConfig::default()
        };
        // First the one that is part of both, so that the error is about the right file.
        let extractor = SpeakerEmbeddingExtractor::create(&embedding)
            .ok_or_else(|| EngineError::Load(format!("{} is refused", models.embedding.display())))?;
        let config = OfflineSpeakerDiarizationConfig {
            segmentation: OfflineSpeakerSegmentationModelConfig {
                pyannote: OfflineSpeakerSegmentationPyannoteModelConfig {
                    model: text(&models.segmentation),
                    window_shift_ratio: models.shift,
                },
                num_threads: THREADS,
                ..OfflineSpeakerSegmentationModelConfig::default()
            },
            embedding,
            clustering: FastClusteringConfig {
                num_clusters: -1,
                threshold: models.threshold,
                compute_confidence: false,
            },
            min_duration_on: SHORTEST_SPEECH,
            min_duration_off: SHORTEST_PAUSE,
        };
        let boundaries = OfflineSpeakerDiarization::create(&config)
            .ok_or_else(|| EngineError::Load(format!("{} is refused", models.segmentation.display())))?;
        Ok(Self { boundaries, extractor })
    }

    /// The turns, in order of their starts; `voice` is the number of the local speaker, without gaps.
    fn turns(&self, samples: &[f32]) -> Vec<Turn> {
        let Some(found) = self.boundaries.process(samples) else { return Vec::new() };
        let whole = Millis::of_samples(samples.len() as u64);
        let time = |seconds: f32| Millis((f64::from(seconds) * 1000.0).round() as u64).min(whole);
        let mut numbers = Vec::new();
        let mut turns = Vec::new();
        for segment in found.sort_by_start_time() {
            let known = numbers.iter().position(|number| *number == segment.speaker);
            let voice = known.unwrap_or_else(|| {
                numbers.push(segment.speaker);
                numbers.len() - 1
            });
            turns.push(Turn { start: time(segment.start), end: time(segment.end), voice: voice as u32 });
        }
        turns.retain(|turn| turn.start < turn.end);
        turns.sort_by_key(|turn| (turn.start, turn.end));
        turns
    }

    /// What the pieces sound like, the longest first; what is beyond [`PLENTY`] is left out.
    fn voice(&self, samples: &[f32], mut pieces: Vec<(Millis, Millis)>) -> Result<Voice, EngineError> {
        let failed = |what: &str| EngineError::Failed(format!("sherpa-onnx {what}"));
        let speech = pieces::length(&pieces);
        pieces.sort_by_key(|(start, end)| std::cmp::Reverse(end.0 - start.0));
        let stream = self.extractor.create_stream().ok_or_else(|| failed("has no room for a stream"))?;
        let mut left = PLENTY.0;
        for (start, end) in pieces {
            let end = end.0.min(start.0 + left);
            left -= end - start.0;
            let within = |at: u64| (at as usize * SAMPLES_PER_MS).min(samples.len());
            let piece = &samples[within(start.0)..within(end)];
            if !piece.is_empty() {
                stream.accept_waveform(SAMPLE_RATE, piece);
            }
        }
        stream.input_finished();
        let embedding = if speech > Millis(0) && self.extractor.is_ready(&stream) {
            self.extractor.compute(&stream).ok_or_else(|| failed("made no embedding"))?
        } else {
            Vec::new()
        };
        let embedding = of_length_one(embedding);
        let speech = if embedding.0.is_empty() { Millis(0) } else { speech };
        Ok(Voice { speech, chunk: 0, embedding })
    }
}

impl Diarizer for SherpaDiarizer {
    fn diarize(&mut self, samples: &[f32], grouping: Grouping) -> Result<ChunkVoices, EngineError> {
        if samples.len() < SHORTEST_AUDIO {
            return Ok(ChunkVoices::default());
        }
        let mut turns = self.turns(samples);
        let alone: Vec<_> = (0..turns.len()).map(|which| pieces::alone(&turns, which)).collect();
        let speakers = turns.iter().map(|turn| turn.voice + 1).max().unwrap_or(0);
        let mut voices = Vec::new();
        let mut voice_of = vec![0; turns.len()];
        for speaker in 0..speakers {
            let own: Vec<usize> = (0..turns.len()).filter(|which| turns[*which].voice == speaker).collect();
            let has_own =
                |which: &usize| grouping == Grouping::PerTurn && pieces::length(&alone[*which]) >= ENOUGH;
            for which in own.iter().copied().filter(has_own) {
                voice_of[which] = voices.len() as u32;
                voices.push(self.voice(samples, alone[which].clone())?);
            }
            let sharing: Vec<usize> = own.iter().copied().filter(|which| !has_own(which)).collect();
            if sharing.is_empty() {
                continue;
            }
            let of = |turns: &[usize]| turns.iter().flat_map(|which| alone[*which].clone()).collect();
            let mut shared = self.voice(samples, of(&own))?;
            // The embedding is of all the speaker's speech, its weight that of the turns that share it.
            let weight = pieces::length(&of(&sharing));
            shared.speech = shared.speech.min(weight.max(Millis(1)));
            if shared.embedding.0.is_empty() {
                shared.speech = Millis(0);
            }
            for which in sharing {
                voice_of[which] = voices.len() as u32;
            }
            voices.push(shared);
        }
        for (turn, voice) in turns.iter_mut().zip(voice_of) {
            turn.voice = voice;
        }
        Ok(ChunkVoices { turns, voices })
    }
}

/// The same direction, or nothing, if there is none.
fn of_length_one(mut values: Vec<f32>) -> Embedding {
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    if !length.is_finite() || length <= f32::EPSILON {
        return Embedding(Vec::new());
    }
    for value in &mut values {
        *value /= length;
    }
    Embedding(values)
}
