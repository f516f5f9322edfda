//! The course of one session: what was heard, what is said, how far it is.

use std::collections::VecDeque;

use steno_runtime::engine::{ChunkText, Prompt, SpeechDetector};
use steno_runtime::speech::live::LiveJudge;
use steno_runtime::speech::{FRAME, FRAMES_PER_SECOND};
use steno_shared::catalog::Model;
use steno_shared::language::Language;
use steno_shared::live::{Resumption, Said, SessionOptions};
use steno_shared::time::{Millis, SAMPLE_RATE};

use super::agreement::{Agreement, Shown};
use super::passes::Asked;
use super::ring::Ring;
use super::tongue::Tongue;
use super::utterance::{Change, Closed, Ending, Utterances};
use super::{Output, guards, words};

/// No utterance is longer, whatever the model could take.
const LONGEST_S: u32 = 20;
/// What was said longer ago than this before an utterance does not help with it.
const NEAR: Millis = Millis(3000);
/// As many characters of what was said are told to the model.
const TOLD: usize = 200;
/// It is told how far the session is for so many samples (0.5 s).
const REPORT: u64 = SAMPLE_RATE as u64 / 2;

/// An utterance that has ended, in samples of the session.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Frames of speech.
    pub(super) speech: usize,
    pub(super) ending: Ending,
    /// Its language, if none is held.
    pub(super) language: Option<Language>,
    /// Whether the model is not told what was said before: it gave just that back.
    pub(super) untold: bool,
    /// What was decoded.
    pub(super) text: Option<ChunkText>,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Course {
    pub(super) options: SessionOptions,
    follows_context: bool,
    /// The number of the first sample.
    origin: u64,
    ring: Ring,
    judge: LiveJudge,
    pub(super) utterances: Utterances,
    /// Not final yet, in order of time.
    pub(super) ended: VecDeque<Ended>,
    pub(super) agreement: Agreement,
    /// What the utterance that goes on would say if it had ended: from sample to sample.
    pub(super) ahead: Option<(u64, u64, ChunkText)>,
    pub(super) tongue: Tongue,
    /// What is being decoded.
    pub(super) asked: Option<Asked>,
    /// The end of the audio that was decoded last of the utterance that goes on.
    pub(super) decoded_until: Option<u64>,
    shown: Option<Shown>,
    said_until: Option<Millis>,
    said: String,
    reported: (u64, u64),
    /// Before this sample it was listened to, and decoded if it was time to.
    heard: u64,
    stopping: Stopping,
    out: Vec<Output>,
}

/// Audio of a session was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("audio of the session is missing: sample {start} came where {expected} was next")]
pub(crate) struct Missing {
    expected: u64,
    start: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopping {
    No,
    Yes,
    Done,
}

impl Course {
    /// A new session, or one that another worker began.
    pub(crate) fn new(
        entry: &Model,
        options: SessionOptions,
        resumption: Option<Resumption>,
        detector: Box<dyn SpeechDetector>,
    ) -> Self {
        let frames = |seconds: f64| (seconds * FRAMES_PER_SECOND) as usize;
        let longest = frames(f64::from(entry.chunk_seconds.min(LONGEST_S)));
        let endpoint = frames(f64::from(options.endpoint_ms) / 1000.0);
        let origin = resumption.as_ref().map_or(0, |resumption| resumption.at);
        let resumed = resumption.as_ref().and_then(|resumption| resumption.language);
        let language = options.language.or(resumed.map(|(language, _)| language));
        Self {
            options,
            follows_context: entry.follows_context,
            origin,
            ring: Ring::at(origin),
            judge: LiveJudge::new(detector),
            utterances: Utterances::new(endpoint, longest),
            ended: VecDeque::new(),
            agreement: Agreement::default(),
            ahead: None,
            tongue: language.map_or(Tongue::Unknown, Tongue::Held),
            asked: None,
            decoded_until: None,
            shown: None,
            said_until: resumption.as_ref().and_then(|resumption| resumption.said_until),
            said: resumption.map(|resumption| resumption.said).unwrap_or_default(),
            reported: (origin, origin),
            heard: origin,
            stopping: Stopping::No,
            out: Vec::new(),
        }
    }

    /// Takes audio that begins at a sample of the session. What was heard before is heard once.
    ///
    /// # Errors
    /// If there is audio missing before it.
    pub(crate) fn hear(&mut self, start: u64, samples: &[i16]) -> Result<(), Missing> {
        if self.stopping != Stopping::No {
            return Ok(());
        }
        let expected = self.ring.end();
        if start > expected {
            return Err(Missing { expected, start });
        }
        let known = (expected - start).min(samples.len() as u64);
        self.ring.push(&samples[known as usize..]);
        self.listen();
        self.settle();
        Ok(())
    }

    /// What was said so far becomes final.
    pub(crate) fn flush(&mut self) {
        let change = self.utterances.cut();
        self.follow(change);
        self.settle();
    }

    /// No more comes.
    pub(crate) fn stop(&mut self) {
        if self.stopping != Stopping::No {
            return;
        }
        // The last frame may be a part of one.
        let rest = (self.ring.end() - self.listened()) as usize;
        if rest > 0 {
            self.ring.push(&vec![0; FRAME - rest]);
            self.listen();
        }
        self.stopping = Stopping::Yes;
        self.flush();
    }

    /// What there is to say since this was last asked.
    pub(crate) fn said(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// Whether somebody is speaking.
    pub(crate) fn is_speaking(&self) -> bool {
        self.utterances.open().is_some_and(super::utterance::Open::counts)
    }

    /// Whether all is said after a stop.
    pub(crate) fn is_done(&self) -> bool {
        self.stopping == Stopping::Done
    }

    /// How many samples are kept.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> u64 {
        self.ring.end() - self.ring.start()
    }

    /// The samples of a stretch, -1 to 1.
    pub(super) fn samples(&self, start: u64, end: u64) -> Vec<f32> {
        self.ring.between(start, end).map(|sample| f32::from(sample) / 32768.0).collect()
    }

    /// The number of the first sample of a frame.
    pub(super) fn sample(&self, frame: usize) -> u64 {
        self.origin + (frame * FRAME) as u64
    }

    /// The first sample that no frame was made of yet.
    pub(super) fn listened(&self) -> u64 {
        self.sample(self.utterances.at())
    }

    fn listen(&mut self) {
        while self.ring.end() - self.listened() >= FRAME as u64 {
            let at = self.listened();
            let frame: Vec<i16> = self.ring.between(at, at + FRAME as u64).collect();
            let note = self.judge.push(&frame);
            let change = self.utterances.push(note);
            self.follow(change);
        }
    }

    fn follow(&mut self, change: Change) {
        if let Some(ending) = change.settled
            && let Some(pausing) = self.ended.iter_mut().find(|ended| ended.ending == Ending::Pause)
        {
            pausing.ending = ending;
        }
        if let Some(closed) = change.closed {
            self.end(closed);
        }
    }

    fn end(&mut self, closed: Closed) {
        self.agreement = Agreement::default();
        self.decoded_until = None;
        let (start, end) = (self.sample(closed.start), self.sample(closed.end).min(self.ring.end()));
        let ahead = self.ahead.take().filter(|(from, to, _)| (*from, *to) == (start, end));
        if !closed.counts {
            return self.take_back();
        }
        self.ended.push_back(Ended {
            start,
            end,
            speech: closed.speech,
            ending: closed.ending,
            language: None,
            untold: false,
            text: ahead.map(|(_, _, text)| text),
        });
    }

    /// Says what has become final, and how far the session is.
    pub(super) fn settle(&mut self) {
        let mut is_due = false;
        while let Some(first) =
            self.ended.pop_front_if(|first| first.text.is_some() && first.ending != Ending::Pause)
        {
            self.finish(first);
            is_due = true;
        }
        let needed_from = self.needed_from();
        self.ring.forget_before(needed_from);
        self.heard = match self.ended.front() {
            None => self.listened(),
            // It was time to decode what has ended.
            Some(first) => self.heard.max(first.start),
        };
        let (heard, needed) = self.reported;
        if self.heard >= heard + REPORT || needed_from >= needed + 2 * REPORT || is_due {
            self.report(needed_from);
        }
        if self.stopping == Stopping::Yes && self.ended.is_empty() {
            self.stopping = Stopping::Done;
            self.take_back();
            self.report(needed_from);
            self.out.push(Output::Done);
        }
    }

    fn report(&mut self, needed_from: u64) {
        self.reported = (self.heard, needed_from);
        self.out.push(Output::Heard { heard: self.heard, needed_from });
    }

    /// The first sample of which text is still to come, as far as is known.
    fn needed_from(&self) -> u64 {
        let open = self.sample(self.utterances.needed_from());
        self.ended.front().map_or(open, |first| first.start.min(open)).max(self.ring.start())
    }

    fn finish(&mut self, ended: Ended) {
        let speech = millis(ended.speech);
        let text = ended.text.and_then(|text| guards::believed(text, speech));
        let utterance = (Millis::of_samples(ended.start), Millis::of_samples(ended.end));
        let said_until = self.said_until.unwrap_or_default();
        let Some(segment) = text.and_then(|text| words::segment(&text, utterance, said_until)) else {
            return self.take_back();
        };
        self.said_until = Some(segment.end);
        self.remember(&segment.text);
        self.shown = None;
        let needed_from = self.needed_from();
        let utterance_end = ended.ending == Ending::Endpoint;
        self.out.push(Output::Said(Said::Final { segment, utterance_end, needed_from }));
    }

    fn remember(&mut self, text: &str) {
        if !self.said.is_empty() {
            self.said.push(' ');
        }
        self.said.push_str(text);
        let cut = self.said.char_indices().rev().nth(TOLD).map_or(0, |(at, _)| at);
        let cut = self.said[cut..].find(' ').filter(|_| cut > 0).map_or(cut, |space| cut + space + 1);
        self.said.drain(..cut);
    }

    /// What the model is told was said before what begins at a sample.
    pub(super) fn told(&self, start: u64) -> Option<Prompt> {
        let asked = self.options.prompt.as_deref().unwrap_or_default();
        let gap = self.said_until.map(|until| Millis::of_samples(start).since(until));
        let is_near = self.follows_context && gap.is_some_and(|gap| gap < NEAR);
        let said = if is_near { self.said.as_str() } else { "" };
        let told = format!("{asked} {said}");
        Some(told.trim()).filter(|told| !told.is_empty()).map(Prompt::of)
    }

    /// Shows what is known of the utterance that begins at a sample.
    pub(super) fn show(&mut self, shown: Option<Shown>, start: u64) {
        let from = Millis::of_samples(start);
        let moved = shown.map(|shown| Shown { start: from + shown.start, end: from + shown.end, ..shown });
        match moved {
            None => self.take_back(),
            Some(_) if moved == self.shown => {}
            Some(now) => {
                let text = now.text.clone();
                self.out.push(Output::Said(Said::Partial { start: now.start, end: now.end, text }));
                self.shown = Some(now);
            }
        }
    }

    /// Says that what was shown is no more.
    fn take_back(&mut self) {
        if let Some(shown) = self.shown.take() {
            let Shown { start, end, .. } = shown;
            self.out.push(Output::Said(Said::Partial { start, end, text: String::new() }));
        }
    }

    /// Says the language.
    pub(super) fn name_language(&mut self, language: Language, probability: f64) {
        self.out.push(Output::Said(Said::Language { language, probability }));
    }
}

/// The length of frames.
pub(super) fn millis(frames: usize) -> Millis {
    Millis::of_samples((frames * FRAME) as u64)
}

#[cfg(test)]
pub(crate) mod tests;
