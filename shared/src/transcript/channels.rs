//! Channels that are speakers.

use super::Segment;

/// Gives each channel its speaker's label: numbered by first speech, with no gaps.
#[derive(Debug, Clone, Default)]
pub struct ChannelSpeakers {
    /// The channels heard so far.
    heard: Vec<u16>,
}

impl ChannelSpeakers {
    /// Labels the next segment, in order of time, and its words. One without a channel stays as it is.
    pub fn label(&mut self, segment: &mut Segment) {
        let Some(channel) = segment.channel else { return };
        let known = self.heard.iter().position(|heard| *heard == channel);
        let number = known.unwrap_or_else(|| {
            self.heard.push(channel);
            self.heard.len() - 1
        });
        let label = label(number);
        for word in &mut segment.words {
            word.speaker = Some(label.clone());
        }
        segment.speaker = Some(label);
    }

    /// The labels given so far, in order of first speech.
    #[must_use]
    pub fn labels(&self) -> Vec<String> {
        (0..self.heard.len()).map(label).collect()
    }
}

fn label(number: usize) -> String {
    format!("Speaker {}", number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Millis;

    #[test]
    fn channels_are_numbered_by_first_speech() {
        let mut speakers = ChannelSpeakers::default();
        let mut labels = Vec::new();
        for channel in [Some(3), Some(1), None, Some(3)] {
            let mut segment = Segment {
                start: Millis(0),
                end: Millis(1),
                text: String::new(),
                speaker: None,
                channel,
                language: None,
                confidence: 1.0,
                words: Vec::new(),
            };
            speakers.label(&mut segment);
            labels.push(segment.speaker.unwrap_or_default());
        }
        assert_eq!(labels, ["Speaker 1", "Speaker 2", "", "Speaker 1"]);
        assert_eq!(speakers.labels(), ["Speaker 1", "Speaker 2"]);
    }
}
