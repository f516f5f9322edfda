//! Tab-separated values: `start`, `end` and `text` of each segment, the times in whole milliseconds, below a line
//! with these names. Other programs know the form from openai-whisper.
//!
//! Nothing is shaped. Tabs and line breaks in the text are spaces.

use super::Transcript;
use super::render::{SpeakerLabels, one_line};

/// The transcript as TSV; the names of the columns alone if nothing was said. Each text has `Speaker 1: ` in front
/// if speakers are named.
#[must_use]
pub fn render(transcript: &Transcript, labels: SpeakerLabels) -> String {
    let named = labels.are_shown(transcript);
    let mut file = String::from("start\tend\ttext\n");
    for segment in &transcript.segments {
        let text = one_line(&segment.text);
        if text.is_empty() {
            continue;
        }
        let speaker = segment.speaker.as_deref().filter(|_| named);
        let name = speaker.map(|name| format!("{}: ", one_line(name))).unwrap_or_default();
        file.push_str(&format!("{}\t{}\t{name}{text}\n", segment.start.0, segment.end.0));
    }
    file
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Speech, of, said, segment, transcript};
    use super::*;
    use crate::time::Millis;

    #[test]
    fn a_segment_is_a_line_in_milliseconds() {
        let two = of(
            "en",
            vec![
                said("Speaker 1", "Hello\tthere.\r\n\"Yes\"", 0, 1500),
                said("Speaker 2", " \u{0}\n", 1500, 1600),
                said("Speaker\t2", "Thanks.", 3_600_000, 3_602_001),
            ],
        );
        let clean = "start\tend\ttext\n0\t1500\tHello there. \"Yes\"\n3600000\t3602001\tThanks.\n";
        assert_eq!(render(&two, SpeakerLabels::Off), clean);
        let named = clean.replace("Hello", "Speaker 1: Hello").replace("Thanks", "Speaker 2: Thanks");
        assert_eq!(render(&two, SpeakerLabels::Auto), named);
        let unknown = of("en", vec![segment("Hello.", 0, 9, &[])]);
        assert_eq!(render(&unknown, SpeakerLabels::On), "start\tend\ttext\n0\t9\tHello.\n");
    }

    #[test]
    fn every_line_has_three_columns() {
        for speech in [Speech { speakers: 3, ..Speech::ENGLISH }, Speech::ARABIC, Speech::LONG_WORDS] {
            let transcript = transcript(&speech, 5, Millis(100_000));
            let file = render(&transcript, SpeakerLabels::Auto);
            assert_eq!(file.lines().count(), transcript.segments.len() + 1);
            assert!(file.lines().all(|line| line.split('\t').count() == 3), "{file}");
        }
        assert_eq!(render(&of("und", Vec::new()), SpeakerLabels::On), "start\tend\ttext\n");
    }
}
