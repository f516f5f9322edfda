//! Makes few voices of many, where the voices of every turn would be too many to group: those of a chunk that are
//! alike beyond doubt become one.

use std::collections::BTreeMap;

use steno_runtime::engine::ChunkVoices;
use steno_shared::diarization::{Embedding, Voice};
use steno_shared::time::Millis;

/// Alike beyond doubt: nearer than this part of the distance from which on two voices are two speakers.
const BEYOND_DOUBT: f32 = 0.75;

/// A group of voices: the sum of their embeddings, each as long as its speech in seconds.
struct Group {
    sum: Vec<f32>,
    speech: Millis,
    members: Vec<usize>,
}

impl Group {
    fn of(number: usize, voice: &Voice) -> Self {
        let weight = voice.speech.as_seconds() as f32;
        Self {
            sum: voice.embedding.0.iter().map(|value| value * weight).collect(),
            speech: voice.speech,
            members: vec![number],
        }
    }

    fn distance(&self, other: &Self) -> f32 {
        let dot = |one: &[f32], other: &[f32]| one.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
        let lengths = (dot(&self.sum, &self.sum) * dot(&other.sum, &other.sum)).sqrt();
        1.0 - dot(&self.sum, &other.sum) / lengths.max(f32::MIN_POSITIVE)
    }

    fn take(&mut self, other: Self) {
        self.sum.iter_mut().zip(other.sum).for_each(|(sum, value)| *sum += value);
        self.speech = self.speech + other.speech;
        self.members.extend(other.members);
    }

    fn into_voice(mut self) -> Voice {
        let length = self.sum.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        self.sum.iter_mut().for_each(|value| *value /= length);
        Voice { speech: self.speech, chunk: 0, embedding: Embedding(self.sum) }
    }
}

/// Merges the voices of a chunk that are alike, the nearest first. `threshold` is the distance from which on two voices
/// are two speakers. Voices that are not known stay as they are.
pub(super) fn alike(chunk: &mut ChunkVoices, threshold: f32) {
    let (mut groups, mut not_known) = (Vec::new(), Vec::new());
    for (number, voice) in chunk.voices.iter().enumerate() {
        if voice.embedding.0.is_empty() {
            not_known.push(number);
        } else {
            groups.push(Group::of(number, voice));
        }
    }
    while let Some((one, other)) = nearest(&groups, BEYOND_DOUBT * threshold) {
        let gone = groups.swap_remove(other);
        groups[one].take(gone);
    }
    groups.sort_by_key(|group| group.members.iter().copied().min());
    let mut numbers = BTreeMap::new();
    let mut voices = Vec::new();
    for group in groups {
        numbers.extend(group.members.iter().map(|member| (*member as u32, voices.len() as u32)));
        voices.push(group.into_voice());
    }
    for number in not_known {
        numbers.insert(number as u32, voices.len() as u32);
        voices.push(Voice { speech: Millis(0), chunk: 0, embedding: Embedding::default() });
    }
    chunk.voices = voices;
    for turn in &mut chunk.turns {
        turn.voice = numbers.get(&turn.voice).copied().unwrap_or_default();
    }
}

/// The two nearest groups, the first of which comes first, if they are nearer than `within`.
fn nearest(groups: &[Group], within: f32) -> Option<(usize, usize)> {
    let pairs = (0..groups.len()).flat_map(|one| (one + 1..groups.len()).map(move |other| (one, other)));
    let measured = pairs.map(|(one, other)| (groups[one].distance(&groups[other]), one, other));
    let nearest = measured.min_by(|one, other| one.0.total_cmp(&other.0))?;
    (nearest.0 < within).then_some((nearest.1, nearest.2))
}

#[cfg(test)]
mod tests {
    use steno_shared::diarization::Turn;

    use super::*;

    fn voice(angle: f32, seconds: u64) -> Voice {
        let embedding = Embedding(vec![angle.to_radians().cos(), angle.to_radians().sin()]);
        Voice { speech: Millis(seconds * 1000), chunk: 0, embedding }
    }

    #[test]
    fn what_is_alike_becomes_one_and_every_turn_keeps_its_voice() {
        let not_known = Voice { speech: Millis(0), chunk: 0, embedding: Embedding::default() };
        let voices =
            vec![voice(0.0, 2), not_known.clone(), voice(90.0, 1), voice(10.0, 2), not_known, voice(80.0, 1)];
        let turn = |voice: u32| Turn { start: Millis(u64::from(voice)), end: Millis(9), voice };
        let mut chunk = ChunkVoices { turns: (0..6).map(turn).collect(), voices };
        alike(&mut chunk, 0.5);
        let of_turns: Vec<_> = chunk.turns.iter().map(|turn| turn.voice).collect();
        assert_eq!(of_turns, [0, 2, 1, 0, 3, 1]);
        let speech: Vec<_> = chunk.voices.iter().map(|voice| voice.speech.0).collect();
        assert_eq!(speech, [4000, 2000, 0, 0]);
        let middle = &chunk.voices[0].embedding.0;
        assert!((middle[1].atan2(middle[0]).to_degrees() - 5.0).abs() < 0.01, "{middle:?}");
    }

    #[test]
    fn what_differs_stays_and_nothing_stays_nothing() {
        let mut chunk = ChunkVoices { turns: Vec::new(), voices: vec![voice(0.0, 1), voice(60.0, 1)] };
        alike(&mut chunk, 0.5);
        assert_eq!(chunk.voices.len(), 2);
        alike(&mut chunk, 2.0);
        assert_eq!(chunk.voices.len(), 1);
        let mut empty = ChunkVoices::default();
        alike(&mut empty, 0.5);
        assert_eq!(empty, ChunkVoices::default());
    }
}
