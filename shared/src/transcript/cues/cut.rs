//! Cuts speech into cues: of all ways to do it, the one with the least cost.
//!
//! What must hold (lines, longest duration) is not a cost; only a unit that alone breaks it may. The costs weigh
//! what should hold against each other; they were chosen by reading what comes out.

use std::ops::Range;

use super::lines::{Fill, columns_with_gap};
use super::phrases::Break;
use super::units::Unit;
use super::{CueStyle, Run};
use crate::time::Millis;

/// Every cue costs something, so that there are not more than need be.
const CUE: u64 = 15;

/// A cue that cannot be shown for the shortest time costs this and more: any other break between words is better.
const TOO_SHORT: u64 = 500;

/// What a cue costs that has almost nothing in it; with the square of what is in it, this falls to nothing.
const EMPTY: u64 = 47;

/// A pause inside of a cue costs nothing up to this, then [`PAUSE_MILLIS`] cost one.
const FREE_PAUSE: Millis = Millis(250);
const PAUSE_MILLIS: u64 = 8;

/// This much too little time to read costs one.
const READING_MILLIS: u64 = 8;

/// Two sentences in one cue cost one for this much of its time: short ones belong together, long ones do not
/// (BBC, Subtitle Guidelines, Subtitles should contain single sentences, and Short sentences).
const SENTENCE_MILLIS: u64 = 100;

/// Which cues of a run name the speaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    Never,
    /// The first one; each that can, if that one has no room for the name.
    First,
    /// Each that has room for the name.
    Every,
}

/// Speech of one speaker, to be cut.
pub(super) struct Cutter<'a> {
    units: &'a [Unit],
    /// The speaker's name.
    name: &'a [Unit],
    naming: Naming,
    /// When others begin to speak, or the audio ends.
    until: Millis,
    style: CueStyle,
}

/// A cue that may become longer.
struct Candidate {
    fill: Fill,
    columns: usize,
    start: Millis,
    end: Millis,
    sentences: u64,
    pauses: u64,
}

impl<'a> Cutter<'a> {
    pub(super) fn new(run: &'a Run, name: &'a [Unit], until: Millis, style: CueStyle) -> Self {
        let mut cutter = Self { units: &run.units, name, naming: run.naming, until, style };
        if cutter.naming == Naming::First && !cutter.has_room(0) {
            cutter.naming = Naming::Every;
        }
        cutter
    }

    /// Which units each cue holds.
    pub(super) fn cuts(&self) -> Vec<Range<usize>> {
        let count = self.units.len();
        // The cost of the best way to cut the first units, and where its last cue begins.
        let mut best = vec![(u64::MAX, 0); count + 1];
        best[0].0 = 0;
        for first in 0..count {
            let mut candidate = self.candidate(first);
            for last in first..count {
                if last > first {
                    self.extend(&mut candidate, last);
                    if !self.holds(&candidate) {
                        break;
                    }
                }
                let cost = best[first].0.saturating_add(self.cost(&candidate, last));
                if cost < best[last + 1].0 {
                    best[last + 1] = (cost, first);
                }
            }
        }
        let mut cuts = Vec::new();
        let mut end = count;
        while end > 0 {
            let start = best[end].1;
            cuts.push(start..end);
            end = start;
        }
        cuts.reverse();
        cuts
    }

    /// The units of a cue, with the speaker's name if it has one.
    pub(super) fn with_name(&self, cut: Range<usize>) -> Vec<Unit> {
        let name = self.name_at(cut.start);
        let mut units = [name, &self.units[cut]].concat();
        units[0].gap = None;
        if let Some(first) = units.get_mut(name.len()).filter(|_| !name.is_empty()) {
            first.gap = Some(' ');
        }
        units
    }

    fn name_at(&self, first: usize) -> &[Unit] {
        match self.naming {
            Naming::First if first == 0 => self.name,
            Naming::Every if self.has_room(first) => self.name,
            Naming::First | Naming::Every | Naming::Never => &[],
        }
    }

    /// Whether a cue can hold the name and its first unit.
    fn has_room(&self, first: usize) -> bool {
        let mut fill = Fill::new(self.style.max_columns);
        self.name.iter().for_each(|unit| fill.push(unit));
        let unit = Unit { gap: Some(' '), ..self.units[first].clone() };
        fill.push(&unit);
        fill.lines <= self.style.max_lines
    }

    fn candidate(&self, first: usize) -> Candidate {
        let mut fill = Fill::new(self.style.max_columns);
        let units = self.with_name(first..first + 1);
        units.iter().for_each(|unit| fill.push(unit));
        let columns = units.iter().map(columns_with_gap).sum();
        let Unit { start, end, .. } = self.units[first];
        Candidate { fill, columns, start, end, sentences: 0, pauses: 0 }
    }

    fn extend(&self, candidate: &mut Candidate, index: usize) {
        let (before, unit) = (&self.units[index - 1], &self.units[index]);
        candidate.fill.push(unit);
        candidate.columns += columns_with_gap(unit);
        candidate.end = candidate.end.max(unit.end);
        candidate.sentences += u64::from(before.after == Break::Sentence);
        candidate.pauses += unit.start.since(before.end).since(FREE_PAUSE).0;
    }

    /// Whether the cue is no larger and no longer than a cue may be.
    fn holds(&self, candidate: &Candidate) -> bool {
        candidate.fill.lines <= self.style.max_lines
            && candidate.end.since(candidate.start) <= self.style.max_duration
    }

    fn cost(&self, candidate: &Candidate, last: usize) -> u64 {
        let next = self.units.get(last + 1);
        let shown = next.map_or(self.until, |unit| unit.start).since(candidate.start);
        let too_little = self.style.reading_time(candidate.columns).since(shown).0 / READING_MILLIS;
        let too_short = if shown < self.style.min_duration { TOO_SHORT } else { 0 };
        let room = (self.style.max_columns * self.style.max_lines).max(1) as u64;
        let empty = room.saturating_sub(candidate.columns as u64);
        let speech = candidate.end.since(candidate.start).0;
        CUE + next.map_or(0, |_| break_cost(self.units[last].after))
            + too_little
            + too_short
            + EMPTY * empty * empty / (room * room)
            + candidate.sentences * speech / SENTENCE_MILLIS
            + candidate.pauses / PAUSE_MILLIS
    }
}

fn break_cost(kind: Break) -> u64 {
    match kind {
        Break::Sentence => 0,
        Break::Clause => 25,
        Break::Comma => 35,
        Break::Phrase => 60,
        Break::Word => 130,
        Break::Close => 200,
        Break::Inside => 1000,
    }
}
