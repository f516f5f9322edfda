//! What a decoding child tells its parent: one JSON object a line, on standard error.
//!
//! The samples go to standard output. Lines that are no reports are the panics of a decoder.

use std::io::Write;

use serde::{Deserialize, Serialize};

/// A line of a decoding child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// The header tells how much audio there is, in 16 kHz samples.
    Length(u64),
    /// The audio begins so much later than the file, in 16 kHz samples.
    Delay(u64),
    /// This decoder does not decode this file as it should be; another may.
    Declined(String),
    /// The file has tracks, and none of them is audio.
    NoAudio,
    /// The file has only so many audio tracks.
    NoSuchTrack(u32),
    /// Everything that could be decoded has been written. What was wrong with the file, if anything.
    Ended(Option<String>),
    /// The program to become is not installed.
    NoProgram,
}

impl Report {
    /// Writes the line. That the parent has gone is of no interest.
    pub(crate) fn send(&self) {
        if let Ok(line) = serde_json::to_string(self) {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    /// Reads a line, if it is a report.
    pub(crate) fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_and_other_lines_are_none() {
        let reports = [
            Report::Length(5),
            Report::Delay(6),
            Report::Declined("x".into()),
            Report::NoAudio,
            Report::NoSuchTrack(2),
            Report::Ended(None),
            Report::Ended(Some("y".into())),
            Report::NoProgram,
        ];
        for report in reports {
            assert_eq!(Report::read(&serde_json::to_string(&report).unwrap()), Some(report));
        }
        assert_eq!(Report::read("thread 'main' panicked at x.rs:1:1"), None);
    }
}
