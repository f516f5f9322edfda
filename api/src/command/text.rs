//! Words, numbers and tables for a terminal.

use unicode_width::UnicodeWidthStr;

/// Text of others, such as a file's name, that may hold what a terminal obeys.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// Seconds as a clock shows them: `0:45`, `1:02:03`.
pub(crate) fn clock(seconds: f64) -> String {
    // Saturates: a number that no recording has is shown as a large one.
    let whole = seconds.max(0.0) as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// A time of the API without its fraction: `2026-11-21 08:30:00Z`.
pub(crate) fn moment(rfc3339: &str) -> String {
    let (date, time) = rfc3339.split_once('T').unwrap_or((rfc3339, ""));
    let seconds = time.split(['.', 'Z', '+']).next().unwrap_or_default();
    if seconds.is_empty() { clean(rfc3339) } else { clean(&format!("{date} {seconds}Z")) }
}

/// Rows below their headings, each column as wide as it needs, the last one free.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let headings = headings.map(str::to_owned);
    let all = || std::iter::once(&headings).chain(rows);
    let widths: Vec<usize> = (0..N).map(|at| all().map(|row| row[at].width()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in all() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Names and values, one a line. Nothing is written for an empty value.
pub(crate) fn list(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{name:width$}  {}\n", clean(value));
    rows.iter().filter(|(_, value)| !value.is_empty()).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_by_what_a_terminal_shows() {
        let rows = [["日本".to_owned(), "x".to_owned()], ["abcde".to_owned(), String::new()]];
        assert_eq!(table(["a", "b"], &rows), "a      b\n日本   x\nabcde\n");
        assert_eq!(
            list(&[("one", "1".to_owned()), ("b", "2".to_owned()), ("c", String::new())]),
            "one  1\nb    2\n"
        );
    }

    #[test]
    fn times_are_short_and_hostile_text_is_harmless() {
        for (seconds, shown) in
            [(0.0, "0:00"), (59.9, "0:59"), (3723.0, "1:02:03"), (-1.0, "0:00"), (f64::NAN, "0:00")]
        {
            assert_eq!(clock(seconds), shown);
        }
        assert_eq!(moment("2026-11-21T08:30:00.123456789Z"), "2026-11-21 08:30:00Z");
        assert_eq!(moment("soon"), "soon");
        assert_eq!(clean("a\u{1b}[2Jb\r\n"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}");
    }
}
