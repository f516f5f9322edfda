//! Conversations of which it is known who speaks when: the frozen test set of the miniature diarization models, and
//! long ones made of it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::clips::{root, samples, write_wav};
use crate::diarization::Turn;

const RATE: f64 = 16_000.0;
/// How the test set was mixed, and how the long ones are: that many sentences begin before the one before has ended,
/// ...
const OVERLAPS: f64 = 0.12;
/// ... and that often the same speaker goes on.
const STAYS: f64 = 0.25;

/// A conversation of the test set.
#[derive(Debug, Clone, Deserialize)]
pub struct Conversation {
    file: String,
    /// Its length.
    pub seconds: f64,
    turns: Vec<Sentence>,
}

#[derive(Debug, Clone, Deserialize)]
struct Sentence {
    speaker: String,
    start: f64,
    end: f64,
    words: Vec<(String, f64, f64)>,
}

/// A word of a conversation.
#[derive(Debug, Clone)]
pub struct Word {
    /// With its punctuation.
    pub text: String,
    /// The middle of it, in seconds.
    pub middle: f64,
    /// Who says it.
    pub speaker: String,
}

#[derive(Deserialize)]
struct Manifest {
    recordings: Vec<Conversation>,
}

fn folder() -> PathBuf {
    root().join("models/mini-diarization/test")
}

/// The frozen test set: voices that the miniature models have never heard.
///
/// # Panics
/// If the manifest cannot be read.
#[must_use]
pub fn test_set() -> Vec<Conversation> {
    let manifest = std::fs::read(folder().join("manifest.json")).unwrap();
    serde_json::from_slice::<Manifest>(&manifest).unwrap().recordings
}

impl Conversation {
    /// Its file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        folder().join(&self.file)
    }

    /// Who speaks when.
    #[must_use]
    pub fn turns(&self) -> Vec<Turn> {
        let turn = |sentence: &Sentence| Turn {
            start: sentence.start,
            end: sentence.end,
            speaker: sentence.speaker.clone(),
        };
        self.turns.iter().map(turn).collect()
    }

    /// How many people speak.
    #[must_use]
    pub fn speakers(&self) -> usize {
        crate::diarization::speakers(&self.turns()).len()
    }

    /// All words, in order of their times.
    #[must_use]
    pub fn words(&self) -> Vec<Word> {
        let of = |sentence: &Sentence| {
            let speaker = sentence.speaker.clone();
            let word = move |(text, start, end): (String, f64, f64)| Word {
                text,
                middle: f64::midpoint(start, end),
                speaker: speaker.clone(),
            };
            sentence.words.clone().into_iter().map(word)
        };
        let mut words: Vec<_> = self.turns.iter().flat_map(of).collect();
        words.sort_by(|one, other| one.middle.total_cmp(&other.middle));
        words
    }

    /// Writes a WAV file in which the same people say the same sentences in another order, again and again for so many
    /// seconds, with pauses and overlaps as in the test set; returns who speaks when.
    ///
    /// # Panics
    /// If the file cannot be written.
    #[must_use]
    pub fn talked_on(&self, seconds: f64, output: &Path) -> Vec<Turn> {
        let recorded = samples(&self.path());
        let sentences = self.apart();
        assert!(sentences.len() > 3 * self.speakers(), "{} has too few sentences by themselves", self.file);
        let mut dice = Dice(1);
        let mut mixed = vec![0i16; (seconds * RATE) as usize];
        let (mut turns, mut at, mut before) = (Vec::<Turn>::new(), 0.5, "");
        loop {
            let stays = dice.share() < STAYS;
            let next: Vec<_> = sentences.iter().filter(|next| (next.speaker == before) == stays).collect();
            let Some(sentence) = next.get((dice.share() * next.len() as f64) as usize) else { continue };
            let length = sentence.end - sentence.start;
            let start = if dice.share() < OVERLAPS && sentence.speaker != before {
                at - 0.1 - dice.share() * (0.5 * length).min(1.1)
            } else {
                at + 0.1 + dice.share() * 0.8
            };
            // Nobody speaks over their own last sentence.
            let own = turns.iter().rev().take(4).filter(|turn| turn.speaker == sentence.speaker);
            let start = own.map(|turn| turn.end + 0.05).fold(start.max(0.0), f64::max);
            if start + length >= seconds {
                break;
            }
            let (from, to) = ((sentence.start * RATE) as usize, (sentence.end * RATE) as usize);
            let into = &mut mixed[(start * RATE) as usize..];
            for (sum, sample) in into.iter_mut().zip(&recorded[from..to.min(recorded.len())]) {
                *sum = sum.saturating_add(*sample);
            }
            at = start + length;
            turns.push(Turn { start, end: at, speaker: sentence.speaker.clone() });
            before = &sentence.speaker;
        }
        write_wav(&mixed.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<_>>(), output);
        turns
    }

    /// The sentences that nobody speaks over.
    fn apart(&self) -> Vec<&Sentence> {
        let over = |one: &Sentence, other: &Sentence| one.start < other.end && other.start < one.end;
        let alone =
            |one: &&Sentence| self.turns.iter().all(|other| std::ptr::eq(*one, other) || !over(one, other));
        self.turns.iter().filter(alone).collect()
    }
}

/// The same numbers in each run (Knuth's linear congruential generator).
struct Dice(u64);

impl Dice {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}
