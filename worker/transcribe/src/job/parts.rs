//! The chunks of all channels, in order of time, found while the samples are read.

use std::io;
use std::sync::Arc;

use steno_runtime::engine::SpeechDetector;
use steno_shared::time::SAMPLE_RATE;
use tokio::sync::mpsc;

use crate::chunk::Chunk;
use crate::chunk::plan::Planner;
use crate::samples::Samples;

/// Chunks that are found before anybody takes them, for each channel.
const AHEAD: usize = 2;
/// Where the language may change, chunks do not reach over longer silences than this (1 s): people change it
/// between sentences.
const APART: u64 = SAMPLE_RATE as u64;

/// A chunk of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The channel's number, from 0.
    pub channel: usize,
    /// The chunk.
    pub chunk: Chunk,
}

/// How chunks are cut.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// The most seconds of a chunk.
    pub seconds: u32,
    /// Whether each shall be in one language.
    pub by_language: bool,
    /// Makes a detector of speech for a channel.
    pub detector: fn() -> Box<dyn SpeechDetector>,
}

/// The chunks that are still to come.
#[derive(Debug)]
pub struct Parts(Vec<Channel>);

#[derive(Debug)]
struct Channel {
    plan: mpsc::Receiver<io::Result<Chunk>>,
    head: Option<Chunk>,
    ended: bool,
}

impl Parts {
    /// Begins to look for chunks, in each channel on a thread of its own.
    #[must_use]
    pub fn of(channels: &[Arc<Samples>], cut: Cut) -> Self {
        let channel = |samples: &Arc<Samples>| Channel {
            plan: plan(Arc::clone(samples), cut),
            head: None,
            ended: false,
        };
        Self(channels.iter().map(channel).collect())
    }

    /// The chunk that begins first. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// If the samples cannot be read.
    pub async fn next(&mut self) -> io::Result<Option<Part>> {
        for channel in &mut self.0 {
            if channel.head.is_none() && !channel.ended {
                channel.head = channel.plan.recv().await.transpose()?;
                channel.ended = channel.head.is_none();
            }
        }
        let heads = self.0.iter().enumerate().filter_map(|(number, channel)| {
            let head = channel.head.as_ref()?;
            Some((head.span().start, number))
        });
        let Some((_, number)) = heads.min() else { return Ok(None) };
        let chunk = self.0.get_mut(number).and_then(|channel| channel.head.take());
        Ok(chunk.map(|chunk| Part { channel: number, chunk }))
    }
}

fn plan(samples: Arc<Samples>, cut: Cut) -> mpsc::Receiver<io::Result<Chunk>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let planner = Planner::new(samples, (cut.detector)(), u64::from(cut.seconds * SAMPLE_RATE));
        let planner = if cut.by_language { planner.apart(APART) } else { planner };
        for found in planner {
            // Nobody takes them any more.
            if sender.blocking_send(found).is_err() {
                return;
            }
        }
    });
    receiver
}
