//! The pipeline of pyannote as sherpa-onnx has it finds the turns; an embedding of each says whose it is.
//!
//! sherpa-onnx embeds what each speaker of a window of 10 s says and groups that by complete linkage: good for
//! boundaries, but it makes the more speakers the longer the audio (k2-fsa/sherpa-onnx#1466), and mixes some up. Its
//! groups are therefore taken for no more than what tells neighbours apart; which turns belong together is for
//! whoever has the voices of the whole file. Measured with the miniature pair on the development set, with the count
//! known: 31 % of the time wrong by its groups, 6 % by the voices of turns.

use std::fmt;
use std::path::PathBuf;

use sherpa_onnx::{
    FastClusteringConfig, OfflineSpeakerDiarization, OfflineSpeakerDiarizationConfig,
    OfflineSpeakerSegmentationModelConfig, OfflineSpeakerSegmentationPyannoteModelConfig,
    SpeakerEmbeddingExtractor, SpeakerEmbeddingExtractorConfig,
};
use steno_runtime::engine::{ChunkVoices, Diarizer, EngineError};
use steno_shared::diarization::{Embedding, SpeakerCount, Turn, Voice, cluster, middles};
use steno_shared::time::Millis;

use crate::{pieces, split};

/// Speech shorter than this is none, and pauses shorter than that are none, in seconds. The library's own are 0.3 and
/// 0.5, but turns are not to be joined over pauses before it is known whose they are.
const SHORTEST_SPEECH: f32 = 0.1;
const SHORTEST_PAUSE: f32 = 0.1;
/// From this cosine distance on two windows' speakers are two, as far as boundaries go. It hardly matters.
const NEIGHBOURS: f32 = 0.8;
/// One thread: two were no faster with the miniature pair, and jobs run beside each other.
const THREADS: i32 = 1;
/// Less audio than this is not worth a window, in samples: a quarter of a second.
const SHORTEST_AUDIO: usize = 4000;
/// An embedding of less speech says nothing: such a turn has a voice that is not known.
const ENOUGH: Millis = Millis(400);
/// An embedding of this much speech does not get better by more, which would take memory.
const PLENTY: Millis = Millis(40_000);
/// The parts of the work that turns and their voices are, about. The library says nothing while it finds turns.
const TURNS_SHARE: f64 = 0.6;
const VOICES_SHARE: f64 = 0.3;
const SAMPLE_RATE: i32 = 16_000;
const SAMPLES_PER_MS: usize = 16;

const NOT_KNOWN: Voice = Voice { speech: Millis(0), chunk: 0, embedding: Embedding(Vec::new()) };

/// A pair of models, and how they are used.
#[derive(Debug, Clone, PartialEq)]
pub struct Models {
    /// The file of the model that finds turns.
    pub segmentation: PathBuf,
    /// The file of the model that tells voices apart.
    pub embedding: PathBuf,
    /// How far one window of 10 s lies behind the one before, as a part of it: the cost is in inverse proportion.
    pub shift: f32,
    /// From this distance on two voices are two speakers.
    pub threshold: f32,
}

/// A pair of models in memory. They must have passed [`crate::metadata`]'s checks: loading others can end the
/// process.
pub struct SherpaDiarizer {
    boundaries: OfflineSpeakerDiarization,
    extractor: SpeakerEmbeddingExtractor,
    threshold: f32,
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
                threshold: NEIGHBOURS,
                compute_confidence: false,
            },
            min_duration_on: SHORTEST_SPEECH,
            min_duration_off: SHORTEST_PAUSE,
        };
        let boundaries = OfflineSpeakerDiarization::create(&config)
            .ok_or_else(|| EngineError::Load(format!("{} is refused", models.segmentation.display())))?;
        Ok(Self { boundaries, extractor, threshold: models.threshold })
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

    /// The stretches of a turn that are of one voice each.
    fn spans(
        &self,
        samples: &[f32],
        turn: &Turn,
        middles: &[Embedding],
    ) -> Result<Vec<(Millis, Millis)>, EngineError> {
        let mut likeness = Vec::new();
        let windows = if middles.len() > 1 { split::windows(turn) } else { Vec::new() };
        for window in &windows {
            let Some(voice) = self.voice(samples, vec![*window])? else {
                return Ok(vec![(turn.start, turn.end)]);
            };
            likeness.push(middles.iter().map(|middle| middle.likeness(&voice.embedding)).collect());
        }
        Ok(split::spans(turn, &windows, &likeness))
    }

    /// The voice of a turn, where nobody else speaks.
    fn own(&self, samples: &[f32], turns: &[Turn], which: usize) -> Result<Voice, EngineError> {
        let pieces = pieces::alone(turns, which);
        let known = if pieces::length(&pieces) < ENOUGH { None } else { self.voice(samples, pieces)? };
        Ok(known.unwrap_or(NOT_KNOWN))
    }

    /// What the pieces sound like, the longest first; what is beyond [`PLENTY`] is left out. None, if it is like
    /// nothing.
    fn voice(
        &self,
        samples: &[f32],
        mut pieces: Vec<(Millis, Millis)>,
    ) -> Result<Option<Voice>, EngineError> {
        let failed = |what: &str| EngineError::Failed(format!("sherpa-onnx {what}"));
        let speech = pieces::length(&pieces);
        pieces.sort_by_key(|(start, end)| std::cmp::Reverse(end.since(*start)));
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
        if !self.extractor.is_ready(&stream) {
            return Ok(None);
        }
        let embedding = self.extractor.compute(&stream).ok_or_else(|| failed("made no embedding"))?;
        Ok(of_length_one(embedding).map(|embedding| Voice { speech, chunk: 0, embedding }))
    }
}

impl Diarizer for SherpaDiarizer {
    fn diarize(
        &mut self,
        samples: &[f32],
        progress: &mut dyn FnMut(f64),
    ) -> Result<ChunkVoices, EngineError> {
        if samples.len() < SHORTEST_AUDIO {
            return Ok(ChunkVoices::default());
        }
        let found = self.turns(samples);
        progress(TURNS_SHARE);
        let mut voices = Vec::with_capacity(found.len());
        for which in 0..found.len() {
            voices.push(self.own(samples, &found, which)?);
            progress(TURNS_SHARE + VOICES_SHARE * voices.len() as f64 / found.len() as f64);
        }
        let speakers = cluster(&[], &voices, self.threshold, SpeakerCount::AUTO);
        let middles = middles(&voices, &speakers);
        let mut parts = Vec::new();
        for (turn, voice) in found.into_iter().zip(voices) {
            let spans = self.spans(samples, &turn, &middles)?;
            let voice = Some(voice).filter(|_| spans.len() == 1);
            parts.extend(spans.into_iter().map(|(start, end)| (Turn { start, end, ..turn }, voice.clone())));
        }
        parts.sort_by_key(|(turn, _)| (turn.start, turn.end));
        let (mut turns, voices): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let voices: Vec<_> = (0..)
            .zip(voices)
            .map(|(which, voice)| voice.map_or_else(|| self.own(samples, &turns, which), Ok))
            .collect::<Result<_, _>>()?;
        (0..).zip(&mut turns).for_each(|(which, turn)| turn.voice = which);
        Ok(ChunkVoices { turns, voices })
    }
}

/// The same direction, if there is one.
fn of_length_one(mut values: Vec<f32>) -> Option<Embedding> {
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    if !length.is_finite() || length <= f32::EPSILON {
        return None;
    }
    values.iter_mut().for_each(|value| *value /= length);
    Some(Embedding(values))
}
