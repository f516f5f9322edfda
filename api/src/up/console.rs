//! What `steno up` says to the person who started it, on standard output.

use std::io::Write;
use std::time::Instant;

/// Prints steps with the time since the start.
#[derive(Debug)]
pub(super) struct Console {
    began: Instant,
}

impl Console {
    pub(super) fn new() -> Self {
        Self { began: Instant::now() }
    }

    /// A step that is done.
    pub(super) fn step(&self, text: &str) {
        self.line(&format!("{:6.1} s {text}", self.began.elapsed().as_secs_f64()));
    }

    /// Any other line. Nobody may be reading; that is no reason to stop.
    #[expect(clippy::unused_self, reason = "lines and steps go the same way")]
    pub(super) fn line(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}
