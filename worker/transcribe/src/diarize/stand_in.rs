//! A plain grouping of voices by average linkage.

use steno_shared::diarization::{SpeakerCount, Voice};

/// The speaker of each voice.
pub(super) fn cluster(voices: &[Voice], threshold: f32, count: SpeakerCount) -> Vec<u16> {
    let near = |one: &Voice, other: &Voice| -> f32 {
        one.embedding.0.iter().zip(&other.embedding.0).map(|(a, b)| a * b).sum()
    };
    let mut groups: Vec<Vec<usize>> =
        (0..voices.len()).filter(|voice| !voices[*voice].embedding.0.is_empty()).map(|voice| vec![voice]).collect();
    while groups.len() > usize::from(count.min) {
        let mut best = (f32::MIN, 0, 0);
        for one in 0..groups.len() {
            for other in one + 1..groups.len() {
                let pairs = groups[one].iter().flat_map(|a| groups[other].iter().map(move |b| (*a, *b)));
                let sum: f32 = pairs.map(|(a, b)| near(&voices[a], &voices[b])).sum();
                let mean = sum / (groups[one].len() * groups[other].len()) as f32;
                if mean > best.0 {
                    best = (mean, one, other);
                }
            }
        }
        if groups.len() <= usize::from(count.max) && best.0 < 1.0 - threshold {
            break;
        }
        let moved = groups.swap_remove(best.2);
        groups[best.1].extend(moved);
    }
    let mut speakers = vec![0; voices.len()];
    for (number, group) in (0..).zip(&groups) {
        for voice in group {
            speakers[*voice] = number;
        }
    }
    speakers
}
