//! Sessions with a model that hears a word in each burst of noise, and a detector that hears noise as speech.

use std::collections::BTreeMap;

use steno_runtime::engine::{ChunkText, SpeechDetector, TextSegment, TextWord};
use steno_shared::catalog;
use steno_shared::live::ENDPOINT_MS;

use super::*;
use crate::session::{Answer, Pace, Wish, Work};

const SECOND: usize = SAMPLE_RATE as usize;
const PACE: Pace = Pace { every: Some(4800) };

/// Hears speech where there is sound.
pub(crate) struct Sound;

impl SpeechDetector for Sound {
    fn frame(&self) -> usize {
        FRAME
    }

    fn judge(&mut self, frame: &[i16]) -> f32 {
        if frame.iter().any(|sample| *sample != 0) { 1.0 } else { 0.0 }
    }
}

/// Noise of so many samples that stands for a word: its loudness tells which. Louder ones have higher numbers.
pub(crate) fn word(number: u16, samples: usize) -> Vec<i16> {
    let mut seed = u32::from(number) + 1;
    let loudness = 1000 + 200 * number as i16;
    let sign = move |_| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if seed >> 31 == 0 { loudness } else { -loudness }
    };
    (0..samples).map(sign).collect()
}

/// Words of 0.3 s with 0.06 s between them, and silence of so many samples behind the last.
pub(crate) fn sentence(numbers: impl IntoIterator<Item = u16>, silence: usize) -> Vec<i16> {
    let mut samples = Vec::new();
    for number in numbers {
        samples.extend(word(number, 4800));
        samples.extend([0; 960]);
    }
    samples.extend(std::iter::repeat_n(0, silence));
    samples
}

/// What the model hears: `w3` for each burst of word 3, at its place.
pub(crate) fn text_of(samples: &[f32]) -> ChunkText {
    let number = |sample: f32| ((sample.abs() * 32768.0).round() as i32 - 1000) / 200;
    let mut words: Vec<(i32, usize, usize)> = Vec::new();
    for (at, sample) in samples.iter().enumerate().filter(|(_, sample)| **sample != 0.0) {
        match words.last_mut() {
            Some((same, _, end)) if *same == number(*sample) && at - *end < 500 => *end = at,
            _ => words.push((number(*sample), at, at)),
        }
    }
    let millis = |at: usize| Millis::of_samples(at as u64);
    let words = words.into_iter().enumerate().map(|(at, (number, start, end))| TextWord {
        text: format!("w{number}"),
        spaced: at > 0,
        start: millis(start),
        end: millis(end),
        log_probability: -0.05,
        tokens: 1,
    });
    let words: Vec<_> = words.collect();
    let segments = if words.is_empty() {
        Vec::new()
    } else {
        vec![TextSegment { start: Millis(0), end: millis(samples.len()), words }]
    };
    ChunkText { segments, no_speech_probability: 0.0 }
}

pub(crate) fn options() -> SessionOptions {
    SessionOptions {
        model: "mini".into(),
        language: Language::parse("en").ok(),
        endpoint_ms: ENDPOINT_MS,
        partials: true,
        prompt: None,
    }
}

fn entry(changes: &[(&str, serde_json::Value)]) -> Model {
    let mut entry = serde_json::json!({
        "id": "test", "name": "Test", "description": "For tests.", "languages": 2, "speed": "fast",
        "files": [{"name": "test.bin"}], "licence": "MIT", "chunk_seconds": 10,
    });
    for (name, value) in changes {
        entry[*name] = value.clone();
    }
    serde_json::from_value(entry).unwrap()
}

/// Plays a course with a model that always answers at once.
struct Player {
    course: Course,
    at: u64,
    passes: BTreeMap<&'static str, usize>,
    prompts: Vec<Option<String>>,
    outputs: Vec<Output>,
    most_kept: u64,
}

impl Player {
    fn of(options: SessionOptions) -> Self {
        Self::with(&entry(&[]), options, None)
    }

    fn with(entry: &Model, options: SessionOptions, resumption: Option<Resumption>) -> Self {
        let at = resumption.as_ref().map_or(0, |resumption| resumption.at);
        let course = Course::new(entry, options, resumption, Box::new(Sound));
        let (passes, prompts) = (BTreeMap::new(), Vec::new());
        Self { course, at, passes, prompts, outputs: Vec::new(), most_kept: 0 }
    }

    fn hear(&mut self, samples: &[i16], frame: usize) {
        for part in samples.chunks(frame) {
            self.hear_only(part);
            self.work();
        }
    }

    fn hear_only(&mut self, samples: &[i16]) {
        self.course.hear(self.at, samples).unwrap();
        self.at += samples.len() as u64;
        self.most_kept = self.most_kept.max(self.course.kept());
        self.outputs.extend(self.course.said());
    }

    fn work(&mut self) {
        while let Some(wish) = self.course.wish(PACE) {
            let pass = self.course.take(PACE).unwrap();
            let (name, answer) = match (&pass.work, wish) {
                (Work::Language, _) => ("language", Answer::Language(Language::parse("es").unwrap(), 0.8)),
                (Work::Text(options), _) => {
                    self.prompts.push(options.prompt.as_ref().map(|prompt| prompt.text().to_owned()));
                    let name = if wish == Wish::Final { "final" } else { "partial" };
                    (name, Answer::Text(text_of(&pass.samples)))
                }
            };
            *self.passes.entry(name).or_default() += 1;
            self.course.answered(answer);
            self.outputs.extend(self.course.said());
        }
    }

    fn stop(&mut self) {
        self.course.stop();
        self.work();
        self.outputs.extend(self.course.said());
        assert_eq!(self.outputs.iter().filter(|output| **output == Output::Done).count(), 1);
        assert_eq!(self.outputs.last(), Some(&Output::Done));
    }

    fn finals(&self) -> Vec<(String, bool)> {
        let of = |output: &Output| match output {
            Output::Said(Said::Final { segment, utterance_end, .. }) => {
                Some((segment.text.clone(), *utterance_end))
            }
            _ => None,
        };
        self.outputs.iter().filter_map(of).collect()
    }

    fn partials(&self) -> Vec<String> {
        let of = |output: &Output| match output {
            Output::Said(Said::Partial { text, .. }) => Some(text.clone()),
            _ => None,
        };
        self.outputs.iter().filter_map(of).collect()
    }
}

fn said(numbers: impl IntoIterator<Item = u16>) -> String {
    numbers.into_iter().map(|number| format!("w{number}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_utterance_is_shown_as_it_grows_and_then_final() {
    let mut player = Player::of(options());
    player.hear(&sentence([], SECOND), 1600);
    player.hear(&sentence(1..8, SECOND), 320);
    assert_eq!(player.finals(), [(said(1..8), true)]);
    let partials = player.partials();
    assert!(partials.len() > 3, "{partials:?}");
    assert!(partials.iter().all(|text| said(1..8).starts_with(text.as_str())), "{partials:?}");
    let Some(Output::Said(Said::Final { segment, needed_from, .. })) =
        player.outputs.iter().find(|output| matches!(output, Output::Said(Said::Final { .. })))
    else {
        panic!("no final")
    };
    // The first burst begins at 1 s, the next every 0.36 s.
    for (at, word) in segment.words.iter().enumerate() {
        assert!(word.start.0.abs_diff(1000 + 360 * at as u64) < 20, "{word:?}");
    }
    let end = Millis(3520);
    assert!(Millis::of_samples(*needed_from) >= end - Millis(100), "{needed_from}");
    assert_eq!(player.passes["final"], 1, "the text that was made ahead is the final one");
}

#[test]
fn silence_costs_no_pass_and_no_memory() {
    let mut player = Player::of(options());
    for _ in 0..600 {
        player.hear(&vec![0; SECOND], 1600);
    }
    assert!(player.passes.is_empty());
    assert!(player.most_kept < 3 * SECOND as u64, "{}", player.most_kept);
    let heard: Vec<u64> = player
        .outputs
        .iter()
        .map(|output| match output {
            Output::Heard { heard, needed_from } if needed_from <= heard => *heard,
            output => panic!("{output:?}"),
        })
        .collect();
    assert!(heard.windows(2).all(|pair| pair[0] < pair[1] && pair[1] - pair[0] <= SECOND as u64));
    assert!(heard.last().is_some_and(|heard| *heard + SECOND as u64 > 600 * SECOND as u64));
}

#[test]
fn a_word_is_enough_and_a_click_is_not() {
    let mut player = Player::of(options());
    player.hear(&[word(9, 1000), vec![0; SECOND], word(3, 4800), vec![0; SECOND]].concat(), 512);
    assert_eq!(player.finals(), [(said([3]), true)]);
}

#[test]
fn what_stays_does_not_depend_on_how_the_audio_comes() {
    let mut samples = sentence([], 5000);
    for round in 0..12u16 {
        samples.extend(sentence(0..=round % 12, 3000 + 1500 * usize::from(round)));
    }
    let finals = |frame: usize| {
        let mut player = Player::of(options());
        player.hear(&samples, frame);
        player.stop();
        let finals =
            player.outputs.into_iter().filter(|output| matches!(output, Output::Said(Said::Final { .. })));
        let segments = finals.map(|output| match output {
            Output::Said(Said::Final { segment, .. }) => segment,
            _ => unreachable!(),
        });
        segments.collect::<Vec<_>>()
    };
    let expected = finals(320);
    assert!(expected.len() > 5);
    for frame in [100, 256, 1600, 4096, samples.len()] {
        assert_eq!(finals(frame), expected, "frames of {frame}");
    }
}

#[test]
fn speech_without_an_end_is_cut_and_no_word_is_lost() {
    let mut player = Player::of(options());
    let numbers = || (0..200u16).map(|at| at % 50);
    player.hear(&sentence(numbers(), 0), 1600);
    player.stop();
    let finals = player.finals();
    assert!(finals.len() >= 200 * 36 / 1000, "{}", finals.len());
    let all: Vec<_> = finals.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(all.join(" "), said(numbers()));
    assert!(finals.iter().all(|(_, utterance_end)| !utterance_end), "none ended by silence");
    assert!(player.most_kept <= 12 * SECOND as u64, "{}", player.most_kept);
}

#[test]
fn a_backlog_is_decoded_in_order_and_heard_tells_that_it_waits() {
    let mut player = Player::of(options());
    for round in 0..6 {
        player.hear_only(&sentence(round * 5..round * 5 + 5, SECOND));
    }
    let heard = player.outputs.iter().rev().find_map(|output| match output {
        Output::Heard { heard, .. } => Some(*heard),
        _ => None,
    });
    assert!(heard.is_none_or(|heard| heard < 4 * SECOND as u64), "{heard:?}: the first is not decoded yet");
    player.stop();
    let expected: Vec<_> = (0..6).map(|round| (said(round * 5..round * 5 + 5), true)).collect();
    assert_eq!(player.finals(), expected);
    assert!(player.partials().is_empty(), "nothing is shown of what has ended");
}

#[test]
fn a_flush_makes_it_final_at_once_and_it_goes_on() {
    let mut player = Player::of(options());
    player.hear(&sentence([1, 2, 3], 0), 320);
    player.course.flush();
    player.work();
    assert_eq!(player.finals(), [(said([1, 2, 3]), false)]);
    player.course.flush();
    player.work();
    assert_eq!(player.finals().len(), 1, "there is nothing more");
    player.hear(&sentence([4], SECOND), 320);
    assert_eq!(player.finals()[1], (said([4]), true));
    player.stop();
    player.course.stop();
    player.course.flush();
    assert!(player.course.said().is_empty(), "after its end it says nothing");
}

#[test]
fn the_language_is_detected_once_on_a_second_of_speech() {
    let mut player = Player::of(SessionOptions { language: None, ..options() });
    player.hear(&sentence(0..8, SECOND), 320);
    player.hear(&sentence(0..8, SECOND), 320);
    assert_eq!(player.passes["language"], 1);
    let first = player.outputs.iter().position(|output| matches!(output, Output::Said(_))).unwrap();
    assert!(matches!(player.outputs[first], Output::Said(Said::Language { .. })));
    assert_eq!(player.finals().len(), 2);
    // Too short to tell: it is asked for each, and none is held.
    let mut player = Player::of(SessionOptions { language: None, ..options() });
    player.hear(&[sentence([1], SECOND), sentence([2], SECOND)].concat(), 320);
    assert_eq!((player.passes["language"], player.finals().len()), (2, 2));
    assert!(!player.outputs.iter().any(|output| matches!(output, Output::Said(Said::Language { .. }))));
}

#[test]
fn what_was_said_is_told_over_short_gaps_and_only_to_models_that_profit() {
    let samples = [sentence(0..4, SECOND), sentence(4..6, 5 * SECOND), sentence(6..8, SECOND)].concat();
    let prompts = |entry: &Model, prompt: Option<&str>| {
        let options = SessionOptions { prompt: prompt.map(str::to_owned), partials: false, ..options() };
        let mut player = Player::with(entry, options, None);
        player.hear(&samples, 1600);
        player.prompts.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>()
    };
    assert_eq!(prompts(&entry(&[]), None), ["", "w0 w1 w2 w3", ""]);
    assert_eq!(prompts(&entry(&[]), Some("Numbers.")), ["Numbers.", "Numbers. w0 w1 w2 w3", "Numbers."]);
    let alone = entry(&[("follows_context", false.into())]);
    assert_eq!(prompts(&alone, None), ["", "", ""]);
    assert!(
        !catalog::model("mini").unwrap().follows_context,
        "it was trained with prompts that had no bearing"
    );
}

#[test]
fn another_worker_takes_it_up_where_it_is_told_to() {
    let samples = [sentence(0..4, SECOND), sentence(4..9, SECOND)].concat();
    let mut first = Player::of(options());
    first.hear(&samples[..samples.len() / 2], 320);
    let (said_until, needed) = first
        .outputs
        .iter()
        .rev()
        .find_map(|output| match output {
            Output::Said(Said::Final { segment, needed_from, .. }) => Some((segment.end, *needed_from)),
            _ => None,
        })
        .unwrap();
    let language = Some((Language::parse("es").unwrap(), 0.9));
    let resumption = Resumption { at: needed, language, said_until: Some(said_until), said: said(0..4) };
    let anew = SessionOptions { language: None, ..options() };
    let mut second = Player::with(&entry(&[]), anew, Some(resumption));
    second.hear(&samples[needed as usize..], 320);
    second.stop();
    assert_eq!(second.finals(), [(said(4..9), true)]);
    assert!(!second.passes.contains_key("language"), "it is held");
    let Some(Output::Said(Said::Final { segment, .. })) =
        second.outputs.iter().find(|output| matches!(output, Output::Said(Said::Final { .. })))
    else {
        panic!("no final")
    };
    assert!(segment.start >= said_until, "times are of the session");
}

#[test]
fn audio_that_comes_twice_is_heard_once_and_missing_audio_is_an_error() {
    let mut player = Player::of(options());
    let samples = sentence(0..4, SECOND);
    player.hear(&samples[..8000], 320);
    player.course.hear(2000, &samples[2000..6000]).unwrap();
    player.course.hear(6000, &samples[6000..9000]).unwrap();
    player.at = 9000;
    player.hear(&samples[9000..], 320);
    assert_eq!(player.finals(), [(said(0..4), true)]);
    let missing = player.course.hear(player.at + 1, &[0; 10]).unwrap_err();
    assert!(missing.to_string().contains("missing"), "{missing}");
}

#[test]
fn while_others_wait_nothing_is_made_that_will_be_replaced() {
    let mut course = Course::new(&entry(&[]), options(), None, Box::new(Sound));
    let busy = Pace { every: None };
    course.hear(0, &sentence(0..6, 5000)).unwrap();
    assert_eq!((course.wish(busy), course.wish(PACE)), (None, Some(Wish::Final)));
    course.hear(6 * 5760 + 5000, &[0; 8000]).unwrap();
    assert_eq!(course.wish(busy), Some(Wish::Final), "it has ended");
}

/// Feeds a minute to a session that listens as it does in life; how many passes it wants.
fn passes_in_a_minute(mut sound: impl FnMut(usize) -> i16) -> usize {
    let mut course =
        Course::new(&entry(&[]), options(), None, steno_runtime::speech::EarshotDetector::boxed());
    let mut passes = 0;
    for block in 0..600 {
        let samples: Vec<i16> = (0..1600).map(|at| sound(block * 1600 + at)).collect();
        course.hear(block as u64 * 1600, &samples).unwrap();
        while course.take(PACE).is_some() {
            passes += 1;
            course.answered(Answer::Text(ChunkText::default()));
        }
        assert!(course.kept() <= 11 * SECOND as u64, "{}", course.kept());
    }
    passes
}

#[test]
fn noise_and_music_run_no_pass() {
    let mut seed = 1u32;
    let mut noise = |level: i16| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((seed >> 16) as i16).rem_euclid(2 * level) - level
    };
    assert_eq!(passes_in_a_minute(|_| noise(3)), 0, "soft noise");
    assert_eq!(passes_in_a_minute(|_| noise(8000)), 0, "loud noise");
    assert_eq!(passes_in_a_minute(|at| noise(if at / 50_000 % 2 == 0 { 30 } else { 12_000 })), 0, "steps");
    let chord = |at: usize| {
        let root = [220.0, 261.6, 196.0, 174.6][at / 24_000 % 4];
        let time = at as f32 / 16_000.0;
        let fades = (-1.5 * (at % 24_000) as f32 / 16_000.0).exp();
        let tone = |ratio: f32| {
            let phase = std::f32::consts::TAU * root * ratio * time;
            (1..6).map(|h| (phase * h as f32).sin() / h as f32).sum::<f32>()
        };
        ((tone(1.0) + tone(1.25) + tone(1.5)) * 3000.0 * fades) as i16
    };
    assert_eq!(passes_in_a_minute(chord), 0, "plucked chords");
    let beep = |at: usize| if at % 16_000 < 4000 { ((at as f32 * 0.4).sin() * 9000.0) as i16 } else { 0 };
    assert_eq!(passes_in_a_minute(beep), 0, "beeps");
    for (name, path) in steno_tests::clips::not_speech() {
        let samples = steno_tests::clips::samples(&path);
        assert_eq!(passes_in_a_minute(|at| samples[at % samples.len()]), 0, "{name}");
    }
}
