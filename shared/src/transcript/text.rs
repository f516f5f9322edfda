//! Plain text.
//!
//! Without names of speakers it is the transcript's text in one line, the same as `text` in the JSON: what is
//! pasted, counted or fed to another program must not have line breaks that nobody spoke. With names it is a
//! paragraph per turn, `Speaker 1: ` in front, and a blank line between.

use super::Transcript;
use super::render::{SpeakerLabels, append, one_line};

/// The transcript as plain text with a newline at its end; empty if nothing was said.
#[must_use]
pub fn render(transcript: &Transcript, labels: SpeakerLabels) -> String {
    let mut text = if labels.are_shown(transcript) {
        turns(transcript).join("\n\n")
    } else {
        one_line(&transcript.text)
    };
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn turns(transcript: &Transcript) -> Vec<String> {
    let mut turns = Vec::new();
    let mut earlier = None;
    for segment in &transcript.segments {
        let said = one_line(&segment.text);
        if said.is_empty() {
            continue;
        }
        match turns.last_mut() {
            Some(turn) if earlier == Some(&segment.speaker) => {
                append(turn, &said, transcript.language_of(segment));
            }
            _ => {
                let name = segment.speaker.as_deref().map(|name| format!("{}: ", one_line(name)));
                turns.push(name.unwrap_or_default() + &said);
            }
        }
        earlier = Some(&segment.speaker);
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::super::Segment;
    use super::super::sample::{of, said, segment};
    use super::*;

    #[test]
    fn turns_are_paragraphs_and_without_names_there_is_one_line() {
        let two = of(
            "en",
            vec![
                said("Speaker 1", "Hello there.", 0, 1500),
                said("Speaker 1", "Welcome.", 1500, 2500),
                said("Speaker 2", "Thanks.", 2600, 3500),
                said("Speaker 1", "On\nwe go.", 9000, 10_500),
            ],
        );
        let named = "Speaker 1: Hello there. Welcome.\n\nSpeaker 2: Thanks.\n\nSpeaker 1: On we go.\n";
        assert_eq!(render(&two, SpeakerLabels::Auto), named);
        assert_eq!(render(&two, SpeakerLabels::On), named);
        assert_eq!(render(&two, SpeakerLabels::Off), "Hello there. Welcome. Thanks. On we go.\n");
    }

    #[test]
    fn one_speaker_is_named_if_asked_for() {
        let alone = of("en", vec![said("Speaker 1", "Hello there.", 0, 1500)]);
        assert_eq!(render(&alone, SpeakerLabels::Auto), "Hello there.\n");
        assert_eq!(render(&alone, SpeakerLabels::On), "Speaker 1: Hello there.\n");
        let unknown = of("en", vec![said("", "Hello there.", 0, 1500)]);
        assert_eq!(render(&unknown, SpeakerLabels::On), "Hello there.\n");
    }

    #[test]
    fn scripts_without_spaces_are_joined_without_any() {
        let all = |language, texts: [&'static str; 2]| {
            let segments =
                texts.map(|text| Segment { speaker: Some("甲".into()), ..segment(text, 0, 9, &[]) });
            render(&of(language, segments.into()), SpeakerLabels::On)
        };
        assert_eq!(all("zh", ["你好。", "再见。"]), "甲: 你好。再见。\n");
        assert_eq!(all("zh", ["OK", "Google"]), "甲: OK Google\n");
        assert_eq!(all("ko", ["안녕", "여러분"]), "甲: 안녕 여러분\n");
        assert_eq!(all("und", ["你好", "hello"]), "甲: 你好hello\n");
    }

    #[test]
    fn silence_is_an_empty_file() {
        assert_eq!(render(&of("und", Vec::new()), SpeakerLabels::On), "");
        assert_eq!(render(&of("und", Vec::new()), SpeakerLabels::Off), "");
    }
}
