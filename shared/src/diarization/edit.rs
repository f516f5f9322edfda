//! What a caller makes of the speakers that were told apart: names, several that are one, another number of them.
//!
//! Belongs here: what is kept of it with the job, and what may be asked for. Does not belong here: what the transcript
//! then looks like ([`super::label`]).

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use unicode_width::UnicodeWidthStr;

use super::label::{Labelled, label};
use super::timeline::Timeline;
use super::{Diarization, SpeakerCount};

/// The longest name, in characters.
pub const LONGEST_NAME: usize = 100;

/// What a caller has made of a job's speakers. It holds for one diarization: with another one the numbers mean others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpeakerEdits {
    /// The speaker of each voice, where they were grouped anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speakers: Option<Vec<u16>>,
    /// How many speakers were asked for then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<SpeakerCount>,
    /// By the number of the label; of merged speakers, that of the first.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<u16, String>,
    /// The numbers of speakers that are one person. No number is in two of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<BTreeSet<u16>>,
}

/// What a caller asks for. Speakers are meant by their labels, also by those that were merged into another, or by
/// their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpeakerChange {
    /// Speakers, each with a new name; none, or an empty one, takes the name away.
    pub names: Vec<(String, Option<String>)>,
    /// Lists of speakers, each of which is one person.
    pub merge: Vec<Vec<String>>,
    /// Speakers that are taken apart from whomever they were merged with.
    pub split: Vec<String>,
}

/// Why a change cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Nobody is called that.
    #[error("there is no speaker {name:?}; the speakers are {known}")]
    Unknown {
        /// What the caller wrote, shortened.
        name: String,
        /// Those there are.
        known: String,
    },
    /// Nobody speaks at all.
    #[error("the transcript has no speakers")]
    Nobody,
    /// The name cannot be written in every form.
    #[error(
        "the name of {0} must be 1 to {LONGEST_NAME} characters on one line, some of them visible, and no control characters"
    )]
    Name(String),
    /// The name is a label.
    #[error(
        "{0} cannot be called {1:?}, which is the label of another; to make two speakers one, merge them"
    )]
    Label(String, String),
    /// One speaker has two names.
    #[error("{0} is given two names; give one")]
    Twice(String),
    /// Nothing to merge.
    #[error("merge must be lists of two or more speakers, such as [[\"Speaker 1\", \"Speaker 3\"]]")]
    Alone,
}

impl SpeakerEdits {
    /// The number that a speaker's words have: that of the first of those who are the same person.
    #[must_use]
    pub fn leader(&self, number: u16) -> u16 {
        let group = self.merged.iter().find(|group| group.contains(&number));
        group.and_then(BTreeSet::first).copied().unwrap_or(number)
    }

    /// The speaker of each voice.
    #[must_use]
    pub fn grouping<'a>(&'a self, diarization: &'a Diarization) -> &'a [u16] {
        let anew = self.speakers.as_deref().filter(|speakers| speakers.len() == diarization.voices.len());
        anew.unwrap_or(&diarization.speakers)
    }

    /// The edits with a change. `labelled` is the transcript as it is with the edits so far.
    ///
    /// # Errors
    /// If the change means nobody, or gives a name that cannot be.
    pub fn with(&self, change: &SpeakerChange, labelled: &Labelled) -> Result<Self, EditError> {
        let mut edits = self.clone();
        let numbers = |names: &[String]| -> Result<Vec<u16>, EditError> {
            names.iter().map(|name| find(labelled, name)).collect()
        };
        for number in numbers(&change.split)? {
            edits.split(number);
        }
        for names in &change.merge {
            let numbers = numbers(names)?;
            if numbers.len() < 2 {
                return Err(EditError::Alone);
            }
            edits.merge(&numbers);
        }
        let mut names: BTreeMap<u16, Option<String>> = BTreeMap::new();
        for (speaker, name) in &change.names {
            let number = find(labelled, speaker)?;
            let name = name.as_deref().map(|name| checked(name, number)).transpose()?.flatten();
            let given = names.entry(edits.leader(number)).or_default();
            if given.is_some() && name.is_some() && *given != name {
                return Err(EditError::Twice(label(edits.leader(number))));
            }
            *given = given.take().or(name);
        }
        for (number, name) in names {
            match name {
                Some(name) => edits.names.insert(number, name),
                None => edits.names.remove(&number),
            };
        }
        edits.merge_namesakes();
        Ok(edits)
    }

    /// Makes several speakers one, who has the first name that one of them has.
    fn merge(&mut self, numbers: &[u16]) {
        let name = numbers.iter().find_map(|number| self.names.get(&self.leader(*number))).cloned();
        let mut group: BTreeSet<u16> = numbers.iter().copied().collect();
        let (same, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.merged).into_iter().partition(|other| !other.is_disjoint(&group));
        self.merged = others;
        group.extend(same.into_iter().flatten());
        self.names.retain(|number, _| !group.contains(number));
        if let (Some(name), Some(leader)) = (name, group.first()) {
            self.names.insert(*leader, name);
        }
        if group.len() > 1 {
            self.merged.push(group);
        }
        self.merged.sort();
    }

    /// Takes a speaker out of the others; the first of merged ones, all of them apart. The first keeps the name.
    fn split(&mut self, number: u16) {
        let leader = self.leader(number);
        for group in &mut self.merged {
            if leader == number && group.contains(&number) {
                group.clear();
            }
            group.remove(&number);
        }
        self.merged.retain(|group| group.len() > 1);
    }

    /// Two of the same name are one.
    fn merge_namesakes(&mut self) {
        let mut namesakes: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
        for (number, name) in &self.names {
            namesakes.entry(name).or_default().push(*number);
        }
        let groups: Vec<_> = namesakes.into_values().filter(|numbers| numbers.len() > 1).collect();
        for group in groups {
            self.merge(&group);
        }
    }

    /// The edits where the voices are grouped anew, as `speakers` says: `before` is the transcript with the edits so
    /// far, `after` the one with the new groups and no names. A name goes to the speaker who has most of its owner's
    /// time.
    #[must_use]
    pub fn regrouped(
        &self,
        speakers: Vec<u16>,
        count: SpeakerCount,
        before: &Labelled,
        after: &Labelled,
    ) -> Self {
        let turns = after.turns.iter().map(|turn| (turn.start.0..turn.end.0, turn.speaker));
        let timeline = Timeline::of(turns);
        let mut common: BTreeMap<(u16, u16), u64> = BTreeMap::new();
        for turn in before.turns.iter().filter(|turn| self.names.contains_key(&turn.speaker)) {
            for (speaking, millis) in timeline.within(&(turn.start.0..turn.end.0)) {
                for speaker in speaking {
                    let now = timeline.speakers()[usize::from(*speaker)];
                    *common.entry((turn.speaker, now)).or_default() += millis;
                }
            }
        }
        let mut pairs: Vec<_> = common.into_iter().collect();
        pairs.sort_by_key(|((was, now), millis)| (std::cmp::Reverse(*millis), *was, *now));
        let mut edits =
            Self { speakers: Some(speakers), count: Some(count), names: BTreeMap::new(), merged: Vec::new() };
        let mut kept = BTreeSet::new();
        for ((was, now), _) in pairs {
            if kept.contains(&was) || edits.names.contains_key(&now) {
                continue;
            }
            if let Some(name) = self.names.get(&was) {
                kept.insert(was);
                edits.names.insert(now, name.clone());
            }
        }
        edits
    }
}

/// The number of the speaker whom a caller means.
fn find(labelled: &Labelled, name: &str) -> Result<u16, EditError> {
    let wanted = name.trim();
    let speakers = &labelled.speakers;
    let named = || {
        let named = speakers.iter().find(|speaker| speaker.name.as_deref() == Some(wanted));
        named.map(|speaker| speaker.number)
    };
    let exists =
        |number: &u16| speakers.iter().any(|one| one.number == *number || one.merged.contains(number));
    let found = number_of(wanted).filter(exists).or_else(named);
    found.ok_or_else(|| {
        let known = speakers.iter().map(|speaker| match &speaker.name {
            Some(name) => format!("{} ({name})", speaker.label()),
            None => speaker.label(),
        });
        let known = known.collect::<Vec<_>>().join(", ");
        if known.is_empty() {
            return EditError::Nobody;
        }
        EditError::Unknown { name: wanted.chars().take(40).collect(), known }
    })
}

/// The number of a label, as callers write it.
fn number_of(text: &str) -> Option<u16> {
    let (word, number) = text.split_at_checked("Speaker".len())?;
    let digits = number.trim_start();
    let is_label = word.eq_ignore_ascii_case("Speaker") && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_label)
}

/// A name as it is kept; none if it takes the name away.
fn checked(name: &str, number: u16) -> Result<Option<String>, EditError> {
    let name = name.trim();
    if name.is_empty() || number_of(name) == Some(number) {
        return Ok(None);
    }
    if number_of(name).is_some() {
        return Err(EditError::Label(label(number), name.chars().take(40).collect()));
    }
    // Those that turn the direction of a text, or end a line.
    let is_bad = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if name.chars().count() > LONGEST_NAME || name.contains(is_bad) || name.width() == 0 {
        return Err(EditError::Name(label(number)));
    }
    Ok(Some(name.to_owned()))
}
