//! What holds for the cues of every transcript, over generated ones. Single cases are in [`super::examples`].

use unicode_width::UnicodeWidthStr;

use super::*;
use crate::transcript::sample::{Speech, transcript};

/// Every kind of speech that is generated.
pub(super) const KINDS: [(&str, Speech); 17] = [
    ("english", Speech::ENGLISH),
    ("english by three", Speech { speakers: 3, ..Speech::ENGLISH }),
    ("8 words a second", Speech { word_millis: (125, 125), gap_millis: (0, 0), ..Speech::ENGLISH }),
    ("slow", Speech { word_millis: (400, 2500), gap_millis: (0, 1400), ..Speech::ENGLISH }),
    ("one word per segment", Speech { words: (1, 1), pause_millis: (0, 5000), ..Speech::ENGLISH }),
    ("one word per segment by two", Speech { words: (1, 1), speakers: 2, ..Speech::ENGLISH }),
    ("words that last", Speech { word_millis: (100, 12_000), ..Speech::ENGLISH }),
    ("long segments", Speech { words: (200, 400), ..Speech::ENGLISH }),
    ("words without a length", Speech { word_millis: (0, 0), gap_millis: (0, 300), ..Speech::ENGLISH }),
    ("no time at all", Speech { word_millis: (0, 0), gap_millis: (0, 0), words: (1, 40), ..Speech::ENGLISH }),
    ("without words", Speech { timed: false, ..Speech::ENGLISH }),
    ("long words", Speech::LONG_WORDS),
    ("chinese", Speech::CHINESE),
    ("japanese", Speech { speakers: 2, ..Speech::JAPANESE }),
    ("thai", Speech::THAI),
    ("arabic", Speech::ARABIC),
    ("hebrew without words", Speech { timed: false, ..Speech::HEBREW }),
];

/// A word of the transcript and where it stands in the cues.
struct Spoken {
    start: Millis,
    end: Millis,
    speaker: Option<String>,
    /// In letters from the beginning.
    at: usize,
    /// Not a mark alone, which goes with the word before it.
    is_word: bool,
}

pub(super) fn letters(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

pub(super) fn shown(cue: &Cue) -> String {
    letters(&cue.lines.concat())
}

fn spoken(transcript: &Transcript) -> Vec<Spoken> {
    let mut at = 0;
    let mut all = Vec::new();
    for segment in &transcript.segments {
        for word in &segment.words {
            let speaker = segment.speaker.clone();
            let is_word = word.punctuated_word.contains(char::is_alphanumeric);
            all.push(Spoken { start: word.start, end: word.end, speaker, at, is_word });
            at += letters(&word.punctuated_word).chars().count();
        }
    }
    all
}

/// Runs `check` on every kind of speech, with the default shape.
fn over_all(check: impl Fn(&Transcript, &[Cue])) {
    over(&KINDS, check);
}

fn over(kinds: &[(&str, Speech)], check: impl Fn(&Transcript, &[Cue])) {
    for (name, speech) in kinds {
        for seed in 1..=25 {
            let transcript = transcript(speech, seed, Millis(90_000));
            transcript.check().unwrap();
            let cues = cues(&transcript, Names::Aside, CueStyle::default());
            println!("{name}, seed {seed}: {} cues", cues.len());
            assert!(!cues.is_empty());
            check(&transcript, &cues);
        }
    }
}

#[test]
fn every_word_occurs_once_and_in_order() {
    over_all(|transcript, cues| {
        let expected: String = transcript.segments.iter().map(|segment| letters(&segment.text)).collect();
        assert_eq!(cues.iter().map(shown).collect::<String>(), expected);
    });
}

#[test]
fn lines_are_as_few_and_as_short_as_the_style_says() {
    over_all(|_, cues| {
        for cue in cues {
            assert!((1..=2).contains(&cue.lines.len()), "{cue:?}");
            assert!(cue.lines.iter().all(|line| (1..=42).contains(&line.width())), "{cue:?}");
            assert!(cue.lines.iter().all(|line| line.trim() == line), "{cue:?}");
        }
    });
}

#[test]
fn names_in_the_text_stand_within_the_lines_and_at_every_turn() {
    for (_, speech) in KINDS.iter().filter(|(_, speech)| speech.speakers > 1) {
        for seed in 1..=25 {
            let transcript = transcript(speech, seed, Millis(90_000));
            let cues = cues(&transcript, Names::InText, CueStyle::default());
            let mut earlier = None;
            for cue in &cues {
                assert!(cue.lines.len() <= 2, "{cue:?}");
                assert!(cue.lines.iter().all(|line| line.width() <= 42), "{cue:?}");
                let name = format!("{}: ", cue.speaker.as_deref().unwrap());
                assert_eq!(cue.lines.join(" ").starts_with(&name), earlier != Some(&cue.speaker), "{cue:?}");
                earlier = Some(&cue.speaker);
            }
        }
    }
}

#[test]
fn cues_are_in_order_and_neither_overlap_nor_stand_too_long() {
    over_all(|transcript, cues| {
        for (cue, next) in cues.iter().zip(&cues[1..]) {
            assert!(cue.end <= next.start, "{cue:?} {next:?}");
        }
        for cue in cues {
            assert!(cue.start < cue.end && cue.end <= transcript.duration, "{cue:?}");
            assert!(cue.end.since(cue.start) <= Millis(7000), "{cue:?}");
        }
    });
}

#[test]
fn cues_begin_with_their_first_word() {
    let timed: Vec<_> =
        KINDS.into_iter().filter(|(_, speech)| speech.timed && speech.word_millis.1 > 0).collect();
    over(&timed, |transcript, cues| {
        let spoken = spoken(transcript);
        let mut at = 0;
        for cue in cues {
            let word = &spoken[spoken.partition_point(|word| word.at <= at) - 1];
            match word.at == at {
                true => assert_eq!(cue.start, word.start, "{cue:?}"),
                false => assert!(word.start <= cue.start && cue.start <= word.end, "{cue:?}"),
            }
            at += shown(cue).chars().count();
        }
    });
}

#[test]
fn cues_are_shown_long_enough_where_there_is_silence() {
    over_all(|transcript, cues| {
        let nexts = cues[1..].iter().map(|cue| cue.start).chain([transcript.duration]);
        for (cue, next) in cues.iter().zip(nexts) {
            if cue.end < next {
                let shown = cue.end.since(cue.start);
                let columns: usize = cue.lines.iter().map(|line| line.width()).sum();
                assert!(shown >= Millis(1000), "{cue:?}");
                assert!(shown.0 * 20 >= columns as u64 * 1000 || shown == Millis(7000), "{cue:?}");
            }
        }
    });
}

#[test]
fn speech_of_an_ordinary_speed_can_be_read() {
    let vocabulary =
        &["we", "are", "going", "to", "a", "meeting", "and", "then", "home", "again", "because", "it"];
    let timing = Speech { word_millis: (280, 420), gap_millis: (20, 60), ..Speech::ENGLISH };
    let ordinary = Speech { vocabulary, words: (4, 30), ..timing };
    over(&[("ordinary", ordinary)], |_, cues| {
        for cue in cues {
            let shown = cue.end.since(cue.start);
            let columns: usize = cue.lines.iter().map(|line| line.width()).sum();
            assert!(shown >= Millis(1000), "{cue:?}");
            assert!(columns as u64 * 1000 <= 20 * shown.0, "{cue:?}");
        }
    });
}

#[test]
fn cues_hold_one_speaker_and_no_long_pause_and_stay_until_their_last_word() {
    over_all(|transcript, cues| {
        let spoken = spoken(transcript);
        let mut at = 0;
        for cue in cues {
            let end = at + shown(cue).chars().count();
            let words: Vec<_> = spoken.iter().filter(|word| (at..end).contains(&word.at)).collect();
            assert!(words.iter().all(|word| word.speaker == cue.speaker), "{cue:?}");
            for pair in words.windows(2) {
                assert!(pair[1].start.since(pair[0].end) <= Millis(1500), "{cue:?}");
            }
            let last = words.iter().rfind(|word| word.is_word && word.end > word.start);
            assert!(last.is_none_or(|last| last.start < cue.end), "{cue:?}");
            at = end;
        }
    });
}

#[test]
fn no_cue_is_short_that_could_be_one_with_its_neighbour() {
    let short = Speech { words: (1, 3), word_millis: (100, 300), pause_millis: (0, 400), ..Speech::ENGLISH };
    over(&[("short", short)], |_, cues| {
        for pair in cues.windows(2) {
            let columns = pair.iter().flat_map(|cue| &cue.lines).map(|line| line.width() + 1).sum::<usize>();
            let is_short = pair.iter().any(|cue| cue.end.since(cue.start) < Millis(1000));
            let together = pair[1].end.since(pair[0].start) <= Millis(7000) && columns <= 42;
            assert!(!is_short || !together, "{pair:?}");
        }
    });
}

#[test]
fn two_hours_are_cut_as_well() {
    for speech in [Speech::ENGLISH, Speech::THAI, Speech { words: (100_000, 100_000), ..Speech::CHINESE }] {
        let transcript = transcript(&speech, 7, Millis(2 * 3_600_000));
        let cues = cues(&transcript, Names::Aside, CueStyle::default());
        assert!(cues.len() > 1000 && cues.last().unwrap().start > Millis(7_000_000));
        let expected: String = transcript.segments.iter().map(|segment| letters(&segment.text)).collect();
        assert_eq!(cues.iter().map(shown).collect::<String>(), expected);
    }
}
