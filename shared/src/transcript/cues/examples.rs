//! Transcripts whose cues were read and found good.

use unicode_width::UnicodeWidthStr;

use super::tests::{letters, shown};
use super::*;
use crate::transcript::sample::{Speech, of, said, segment, transcript};

/// The lines of each cue.
fn written(language: &str, segments: Vec<super::super::Segment>) -> Vec<String> {
    let cues = cues(&of(language, segments), Names::Aside, CueStyle::default());
    cues.into_iter().map(|cue| cue.lines.join(" | ")).collect()
}

#[test]
fn cues_and_lines_end_where_clauses_end() {
    let german = "Ich habe gestern mit der Kollegin gesprochen, die das Projekt leitet, und sie meinte, dass wir bis \
                  Ende des Monats fertig sein sollten, weil der Kunde sonst abspringt.";
    let expected = [
        "Ich habe gestern mit der Kollegin | gesprochen, die das Projekt leitet,",
        "und sie meinte, dass wir bis Ende | des Monats fertig sein sollten,",
        "weil der Kunde sonst abspringt.",
    ];
    assert_eq!(written("de", vec![said("", german, 0, 10_000)]), expected);
    let chinese = "大家好，欢迎来到今天的会议。我们今天要讨论的是关于新产品的发布计划，因为市场部门已经准备好了\
                   所有的材料，所以我们可以开始了。";
    let expected = [
        "大家好，欢迎来到今天的会议。",
        "我们今天要讨论的是关于新产品的发布计划，",
        "因为市场部门已经准备好了所有的材料， | 所以我们可以开始了。",
    ];
    assert_eq!(written("zh", vec![segment(chinese, 0, 12_000, &[])]), expected);
    let thai = "สวัสดีครับ วันนี้เราจะมาพูดคุยกันเกี่ยวกับโครงการใหม่ของบริษัท ซึ่งจะเริ่มดำเนินการในเดือนหน้า";
    let expected = ["สวัสดีครับ วันนี้เราจะมาพูดคุยกัน | เกี่ยวกับโครงการใหม่ของบริษัท", "ซึ่งจะเริ่มดำเนินการในเดือนหน้า"];
    assert_eq!(written("th", vec![segment(thai, 0, 9_000, &[])]), expected);
}

#[test]
fn short_sentences_share_a_cue_and_long_ones_do_not() {
    let short = "Yes. I know. So do you.";
    assert_eq!(written("en", vec![said("", short, 0, 2400)]), [short]);
    let long = "The harbour was closed for the winter. Nobody had told the captain so.";
    let expected = ["The harbour was closed for the winter.", "Nobody had told the captain so."];
    assert_eq!(written("en", vec![said("", long, 0, 6000)]), expected);
}

#[test]
fn a_pause_ends_a_cue_rather_than_stands_in_it() {
    let segments = vec![said("", "He came home", 0, 1500), said("", "late at night", 2700, 4000)];
    assert_eq!(written("en", segments), ["He came home", "late at night"]);
    let segments = vec![said("", "He came home", 0, 1500), said("", "late at night", 1700, 3000)];
    assert_eq!(written("en", segments), ["He came home late at night"]);
}

#[test]
fn a_pause_is_as_good_a_place_as_a_comma() {
    let with_pause_after = |count: usize| {
        let text = "nothing here tells where clauses begin nor ends but silence";
        let mut segment = said("", text, 0, 5000);
        for word in &mut segment.words[count..] {
            (word.start, word.end) = (word.start + Millis(600), word.end + Millis(600));
        }
        segment.end = Millis(5600);
        written("und", vec![segment])
    };
    assert_eq!(with_pause_after(10), ["nothing here tells where clauses | begin nor ends but silence"]);
    assert_eq!(with_pause_after(4), ["nothing here tells where | clauses begin nor ends but silence"]);
    assert_eq!(with_pause_after(6), ["nothing here tells where clauses begin | nor ends but silence"]);
}

#[test]
fn one_speaker_whose_segments_overlap_is_not_reordered() {
    let first = "The harbour was closed for the winter and nobody had told the captain of the first ship. \
                 So he went there all alone because the others preferred to wait for spring.";
    let second = "There was ice on every one of the ropes that held the other ships and the quay.";
    let cues = written("en", vec![said("", first, 0, 12_000), said("", second, 3000, 9000)]);
    assert_eq!(cues.join(" ").replace(" |", ""), format!("{first} {second}"));
}

#[test]
fn lines_are_equally_long_where_nothing_else_counts() {
    let text = "nothing here tells where clauses begin nor ends";
    assert_eq!(
        written("und", vec![said("", text, 0, 4000)]),
        ["nothing here tells where | clauses begin nor ends"]
    );
}

/// Cues of segments that overlap: in order of time, each with its speaker's name.
#[test]
fn two_who_speak_at_once_take_turns() {
    let long = Speech { words: (60, 60), ..Speech::ENGLISH };
    let mut both = transcript(&long, 1, Millis(20_000));
    let other = transcript(&long, 2, Millis(15_000));
    both.segments.truncate(1);
    both.segments.extend(other.segments.into_iter().take(1));
    for (segment, speaker) in both.segments.iter_mut().zip(["Speaker 1", "Speaker 2"]) {
        segment.speaker = Some(speaker.to_owned());
    }
    both.duration = both.segments.iter().map(|segment| segment.end).max().unwrap();
    let cues = cues(&both, Names::InText, CueStyle::default());
    assert!(cues.windows(2).all(|pair| pair[0].end <= pair[1].start), "{cues:?}");
    for speaker in ["Speaker 1", "Speaker 2"] {
        let of_one: Vec<_> = cues.iter().filter(|cue| cue.speaker.as_deref() == Some(speaker)).collect();
        assert!(of_one.len() > 3 && of_one.iter().all(|cue| cue.lines[0].starts_with(speaker)), "{cues:?}");
    }
    let begins: Vec<Millis> =
        both.segments.iter().flat_map(|one| &one.words).map(|word| word.start).collect();
    assert!(cues.iter().all(|cue| begins.contains(&cue.start)), "{cues:?}");
    let names = |cue: &Cue| shown(cue).replace("Speaker1:", "").replace("Speaker2:", "").len();
    let expected: usize = both.segments.iter().map(|segment| letters(&segment.text).len()).sum();
    assert_eq!(cues.iter().map(names).sum::<usize>(), expected);
}

#[test]
fn a_short_word_is_shown_with_what_follows_rather_than_flashed() {
    let long = "this is what the other people over there would probably have liked to hear today";
    let transcript = of("en", vec![said("", "No.", 0, 300), said("", long, 300, 6500)]);
    let cues = cues(&transcript, Names::Aside, CueStyle::default());
    assert!(cues.iter().all(|cue| cue.end.since(cue.start) >= Millis(1000)), "{cues:?}");
}

#[test]
fn fast_speech_is_shown_with_slow_speech() {
    let slow = "welcome everybody here to what our small gardening club calls a meeting";
    let fast = said("", "Good morning once again ladies and gentlemen,", 0, 1200);
    let transcript = of("en", vec![fast, said("", slow, 1200, 8000)]);
    let cues = cues(&transcript, Names::Aside, CueStyle::default());
    for cue in &cues {
        let columns: usize = cue.lines.iter().map(|line| line.width()).sum();
        assert!(columns as u64 * 1000 <= 20 * cue.end.since(cue.start).0, "{cues:?}");
    }
}

#[test]
fn who_speak_at_the_same_instant_share_the_time() {
    let three = [("A", 0, 0), ("B", 0, 0), ("C", 0, 3000), ("A", 4000, 4000), ("B", 4000, 4000)];
    let three = three.map(|(speaker, start, end)| said(speaker, "Yes.", start, end));
    let cues = cues(&of("en", three.into()), Names::Aside, CueStyle::default());
    let times: Vec<(u64, u64)> = cues.iter().map(|cue| (cue.start.0, cue.end.0)).collect();
    // The last two begin when the audio ends.
    assert_eq!(times, [(0, 1000), (1000, 2000), (2000, 3000), (3998, 3999), (3999, 4000)]);
}
