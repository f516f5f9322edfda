//! The lines of a cue: how many it takes, and where they are best broken.

use super::phrases::Break;
use super::units::Unit;

/// Lines filled one unit after the other: the fewest lines that the units take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fill {
    pub(super) lines: usize,
    column: usize,
    max_columns: usize,
}

impl Fill {
    pub(super) fn new(max_columns: usize) -> Self {
        Self { lines: 0, column: 0, max_columns }
    }

    /// Sets `unit` behind the others, on a new line if need be.
    pub(super) fn push(&mut self, unit: &Unit) {
        let column = self.column + columns_with_gap(unit);
        if self.lines > 0 && column <= self.max_columns {
            self.column = column;
        } else {
            self.lines += 1;
            self.column = unit.columns;
        }
    }
}

/// The columns of `unit` behind another on the same line.
pub(super) fn columns_with_gap(unit: &Unit) -> usize {
    let gap = match unit.gap {
        None | Some('\u{200b}') => 0,
        Some('\u{3000}') => 2,
        Some(_) => 1,
    };
    gap + unit.columns
}

/// The fewest lines that `units` take, broken so that the breaks are good and the lines equally long. Where two
/// ways are as good, the upper line is the shorter one, which hides less of the picture.
pub(super) fn lay_out(units: &[Unit], max_columns: usize) -> Vec<String> {
    let mut fill = Fill::new(max_columns);
    units.iter().for_each(|unit| fill.push(unit));
    let breaks = best_breaks(units, fill.lines, max_columns);
    breaks.windows(2).map(|line| text(&units[line[0]..line[1]])).collect()
}

fn text(units: &[Unit]) -> String {
    let mut text = String::new();
    for unit in units {
        text.extend(unit.gap.filter(|_| !text.is_empty()));
        text.push_str(&unit.text);
    }
    text
}

/// Where the lines begin, and the end.
fn best_breaks(units: &[Unit], lines: usize, max_columns: usize) -> Vec<usize> {
    let count = units.len();
    // The columns up to each unit, all on one line.
    let mut columns = vec![0];
    columns.extend(units.iter().scan(0, |sum, unit| {
        *sum += columns_with_gap(unit);
        Some(*sum)
    }));
    let width = |from: usize, to: usize| {
        let gap = columns_with_gap(&units[from]) - units[from].columns;
        columns[to] - columns[from] - gap
    };
    let mean = columns[count] / lines.max(1);
    // Of the ways to set the first units on the lines so far: the cost of the best, and where each line begins.
    let mut best: Vec<Option<(usize, Vec<usize>)>> = vec![None; count + 1];
    best[0] = Some((0, vec![0]));
    for _ in 0..lines {
        let mut longer = vec![None; count + 1];
        for to in 1..=count {
            let ways = (0..to).filter_map(|from| {
                let (cost, breaks) = best[from].as_ref()?;
                let fits = width(from, to) <= max_columns || from + 1 == to;
                let ends = if to == count { 0 } else { break_cost(units[to - 1].after) };
                fits.then(|| (cost + width(from, to).abs_diff(mean) + ends, breaks))
            });
            longer[to] = ways.min_by_key(|(cost, _)| *cost).map(|(cost, breaks)| {
                let mut breaks = breaks.clone();
                breaks.push(to);
                (cost, breaks)
            });
        }
        best = longer;
    }
    best.pop().flatten().map_or_else(|| vec![0, count], |(_, breaks)| breaks)
}

/// As many columns as a line may be off the mean for a break of the better kind.
fn break_cost(kind: Break) -> usize {
    match kind {
        Break::Sentence => 0,
        Break::Clause => 3,
        Break::Comma => 6,
        Break::Phrase => 10,
        Break::Word => 20,
        Break::Close => 32,
        Break::Inside => 60,
    }
}
