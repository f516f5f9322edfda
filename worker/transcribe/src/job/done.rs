//! The finished chunks of a job: up to where all of them are, and what is seen only of several in a row.

use std::collections::BTreeMap;

use steno_runtime::speech::Span;
use steno_shared::time::Millis;
use steno_shared::transcript::{Warning, WarningCode};

use super::journal::ChunkResult;
use super::repetition::{self, Refrain};

/// A chunk that is done.
#[derive(Debug)]
pub struct Finished {
    /// The channel's number, from 0.
    pub channel: usize,
    /// Where it lies among the samples.
    pub span: Span,
    /// What came of it.
    pub result: ChunkResult,
    /// Whether others can read it.
    pub kept: bool,
}

/// Finished chunks, by their number in order of time.
#[derive(Debug)]
pub struct Done {
    results: BTreeMap<usize, Finished>,
    /// All before this one are finished.
    frontier: usize,
    /// All before the frontier are kept: whoever follows the job reads those.
    kept: bool,
    done: Millis,
    /// For each channel, where the last chunk before the frontier ends, ...
    ends: Vec<Millis>,
    /// ... and whether it repeats the ones before.
    refrains: Vec<Refrain>,
}

impl Done {
    /// Of so many channels.
    #[must_use]
    pub fn new(channels: usize) -> Self {
        Self {
            results: BTreeMap::new(),
            frontier: 0,
            kept: true,
            done: Millis(0),
            ends: vec![Millis(0); channels],
            refrains: vec![Refrain::default(); channels],
        }
    }

    /// Adds a chunk.
    pub fn add(&mut self, number: usize, finished: Finished) {
        self.results.insert(number, finished);
    }

    /// Goes on to the next chunk in order of time, if it is finished. One that only repeats those before it loses
    /// its text; it is given back with its number, to be kept as it is now.
    pub fn pass(&mut self) -> Option<Passed> {
        let number = self.frontier;
        let finished = self.results.get_mut(&number)?;
        let channel = finished.channel;
        let goes_on = self.refrains.get_mut(channel).is_some_and(|refrain| refrain.goes_on(&finished.result));
        if goes_on {
            silence(&mut finished.result);
        }
        self.frontier += 1;
        self.kept &= finished.kept;
        if let Some(end) = self.ends.get_mut(channel) {
            *end = Millis::of_samples(finished.span.end);
        }
        if self.kept {
            // Whatever comes begins no earlier than the last one, nor, in each channel, before its last one ends.
            let all = self.ends.iter().copied().min().unwrap_or_default();
            self.done = self.done.max(Millis::of_samples(finished.span.start).max(all));
        }
        Some(Passed { number, changed: goes_on })
    }

    /// A chunk.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&Finished> {
        self.results.get(&number)
    }

    /// The time up to which everything is finished and kept.
    #[must_use]
    pub fn up_to(&self) -> Millis {
        self.done
    }

    /// All of it, in order of time.
    #[must_use]
    pub fn into_results(self) -> Vec<ChunkResult> {
        self.results.into_values().map(|finished| finished.result).collect()
    }
}

/// A chunk at which all before it are finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Its number.
    pub number: usize,
    /// Whether it is another than when it was added.
    pub changed: bool,
}

/// Takes the text from a chunk, and says so.
fn silence(result: &mut ChunkResult) {
    let Some((start, end)) = repetition::extent(&result.segments) else { return };
    let message = "the model wrote the same here as for the stretches before; the repetition was left out";
    result.warnings.push(Warning::about(WarningCode::Repetition, start, end, message));
    result.segments = Vec::new();
    result.transcribed = Millis(0);
}

#[cfg(test)]
mod tests {
    use steno_shared::language::Language;
    use steno_shared::transcript::Segment;

    use super::*;

    fn finished(channel: usize, start: u64, end: u64, text: &str) -> Finished {
        let segment = Segment {
            start: Millis(start),
            end: Millis(end),
            text: text.to_owned(),
            speaker: None,
            channel: None,
            language: None,
            confidence: 0.3,
            words: Vec::new(),
        };
        let result = ChunkResult {
            language: Language::parse("en").unwrap(),
            language_probability: 1.0,
            segments: vec![segment],
            warnings: Vec::new(),
            speech: Millis(end - start),
            transcribed: Millis(end - start),
        };
        Finished { channel, span: Span { start: start * 16, end: end * 16 }, result, kept: true }
    }

    fn pass_all(done: &mut Done) -> Vec<usize> {
        std::iter::from_fn(|| done.pass())
            .filter(|passed| passed.changed)
            .map(|passed| passed.number)
            .collect()
    }

    #[test]
    fn one_channel_is_done_up_to_the_end_of_the_last_in_a_row() {
        let mut done = Done::new(1);
        done.add(1, finished(0, 1000, 2000, "b"));
        pass_all(&mut done);
        assert_eq!(done.up_to(), Millis(0));
        done.add(0, finished(0, 100, 900, "a"));
        pass_all(&mut done);
        assert_eq!(done.up_to(), Millis(2000));
        done.add(2, Finished { kept: false, ..finished(0, 3000, 4000, "c") });
        done.add(3, finished(0, 4000, 5000, "d"));
        pass_all(&mut done);
        assert_eq!(done.up_to(), Millis(2000), "nobody can read the third");
        assert_eq!(done.into_results().len(), 4);
    }

    #[test]
    fn several_channels_are_done_up_to_where_nothing_earlier_can_come() {
        let mut done = Done::new(2);
        done.add(0, finished(0, 0, 10_000, "a"));
        pass_all(&mut done);
        assert_eq!(done.up_to(), Millis(0), "the other channel may have something from the beginning on");
        done.add(1, finished(1, 500, 8000, "b"));
        pass_all(&mut done);
        assert_eq!(done.up_to(), Millis(8000));
        // The other channel is silent from here on.
        done.add(2, finished(0, 11_000, 20_000, "c"));
        pass_all(&mut done);
        assert_eq!(done.up_to(), Millis(11_000));
    }

    #[test]
    fn what_repeats_the_chunks_before_loses_its_text_and_says_so() {
        let mut done = Done::new(2);
        for (number, channel) in [0, 1, 0, 0, 1, 0].into_iter().enumerate() {
            let at = number as u64 * 10_000;
            done.add(number, finished(channel, at, at + 9000, "Thank you for watching."));
        }
        assert_eq!(pass_all(&mut done), [3, 5], "each channel by itself");
        let cut = &done.get(3).unwrap().result;
        assert_eq!((cut.segments.len(), cut.transcribed), (0, Millis(0)));
        let warning = &cut.warnings[0];
        assert_eq!((warning.code, warning.start), (WarningCode::Repetition, Some(Millis(30_000))));
    }
}
