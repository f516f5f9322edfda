//! A known signal, and how far what was decoded is from it.

use std::f64::consts::TAU;
use std::sync::LazyLock;

/// The rate that the signal is made in.
pub(crate) const RATE: usize = 48_000;
/// Long enough for a wrong end to show, and no multiple of any packet.
const SECONDS: f64 = 6.437;
/// Offsets are looked for this far, in samples.
const FARTHEST: i64 = 1_600;
/// And this far beside another decoder's samples.
const NEAREST: i64 = 480;
/// A quarter of a second is compared at a time.
const PART: usize = 4_000;

/// The signal at 48 kHz: two tones that wander without ever repeating, all below 3.5 kHz.
pub(crate) static SIGNAL: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let (mut high, mut low) = (0.0_f64, 0.0_f64);
    let frames = (SECONDS * RATE as f64) as usize;
    let sample = |at: usize| {
        let t = at as f64 / RATE as f64;
        high +=
            TAU * (1700.0 + 1500.0 * (TAU * 0.31 * t + 1.7 * (TAU * 0.113 * t).sin()).sin()) / RATE as f64;
        low += TAU * (800.0 + 500.0 * (TAU * 0.47 * t + 1.0).sin()) / RATE as f64;
        let swell = 0.6 + 0.4 * (TAU * 1.3 * t).sin();
        (0.35 * swell * high.sin() + 0.15 * low.sin()) as f32
    };
    (0..frames).map(sample).collect()
});

/// The same at 16 kHz. Nothing in it is above 8 kHz, so every third sample is all there is to it.
pub(crate) static EXPECTED: LazyLock<Vec<f32>> =
    LazyLock::new(|| SIGNAL.iter().step_by(3).copied().collect());

/// How decoded samples compare to the signal, or to those of another decoder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Comparison {
    /// Longer by so much, in milliseconds.
    pub(crate) longer_ms: f64,
    /// Late by so much near the start, in the middle and near the end.
    pub(crate) late_ms: [f64; 3],
    /// The least correlation of the three places, each at its own offset.
    pub(crate) correlation: f64,
}

impl Comparison {
    /// The largest offset.
    pub(crate) fn worst_ms(&self) -> f64 {
        self.late_ms.iter().fold(0.0, |worst, late| if late.abs() > worst { late.abs() } else { worst })
    }
}

pub(crate) fn compare(decoded: &[i16]) -> Comparison {
    let decoded: Vec<f32> = decoded.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
    let longer_ms = (decoded.len() as f64 - EXPECTED.len() as f64) / 16.0;
    let last = EXPECTED.len().min(decoded.len()) as i64 - FARTHEST - PART as i64 - 2;
    let found = [FARTHEST, (FARTHEST + last) / 2, last].map(|at| locate(&decoded, at));
    Comparison {
        longer_ms,
        late_ms: found.map(|(late, _)| late as f64 / 48.0),
        correlation: found.iter().fold(1.0, |least, (_, correlation)| f64::min(least, *correlation)),
    }
}

/// The same beside another decoder's samples, to a whole sample.
pub(crate) fn beside(reference: &[i16], decoded: &[i16]) -> Comparison {
    let floats = |samples: &[i16]| -> Vec<f32> { samples.iter().map(|sample| f32::from(*sample)).collect() };
    let (reference, decoded) = (floats(reference), floats(decoded));
    let last = reference.len().min(decoded.len()) as i64 - NEAREST - PART as i64 - 2;
    let found = [NEAREST, (NEAREST + last) / 2, last].map(|at| {
        let expected = &reference[at as usize..at as usize + PART];
        let fit = |late: i64| {
            let heard = &decoded[(at + late) as usize..(at + late) as usize + PART];
            (late, correlation(expected.iter().copied(), heard))
        };
        (-NEAREST..=NEAREST).map(fit).max_by(|one, other| one.1.total_cmp(&other.1)).unwrap()
    });
    Comparison {
        longer_ms: (decoded.len() as f64 - reference.len() as f64) / 16.0,
        late_ms: found.map(|(late, _)| late as f64 / 16.0),
        correlation: found.iter().fold(1.0, |least, (_, correlation)| f64::min(least, *correlation)),
    }
}

/// Where a part of the signal is found, in thirds of a sample, and how well it fits there.
fn locate(decoded: &[f32], at: i64) -> (i64, f64) {
    let fit = |late: i64| {
        let from = (at + late.div_euclid(3)) as usize;
        let expected = SIGNAL[(3 * at - late.rem_euclid(3)) as usize..].iter().step_by(3).take(PART).copied();
        decoded.get(from..from + PART).map_or(-1.0, |heard| correlation(expected, heard))
    };
    let best = |lates: &mut dyn Iterator<Item = i64>| {
        lates.map(|late| (late, fit(late))).max_by(|one, other| one.1.total_cmp(&other.1)).unwrap()
    };
    let (about, _) = best(&mut (-FARTHEST..=FARTHEST).map(|late| 3 * late));
    best(&mut (about - 2..=about + 2))
}

pub(crate) fn correlation(expected: impl Iterator<Item = f32>, heard: &[f32]) -> f64 {
    let (mut both, mut one, mut other) = (0.0_f32, 0.0_f32, 0.0_f32);
    for (a, b) in expected.zip(heard) {
        both += a * b;
        one += a * a;
        other += b * b;
    }
    if one * other > 0.0 { f64::from(both) / (f64::from(one) * f64::from(other)).sqrt() } else { 0.0 }
}
