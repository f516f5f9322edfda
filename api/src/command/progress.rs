//! How the work goes on, on standard error: a bar on a terminal, else a line now and then.

use std::borrow::Cow;
use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};

use super::error::complain;
use super::text::{clean, clock};
use crate::client::Watch;
use crate::client::error::ClientError;
use crate::client::job::{Job, Progress as JobProgress};
use crate::install::{self, Rate};

/// Lines of one stage are at least this far apart.
const APART: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(120);

/// What is shown of one file.
#[derive(Debug)]
pub(crate) struct Progress {
    name: String,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Bar(ProgressBar),
    Lines(Mutex<Lines>),
}

/// The last line that was written.
#[derive(Debug, Default)]
struct Lines {
    stage: String,
    at: Option<Instant>,
}

impl Progress {
    /// Shows the work on a file of this name.
    pub(crate) fn of(name: &str) -> Self {
        let name = clean(name);
        if !io::stderr().is_terminal() {
            return Self { name, shown: Shown::Lines(Mutex::default()) };
        }
        let bar = ProgressBar::no_length();
        bar.set_style(style(false));
        bar.set_prefix(name.clone());
        bar.enable_steady_tick(TICK);
        Self { name, shown: Shown::Bar(bar) }
    }

    /// Takes a bar off the terminal.
    pub(crate) fn clear(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }

    /// Shows that so much of so much is done.
    fn show(&self, stage: &str, text: impl Into<Cow<'static, str>>, part: Option<(u64, u64)>) {
        match &self.shown {
            Shown::Bar(bar) => {
                bar.set_style(style(part.is_some()));
                if let Some((done, total)) = part {
                    bar.set_length(total);
                    bar.set_position(done);
                }
                bar.set_message(text);
            }
            Shown::Lines(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.stage == stage && lines.at.is_some_and(|at| at.elapsed() < APART) {
                    return;
                }
                *lines = Lines { stage: stage.to_owned(), at: Some(Instant::now()) };
                self.line(&text.into());
            }
        }
    }

    fn line(&self, text: &str) {
        let sentence = format!("{}: {text}", self.name);
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(|| complain(&sentence)),
            Shown::Lines(_) => complain(&sentence),
        }
    }
}

impl Watch for Progress {
    fn sent(&self, bytes: u64, total: Option<u64>) {
        let sent = BinaryBytes(bytes);
        let text = match total {
            Some(total) => format!("uploading, {sent} of {}", BinaryBytes(total)),
            None => format!("uploading, {sent}"),
        };
        self.show("upload", text, total.map(|total| (bytes, total)));
    }

    fn job(&self, job: &Job) {
        let job = &job.seen;
        let position =
            job.queue_position.map_or_else(String::new, |position| format!(", {position} before it"));
        match &job.progress {
            Some(progress) if job.state == "processing" => {
                let (text, part) = stage(progress);
                self.show(&progress.stage, text, part);
            }
            _ => self.show("queued", format!("waiting in the queue{position}"), None),
        }
    }

    fn retrying(&self, error: &ClientError, pause: Duration) {
        self.line(&format!("{error}; trying again in {} s", pause.as_secs_f64()));
    }
}

impl install::Watch for Progress {
    fn came(&self, bytes: u64, total: u64, rate: &Rate) {
        let mut text = format!("downloading, {}", share(bytes, total));
        if let Some(per_second) = rate.per_second() {
            // Saturates.
            text.push_str(&format!(", {}/s", BinaryBytes(per_second as u64)));
        }
        if let Some(seconds) = rate.seconds_for(total.saturating_sub(bytes)) {
            text.push_str(&format!(", {} left", clock(seconds)));
        }
        self.show("download", text, Some((bytes, total)));
    }

    fn checked(&self, bytes: u64, total: u64) {
        self.show("check", format!("checking, {}", share(bytes, total)), Some((bytes, total)));
    }

    fn retrying(&self, reason: &str, pause: Duration) {
        self.line(&format!("{reason}; trying again in {} s", pause.as_secs_f64()));
    }
}

/// So many bytes of so many.
fn share(bytes: u64, total: u64) -> String {
    let percent = 100.0 * bytes as f64 / total.max(1) as f64;
    format!("{} of {} ({percent:.0} %)", BinaryBytes(bytes), BinaryBytes(total))
}

/// A stage in words, and how much of it is done, in milliseconds.
fn stage(progress: &JobProgress) -> (String, Option<(u64, u64)>) {
    let (verb, done) = match progress.stage.as_str() {
        "fetch" => return ("the server is fetching the file".to_owned(), None),
        "intake" => ("decoding", progress.decoded_seconds),
        "transcribe" => ("transcribing", progress.done_seconds),
        other => return (clean(other), None),
    };
    let done = done.unwrap_or(0.0);
    match progress.total_seconds {
        Some(total) if total > 0.0 => {
            let text = format!("{verb}, {} of {} ({:.0} %)", clock(done), clock(total), 100.0 * done / total);
            (text, Some((millis(done), millis(total))))
        }
        _ => (format!("{verb}, {}", clock(done)), None),
    }
}

/// Saturates.
fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0) as u64
}

fn style(has_part: bool) -> ProgressStyle {
    let template = if has_part {
        "{spinner} {prefix:.bold} [{bar:30}] {msg} [{elapsed}]"
    } else {
        "{spinner} {prefix:.bold} {msg} [{elapsed}]"
    };
    // The templates are constants; were one wrong, the bar would look otherwise.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
