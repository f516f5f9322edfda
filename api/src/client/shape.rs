//! How a transcript is written: what every command that reads one takes.

use serde_json::Value;

/// The shape of a transcript; what is `None` is the server's choice.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Shape {
    /// Whether speakers are named: true, false, or auto (if there are several)
    #[arg(long, value_name = "WHEN")]
    speaker_labels: Option<String>,

    /// Subtitles: columns of a line, 10 to 200; 42 unless set
    #[arg(long, value_name = "COLUMNS")]
    max_chars: Option<u32>,

    /// Subtitles: lines of a cue, 1 to 10; 2 unless set
    #[arg(long, value_name = "LINES")]
    max_lines: Option<u32>,

    /// Subtitles: seconds that a cue is shown if the next one does not come earlier; 1 unless set
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    min_duration: Option<f64>,

    /// Subtitles: seconds that a cue is shown at most; 7 unless set
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    max_duration: Option<f64>,

    /// Subtitles: columns that are read in a second, 5 to 60; 20 unless set
    #[arg(long, value_name = "COLUMNS")]
    max_cps: Option<u32>,
}

impl Shape {
    /// The fields of a request. A job has no use for them, but the server says at once if one is wrong.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let fields = [
            ("speaker_labels", self.speaker_labels.as_deref().map(Value::from)),
            ("max_chars", self.max_chars.map(Value::from)),
            ("max_lines", self.max_lines.map(Value::from)),
            ("min_duration", self.min_duration.map(Value::from)),
            ("max_duration", self.max_duration.map(Value::from)),
            ("max_cps", self.max_cps.map(Value::from)),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

/// A number that JSON can carry.
fn seconds(text: &str) -> Result<f64, &'static str> {
    let seconds = text.parse().ok().filter(|seconds: &f64| seconds.is_finite());
    seconds.ok_or("not a number of seconds")
}
