use super::*;
use crate::time::Millis;

const DIMENSION: usize = 48;
/// Between two voices of one speaker as they are made here lies about a sixth of this, between two speakers twice.
const THRESHOLD: f32 = 0.4;

/// Numbers without a pattern, the same in each run (Knuth's linear congruential generator).
struct Dice(u64);

impl Dice {
    /// From -1 to 1.
    fn number(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn below(&mut self, end: usize) -> usize {
        ((self.number() + 1.0) / 2.0 * end as f32) as usize % end
    }

    fn vector(&mut self) -> Vec<f32> {
        unit(&(0..DIMENSION).map(|_| self.number()).collect::<Vec<_>>())
    }
}

fn unit(vector: &[f32]) -> Vec<f32> {
    let length = dot(vector, vector).sqrt();
    vector.iter().map(|value| value / length).collect()
}

fn voice(embedding: Vec<f32>, speech: f64) -> Voice {
    Voice { speech: Millis::of_seconds(speech), chunk: 0, embedding: Embedding(embedding) }
}

/// Somebody's voice, never twice the same.
fn heard(middle: &[f32], speech: f64, dice: &mut Dice) -> Voice {
    let noise = 0.3 / speech.sqrt() as f32;
    let noisy = middle.iter().zip(dice.vector()).map(|(value, other)| value + other * noise);
    voice(unit(&noisy.collect::<Vec<_>>()), speech)
}

/// So many speakers, each heard often, and who speaks when.
fn conversation(speakers: usize, times: usize, dice: &mut Dice) -> (Vec<Voice>, Vec<usize>) {
    let middles: Vec<_> = (0..speakers).map(|_| dice.vector()).collect();
    let who: Vec<_> =
        (0..times).map(|at| if at < 2 * speakers { at % speakers } else { dice.below(speakers) }).collect();
    let voices = who.iter().map(|who| heard(&middles[*who], 3.1 + f64::from(dice.number()), dice)).collect();
    (voices, who)
}

/// One turn of a second for each voice.
fn turns(voices: &[Voice]) -> Vec<Turn> {
    let turn = |voice: u32| {
        let start = Millis(u64::from(voice) * 1000);
        Turn { start, end: start + Millis(900), voice }
    };
    (0..voices.len() as u32).map(turn).collect()
}

fn grouped(voices: &[Voice], count: SpeakerCount) -> Vec<u16> {
    cluster(&turns(voices), voices, THRESHOLD, count)
}

fn speakers(labels: &[u16]) -> usize {
    labels.iter().copied().max().map_or(0, |most| usize::from(most) + 1)
}

#[test]
fn speakers_are_found_and_their_number() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let count = 1 + seed as usize % 8;
        let (voices, who) = conversation(count, 60, &mut dice);
        assert_eq!(grouped(&voices, SpeakerCount::AUTO), number(&who), "seed {seed}, {count} speakers");
    }
}

#[test]
fn the_number_asked_for_is_target_and_ceiling() {
    for seed in 0..20 {
        let (voices, _) = conversation(4, 60, &mut Dice(seed));
        for count in 1..=8 {
            let labels = grouped(&voices, SpeakerCount::exactly(count));
            assert_eq!(speakers(&labels), usize::from(count), "seed {seed}");
        }
        assert_eq!(speakers(&grouped(&voices[..3], SpeakerCount::exactly(8))), 3);
        assert_eq!(speakers(&grouped(&voices, SpeakerCount { min: 1, max: 3 })), 3);
        assert_eq!(speakers(&grouped(&voices, SpeakerCount { min: 6, max: 9 })), 6);
        assert_eq!(speakers(&grouped(&voices, SpeakerCount { min: 2, max: 6 })), 4);
    }
}

#[test]
fn labels_do_not_depend_on_the_order_of_the_voices() {
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let (voices, _) = conversation(3, 40, &mut dice);
        let mut order: Vec<_> = (0..voices.len()).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, dice.below(at + 1));
        }
        let shuffled: Vec<_> = order.iter().map(|at| voices[*at].clone()).collect();
        for count in [SpeakerCount::AUTO, SpeakerCount::exactly(2), SpeakerCount::exactly(5)] {
            let plain: Vec<_> = grouped(&voices, count).into_iter().map(usize::from).collect();
            let expected: Vec<_> = order.iter().map(|at| plain[*at]).collect();
            assert_eq!(grouped(&shuffled, count), number(&expected), "seed {seed}");
        }
    }
}

#[test]
fn somebody_who_is_hardly_heard_is_no_speaker_unless_asked_for() {
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let (mut voices, _) = conversation(3, 60, &mut dice);
        let stranger = dice.vector();
        voices.insert(20, heard(&stranger, 2.2, &mut dice));
        assert_eq!(speakers(&grouped(&voices, SpeakerCount::AUTO)), 3, "seed {seed}");
        let asked = grouped(&voices, SpeakerCount::exactly(3));
        assert_eq!(speakers(&asked), 3);
        // It did not push two speakers together.
        let without: Vec<_> = [&asked[..20], &asked[21..]].concat().into_iter().map(usize::from).collect();
        voices.remove(20);
        assert_eq!(number(&without), grouped(&voices, SpeakerCount::AUTO), "seed {seed}");
    }
}

#[test]
fn voices_too_short_to_tell_go_to_the_likeliest_and_unheard_ones_to_the_nearest_in_time() {
    let mut dice = Dice(7);
    let middles = [dice.vector(), dice.vector()];
    let of = |who: usize, speech: f64, dice: &mut Dice| heard(&middles[who], speech, dice);
    let silent = || voice(Vec::new(), 0.0);
    let voices = [
        silent(),
        of(0, 4.0, &mut dice),
        of(1, 4.0, &mut dice),
        silent(),
        of(0, 0.4, &mut dice),
        of(1, 0.4, &mut dice),
    ];
    let mut turns = turns(&voices);
    // The second silent one speaks right before the fifth.
    turns[3].end = Millis(3999);
    turns[3].start = Millis(3500);
    assert_eq!(cluster(&turns, &voices, THRESHOLD, SpeakerCount::AUTO), [0, 0, 1, 0, 0, 1]);
    // The first may speak long after all others.
    turns[0].start = Millis(60_000);
    turns[0].end = Millis(61_000);
    assert_eq!(cluster(&turns, &voices, THRESHOLD, SpeakerCount::AUTO), [0, 1, 0, 1, 1, 0]);
    // Without turns, and without anything to compare.
    assert_eq!(speakers(&cluster(&[], &voices, THRESHOLD, SpeakerCount::AUTO)), 2);
    assert_eq!(grouped(&[silent(), silent()], SpeakerCount::exactly(2)), [0, 0]);
    assert_eq!(grouped(&[], SpeakerCount::AUTO), [] as [u16; 0]);
}

#[test]
fn embeddings_that_are_no_embeddings_do_no_harm() {
    let mut dice = Dice(3);
    let (mut voices, who) = conversation(2, 20, &mut dice);
    let broken = [
        vec![f32::NAN; DIMENSION],
        vec![f32::INFINITY; DIMENSION],
        vec![0.0; DIMENSION],
        vec![1.0],
        vec![f32::MAX; DIMENSION],
    ];
    voices.extend(broken.into_iter().map(|embedding| voice(embedding, 5.0)));
    for count in [SpeakerCount::AUTO, SpeakerCount::exactly(2)] {
        let labels = grouped(&voices, count);
        assert_eq!(labels[..20], number(&who));
        assert_eq!(speakers(&labels), 2);
    }
    let unheard: Vec<_> = voices.iter().map(|voice| Voice { speech: Millis(0), ..voice.clone() }).collect();
    assert_eq!(grouped(&unheard, SpeakerCount::exactly(2))[..20], number(&who));
    for threshold in [f32::NAN, f32::INFINITY, -1.0, 0.0] {
        let labels = cluster(&turns(&voices), &voices, threshold, SpeakerCount { min: 2, max: 3 });
        assert!((2..=3).contains(&speakers(&labels)), "{threshold}");
    }
}

#[test]
fn voices_that_are_all_the_same_are_one_speaker() {
    let same = Dice(1).vector();
    let voices: Vec<_> = (0..10).map(|_| voice(same.clone(), 3.0)).collect();
    assert_eq!(grouped(&voices, SpeakerCount::AUTO), [0; 10]);
    assert!(speakers(&grouped(&voices, SpeakerCount::exactly(3))) <= 3);
    let opposite: Vec<_> = same.iter().map(|value| -value).collect();
    let voices: Vec<_> =
        (0..10).map(|at| voice(if at % 2 == 0 { &same } else { &opposite }.clone(), 3.0)).collect();
    let turns_about: Vec<_> = (0..10).map(|at| at % 2).collect();
    assert_eq!(grouped(&voices, SpeakerCount::AUTO), turns_about);
}

#[test]
fn the_middle_of_a_speaker_is_nearest_to_the_longest_voices() {
    let axis = |at: usize| (0..DIMENSION).map(|of| f32::from(u8::from(of == at))).collect::<Vec<_>>();
    let voices = [voice(axis(0), 3.0), voice(axis(1), 4.0), voice(axis(2), 1.0), voice(Vec::new(), 9.0)];
    let middles = middles(&voices, &[0, 0, 1, 1]);
    assert_eq!(middles.len(), 2);
    let likeness: Vec<_> = voices[..3].iter().map(|voice| middles[0].likeness(&voice.embedding)).collect();
    assert!((likeness[0] - 0.6).abs() < 1e-6 && (likeness[1] - 0.8).abs() < 1e-6, "{likeness:?}");
    assert_eq!((likeness[2], middles[1].likeness(&voices[2].embedding)), (0.0, 1.0));
}

/// More than may decide; a deadline of ten times what it takes without optimisation is left to the test runner.
#[test]
fn more_voices_than_may_decide_are_grouped_all_the_same() {
    let (voices, who) = conversation(4, MOST_DECIDING + 300, &mut Dice(11));
    assert_eq!(grouped(&voices, SpeakerCount::AUTO), number(&who));
}
