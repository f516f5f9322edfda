//! How well subtitles can be read: what a style guide's checker would say of the cues that [`super::srt`] writes.
//!
//! Where people speak too fast, no shape helps; so this is a report, not a test to pass.

use super::cues::{Cue, CueStyle, Names, cues};
use super::render::SpeakerLabels;
use super::{Transcript, srt};
use crate::time::Millis;

/// Two frames at 25 a second: a shorter gap is not seen (Netflix, General Requirements, Frame Gap).
const TWO_FRAMES: Millis = Millis(80);

/// A shorter gap than this flickers (Netflix, Subtitle Timing Guidelines, closing gaps of 12 frames or fewer).
const SHORT_GAP: Millis = Millis(500);

/// How many of the worst cues are told.
const WORST: usize = 10;

/// What there is to say of the cues of a transcript in a shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Quality {
    /// What the cues are measured by.
    pub limits: CueStyle,
    /// How many there are.
    pub cues: usize,
    /// Their lines.
    pub lines: Lines,
    /// How fast they have to be read.
    pub rate: Rate,
    /// How long they are shown.
    pub durations: Durations,
    /// How many begin before the one before is over.
    pub overlaps: usize,
    /// What lies between one and the next.
    pub gaps: Gaps,
    /// At most ten, the worst first.
    pub worst: Vec<Worst>,
}

/// The lines of cues.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lines {
    /// Columns of the longest.
    pub max_columns: usize,
    /// The most of one cue.
    pub max_lines: usize,
    /// Cues with a line too long or a line too many.
    pub over: usize,
}

/// Columns in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    /// All columns through the time in which a cue is shown.
    pub mean: f64,
    /// That of the fastest cue.
    pub max: f64,
    /// Cues that are too fast.
    pub over: usize,
}

/// How long cues are shown; zero if there are none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Durations {
    /// The shortest.
    pub min: Millis,
    /// The longest.
    pub max: Millis,
    /// Cues that are shown for too short a time.
    pub short: usize,
    /// Cues that are shown for too long a time.
    pub long: usize,
}

/// What lies between cues.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Of less than two frames (80 ms), or none at all: the next cue replaces the one before.
    pub under_two_frames: usize,
    /// Of two frames or more, and less than half a second: these flicker.
    pub short: usize,
    /// The longest.
    pub longest: Millis,
}

/// A cue that breaks a limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Worst {
    /// Its number in the file, from 1.
    pub index: usize,
    /// When it appears.
    pub start: Millis,
    /// When it goes.
    pub end: Millis,
    /// Columns in a second.
    pub rate: f64,
    /// At least one.
    pub reasons: Vec<Fault>,
}

/// What is wrong with a cue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// More columns in a second than can be read.
    TooFast,
    /// Shown for less than the shortest time.
    TooShort,
    /// Shown for more than the longest time.
    TooLong,
    /// A line has too many columns.
    LongLine,
    /// It has too many lines.
    ManyLines,
    /// It begins before the one before is over.
    Overlap,
}

/// The report on `transcript` in this shape.
#[must_use]
pub fn report(transcript: &Transcript, labels: SpeakerLabels, style: CueStyle) -> Quality {
    let cues = cues(transcript, Names::of(labels, transcript), style).into_iter();
    let written: Vec<Cue> = cues.map(|cue| Cue { lines: srt::lines(&cue), ..cue }).collect();
    of_cues(&written, style)
}

fn of_cues(cues: &[Cue], limits: CueStyle) -> Quality {
    let mut lines = Lines::default();
    let mut rate = Rate::default();
    let mut durations = Durations::default();
    let mut gaps = Gaps::default();
    let (mut columns, mut time, mut overlaps) = (0, Millis(0), 0);
    let mut faulty = Vec::new();
    for (index, cue) in cues.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| &cues[before]);
        let faults = faults(cue, before, limits);
        let has = |fault| usize::from(faults.iter().any(|(found, _)| *found == fault));
        lines.max_columns = lines.max_columns.max(cue.columns().max().unwrap_or_default());
        lines.max_lines = lines.max_lines.max(cue.lines.len());
        lines.over += has(Fault::LongLine).max(has(Fault::ManyLines));
        rate.max = rate.max.max(cue_rate(cue));
        rate.over += has(Fault::TooFast);
        durations.min = if index == 0 { cue.shown() } else { durations.min.min(cue.shown()) };
        durations.max = durations.max.max(cue.shown());
        durations.short += has(Fault::TooShort);
        durations.long += has(Fault::TooLong);
        overlaps += has(Fault::Overlap);
        if let Some(before) = before {
            gaps.add(cue.start.since(before.end));
        }
        columns += cue.columns().sum::<usize>();
        time = time + cue.shown();
        if !faults.is_empty() {
            faulty.push((index, faults));
        }
    }
    rate.mean = per_second(columns, time);
    let worst = worst(cues, faulty);
    Quality { limits, cues: cues.len(), lines, rate, durations, overlaps, gaps, worst }
}

impl Gaps {
    fn add(&mut self, gap: Millis) {
        self.under_two_frames += usize::from(gap < TWO_FRAMES);
        self.short += usize::from((TWO_FRAMES..SHORT_GAP).contains(&gap));
        self.longest = self.longest.max(gap);
    }
}

/// What is wrong, and how far it is beyond the limit, as a part of that.
fn faults(cue: &Cue, before: Option<&Cue>, limits: CueStyle) -> Vec<(Fault, f64)> {
    let seconds = |time: Millis| time.as_seconds().max(0.001);
    let widest = cue.columns().max().unwrap_or_default();
    let overlap = before.map_or(Millis(0), |before| before.end.since(cue.start));
    let measured = [
        (Fault::TooFast, cue_rate(cue) / f64::from(limits.max_rate.max(1))),
        (Fault::TooShort, seconds(limits.min_duration) / seconds(cue.shown())),
        (Fault::TooLong, seconds(cue.shown()) / seconds(limits.max_duration)),
        (Fault::LongLine, widest as f64 / limits.max_columns.max(1) as f64),
        (Fault::ManyLines, cue.lines.len() as f64 / limits.max_lines.max(1) as f64),
        (Fault::Overlap, 1.0 + overlap.as_seconds()),
    ];
    let beyond = measured.into_iter().map(|(fault, part)| (fault, part - 1.0));
    // A rate or a duration that is as it should be may be off by the rounding of a division.
    beyond.filter(|(_, beyond)| *beyond > 1e-9).collect()
}

/// The cues that are farthest beyond their limits, all faults of a cue together.
fn worst(cues: &[Cue], mut faulty: Vec<(usize, Vec<(Fault, f64)>)>) -> Vec<Worst> {
    let beyond = |faults: &[(Fault, f64)]| faults.iter().map(|(_, beyond)| beyond).sum::<f64>();
    faulty.sort_by(|(_, a), (_, b)| beyond(b).total_cmp(&beyond(a)));
    let told = faulty.into_iter().take(WORST).map(|(index, faults)| Worst {
        index: index + 1,
        start: cues[index].start,
        end: cues[index].end,
        rate: cue_rate(&cues[index]),
        reasons: faults.into_iter().map(|(fault, _)| fault).collect(),
    });
    told.collect()
}

fn cue_rate(cue: &Cue) -> f64 {
    per_second(cue.columns().sum(), cue.shown())
}

fn per_second(columns: usize, time: Millis) -> f64 {
    if time == Millis(0) { 0.0 } else { columns as f64 / time.as_seconds() }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Speech, of, said, transcript};
    use super::*;

    fn cue(start: u64, end: u64, lines: &[&str]) -> Cue {
        let lines = lines.iter().map(ToString::to_string).collect();
        Cue { start: Millis(start), end: Millis(end), speaker: None, language: None, lines }
    }

    #[test]
    fn every_fault_is_found_and_the_worst_comes_first() {
        let long = "x".repeat(43);
        let cues = [
            cue(0, 2000, &["Good morning,", "everybody."]),
            cue(2000, 2500, &["Twenty columns a sec"]),
            cue(2579, 9580, &["Shown for too long"]),
            cue(9580, 15_000, &[&long]),
            cue(14_000, 18_000, &["One", "two", "three"]),
            cue(18_499, 19_500, &["会議を始めましょうか"]),
        ];
        let report = of_cues(&cues, CueStyle::default());
        assert_eq!(report.cues, 6);
        assert_eq!(report.lines, Lines { max_columns: 43, max_lines: 3, over: 2 });
        assert_eq!(report.durations, Durations { min: Millis(500), max: Millis(7001), short: 1, long: 1 });
        assert_eq!(report.overlaps, 1);
        assert_eq!(report.gaps, Gaps { under_two_frames: 4, short: 1, longest: Millis(499) });
        assert_eq!((report.rate.max, report.rate.over), (40.0, 1));
        let columns = f64::from(13 + 10 + 20 + 18 + 43 + 11 + 20);
        assert!((report.rate.mean - columns / 19.922).abs() < 1e-9, "{}", report.rate.mean);
        let worst: Vec<_> =
            report.worst.iter().map(|worst| (worst.index, worst.reasons.as_slice())).collect();
        let expected: [(usize, &[Fault]); 4] = [
            (2, &[Fault::TooFast, Fault::TooShort]),
            (5, &[Fault::ManyLines, Fault::Overlap]),
            (4, &[Fault::LongLine]),
            (3, &[Fault::TooLong]),
        ];
        assert_eq!(worst, expected);
        assert_eq!((report.worst[0].start, report.worst[0].end), (Millis(2000), Millis(2500)));
    }

    #[test]
    fn the_limits_are_still_within() {
        let at_the_limit = [cue(0, 1000, &["Twenty columns a sec"]), cue(1500, 8500, &["x"])];
        let report = of_cues(&at_the_limit, CueStyle::default());
        assert_eq!((report.worst.len(), report.rate.over, report.gaps.short), (0, 0, 0));
    }

    #[test]
    fn what_is_written_is_what_is_measured() {
        let fast = Speech { word_millis: (60, 90), gap_millis: (0, 0), speakers: 2, ..Speech::ENGLISH };
        let fast = transcript(&fast, 3, Millis(120_000));
        for labels in [SpeakerLabels::On, SpeakerLabels::Off] {
            let report = report(&fast, labels, CueStyle::default());
            let file = super::super::srt(&fast, labels, CueStyle::default());
            assert_eq!(report.cues, file.matches(" --> ").count());
            assert!(report.rate.over > 10 && report.worst.len() == 10, "{report:?}");
            assert!(report.worst.windows(2).all(|pair| pair[0].index != pair[1].index));
            assert_eq!((report.overlaps, report.lines.over, report.durations.long), (0, 0, 0));
            for worst in &report.worst {
                let block =
                    format!("\n\n{}\n{}", worst.index, super::super::render::timestamp(worst.start, ','));
                assert!(file.contains(&block) || worst.index == 1, "{block}");
            }
        }
        let slow = of("en", vec![said("", "Good morning, everybody.", 0, 3000)]);
        let report = report(&slow, SpeakerLabels::Auto, CueStyle::default());
        assert_eq!((report.cues, report.worst.len(), report.rate.max), (1, 0, 8.0));
    }

    #[test]
    fn silence_is_a_report_of_zeros() {
        let report = report(&of("und", Vec::new()), SpeakerLabels::On, CueStyle::default());
        assert_eq!((report.cues, report.rate, report.durations), (0, Rate::default(), Durations::default()));
    }
}
