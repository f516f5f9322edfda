//! Words and turns as they come, and what becomes of them.

use std::time::{Duration, Instant};

use super::*;
use crate::job::JobOptions;
use crate::transcript::sample::{Dice, Speech, of, said, segment, transcript};
use crate::transcript::{ChannelSpeakers, Segment, Transcript, WarningCode, Word};

/// Turns of speakers, each of whom is one voice.
pub(super) fn diarization(turns: &[(u16, u64, u64)]) -> Diarization {
    let count = turns.iter().map(|(speaker, ..)| speaker + 1).max().unwrap_or_default();
    let turn = |(speaker, start, end): &(u16, u64, u64)| Turn {
        start: Millis(*start),
        end: Millis(*end),
        voice: u32::from(*speaker),
    };
    let voice = |_| Voice { speech: Millis(0), chunk: 0, embedding: Embedding::default() };
    Diarization {
        turns: turns.iter().map(turn).collect(),
        voices: (0..count).map(voice).collect(),
        speakers: (0..count).collect(),
        ..Diarization::default()
    }
}

/// A segment of words, each with its times.
fn spoken(words: &[(&str, u64, u64)]) -> Segment {
    let all = words.iter().map(|(text, ..)| *text).collect::<Vec<_>>().join(" ");
    let (first, last) = (words[0].1, words[words.len() - 1].2);
    let mut segment = said("", &all, first, last);
    for (word, (_, start, end)) in segment.words.iter_mut().zip(words) {
        (word.start, word.end) = (Millis(*start), Millis(*end));
    }
    segment
}

fn with_turns(transcript: Transcript, turns: &[(u16, u64, u64)]) -> Labelled {
    let labelled = labelled(transcript, Heard::Turns(&diarization(turns)), &SpeakerEdits::default());
    assert_eq!(labelled.transcript.check(), Ok(()));
    labelled
}

/// The segments as `1: text`.
fn lines(labelled: &Labelled) -> Vec<String> {
    let line = |segment: &Segment| {
        let speaker = segment.speaker.as_deref().unwrap_or("nobody").replace("Speaker ", "");
        assert!(segment.words.iter().all(|word| word.speaker == segment.speaker));
        format!("{speaker}: {}", segment.text)
    };
    labelled.transcript.segments.iter().map(line).collect()
}

fn english(segments: &[Segment], turns: &[(u16, u64, u64)]) -> Vec<String> {
    lines(&with_turns(of("en", segments.to_vec()), turns))
}

#[test]
fn segments_are_split_where_the_speaker_changes() {
    let segment = said("", "How are you? Very well, thank you. Good.", 0, 8000);
    let turns = [(5, 0, 3000), (2, 3000, 6900), (5, 7000, 8000)];
    let found = with_turns(of("en", vec![segment]), &turns);
    assert_eq!(lines(&found), ["1: How are you?", "2: Very well, thank you.", "1: Good."]);
    assert_eq!(found.transcript.speakers, ["Speaker 1", "Speaker 2"]);
    assert_eq!(found.transcript.text, "How are you? Very well, thank you. Good.");
    let seconds: Vec<_> = found.speakers.iter().map(|one| (one.number, one.speech.0, one.words)).collect();
    assert_eq!(seconds, [(1, 4000, 4), (2, 3900, 4)]);
    assert_eq!(found.turns.len(), 3);
    assert_eq!(found.turns[1], SpeakerTurn { start: Millis(3000), end: Millis(6900), speaker: 2 });
}

#[test]
fn a_word_is_of_whoever_has_most_of_it() {
    let words = [("one", 0, 400), ("two", 400, 800), ("three", 800, 1200), ("four", 1200, 1600)];
    assert_eq!(english(&[spoken(&words)], &[(0, 0, 650), (1, 650, 1600)]), ["1: one two", "2: three four"]);
    assert_eq!(english(&[spoken(&words)], &[(0, 0, 550), (1, 550, 1600)]), ["1: one", "2: two three four"]);
    // A point in time counts as a short word.
    let point = [("one", 0, 400), ("two", 400, 400), ("three", 2800, 3200)];
    assert_eq!(english(&[spoken(&point)], &[(0, 0, 500), (1, 2800, 3200)]), ["1: one two", "2: three"]);
}

#[test]
fn between_turns_the_nearest_one_counts_and_that_of_the_words_before() {
    // Near both: whoever speaks goes on.
    let words = [("one", 0, 400), ("two", 450, 600), ("three", 700, 1200)];
    assert_eq!(english(&[spoken(&words)], &[(0, 0, 400), (1, 690, 1200)]), ["1: one two", "2: three"]);
    // After a long silence: the one who is about to speak.
    let words = [("one", 0, 400), ("so", 9000, 9200), ("two", 9500, 9900)];
    assert_eq!(english(&[spoken(&words)], &[(0, 0, 400), (1, 9500, 9900)]), ["1: one", "2: so two"]);
    // Before and after all turns.
    let words = [("so", 0, 200), ("one", 3000, 3400), ("two", 3400, 4000), ("end", 60_000, 60_100)];
    assert_eq!(english(&[spoken(&words)], &[(0, 3000, 3400), (1, 3400, 4000)]), ["1: so one", "2: two end"]);
}

#[test]
fn in_overlapped_speech_the_speaker_goes_on_unless_the_other_has_clearly_more() {
    let words = [
        ("we", 0, 300),
        ("could", 300, 600),
        ("go", 600, 900),
        ("there", 900, 1200),
        ("by", 1200, 1500),
        ("train", 1500, 1800),
    ];
    let found = with_turns(of("en", vec![spoken(&words)]), &[(0, 0, 1800), (1, 600, 1200)]);
    assert_eq!(lines(&found), ["1: we could go there by train"]);
    let overlapped: Vec<_> =
        found.transcript.segments[0].words.iter().map(|word: &Word| word.overlap).collect();
    assert_eq!(overlapped, [false, false, true, true, false, false]);
    let found = with_turns(of("en", vec![spoken(&words)]), &[(0, 0, 1000), (1, 700, 1800)]);
    assert_eq!(lines(&found), ["1: we could go", "2: there by train"]);
    let overlapped: Vec<_> =
        found.transcript.segments.iter().flat_map(|part| &part.words).map(|word| word.overlap).collect();
    assert_eq!(overlapped, [false, false, true, false, false, false]);
}

#[test]
fn a_turn_that_grazes_a_word_or_two_is_none() {
    let words = [
        ("we", 0, 300),
        ("could", 300, 600),
        ("go", 600, 900),
        ("there", 900, 1200),
        ("by", 1200, 1500),
        ("train", 1500, 1800),
    ];
    for (from, to) in [(600, 800), (750, 1050), (620, 900), (600, 900)] {
        let turns = [(0, 0, from), (1, from, to), (0, to, 1800)];
        let found = english(&[spoken(&words)], &turns);
        assert_eq!(found, ["1: we could go there by train"], "{from} to {to}");
    }
}

#[test]
fn a_short_answer_with_a_turn_of_its_own_stays() {
    let answer = [
        ("Is", 0, 200),
        ("it", 200, 400),
        ("done?", 400, 800),
        ("Yes.", 900, 1200),
        ("Then", 1350, 1600),
        ("go", 1600, 1800),
    ];
    let turns = [(0, 0, 820), (1, 880, 1220), (0, 1330, 1800)];
    assert_eq!(english(&[spoken(&answer)], &turns), ["1: Is it done?", "2: Yes.", "1: Then go"]);
    // Without punctuation, the pauses tell.
    let answer = [
        ("is", 0, 200),
        ("it", 200, 400),
        ("done", 400, 800),
        ("yes", 1050, 1400),
        ("then", 1700, 1900),
        ("go", 1900, 2100),
    ];
    let turns = [(0, 0, 820), (1, 1040, 1420), (0, 1680, 2100)];
    assert_eq!(english(&[spoken(&answer)], &turns), ["1: is it done", "2: yes", "1: then go"]);
    // Three words with no pause at all are a turn.
    let words = [
        ("we", 0, 300),
        ("go", 300, 600),
        ("no", 600, 900),
        ("not", 900, 1200),
        ("now", 1200, 1500),
        ("but", 1500, 1800),
        ("then", 1800, 2100),
    ];
    let turns = [(0, 0, 600), (1, 600, 1500), (0, 1500, 2100)];
    assert_eq!(english(&[spoken(&words)], &turns), ["1: we go", "2: no not now", "1: but then"]);
}

#[test]
fn a_change_whose_place_is_doubtful_is_put_where_the_text_breaks() {
    let words =
        [("I", 0, 200), ("see.", 200, 500), ("And", 500, 700), ("you", 700, 1000), ("too", 1000, 1400)];
    // The turns change in the middle of a word, and half a word early or late.
    for change in [380, 450, 500, 560, 600] {
        let turns = [(0, 0, change), (1, change, 1400)];
        assert_eq!(english(&[spoken(&words)], &turns), ["1: I see.", "2: And you too"], "{change}");
    }
    // An article goes with its noun.
    let words = [("take", 0, 400), ("a", 400, 460), ("train", 460, 900), ("then", 900, 1300)];
    assert_eq!(english(&[spoken(&words)], &[(0, 0, 460), (1, 460, 1300)]), ["1: take", "2: a train then"]);
    // What is one word to its readers is not parted.
    let mut glued = spoken(&[("well", 0, 400), ("-known", 400, 800), ("man", 800, 1200)]);
    glued.text = "well-known man".to_owned();
    assert_eq!(english(&[glued], &[(0, 0, 400), (1, 400, 1200)]), ["1: well-known man"]);
}

#[test]
fn scripts_without_spaces_are_split_between_characters() {
    let mut segment = said("", "你 好 吗？ 很 好", 0, 2000);
    segment.text = "你好吗？很好".to_owned();
    let found = with_turns(of("zh", vec![segment]), &[(0, 0, 1200), (1, 1200, 2000)]);
    assert_eq!(lines(&found), ["1: 你好吗？", "2: 很好"]);
}

#[test]
fn segments_without_words_are_of_whoever_has_most_of_them() {
    let segments = [segment("One.", 0, 4000, &[]), segment("Two.", 4000, 9000, &[])];
    assert_eq!(english(&segments, &[(0, 0, 4300), (1, 4300, 9000)]), ["1: One.", "2: Two."]);
}

#[test]
fn labels_are_numbered_by_first_word_and_whoever_has_none_comes_last() {
    let segments = [said("", "One two", 5000, 6000), said("", "three", 8000, 8500)];
    let turns = [(3, 0, 300), (1, 5000, 6000), (0, 8000, 8500)];
    let found = with_turns(of("en", segments.to_vec()), &turns);
    assert_eq!(lines(&found), ["1: One two", "2: three"]);
    assert_eq!(found.transcript.speakers, ["Speaker 1", "Speaker 2"]);
    let words: Vec<_> = found.speakers.iter().map(|one| (one.label(), one.words)).collect();
    assert_eq!(words, [("Speaker 1".into(), 2), ("Speaker 2".into(), 1), ("Speaker 3".into(), 0)]);
}

#[test]
fn without_turns_or_with_one_speaker_all_is_of_the_first() {
    let said = of("en", vec![said("", "One two.", 0, 1000), said("", "Three.", 2000, 3000)]);
    let edits = SpeakerEdits::default();
    for heard in [Heard::One, Heard::Turns(&diarization(&[]))] {
        let found = labelled(said.clone(), heard, &edits);
        assert_eq!(lines(&found), ["1: One two.", "1: Three."]);
        assert_eq!(found.transcript.speakers, ["Speaker 1"]);
    }
    let found = labelled(said.clone(), Heard::Labels, &edits);
    assert_eq!((&found.transcript, found.speakers.len()), (&said, 0));
    let silence = labelled(of("und", Vec::new()), Heard::One, &edits);
    assert_eq!((silence.transcript.speakers.len(), silence.speakers.len()), (0, 0));
}

#[test]
fn a_diarization_that_found_nothing_out_gives_no_speakers() {
    let said = of("en", vec![said("", "One two.", 0, 1000)]);
    for (code, speakers) in [
        (WarningCode::Untranscribed, vec!["Speaker 1".to_owned()]),
        (WarningCode::DiarizationUnavailable, vec![]),
        (WarningCode::DiarizationFailed, vec![]),
    ] {
        let found = Diarization { warnings: vec![Warning::new(code, "x")], ..diarization(&[]) };
        let found = labelled(said.clone(), Heard::Turns(&found), &SpeakerEdits::default());
        assert_eq!(found.transcript.speakers, speakers);
    }
}

#[test]
fn channels_that_are_speakers_stay_as_they_are() {
    let mut stored = of("en", vec![said("", "One.", 0, 1000), said("", "Two.", 900, 2000)]);
    let mut channels = ChannelSpeakers::default();
    for (segment, channel) in stored.segments.iter_mut().zip([2, 1]) {
        segment.channel = Some(channel);
        channels.label(segment);
    }
    stored.speakers = channels.labels();
    let found = labelled(stored.clone(), Heard::Labels, &SpeakerEdits::default());
    assert_eq!(found.transcript, stored);
    assert_eq!(found.speakers.len(), 2);
    assert_eq!(found.turns[1].speaker, 2);
}

#[test]
fn what_is_known_follows_from_what_was_asked_for() {
    let options = |diarize, speakers| JobOptions { diarize, speakers, ..JobOptions::default() };
    let some = Diarization { embedding: ModelId::from("mini-embedding"), ..diarization(&[]) };
    let of = |options: &JobOptions, channels, found| match Heard::of(options, channels, found) {
        Heard::Turns(_) => "turns",
        Heard::One => "one",
        Heard::Labels => "labels",
    };
    assert_eq!(of(&options(true, 0), 1, Some(&some)), "turns");
    assert_eq!(of(&options(true, 1), 1, Some(&some)), "turns");
    let untold = Diarization::default();
    assert_eq!(of(&options(true, 0), 1, Some(&untold)), "labels");
    assert_eq!(of(&options(true, 0), 1, None), "labels");
    assert_eq!(of(&options(true, 1), 1, None), "one");
    assert_eq!(of(&options(true, 0), 2, None), "labels");
    assert_eq!(of(&options(false, 1), 1, Some(&some)), "labels");
}

/// Turns of `speakers` people over a time, some of which overlap, with gaps between others.
fn turns(dice: &mut Dice, speakers: u64, until: u64) -> Vec<(u16, u64, u64)> {
    let (mut turns, mut at) = (Vec::new(), 0_u64);
    while at < until {
        let length = dice.throw((1, 9000));
        turns.push((dice.throw((0, speakers - 1)) as u16, at, at + length));
        at = (at + length + dice.throw((0, 1500))).saturating_sub(dice.throw((0, 900)));
    }
    turns
}

fn letters(segments: &[Segment]) -> String {
    segments.iter().flat_map(|segment| segment.text.chars()).filter(|c| !c.is_whitespace()).collect()
}

#[test]
fn nothing_is_lost_and_every_promise_is_held() {
    let styles = [
        Speech::ENGLISH,
        Speech { gap_millis: (0, 0), word_millis: (0, 300), ..Speech::ENGLISH },
        Speech { timed: false, ..Speech::ENGLISH },
        Speech::LONG_WORDS,
        Speech::CHINESE,
        Speech::JAPANESE,
        Speech::THAI,
        Speech::ARABIC,
        Speech::HEBREW,
    ];
    for (seed, speech) in (1..).zip(styles.iter().cycle().take(90)) {
        let mut dice = Dice(seed);
        let before = transcript(speech, seed, Millis(120_000));
        let speakers = dice.throw((1, 6));
        let until = dice.throw((60_000, 130_000));
        let turns = turns(&mut dice, speakers, until);
        let found = with_turns(before.clone(), &turns);
        let after = &found.transcript;
        assert_eq!(letters(&after.segments), letters(&before.segments), "seed {seed}");
        assert_eq!(after.text, before.text);
        let words = |segments: &[Segment]| -> Vec<(String, Millis, Millis)> {
            let words = segments.iter().flat_map(|segment| &segment.words);
            words.map(|word| (word.punctuated_word.clone(), word.start, word.end)).collect()
        };
        assert_eq!(words(&after.segments), words(&before.segments), "seed {seed}");
        assert!(after.segments.iter().all(|segment| !segment.text.is_empty() || !speech.timed));
        assert!(after.segments.len() >= before.segments.len());
        // Numbered by first speech, without gaps, each with words.
        let mut heard: Vec<&str> = Vec::new();
        for segment in &after.segments {
            let speaker = segment.speaker.as_deref().unwrap();
            assert!(segment.words.iter().all(|word| word.speaker.as_deref() == Some(speaker)));
            if !heard.contains(&speaker) {
                heard.push(speaker);
            }
            assert!((0.0..=1.0).contains(&segment.confidence));
        }
        let expected: Vec<_> = (1..=heard.len()).map(|number| format!("Speaker {number}")).collect();
        assert_eq!((&heard, &after.speakers), (&expected.iter().map(String::as_str).collect(), &expected));
        assert!(found.speakers.len() >= heard.len());
    }
}

#[test]
fn most_words_are_of_whoever_speaks_in_their_middle() {
    let mut dice = Dice(7);
    let before = transcript(&Speech::ENGLISH, 7, Millis(3_600_000));
    let turns = turns(&mut dice, 4, 3_600_000);
    let found = with_turns(before, &turns);
    let truth: Vec<(u16, u64, u64)> =
        found.turns.iter().map(|turn| (turn.speaker, turn.start.0, turn.end.0)).collect();
    let (mut right, mut all) = (0, 0);
    for word in found.transcript.segments.iter().flat_map(|segment| &segment.words) {
        let middle = (word.start.0 + word.end.0) / 2;
        let mut speaking = truth.iter().filter(|(_, start, end)| (*start..*end).contains(&middle));
        if let (Some((speaker, ..)), None) = (speaking.next(), speaking.next()) {
            all += 1;
            right += usize::from(word.speaker == Some(format!("Speaker {speaker}")));
        }
    }
    println!("{right} of {all} words");
    assert!(all > 5000 && right * 100 >= all * 96, "{right} of {all}");
}

/// Ten hours of fast speech with many turns, in far less than the ten seconds that a scan of all turns for every word
/// would take.
#[test]
fn ten_hours_take_no_time() {
    let length = Millis(36_000_000);
    let speech =
        Speech { pause_millis: (0, 400), gap_millis: (0, 60), word_millis: (100, 520), ..Speech::ENGLISH };
    let before = transcript(&speech, 3, length);
    let words: usize = before.segments.iter().map(|segment| segment.words.len()).sum();
    let mut dice = Dice(5);
    let turns = turns(&mut dice, 32, length.0);
    let diarization = diarization(&turns);
    let edits = SpeakerEdits::default();
    let began = Instant::now();
    let found = labelled(before, Heard::Turns(&diarization), &edits);
    let took = began.elapsed();
    println!("{words} words and {} turns took {took:?}", turns.len());
    assert!(words > 90_000 && turns.len() > 7000, "{words} words, {} turns", turns.len());
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(found.transcript.speakers.len(), 32);
}
