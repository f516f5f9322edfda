//! The chunks of a file, found while it is read.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use steno_runtime::engine::SpeechDetector;
use steno_runtime::speech::judge::{Judge, Judged};
use steno_runtime::speech::listener::Listener;
use steno_runtime::speech::spans::Spans;
use steno_runtime::speech::{FRAME, Span};

use super::Chunk;
use super::pack::Packer;
use crate::samples::Samples;

/// Samples read at once: about ten seconds, whole frames.
const BLOCK: u64 = 625 * FRAME as u64;
const SAMPLES_PER_SECOND: f64 = 16_000.0;

/// Reads a file and gives its chunks in order.
#[derive(Debug)]
pub struct Planner {
    samples: Arc<Samples>,
    read: u64,
    listener: Listener,
    judge: Option<Judge>,
    spans: Option<Spans>,
    packer: Option<Packer>,
    ready: VecDeque<Chunk>,
}

impl Planner {
    /// For chunks of at most `longest` samples.
    #[must_use]
    pub fn new(samples: Arc<Samples>, detector: Box<dyn SpeechDetector>, longest: u64) -> Self {
        let longest_span = Packer::longest_span(longest) as f64 / SAMPLES_PER_SECOND;
        Self {
            read: 0,
            listener: Listener::new(detector),
            judge: Some(Judge::default()),
            spans: Some(Spans::new(longest_span)),
            packer: Some(Packer::new(longest, samples.count())),
            ready: VecDeque::new(),
            samples,
        }
    }

    /// Lets a chunk end at every silence of more samples than this, too.
    #[must_use]
    pub fn apart(self, silence: u64) -> Self {
        Self { packer: self.packer.map(|packer| packer.apart(silence)), ..self }
    }

    fn read_block(&mut self) -> io::Result<()> {
        let block = self.samples.read(self.read, self.read + BLOCK)?;
        self.read += block.len() as u64;
        for heard in self.listener.hear(&block) {
            if let Some(judged) = self.judge.as_mut().and_then(|judge| judge.push(heard)) {
                self.take(judged);
            }
        }
        if self.read >= self.samples.count() {
            self.end();
        }
        Ok(())
    }

    fn take(&mut self, judged: Judged) {
        let (Some(spans), Some(packer)) = (&mut self.spans, &mut self.packer) else { return };
        // The last frame may reach beyond the end of the file.
        let total = self.samples.count();
        let span = spans.push(judged).map(|span| Span { end: span.end.min(total), ..span });
        self.ready.extend(span.and_then(|span| packer.push(span)));
    }

    fn end(&mut self) {
        for judged in self.judge.take().map(Judge::finish).unwrap_or_default() {
            self.take(judged);
        }
        let total = self.samples.count();
        let last = self.spans.take().and_then(Spans::finish);
        if let Some(mut packer) = self.packer.take() {
            let last = last.map(|span| Span { end: span.end.min(total), ..span });
            self.ready.extend(last.and_then(|span| packer.push(span)));
            self.ready.extend(packer.finish());
        }
    }
}

impl Iterator for Planner {
    /// An error if the file cannot be read; it is the last item then.
    type Item = io::Result<Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && self.judge.is_some() {
            if let Err(error) = self.read_block() {
                self.judge = None;
                return Some(Err(error));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
