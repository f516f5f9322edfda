//! Speakers on the wire.

use std::collections::HashMap;

use poem_openapi::Object;
use steno_shared::diarization::{Labelled, SpeakerCount};

/// The speakers of a job.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(rename = "Speakers")]
pub(crate) struct SpeakersDocument {
    /// In order of first speech; those without words last.
    speakers: Vec<SpeakerDocument>,
    /// Who speaks when, in order. Where several speak at once, turns overlap.
    turns: Vec<SpeakerTurnDocument>,
    /// How many there may be, and how many were told apart.
    count: CountDocument,
    /// What became of your edits that you may not expect; absent if there is nothing to say.
    #[oai(skip_serializing_if_is_empty)]
    warnings: Vec<String>,
}

/// A speaker.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(rename = "Speaker")]
struct SpeakerDocument {
    /// `Speaker 1` and so on. It stays the same whatever the speaker is called, and whoever is merged, until another
    /// number of speakers is asked for.
    label: String,
    /// What you call the speaker; absent without a name.
    #[oai(skip_serializing_if_is_none)]
    name: Option<String>,
    /// The labels of those that you merged into this one.
    #[oai(skip_serializing_if_is_empty)]
    merged: Vec<String>,
    /// How long the speaker speaks.
    speech_seconds: f64,
    /// How many words of the transcript are the speaker's.
    words: usize,
}

/// A stretch of speech by one speaker.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(rename = "SpeakerTurn")]
struct SpeakerTurnDocument {
    /// Seconds.
    start: f64,
    /// Seconds.
    end: f64,
    /// The name, or the label without one: as the transcript has it.
    speaker: String,
}

/// How many speakers there may be.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(rename = "SpeakerCount")]
struct CountDocument {
    /// At least so many were asked for.
    min_speakers: u8,
    /// At most so many were asked for.
    max_speakers: u8,
    /// So many were told apart. Those that were merged count by themselves.
    found: usize,
}

impl SpeakersDocument {
    /// The speakers of a transcript, where so many were asked for.
    pub(super) fn of(labelled: &Labelled, count: SpeakerCount) -> Self {
        let shown: HashMap<u16, String> =
            labelled.speakers.iter().map(|speaker| (speaker.number, speaker.shown())).collect();
        let merged = labelled.speakers.iter().map(|speaker| speaker.merged.len()).sum::<usize>();
        let turns = labelled.turns.iter().map(|turn| SpeakerTurnDocument {
            start: turn.start.as_seconds(),
            end: turn.end.as_seconds(),
            speaker: shown.get(&turn.speaker).cloned().unwrap_or_default(),
        });
        let speakers = labelled.speakers.iter().map(|speaker| SpeakerDocument {
            label: speaker.label(),
            name: speaker.name.clone(),
            merged: speaker.merged.iter().map(|number| format!("Speaker {number}")).collect(),
            speech_seconds: speaker.speech.as_seconds(),
            words: speaker.words,
        });
        Self {
            speakers: speakers.collect(),
            turns: turns.collect(),
            count: CountDocument {
                min_speakers: count.min,
                max_speakers: count.max,
                found: labelled.speakers.len() + merged,
            },
            warnings: Vec::new(),
        }
    }

    /// Tells of names that nobody has any more.
    pub(super) fn without(mut self, names: &[String]) -> Self {
        let lost = |name: &String| {
            format!("the name {name:?} is gone: the speaker who had it is one with another among so few")
        };
        self.warnings.extend(names.iter().map(lost));
        self
    }
}
