//! The report on a transcript's subtitles on the wire.

use poem_openapi::{Enum, Object};
use steno_shared::transcript::CueStyle;
use steno_shared::transcript::quality::{Fault, Quality, Worst};

/// How well subtitles can be read. A column is a character; a full-width one takes two, a combining mark none.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Quality")]
pub(crate) struct QualityDocument {
    /// What the cues are measured by: the shape asked for.
    limits: LimitsDocument,
    /// How many there are.
    cues: usize,
    /// Their lines.
    lines: LinesDocument,
    /// Columns in a second. 20 and less can be read (Netflix, English Timed Text Style Guide, Reading Speed, adult
    /// programmes).
    cps: CpsDocument,
    /// How long cues are shown. 5/6 s to 7 s is right (Netflix, General Requirements, Duration); zero if there are
    /// none.
    durations: DurationsDocument,
    /// Cues that begin before the one before is over.
    overlaps: usize,
    /// What lies between one cue and the next.
    gaps: GapsDocument,
    /// The cues that are farthest beyond a limit, the worst first; at most 10.
    worst: Vec<CueDocument>,
}

/// The shape of subtitles.
#[derive(Debug, Clone, Object)]
#[oai(rename = "QualityLimits")]
pub(crate) struct LimitsDocument {
    /// Columns of a line.
    max_chars: usize,
    /// Lines of a cue.
    max_lines: usize,
    /// Seconds.
    min_duration: f64,
    /// Seconds.
    max_duration: f64,
    /// Columns in a second.
    max_cps: u32,
}

/// The lines of cues.
#[derive(Debug, Clone, Object)]
#[oai(rename = "QualityLines")]
pub(crate) struct LinesDocument {
    /// Columns of the longest. 42 is the most on a screen (Netflix, English Timed Text Style Guide, Character
    /// Limitation).
    max_chars: usize,
    /// The most of one cue. Three hide too much (BBC, Subtitle Guidelines, Avoid 3 lines or more).
    max_lines: usize,
    /// Cues with a line too long or a line too many.
    over: usize,
}

/// Columns in a second.
#[derive(Debug, Clone, Object)]
#[oai(rename = "QualityCps")]
pub(crate) struct CpsDocument {
    /// Of all cues together, while they are shown.
    mean: f64,
    /// Of the fastest cue.
    max: f64,
    /// Cues that are too fast.
    over: usize,
}

/// How long cues are shown.
#[derive(Debug, Clone, Object)]
#[oai(rename = "QualityDurations")]
pub(crate) struct DurationsDocument {
    /// Seconds; the shortest.
    min: f64,
    /// Seconds; the longest.
    max: f64,
    /// Cues that are shown for too short a time.
    short: usize,
    /// Cues that are shown for too long a time.
    long: usize,
}

/// What lies between cues.
#[derive(Debug, Clone, Object)]
#[oai(rename = "QualityGaps")]
pub(crate) struct GapsDocument {
    /// Gaps of less than 80 ms, which is two frames (Netflix, General Requirements, Frame Gap), or none at all: the
    /// next cue replaces the one before without a blink.
    under_2_frames: usize,
    /// Gaps of 80 to 500 ms, which flicker (Netflix, Subtitle Timing Guidelines, closing gaps of 12 frames or fewer).
    short: usize,
    /// Seconds; the longest.
    longest: f64,
}

/// A cue that is beyond a limit.
#[derive(Debug, Clone, Object)]
#[oai(rename = "QualityCue")]
pub(crate) struct CueDocument {
    /// Its number in the srt, from 1.
    index: usize,
    /// Seconds.
    start: f64,
    /// Seconds.
    end: f64,
    /// Columns in a second.
    cps: f64,
    /// What is wrong with it.
    reasons: Vec<Reason>,
}

/// What is wrong with a cue.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename = "QualityReason", rename_all = "snake_case")]
pub(crate) enum Reason {
    /// More columns in a second than `max_cps`.
    TooFast,
    /// Shown for less than `min_duration`.
    TooShort,
    /// Shown for more than `max_duration`.
    TooLong,
    /// A line of more than `max_chars`.
    LongLine,
    /// More than `max_lines`.
    ManyLines,
    /// It begins before the one before is over.
    Overlap,
}

impl From<Quality> for QualityDocument {
    fn from(quality: Quality) -> Self {
        let Quality { limits, cues, lines, rate, durations, overlaps, gaps, worst } = quality;
        Self {
            limits: limits.into(),
            cues,
            lines: LinesDocument {
                max_chars: lines.max_columns,
                max_lines: lines.max_lines,
                over: lines.over,
            },
            cps: CpsDocument { mean: rounded(rate.mean), max: rounded(rate.max), over: rate.over },
            durations: DurationsDocument {
                min: durations.min.as_seconds(),
                max: durations.max.as_seconds(),
                short: durations.short,
                long: durations.long,
            },
            overlaps,
            gaps: GapsDocument {
                under_2_frames: gaps.under_two_frames,
                short: gaps.short,
                longest: gaps.longest.as_seconds(),
            },
            worst: worst.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<CueStyle> for LimitsDocument {
    fn from(style: CueStyle) -> Self {
        Self {
            max_chars: style.max_columns,
            max_lines: style.max_lines,
            min_duration: style.min_duration.as_seconds(),
            max_duration: style.max_duration.as_seconds(),
            max_cps: style.max_rate,
        }
    }
}

impl From<Worst> for CueDocument {
    fn from(cue: Worst) -> Self {
        Self {
            index: cue.index,
            start: cue.start.as_seconds(),
            end: cue.end.as_seconds(),
            cps: rounded(cue.rate),
            reasons: cue.reasons.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Fault> for Reason {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooFast => Self::TooFast,
            Fault::TooShort => Self::TooShort,
            Fault::TooLong => Self::TooLong,
            Fault::LongLine => Self::LongLine,
            Fault::ManyLines => Self::ManyLines,
            Fault::Overlap => Self::Overlap,
        }
    }
}

/// A rate is not known better than to two decimals.
fn rounded(rate: f64) -> f64 {
    (rate * 100.0).round() / 100.0
}
