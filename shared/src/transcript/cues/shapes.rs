//! What holds for the cues of every transcript in every shape that can be asked for, over generated ones.

use unicode_width::UnicodeWidthStr;

use super::tests::{KINDS, letters, shown};
use super::*;
use crate::transcript::sample::{Speech, of, said, transcript};

/// The corners of what can be asked for, and some between.
fn styles() -> Vec<CueStyle> {
    let mut styles = Vec::new();
    for (max_columns, max_lines) in [(10, 1), (10, 10), (32, 2), (42, 1), (200, 1), (200, 10)] {
        for (min, max) in [(100, 100), (100, 60_000), (2000, 2000), (5000, 6000), (60_000, 60_000)] {
            let (min_duration, max_duration) = (Millis(min), Millis(max));
            let max_rate = if min == 100 { 60 } else { 5 };
            styles.push(CueStyle { max_columns, max_lines, min_duration, max_duration, max_rate });
        }
    }
    styles
}

/// Runs `check` on every kind of speech in every shape.
fn over_all(names: Names, check: impl Fn(&Transcript, &[Cue], CueStyle)) {
    for (name, speech) in KINDS {
        for style in styles() {
            let transcript = transcript(&speech, 3, Millis(30_000));
            let cues = cues(&transcript, names, style);
            println!("{name}, {style:?}: {} cues", cues.len());
            check(&transcript, &cues, style);
        }
    }
}

#[test]
fn no_letter_is_lost() {
    over_all(Names::Aside, |transcript, cues, _| {
        let expected: String = transcript.segments.iter().map(|segment| letters(&segment.text)).collect();
        assert_eq!(cues.iter().map(shown).collect::<String>(), expected);
    });
}

#[test]
fn lines_are_within_the_limits_with_names_and_without() {
    for names in [Names::InText, Names::Aside] {
        over_all(names, |_, cues, style| {
            for cue in cues {
                assert!((1..=style.max_lines).contains(&cue.lines.len()), "{cue:?}");
                assert!(cue.columns().all(|columns| (1..=style.max_columns).contains(&columns)), "{cue:?}");
                assert!(cue.lines.iter().all(|line| line.trim() == line), "{cue:?}");
            }
        });
    }
}

#[test]
fn cues_are_in_order_and_shown_as_long_as_they_should_be_or_until_the_next() {
    over_all(Names::InText, |transcript, cues, style| {
        let nexts = cues[1..].iter().map(|cue| cue.start).chain([transcript.duration]);
        for (cue, next) in cues.iter().zip(nexts) {
            assert!(cue.start < cue.end && cue.end <= next, "{cue:?}, then {next}");
            assert!(cue.shown() <= style.max_duration, "{cue:?}");
            if cue.end < next && cue.shown() < style.max_duration {
                let columns: usize = cue.columns().sum();
                assert!(cue.shown() >= style.min_duration, "{cue:?}, then {next}");
                assert!(columns as u64 * 1000 <= u64::from(style.max_rate) * cue.shown().0, "{cue:?}");
                assert!(next.since(cue.end) >= Millis(500) || next == transcript.duration, "{cue:?}");
            }
        }
    });
}

/// Wherever there is room for the name and a word, every turn is named.
#[test]
fn names_are_left_out_only_where_there_is_no_room() {
    let speech = Speech { speakers: 3, ..Speech::ENGLISH };
    for style in styles() {
        let transcript = transcript(&speech, 5, Millis(60_000));
        let cues = cues(&transcript, Names::InText, style);
        let is_named =
            |cue: &Cue| shown(cue).starts_with(&format!("{}:", letters(cue.speaker.as_deref().unwrap())));
        let turns: Vec<&[Cue]> = cues.chunk_by(|one, next| one.speaker == next.speaker).collect();
        let unnamed = turns.iter().filter(|turn| !turn.iter().any(is_named)).count();
        assert!(turns.len() > 2);
        if style.max_columns * style.max_lines == 10 {
            // "Speaker 1:" fills the line.
            assert_eq!(unnamed, turns.len());
        } else {
            assert_eq!(unnamed, 0, "{style:?}: {turns:?}");
        }
    }
}

#[test]
fn a_word_longer_than_a_line_is_split_and_nothing_else() {
    let style = CueStyle { max_columns: 10, max_lines: 1, ..CueStyle::default() };
    let forty = "Donaudampfschifffahrtselektrizitätenhaupt";
    let cues = cues(&of("de", vec![said("", &format!("Die {forty} ist da"), 0, 8000)]), Names::Aside, style);
    let lines: Vec<_> = cues.iter().map(|cue| cue.lines.concat()).collect();
    assert_eq!(lines, ["Die", "Donaudampf", "schifffahr", "tselektriz", "itätenhaup", "t ist da"]);
}

#[test]
fn a_name_stands_in_the_first_cue_that_has_room_for_it() {
    let style = CueStyle { max_columns: 20, max_lines: 1, ..CueStyle::default() };
    let segments =
        vec![said("A", "Hi.", 0, 1000), said("Speaker 2", "incomprehensibilities happen daily.", 1000, 6000)];
    let lines: Vec<_> =
        cues(&of("en", segments), Names::InText, style).iter().map(|cue| cue.lines.concat()).collect();
    assert_eq!(lines[..2], ["A: Hi.", "incomprehensibilitie"]);
    assert!(lines[2..].iter().any(|line| line.starts_with("Speaker 2: ")), "{lines:?}");
    assert!(lines.iter().all(|line| line.width() <= 20), "{lines:?}");
}

#[test]
fn a_shape_without_sense_is_no_end_of_the_world() {
    let none = Millis(0);
    let senseless =
        CueStyle { max_columns: 0, max_lines: 0, min_duration: none, max_duration: none, max_rate: 0 };
    assert!(!cues(&transcript(&Speech::ENGLISH, 3, Millis(9_000)), Names::InText, senseless).is_empty());
}
