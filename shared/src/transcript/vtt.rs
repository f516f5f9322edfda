//! `WebVTT` subtitles (W3C, WebVTT: The Web Video Text Tracks Format).
//!
//! `&`, `<` and `>` are escaped, so that what was said is never markup and never an arrow between times.

use super::Transcript;
use super::cues::{CueStyle, Names, cues};
use super::direction::marked;
use super::render::{SpeakerLabels, one_line, timestamp};

/// The transcript as `WebVTT`; the header alone if nothing was said. Every cue is in a voice, `<v Speaker 1>`, if
/// speakers are named.
#[must_use]
pub fn render(transcript: &Transcript, labels: SpeakerLabels, style: CueStyle) -> String {
    let mut file = String::from("WEBVTT\n");
    let named = labels.are_shown(transcript);
    for cue in cues(transcript, Names::Aside, style) {
        let (start, end) = (timestamp(cue.start, '.'), timestamp(cue.end, '.'));
        let text = escape(&marked(&cue).join("\n"));
        let speaker = cue.speaker.filter(|_| named);
        let voice = speaker.map(|speaker| format!("<v {}>", escape(&one_line(&speaker)))).unwrap_or_default();
        file.push_str(&format!("\n{start} --> {end}\n{voice}{text}\n"));
    }
    file
}

/// Writes what would be markup, and what could not be seen, by its name.
fn escape(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('\u{200e}', "&lrm;").replace('\u{200f}', "&rlm;")
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Speech, of, said, segment, transcript};
    use super::*;
    use crate::time::Millis;

    fn render(transcript: &Transcript, labels: SpeakerLabels) -> String {
        super::render(transcript, labels, CueStyle::default())
    }

    #[test]
    fn every_cue_is_in_a_voice() {
        let two = of(
            "en",
            vec![
                said("Speaker 1", "Hello there.", 0, 1500),
                said("A & B", "Hello.", 1500, 2500),
                said("A & B", "And on we go.", 9000, 10_500),
            ],
        );
        let expected = "\
WEBVTT

00:00:00.000 --> 00:00:01.500
<v Speaker 1>Hello there.

00:00:01.500 --> 00:00:02.500
<v A &amp; B>Hello.

00:00:09.000 --> 00:00:10.500
<v A &amp; B>And on we go.
";
        assert_eq!(render(&two, SpeakerLabels::Auto), expected);
        let clean = expected.replace("<v Speaker 1>", "").replace("<v A &amp; B>", "");
        assert_eq!(render(&two, SpeakerLabels::Off), clean);
    }

    #[test]
    fn what_is_said_is_never_markup() {
        let text = "1 < 2 && 3 --> 4\n\nNOTE <b>x</b>";
        assert_eq!(
            render(&of("en", vec![segment(text, 360_000_000, 360_003_000, &[])]), SpeakerLabels::Auto),
            "WEBVTT\n\n100:00:00.000 --> 100:00:03.000\n1 &lt; 2 &amp;&amp; 3 --&gt; 4 NOTE &lt;b&gt;x&lt;/b&gt;\n"
        );
    }

    #[test]
    fn silence_is_the_header_alone() {
        assert_eq!(render(&of("und", Vec::new()), SpeakerLabels::On), "WEBVTT\n");
    }

    #[test]
    fn every_file_can_be_read_again() {
        for speech in [Speech { speakers: 3, ..Speech::ENGLISH }, Speech::CHINESE, Speech::LONG_WORDS] {
            let file = render(&transcript(&speech, 5, Millis(300_000)), SpeakerLabels::Auto);
            assert!(file.ends_with('\n') && !file.ends_with("\n\n"));
            for block in file.split("\n\n").skip(1) {
                let text = block.trim_end().split_once('\n').unwrap().1;
                assert!((1..=2).contains(&text.lines().count()) && !text.contains("-->"), "{block}");
                assert!(text.matches('<').count() == text.matches("<v Speaker ").count(), "{block}");
            }
        }
    }
}
