//! When each cue is shown: from its first word, until it has been read or the next one comes.

use super::lines::{columns_with_gap, lay_out};
use super::units::Unit;
use super::{Cue, CueStyle, Run};
use crate::time::Millis;

/// A cue that is over this shortly before the next one stays until then: what goes and comes again at once flickers
/// (Netflix, Subtitle Timing Guidelines, closing gaps of 12 frames or fewer at 24 a second).
const SHORT_GAP: Millis = Millis(500);

/// A cue before the others are known.
pub(super) struct Draft {
    /// `end` is the end of speech here.
    cue: Cue,
    reading_time: Millis,
}

impl Draft {
    /// Of the units of a cue with the speaker's name, and those that are spoken.
    pub(super) fn new(units: &[Unit], spoken: &[Unit], run: &Run, style: CueStyle) -> Self {
        let start = spoken.first().map_or(Millis::default(), |unit| unit.start);
        let end = spoken.iter().map(|unit| unit.end).max().unwrap_or(start);
        let reading_time = style.reading_time(units.iter().map(columns_with_gap).sum());
        let lines = lay_out(units, style.max_columns);
        let (speaker, language) = (run.speaker.clone(), run.language);
        Self { cue: Cue { start, end, speaker, language, lines }, reading_time }
    }
}

/// Sets every cue behind the other, none beyond `duration`.
pub(super) fn place(mut drafts: Vec<Draft>, duration: Millis, style: CueStyle) -> Vec<Cue> {
    drafts.sort_by_key(|draft| draft.cue.start);
    share_time(&mut drafts, duration);
    part(&mut drafts, duration);
    let starts: Vec<Millis> = drafts.iter().skip(1).map(|draft| draft.cue.start).collect();
    let nexts = starts.into_iter().map(Some).chain([None]);
    let placed = drafts.into_iter().zip(nexts).map(|(Draft { mut cue, reading_time }, next)| {
        let read = cue.end.max(cue.start + reading_time);
        let end = match next {
            Some(next) if next.since(read) < SHORT_GAP => next,
            _ => read.min(duration),
        };
        cue.end = end.min(cue.start + style.max_duration).max(cue.start + Millis(1));
        cue
    });
    placed.collect()
}

/// Words without a length may begin several cues at the same instant: these share the time until the next.
fn share_time(drafts: &mut [Draft], duration: Millis) {
    let mut first = 0;
    while first < drafts.len() {
        let start = drafts[first].cue.start;
        let together = drafts[first..].iter().take_while(|draft| draft.cue.start == start).count();
        let next = drafts.get(first + together).map_or(duration, |draft| draft.cue.start);
        let share = Millis(next.since(start).0 / together as u64);
        let mut at = start;
        for draft in &mut drafts[first..first + together] {
            draft.cue.start = at;
            draft.cue.end = draft.cue.end.max(at);
            at = at + share.min(draft.reading_time);
        }
        first += together;
    }
}

/// Moves what still begins at the same instant, or at the end of the audio, by as little as parts it.
fn part(drafts: &mut [Draft], duration: Millis) {
    let mut limit = duration;
    for draft in drafts.iter_mut().rev() {
        draft.cue.start = draft.cue.start.min(limit - Millis(1));
        limit = draft.cue.start;
    }
    let mut earliest = Millis(0);
    for draft in drafts {
        draft.cue.start = draft.cue.start.max(earliest);
        earliest = draft.cue.start + Millis(1);
    }
}
