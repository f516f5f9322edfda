//! Scoring who spoke when against who did.

use std::ops::AddAssign;

/// A stretch of speech by one speaker, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// When it begins.
    pub start: f64,
    /// When it ends.
    pub end: f64,
    /// Whose it is.
    pub speaker: String,
}

impl Turn {
    fn holds(&self, time: f64) -> bool {
        self.start <= time && time < self.end
    }
}

/// The diarization error, in seconds of speech, as NIST scores it: where several speak at once each counts, and
/// found speakers are taken for those they have most time in common with.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DiarizationError {
    /// Speech that was not found.
    pub missed: f64,
    /// What was found where nobody spoke, or nobody more.
    pub false_alarm: f64,
    /// Speech of somebody else than was found.
    pub confused: f64,
    /// All speech.
    pub speech: f64,
}

impl AddAssign for DiarizationError {
    fn add_assign(&mut self, other: Self) {
        self.missed += other.missed;
        self.false_alarm += other.false_alarm;
        self.confused += other.confused;
        self.speech += other.speech;
    }
}

impl DiarizationError {
    /// Of what was found. So near to where a true turn begins or ends, in seconds, nothing is scored.
    #[must_use]
    pub fn of(truth: &[Turn], found: &[Turn], collar: f64) -> Self {
        let pairs = Pairs::of(truth, found);
        let mut error = Self::default();
        let mut common = vec![vec![0.0; pairs.found.len()]; pairs.truth.len()];
        for (middle, length) in pieces(truth, found, collar) {
            let (speaking, heard) = pairs.at(truth, found, middle);
            error.speech += length * speaking.len() as f64;
            error.missed += length * speaking.len().saturating_sub(heard.len()) as f64;
            error.false_alarm += length * heard.len().saturating_sub(speaking.len()) as f64;
            error.confused += length * speaking.len().min(heard.len()) as f64;
            for one in &speaking {
                heard.iter().for_each(|other| common[*one][*other] += length);
            }
        }
        error.confused -= best(&common).iter().map(|(one, other)| common[*one][*other]).sum::<f64>();
        error
    }

    /// In percent of all speech.
    #[must_use]
    pub fn percent(self) -> f64 {
        100.0 * (self.missed + self.false_alarm + self.confused) / self.speech.max(f64::MIN_POSITIVE)
    }
}

/// The speakers of both sides.
struct Pairs<'a> {
    truth: Vec<&'a str>,
    found: Vec<&'a str>,
}

impl<'a> Pairs<'a> {
    fn of(truth: &'a [Turn], found: &'a [Turn]) -> Self {
        Self { truth: speakers(truth), found: speakers(found) }
    }

    /// Who speaks at a time, by number.
    fn at(&self, truth: &[Turn], found: &[Turn], time: f64) -> (Vec<usize>, Vec<usize>) {
        let numbers = |turns: &[Turn], names: &[&str]| {
            let mut numbers: Vec<_> = turns
                .iter()
                .filter(|turn| turn.holds(time))
                .filter_map(|turn| names.iter().position(|name| *name == turn.speaker))
                .collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        };
        (numbers(truth, &self.truth), numbers(found, &self.found))
    }
}

/// Who has turns, in order of the first.
#[must_use]
pub fn speakers(turns: &[Turn]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for turn in turns {
        if !names.contains(&turn.speaker.as_str()) {
            names.push(&turn.speaker);
        }
    }
    names
}

/// Stretches in which nothing changes: their middles, and their lengths.
fn pieces(truth: &[Turn], found: &[Turn], collar: f64) -> Vec<(f64, f64)> {
    let edges = |turns: &[Turn]| turns.iter().flat_map(|turn| [turn.start, turn.end]).collect::<Vec<_>>();
    let mut borders = edges(truth);
    borders.sort_by(f64::total_cmp);
    let true_edges = borders.clone();
    borders.extend(edges(found));
    borders.extend(true_edges.iter().flat_map(|edge| [edge - collar, edge + collar]));
    borders.sort_by(f64::total_cmp);
    let between = borders.windows(2).map(|pair| (f64::midpoint(pair[0], pair[1]), pair[1] - pair[0]));
    let is_scored = |middle: f64| {
        let next = true_edges.partition_point(|edge| *edge < middle);
        let near = |edge: Option<&f64>| edge.is_some_and(|edge| (edge - middle).abs() < collar);
        !near(true_edges.get(next)) && !near(next.checked_sub(1).map(|before| &true_edges[before]))
    };
    between.filter(|(middle, length)| *length > 0.0 && is_scored(*middle)).collect()
}

/// Rows, each with its column.
type Matching = Vec<(usize, usize)>;

/// Which row goes with which column, so that the sum is greatest. Tries all ways, so rows should be few.
fn best(values: &[Vec<f64>]) -> Matching {
    let rows = values.len();
    let columns = values.first().map_or(0, Vec::len);
    // For each set of rows that are taken: the best sum that the columns so far give, and the pairs.
    let mut sums: Vec<Option<(f64, Matching)>> = vec![None; 1 << rows];
    sums[0] = Some((0.0, Vec::new()));
    for column in 0..columns {
        for taken in (0..1usize << rows).rev() {
            let Some((sum, pairs)) = sums[taken].clone() else { continue };
            for (row, values) in values.iter().enumerate().filter(|(row, _)| taken & (1 << row) == 0) {
                let (with, now) = (sum + values[column], &mut sums[taken | (1 << row)]);
                if now.as_ref().is_none_or(|(before, _)| with > *before) {
                    *now = Some((with, [&pairs[..], &[(row, column)]].concat()));
                }
            }
        }
    }
    let whole = sums.into_iter().flatten().max_by(|(one, _), (other, _)| one.total_cmp(other));
    whole.map(|(_, pairs)| pairs).unwrap_or_default()
}

/// How many of these pairs of a true and a found speaker go together, when found speakers are taken for those they
/// have most in common with.
#[must_use]
pub fn agreeing(pairs: &[(&str, &str)]) -> usize {
    let place = |names: &mut Vec<String>, name: &str| {
        names.iter().position(|known| known == name).unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        })
    };
    let (mut truth, mut found) = (Vec::new(), Vec::new());
    let numbers: Vec<_> =
        pairs.iter().map(|(one, other)| (place(&mut truth, one), place(&mut found, other))).collect();
    let mut common = vec![vec![0.0; found.len()]; truth.len()];
    numbers.iter().for_each(|(one, other)| common[*one][*other] += 1.0);
    let matched = best(&common);
    numbers.iter().filter(|pair| matched.contains(pair)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(turns: &[(f64, f64, &str)]) -> Vec<Turn> {
        let turn = |(start, end, speaker): &(f64, f64, &str)| Turn {
            start: *start,
            end: *end,
            speaker: (*speaker).to_owned(),
        };
        turns.iter().map(turn).collect()
    }

    fn error(truth: &[(f64, f64, &str)], found: &[(f64, f64, &str)], collar: f64) -> [f64; 4] {
        let error = DiarizationError::of(&turns(truth), &turns(found), collar);
        [error.missed, error.false_alarm, error.confused, error.speech]
            .map(|seconds| (seconds * 1000.0).round() / 1000.0)
    }

    const TWO: [(f64, f64, &str); 2] = [(0.0, 4.0, "A"), (4.0, 10.0, "B")];

    #[test]
    fn names_do_not_matter() {
        assert_eq!(error(&TWO, &[(0.0, 4.0, "x"), (4.0, 10.0, "A")], 0.0), [0.0, 0.0, 0.0, 10.0]);
        assert_eq!(error(&TWO, &[(0.0, 4.0, "B"), (4.0, 10.0, "A")], 0.0), [0.0, 0.0, 0.0, 10.0]);
    }

    #[test]
    fn errors_are_missed_and_false_and_confused_speech() {
        assert_eq!(error(&TWO, &[], 0.0), [10.0, 0.0, 0.0, 10.0]);
        assert_eq!(error(&[], &TWO, 0.0), [0.0, 10.0, 0.0, 0.0]);
        // All of one speaker, who is taken for the one with more speech.
        assert_eq!(error(&TWO, &[(0.0, 10.0, "x")], 0.0), [0.0, 0.0, 4.0, 10.0]);
        assert_eq!(error(&TWO, &[(1.0, 4.0, "x"), (4.0, 12.0, "y")], 0.0), [1.0, 2.0, 0.0, 10.0]);
        // A third speaker goes with nobody.
        let three = [(0.0, 4.0, "x"), (4.0, 8.0, "y"), (8.0, 10.0, "z")];
        assert_eq!(error(&TWO, &three, 0.0), [0.0, 0.0, 2.0, 10.0]);
    }

    #[test]
    fn where_several_speak_each_counts() {
        let truth = [(0.0, 6.0, "A"), (4.0, 10.0, "B")];
        assert_eq!(error(&truth, &truth, 0.0), [0.0, 0.0, 0.0, 12.0]);
        assert_eq!(error(&truth, &[(0.0, 6.0, "x"), (6.0, 10.0, "y")], 0.0), [2.0, 0.0, 0.0, 12.0]);
        assert_eq!(
            error(&truth, &[(0.0, 6.0, "x"), (3.0, 10.0, "y"), (4.0, 6.0, "z")], 0.0),
            [0.0, 3.0, 0.0, 12.0]
        );
        // One of the two is somebody else.
        assert_eq!(
            error(&truth, &[(0.0, 6.0, "x"), (4.0, 6.0, "z"), (6.0, 10.0, "y")], 0.0),
            [0.0, 0.0, 2.0, 12.0]
        );
        // Two turns of one speaker at once are one.
        assert_eq!(
            error(&TWO, &[(0.0, 3.0, "x"), (2.0, 4.0, "x"), (4.0, 10.0, "y")], 0.0),
            [0.0, 0.0, 0.0, 10.0]
        );
    }

    #[test]
    fn next_to_the_edges_of_true_turns_nothing_is_scored() {
        let late = [(0.2, 4.2, "x"), (4.2, 10.2, "y")];
        assert_eq!(error(&TWO, &late, 0.0), [0.2, 0.2, 0.2, 10.0]);
        assert_eq!(error(&TWO, &late, 0.25), [0.0, 0.0, 0.0, 9.0]);
        assert_eq!(error(&TWO, &[(0.0, 4.5, "x"), (4.5, 10.0, "y")], 0.25), [0.0, 0.0, 0.25, 9.0]);
        // A turn shorter than both collars does not count at all.
        assert_eq!(error(&[(1.0, 1.4, "A")], &[], 0.25), [0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn the_mapping_is_the_best_of_all_and_not_the_first_best() {
        // A with x alone would be 5, but A with y and B with x are 4 + 4.
        let truth = [(0.0, 9.0, "A"), (10.0, 14.0, "B")];
        let found = [(0.0, 5.0, "x"), (5.0, 9.0, "y"), (10.0, 14.0, "x")];
        assert_eq!(error(&truth, &found, 0.0), [0.0, 0.0, 5.0, 13.0]);
        assert!(
            (DiarizationError::of(&turns(&truth), &turns(&found), 0.0).percent() - 500.0 / 13.0).abs() < 1e-9
        );
    }

    #[test]
    fn words_agree_by_the_same_mapping() {
        let pairs = [("A", "x"), ("A", "x"), ("B", "y"), ("B", "x"), ("C", "z"), ("A", "y")];
        assert_eq!(agreeing(&pairs), 4);
        assert_eq!(agreeing(&[]), 0);
        assert_eq!(agreeing(&[("A", "x"), ("B", "x")]), 1);
    }
}
