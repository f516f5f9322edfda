//! A transcript with its speakers.
//!
//! Belongs here: who the speakers are, by whatever is known of them, and what the caller has made of them. Does not
//! belong here: which word is whose ([`super::assign`]), and what a caller may ask for ([`super::edit`]).
//!
//! Speakers are numbered once, by first speech, before any of them are merged: so a label means the same person for as
//! long as the voices are grouped in the same way, however often a request is sent. Merged speakers have the first
//! one's label.

use std::collections::BTreeMap;
use std::ops::Range;

use super::edit::SpeakerEdits;
use super::timeline::{self, Timeline};
use super::{Diarization, assign};
use crate::job::JobOptions;
use crate::time::Millis;
use crate::transcript::{Segment, Transcript};

/// What is known of a transcript's speakers.
#[derive(Debug, Clone, Copy)]
pub enum Heard<'a> {
    /// Their turns.
    Turns(&'a Diarization),
    /// There is one.
    One,
    /// What the transcript says: each channel is a speaker, or nobody was to be told apart.
    Labels,
}

impl<'a> Heard<'a> {
    /// What is known of a job with these options, with so many channels of samples, by its diarization if it has one.
    #[must_use]
    pub fn of(options: &JobOptions, channels: u16, diarization: Option<&'a Diarization>) -> Self {
        match diarization {
            _ if !options.diarize || channels > 1 => Self::Labels,
            Some(diarization) if diarization.is_untold() => Self::Labels,
            Some(diarization) => Self::Turns(diarization),
            None if options.wants_diarization(channels) => Self::Labels,
            None => Self::One,
        }
    }
}

/// A transcript with its speakers.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// With the names of the speakers. Its segments are of one speaker each.
    pub transcript: Transcript,
    /// Those with words by their first, then the others by their first turn.
    pub speakers: Vec<Speaker>,
    /// Who speaks when, in order. Those of several speakers may overlap.
    pub turns: Vec<SpeakerTurn>,
}

/// Somebody who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// That of the label, from 1.
    pub number: u16,
    /// The numbers of those that are the same person, as the caller has said.
    pub merged: Vec<u16>,
    /// What the caller calls the speaker.
    pub name: Option<String>,
    /// How long the speaker's turns are.
    pub speech: Millis,
    /// How many words of the transcript are the speaker's.
    pub words: usize,
}

impl Speaker {
    /// `Speaker 1`: whatever the speaker is called.
    #[must_use]
    pub fn label(&self) -> String {
        label(self.number)
    }

    /// The name, or else the label: as the transcript has it.
    #[must_use]
    pub fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.label())
    }
}

/// A stretch of speech by one speaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeakerTurn {
    /// When it begins.
    pub start: Millis,
    /// When it ends.
    pub end: Millis,
    /// The speaker's number.
    pub speaker: u16,
}

pub(super) fn label(number: u16) -> String {
    format!("Speaker {number}")
}

/// Gives a transcript its speakers.
#[must_use]
pub fn labelled(transcript: Transcript, heard: Heard<'_>, edits: &SpeakerEdits) -> Labelled {
    match heard {
        Heard::Turns(diarization) => {
            if diarization.warnings.iter().any(|warning| warning.code.leaves_no_speakers()) {
                return by_labels(transcript, |_| None, edits);
            }
            let speakers = edits.grouping(diarization);
            let turns = diarization.turns.iter().map(|turn| {
                let speaker = speakers.get(turn.voice as usize).copied().unwrap_or_default();
                (turn.start.0..turn.end.0, speaker)
            });
            by_turns(transcript, &Timeline::of(turns), edits)
        }
        Heard::One => by_labels(transcript, |_| Some(1), edits),
        Heard::Labels => {
            let numbers: BTreeMap<String, u16> = transcript.speakers.iter().cloned().zip(1..).collect();
            by_labels(transcript, |segment| numbers.get(segment.speaker.as_ref()?).copied(), edits)
        }
    }
}

/// Each segment is of one speaker, as `number` says.
fn by_labels(
    mut transcript: Transcript,
    number: impl Fn(&Segment) -> Option<u16>,
    edits: &SpeakerEdits,
) -> Labelled {
    let mut roster = Roster::new(edits);
    let mut segments = std::mem::take(&mut transcript.segments);
    for segment in &mut segments {
        if let Some(number) = number(segment) {
            roster.heard(number, std::iter::once(segment.start.0..segment.end.0));
            roster.give(segment, number);
        }
    }
    transcript.segments = segments;
    roster.labelled(transcript)
}

/// Each word is of the speaker who has the turn.
fn by_turns(mut transcript: Transcript, timeline: &Timeline, edits: &SpeakerEdits) -> Labelled {
    let count = timeline.speakers().len();
    if count == 0 {
        return by_labels(transcript, |_| Some(1), edits);
    }
    let units = assign::units(&transcript);
    let assigned = assign::speakers(&units, timeline);
    let numbers = numbers(&assigned, count);
    let number = |speaker: u16| numbers[usize::from(speaker)];
    let same = |one, other| edits.leader(number(one)) == edits.leader(number(other));
    let mut roster = Roster::new(edits);
    for (speaker, number) in numbers.iter().enumerate() {
        roster.heard(*number, timeline.spans(speaker).iter().cloned());
    }
    let languages: Vec<_> =
        transcript.segments.iter().map(|segment| transcript.language_of(segment)).collect();
    let mut rest = &assigned[..];
    let mut segments = Vec::with_capacity(transcript.segments.len());
    for (mut segment, language) in std::mem::take(&mut transcript.segments).into_iter().zip(languages) {
        let (of_words, others) = rest.split_at(segment.words.len().max(1).min(rest.len()));
        rest = others;
        for word in &mut segment.words {
            word.overlap = assign::is_overlapped(word.start..word.end, timeline, same);
        }
        let changes: Vec<usize> =
            (1..of_words.len()).filter(|at| !same(of_words[at - 1], of_words[*at])).collect();
        let firsts = std::iter::once(0).chain(changes.iter().copied());
        let speakers: Vec<u16> = firsts.filter_map(|at| of_words.get(at).copied()).collect();
        for (mut part, speaker) in segment.split(&changes, language).into_iter().zip(speakers) {
            roster.give(&mut part, number(speaker));
            segments.push(part);
        }
    }
    // Where segments overlap, the last part of one may begin after the next.
    segments.sort_by_key(|segment| segment.start);
    transcript.segments = segments;
    roster.labelled(transcript)
}

/// The number of each speaker's label, from 1: by first word, those without any behind.
fn numbers(assigned: &[u16], count: usize) -> Vec<u16> {
    let mut numbers = vec![0; count];
    let mut last = 0;
    for speaker in assigned.iter().map(|speaker| usize::from(*speaker)).chain(0..count) {
        if numbers[speaker] == 0 {
            last += 1;
            numbers[speaker] = last;
        }
    }
    numbers
}

/// The speakers, while their words are given to them.
struct Roster<'a> {
    edits: &'a SpeakerEdits,
    /// By number, each with when they speak.
    found: BTreeMap<u16, (Speaker, Vec<Range<u64>>)>,
}

impl<'a> Roster<'a> {
    fn new(edits: &'a SpeakerEdits) -> Self {
        Self { edits, found: BTreeMap::new() }
    }

    /// Somebody of this number, perhaps merged with others, speaks at these times.
    fn heard(&mut self, number: u16, times: impl IntoIterator<Item = Range<u64>>) {
        let leader = self.edits.leader(number);
        let (speaker, spans) = self.found.entry(leader).or_insert_with(|| {
            let name = self.edits.names.get(&leader).cloned();
            let speaker = Speaker { number: leader, merged: Vec::new(), name, speech: Millis(0), words: 0 };
            (speaker, Vec::new())
        });
        spans.extend(times);
        if number != leader && !speaker.merged.contains(&number) {
            speaker.merged.push(number);
        }
    }

    /// Labels a segment and its words.
    fn give(&mut self, segment: &mut Segment, number: u16) {
        let Some((speaker, _)) = self.found.get_mut(&self.edits.leader(number)) else { return };
        speaker.words += match segment.words.len() {
            0 => segment.text.split_whitespace().count(),
            words => words,
        };
        let shown = speaker.shown();
        for word in &mut segment.words {
            word.speaker = Some(shown.clone());
        }
        segment.speaker = Some(shown);
    }

    fn labelled(self, mut transcript: Transcript) -> Labelled {
        let mut speakers = Vec::with_capacity(self.found.len());
        let mut turns = Vec::new();
        for (number, (mut speaker, mut times)) in self.found {
            times.sort_by_key(|time| (time.start, time.end));
            let mut spans = Vec::new();
            times.into_iter().for_each(|time| timeline::join(&mut spans, time));
            speaker.speech = timeline::length(&spans);
            speaker.merged.sort_unstable();
            speakers.push(speaker);
            turns.extend(spans.into_iter().map(|time| SpeakerTurn {
                start: Millis(time.start),
                end: Millis(time.end),
                speaker: number,
            }));
        }
        turns.sort_by_key(|turn| (turn.start, turn.end, turn.speaker));
        let heard = speakers.iter().filter(|speaker| speaker.words > 0);
        transcript.speakers = heard.map(Speaker::shown).collect();
        Labelled { transcript, speakers, turns }
    }
}
