//! Subtitles: a transcript cut into cues that can be read in the time they are shown.
//!
//! Belongs here: what a cue holds and when it is shown. Does not belong here: how a file of cues is written
//! ([`super::srt`], [`super::vtt`]).
//!
//! A cue holds words of one speaker without a long pause between them, begins with its first word, and is over
//! before the next begins. A cue that is short, or has much to read, stays until the next one if need be. Where
//! speech leaves no time for that, the cue is too fast or too short all the same: no word is ever dropped, and no
//! cue begins late. Nor is a line ever too long, or a line too many: a word longer than a line is split, and a
//! speaker's name that leaves no room for a word is left out.

mod breaks;
mod cut;
#[cfg(test)]
mod examples;
mod lines;
mod phrases;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod tests;
mod timing;
mod units;

pub(in crate::transcript) use self::breaks::joint;
pub(crate) use self::phrases::Break;
pub(in crate::transcript) use self::phrases::quality;

use unicode_width::UnicodeWidthStr;

use self::cut::{Cutter, Naming};
use self::timing::Draft;
use self::units::{Unit, gap_between, name_units, units};
use super::Transcript;
use super::render::SpeakerLabels;
use crate::language::Language;
use crate::time::Millis;

/// Speech that pauses for longer goes on in a new cue, so that the old one does not stand through the silence.
const LONGEST_PAUSE: Millis = Millis(1500);

/// A pause of this length is as good a place for a break as a comma.
const CLAUSE_PAUSE: Millis = Millis(500);

/// The shape of subtitles. The default is that of the style guides of broadcasters, in columns: a full-width
/// character takes two, a combining mark none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CueStyle {
    /// Columns of a line. 42 by default (Netflix, English Timed Text Style Guide, Character Limitation), which is
    /// 21 full-width characters.
    pub max_columns: usize,
    /// Lines of a cue. 2 by default (Netflix, General Requirements, Line Treatment; BBC, Subtitle Guidelines,
    /// Avoid 3 lines or more).
    pub max_lines: usize,
    /// A cue is shown for this long, if the next one does not come earlier. 1 s by default (Netflix: 5/6 s).
    pub min_duration: Millis,
    /// No cue is shown for longer. 7 s by default (Netflix, General Requirements, Duration).
    pub max_duration: Millis,
    /// Columns that are read in a second. 20 by default (Netflix, English Timed Text Style Guide, Reading Speed,
    /// adult programmes), so 10 full-width characters.
    pub max_rate: u32,
}

impl Default for CueStyle {
    fn default() -> Self {
        Self {
            max_columns: 42,
            max_lines: 2,
            min_duration: Millis(1000),
            max_duration: Millis(7000),
            max_rate: 20,
        }
    }
}

impl CueStyle {
    /// How long `columns` of text should be shown.
    fn reading_time(self, columns: usize) -> Millis {
        let needed = Millis((columns as u64 * 1000).div_ceil(u64::from(self.max_rate.max(1))));
        needed.max(self.min_duration).min(self.max_duration)
    }
}

/// What is shown at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cue {
    pub(super) start: Millis,
    pub(super) end: Millis,
    pub(super) speaker: Option<String>,
    /// What is spoken.
    pub(super) language: Option<Language>,
    /// At least one, none blank.
    pub(super) lines: Vec<String>,
}

impl Cue {
    /// How long it is shown.
    pub(super) fn shown(&self) -> Millis {
        self.end.since(self.start)
    }

    /// The columns of its lines.
    pub(super) fn columns(&self) -> impl Iterator<Item = usize> {
        self.lines.iter().map(|line| line.width())
    }
}

/// Where the speakers' names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// In the text of each cue that begins a turn, `Speaker 1: ` in front.
    InText,
    /// Not in the text.
    Aside,
}

impl Names {
    pub(super) fn of(labels: SpeakerLabels, transcript: &Transcript) -> Self {
        if labels.are_shown(transcript) { Self::InText } else { Self::Aside }
    }
}

/// The cues of a transcript, in order of time.
///
/// The words of a segment stay in order and together. Where segments of several speakers overlap, their cues
/// take turns.
pub(super) fn cues(transcript: &Transcript, names: Names, style: CueStyle) -> Vec<Cue> {
    let runs = runs(transcript, names, style);
    let mut drafts = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let until = runs.get(index + 1).map_or(transcript.duration, Run::start);
        let name = match (&run.speaker, run.naming) {
            (Some(speaker), Naming::First | Naming::Every) => {
                name_units(&format!("{speaker}:"), style.max_columns)
            }
            _ => Vec::new(),
        };
        let cutter = Cutter::new(run, &name, until, style);
        drafts.extend(cutter.cuts().into_iter().map(|cut| {
            let shown = cutter.with_name(cut.clone());
            Draft::new(&shown, &run.units[cut], run, style)
        }));
    }
    timing::place(drafts, transcript.duration, style)
}

/// Speech of one speaker without a long pause.
struct Run {
    units: Vec<Unit>,
    speaker: Option<String>,
    /// That of its first segment.
    language: Option<Language>,
    naming: Naming,
}

impl Run {
    fn start(&self) -> Millis {
        self.units.first().map_or(Millis::default(), |unit| unit.start)
    }

    fn last_start(&self) -> Millis {
        self.units.last().map_or(Millis::default(), |unit| unit.start)
    }

    fn goes_on_with(&self, unit: &Unit) -> bool {
        self.units.last().is_some_and(|last| unit.start.since(last.end) <= LONGEST_PAUSE)
    }

    fn push(&mut self, mut unit: Unit) {
        if let Some(last) = self.units.last_mut() {
            if unit.start.since(last.end) >= CLAUSE_PAUSE {
                last.after = last.after.min(Break::Clause);
            }
            unit.start = unit.start.max(last.start);
            unit.end = unit.end.max(unit.start);
        }
        self.units.push(unit);
    }
}

fn runs(transcript: &Transcript, names: Names, style: CueStyle) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for segment in &transcript.segments {
        let language = transcript.language_of(segment);
        let mut units = units(segment, style.max_columns, language);
        let earlier = runs.last().filter(|run| run.speaker == segment.speaker);
        let mut is_same_turn = earlier.is_some();
        if let (Some(first), Some(last)) = (units.first_mut(), earlier.and_then(|run| run.units.last())) {
            first.gap = gap_between(last, first, language);
        }
        for unit in units {
            match runs.last_mut().filter(|run| is_same_turn && run.goes_on_with(&unit)) {
                Some(run) => run.push(unit),
                None => {
                    let speaker = segment.speaker.clone();
                    runs.push(Run { units: vec![unit], speaker, language, naming: Naming::Never });
                }
            }
            is_same_turn = true;
        }
    }
    // Segments may overlap; cues must not.
    runs.sort_by_key(Run::start);
    if names == Names::InText {
        name_turns(&mut runs);
    }
    runs
}

/// The first cue of a turn names the speaker, and so does every cue where two speak at once.
fn name_turns(runs: &mut [Run]) {
    for index in 0..runs.len() {
        let earlier = index.checked_sub(1).map(|before| &runs[before].speaker);
        if earlier != Some(&runs[index].speaker) && runs[index].naming == Naming::Never {
            runs[index].naming = Naming::First;
        }
        let last_start = runs[index].last_start();
        for other in index + 1..runs.len() {
            if runs[other].start() >= last_start {
                break;
            }
            runs[index].naming = Naming::Every;
            runs[other].naming = Naming::Every;
        }
    }
}
