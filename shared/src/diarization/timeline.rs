//! Who speaks at any moment.

use std::ops::Range;

use crate::time::Millis;

/// A speaker goes on over a pause of this, in milliseconds, in which nobody else speaks: engines end a turn at any
/// breath. Of those tried on the development set of the miniature pair it is the one that is least wrong.
const BREATH: u64 = 500;

/// The turns of a recording, by their speakers. Speakers are numbered from 0 in the order of their first turns.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// What each speaker is called outside.
    speakers: Vec<u16>,
    /// The stretches in which each speaks, in order, apart from each other.
    spans: Vec<Vec<Range<u64>>>,
    /// The stretches in which the same people speak, in order. Where nobody does there is none.
    atoms: Vec<Atom>,
    /// Whoever speaks in each atom.
    active: Vec<u16>,
}

#[derive(Debug)]
struct Atom {
    time: Range<u64>,
    active: Range<usize>,
}

impl Timeline {
    /// Of stretches with their speakers, in any order; empty ones do not count.
    pub(super) fn of(turns: impl IntoIterator<Item = (Range<u64>, u16)>) -> Self {
        let mut turns: Vec<_> = turns.into_iter().filter(|(time, _)| !time.is_empty()).collect();
        turns.sort_by_key(|(time, speaker)| (time.start, time.end, *speaker));
        let mut timeline = Self::default();
        let mut known = std::collections::HashMap::new();
        for (time, speaker) in turns {
            let index = *known.entry(speaker).or_insert_with(|| {
                timeline.speakers.push(speaker);
                timeline.spans.push(Vec::new());
                timeline.speakers.len() - 1
            });
            timeline.add(index, time);
        }
        timeline.find_atoms();
        timeline
    }

    /// Adds a stretch that begins no earlier than the others.
    fn add(&mut self, speaker: usize, mut time: Range<u64>) {
        let before = self.spans[speaker].last().map_or(time.start, |last| last.end);
        let is_answered = |spans: &Vec<Range<u64>>| spans.last().is_some_and(|last| last.end > before);
        let others = self.spans.iter().enumerate().filter(|(other, _)| *other != speaker);
        if time.start <= before + BREATH && !others.map(|(_, spans)| spans).any(is_answered) {
            time.start = time.start.min(before);
        }
        join(&mut self.spans[speaker], time);
    }

    fn find_atoms(&mut self) {
        let mut changes = Vec::new();
        for (speaker, spans) in (0..).zip(&self.spans) {
            for span in spans {
                changes.extend([(span.start, speaker), (span.end, speaker)]);
            }
        }
        changes.sort_unstable();
        let mut speaking: Vec<u16> = Vec::new();
        let mut from = 0;
        for (at, speaker) in changes {
            if at > from && !speaking.is_empty() {
                let first = self.active.len();
                self.active.extend_from_slice(&speaking);
                self.atoms.push(Atom { time: from..at, active: first..self.active.len() });
            }
            from = at;
            match speaking.binary_search(&speaker) {
                Ok(index) => drop(speaking.remove(index)),
                Err(index) => speaking.insert(index, speaker),
            }
        }
    }

    /// What each speaker is called outside.
    pub(super) fn speakers(&self) -> &[u16] {
        &self.speakers
    }

    /// The stretches in which a speaker speaks, in order, apart from each other.
    pub(super) fn spans(&self, speaker: usize) -> &[Range<u64>] {
        &self.spans[speaker]
    }

    /// How long who speaks within this time: groups of speakers, each with the milliseconds in which all of them do.
    pub(super) fn within(&self, time: &Range<u64>) -> impl Iterator<Item = (&[u16], u64)> {
        let (start, end) = (time.start, time.end);
        let first = self.atoms.partition_point(|atom| atom.time.end <= start);
        let atoms = self.atoms[first..].iter().take_while(move |atom| atom.time.start < end);
        atoms.map(move |atom| {
            let common = atom.time.end.min(end) - atom.time.start.max(start);
            (&self.active[atom.active.clone()], common)
        })
    }

    /// How far the nearest speech of a speaker is from this time; 0 if it is in it.
    pub(super) fn distance(&self, speaker: usize, time: &Range<u64>) -> u64 {
        let spans = &self.spans[speaker];
        let next = spans.partition_point(|span| span.end <= time.start);
        let after = spans.get(next).map(|span| span.start.saturating_sub(time.end));
        let before = next.checked_sub(1).map(|last| time.start - spans[last].end);
        after.into_iter().chain(before).min().unwrap_or(u64::MAX)
    }
}

/// Adds a stretch that begins no earlier than the others.
pub(super) fn join(spans: &mut Vec<Range<u64>>, time: Range<u64>) {
    match spans.last_mut() {
        Some(last) if time.start <= last.end => last.end = last.end.max(time.end),
        _ => spans.push(time),
    }
}

/// The length of stretches that are apart from each other.
pub(super) fn length(spans: &[Range<u64>]) -> Millis {
    Millis(spans.iter().map(|span| span.end - span.start).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speaker_goes_on_over_a_breath_in_which_nobody_else_speaks() {
        let spans = |turns: &[(Range<u64>, u16)], speaker: usize| {
            Timeline::of(turns.iter().cloned()).spans(speaker).to_vec()
        };
        assert_eq!(spans(&[(0..1000, 0), (1500..2000, 0), (2501..3000, 0)], 0), [0..2000, 2501..3000]);
        let answered = [(0..1000, 0), (1100..1200, 1), (1400..2000, 0), (1900..1950, 1), (2100..2200, 0)];
        assert_eq!(spans(&answered, 0), [0..1000, 1400..2200]);
        assert_eq!(spans(&answered, 1), [1100..1200, 1900..1950]);
    }

    #[test]
    fn overlapping_turns_are_told_apart_by_who_speaks() {
        let turns = [(500..900, 7), (0..600, 3), (550..700, 3), (2000..2000, 9), (2000..2500, 7)];
        let timeline = Timeline::of(turns);
        assert_eq!(timeline.speakers(), [3, 7]);
        let first: Vec<_> = std::iter::once(0..700).collect();
        assert_eq!((timeline.spans(0), timeline.spans(1)), (&first[..], &[500..900, 2000..2500][..]));
        let within =
            |time| timeline.within(&time).map(|(who, long)| (who.to_vec(), long)).collect::<Vec<_>>();
        assert_eq!(within(0..3000), [(vec![0], 500), (vec![0, 1], 200), (vec![1], 200), (vec![1], 500)]);
        assert_eq!(within(600..800), [(vec![0, 1], 100), (vec![1], 100)]);
        assert_eq!(within(900..2000), []);
        for (time, distances) in
            [(0..10, [0, 490]), (1000..1100, [300, 100]), (1900..1950, [1200, 50]), (3000..3100, [2300, 500])]
        {
            assert_eq!([0, 1].map(|speaker| timeline.distance(speaker, &time)), distances, "{time:?}");
        }
    }
}
