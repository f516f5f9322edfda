//! `SubRip` subtitles.
//!
//! The format has no specification and no escapes: a cue is a number, its times with a comma, its lines, and a
//! blank line. So no line is blank, and an arrow of the kind that stands between the times is written `→`; what
//! players take for markup (`<i>`) is left as it was said.

use super::Transcript;
use super::cues::{Cue, CueStyle, Names, cues};
use super::direction::marked;
use super::render::{SpeakerLabels, timestamp};

/// The transcript as `SubRip`; empty if nothing was said. Each cue that begins a turn has `Speaker 1: ` in front if
/// speakers are named.
#[must_use]
pub fn render(transcript: &Transcript, labels: SpeakerLabels, style: CueStyle) -> String {
    let cues = cues(transcript, Names::of(labels, transcript), style);
    let blocks = cues.iter().zip(1..).map(|(cue, number)| {
        let (start, end) = (timestamp(cue.start, ','), timestamp(cue.end, ','));
        let text = lines(cue).join("\n");
        format!("{number}\n{start} --> {end}\n{text}\n")
    });
    blocks.collect::<Vec<_>>().join("\n")
}

/// The lines of a cue as they are written.
pub(super) fn lines(cue: &Cue) -> Vec<String> {
    marked(cue).into_iter().map(|line| line.replace("-->", "→")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Speech, of, said, segment, transcript};
    use super::*;
    use crate::time::Millis;

    fn render(transcript: &Transcript, labels: SpeakerLabels) -> String {
        super::render(transcript, labels, CueStyle::default())
    }

    const CONVERSATION: &str = "\
1
00:00:00,500 --> 00:00:04,100
Speaker 1: Good morning, everybody,
and welcome to the club.

2
00:00:04,100 --> 00:00:04,600
Speaker 2: Thanks.

3
00:00:04,600 --> 00:00:06,600
Speaker 1: We meet on Mondays.

4
00:00:09,000 --> 00:00:10,050
On Fridays we rest.
";

    fn conversation() -> Transcript {
        of(
            "en",
            vec![
                said("Speaker 1", "Good morning, everybody, and welcome to the club.", 500, 4000),
                said("Speaker 2", "Thanks.", 4100, 4600),
                said("Speaker 1", "We meet on Mondays.", 4600, 6600),
                said("Speaker 1", "On Fridays we rest.", 9000, 10_050),
            ],
        )
    }

    #[test]
    fn turns_have_the_speaker_in_front() {
        assert_eq!(render(&conversation(), SpeakerLabels::Auto), CONVERSATION);
        let clean = CONVERSATION.replace("Speaker 1: ", "").replace("Speaker 2: ", "");
        assert_eq!(render(&conversation(), SpeakerLabels::Off), clean);
    }

    #[test]
    fn one_speaker_is_named_if_asked_for() {
        let alone = of("en", vec![said("Speaker 1", "Hello there.", 0, 2000)]);
        let clean = "1\n00:00:00,000 --> 00:00:02,000\nHello there.\n";
        assert_eq!(render(&alone, SpeakerLabels::Auto), clean);
        assert_eq!(render(&alone, SpeakerLabels::On), clean.replace("Hello", "Speaker 1: Hello"));
        let unknown = of("en", vec![said("", "Hello there.", 0, 2000)]);
        assert_eq!(render(&unknown, SpeakerLabels::On), clean);
    }

    #[test]
    fn nothing_that_is_said_breaks_the_file() {
        let text = "Go --> there\r\n\r\n2\n\n00:00:01,000 --> 00:00:02,000\n & <i>stay</i>\u{0}";
        let file = render(&of("en", vec![segment(text, 0, 6000, &[])]), SpeakerLabels::Auto);
        assert_eq!(
            file,
            "1\n00:00:00,000 --> 00:00:06,000\nGo → there 2 00:00:01,000 →\n00:00:02,000 & <i>stay</i>\n"
        );
    }

    #[test]
    fn silence_is_an_empty_file() {
        assert_eq!(render(&of("und", Vec::new()), SpeakerLabels::On), "");
        assert_eq!(render(&of("en", vec![segment(" \n", 0, 5, &[])]), SpeakerLabels::On), "");
    }

    #[test]
    fn hours_have_as_many_digits_as_they_need() {
        let late = of("en", vec![segment("Still here.", 363_600_000, 363_602_001, &[])]);
        assert_eq!(render(&late, SpeakerLabels::Auto), "1\n101:00:00,000 --> 101:00:02,001\nStill here.\n");
    }

    #[test]
    fn every_file_can_be_read_again() {
        for speech in [Speech { speakers: 3, ..Speech::ENGLISH }, Speech::CHINESE, Speech::LONG_WORDS] {
            let file = render(&transcript(&speech, 5, Millis(300_000)), SpeakerLabels::Auto);
            assert!(file.ends_with('\n') && !file.ends_with("\n\n"));
            for (block, number) in file.split("\n\n").zip(1..) {
                let lines: Vec<&str> = block.trim_end().lines().collect();
                assert_eq!(lines[0], number.to_string());
                assert_eq!(lines[1].len(), "00:00:00,000 --> 00:00:00,000".len());
                assert!((3..=4).contains(&lines.len()) && block.matches("-->").count() == 1, "{block}");
            }
        }
    }
}
