//! Whose words are whose.
//!
//! Belongs here: what speaks for each speaker of a word, and for a change of speaker before it. Does not belong here:
//! what speakers are called ([`super::label`]).
//!
//! Of all ways to give the words to speakers, the one that costs least is taken (Viterbi 1967). A word costs the
//! milliseconds of it in which its speaker does not speak. A change of speaker costs little at a pause or where a
//! sentence ends, and much in the middle of a phrase. So in overlapping speech whoever has spoken goes on unless the
//! other has clearly more of the words; a turn that only grazes a word or two is none, while a short answer with a
//! turn of its own is one; and a change whose place is doubtful is put where the text breaks.

use std::ops::Range;

use super::timeline::Timeline;
use crate::time::Millis;
use crate::transcript::{Break, Seam, Transcript};

/// A word has at least this length, in milliseconds: engines place some at a point.
const SHORTEST: u64 = 60;
/// A longer word counts as one of this length: it is stretched over a pause, or it is a whole segment.
const LONGEST: u64 = 1000;
/// From this pause on, a change of speaker is nearly free.
const PAUSE: u64 = 400;
/// Speech farther away than this is equally far.
const FAR: u64 = 4000;
/// What keeps a change from happening inside of a word.
const NEVER: u64 = 1 << 32;

/// What is given to one speaker: a word, or a segment without words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    time: Range<u64>,
    /// What a change of speaker before it costs.
    change: u64,
}

/// The units of a transcript: for each segment its words, or itself if it has none.
pub(super) fn units(transcript: &Transcript) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for segment in &transcript.segments {
        let seams = segment.seams(transcript.language_of(segment));
        let times = segment.words.iter().map(|word| word.start.0..word.end.0);
        let whole = segment.words.is_empty().then_some(segment.start.0..segment.end.0);
        // What ends a segment ends a clause at least.
        let first = Seam { quality: Break::Clause, glued: false };
        let seams = std::iter::once(first).chain(seams);
        for (time, seam) in times.chain(whole).zip(seams) {
            let pause = units.last().map_or(0, |unit| time.start.saturating_sub(unit.time.end));
            units.push(Unit { time, change: change(seam, pause) });
        }
    }
    units
}

/// What a change of speaker costs at a seam with a pause.
fn change(seam: Seam, pause: u64) -> u64 {
    if seam.glued {
        return NEVER;
    }
    let cost = match seam.quality {
        Break::Sentence => 60,
        Break::Clause => 90,
        Break::Comma => 130,
        Break::Phrase => 160,
        Break::Word => 210,
        Break::Close | Break::Inside => 300,
    };
    cost * (PAUSE * 11 / 10 - pause.min(PAUSE)) / (PAUSE * 11 / 10)
}

/// The speaker of each unit, as the timeline numbers them. There must be one at least.
pub(super) fn speakers(units: &[Unit], timeline: &Timeline) -> Vec<u16> {
    let count = timeline.speakers().len();
    let mut sums = vec![0_u64; count];
    let mut costs = vec![0_u64; count];
    // How each sum came about: by a speaker who has spoken before, or from the cheapest of all.
    let mut stays = Vec::with_capacity(units.len() * count);
    let mut cheapest = Vec::with_capacity(units.len());
    for unit in units {
        let best = least(&sums);
        let changed = sums[best] + unit.change;
        cost(unit, timeline, &mut costs);
        for (sum, cost) in sums.iter_mut().zip(&costs) {
            stays.push(*sum <= changed);
            *sum = changed.min(*sum) + cost;
        }
        cheapest.push(best);
    }
    let mut speaker = least(&sums);
    let mut found: Vec<u16> = Vec::with_capacity(units.len());
    for index in (0..units.len()).rev() {
        found.push(speaker as u16);
        if !stays[index * count + speaker] {
            speaker = cheapest[index];
        }
    }
    found.reverse();
    found
}

fn least(sums: &[u64]) -> usize {
    (0..sums.len()).min_by_key(|index| sums[*index]).unwrap_or_default()
}

/// What a unit costs each speaker.
fn cost(unit: &Unit, timeline: &Timeline, costs: &mut [u64]) {
    let time = widened(&unit.time);
    let length = time.end - time.start;
    let middle = time.start + length / 2;
    costs.fill(length);
    let mut is_covered = false;
    for (speaking, common) in timeline.within(&time) {
        is_covered = true;
        speaking.iter().for_each(|speaker| costs[usize::from(*speaker)] -= common);
    }
    if !is_covered {
        for (speaker, cost) in costs.iter_mut().enumerate() {
            *cost = timeline.distance(speaker, &time).min(FAR) / 4;
        }
        return;
    }
    if length > LONGEST {
        costs.iter_mut().for_each(|cost| *cost = *cost * LONGEST / length);
    }
    // Of two who have as much of it, whoever speaks in its middle.
    costs.iter_mut().for_each(|cost| *cost += 1);
    for (speaking, _) in timeline.within(&(middle..middle + 1)) {
        speaking.iter().for_each(|speaker| costs[usize::from(*speaker)] -= 1);
    }
}

/// The time of a word, of some length at least.
pub(super) fn widened(time: &Range<u64>) -> Range<u64> {
    let missing = SHORTEST.saturating_sub(time.end.saturating_sub(time.start));
    let start = time.start.saturating_sub(missing / 2);
    start..(time.end.max(time.start) + missing.div_ceil(2)).max(start + 1)
}

/// Whether at least half of a word lies where two or more speak who are not `same`.
pub(super) fn is_overlapped(
    time: Range<Millis>,
    timeline: &Timeline,
    same: impl Fn(u16, u16) -> bool,
) -> bool {
    let time = widened(&(time.start.0..time.end.0));
    let several = |speaking: &[u16]| {
        speaking.first().is_some_and(|first| speaking.iter().any(|other| !same(*first, *other)))
    };
    let overlapped: u64 =
        timeline.within(&time).filter(|(speaking, _)| several(speaking)).map(|(_, common)| common).sum();
    overlapped * 2 >= time.end - time.start
}
