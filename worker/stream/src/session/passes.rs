//! What a session wants decoded, and what comes of it.

use steno_runtime::engine::{ChunkOptions, ChunkText, Decoding};
use steno_shared::time::{Millis, SAMPLE_RATE};

use super::course::{Course, Ended, millis};
use super::tongue::{Opinion, Tongue};
use super::utterance::HUSH;
use super::{Answer, Pace, Pass, Wish, Work, guards};

/// A word that ends this close to the end of the audio (0.2 s) may not be heard to its end.
const EDGE: Millis = Millis(200);
/// The first text of an utterance is looked for when there is this much of it, its beginning included (0.7 s).
const FIRST: u64 = SAMPLE_RATE as u64 * 7 / 10;

/// What is being decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    /// From sample ...
    start: u64,
    /// ... to sample.
    end: u64,
    /// Frames of speech.
    speech: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Language,
    /// As good as can be.
    Final,
    /// Fast.
    Partial,
}

impl Course {
    /// What would be decoded next, if it were its turn.
    pub(crate) fn wish(&self, pace: Pace) -> Option<Wish> {
        self.next(pace).map(|(wish, _)| wish)
    }

    /// The next pass, with all audio that there is by now. Its answer goes to [`Course::answered`].
    pub(crate) fn take(&mut self, pace: Pace) -> Option<Pass> {
        let (_, asked) = self.next(pace)?;
        let samples = self.samples(asked.start, asked.end);
        let work = match asked.kind {
            Kind::Language => Work::Language,
            Kind::Final => Work::Text(self.chunk_options(asked, Decoding::Likeliest)?),
            Kind::Partial => Work::Text(self.chunk_options(asked, Decoding::Quick)?),
        };
        self.asked = Some(asked);
        Some(Pass { work, samples })
    }

    /// Takes the answer to the pass that was taken last.
    pub(crate) fn answered(&mut self, answer: Answer) {
        let Some(asked) = self.asked.take() else { return };
        match answer {
            Answer::Language(language, probability) => {
                self.language_heard(asked, Opinion { language, probability });
            }
            Answer::Text(text) => self.text_heard(asked, text),
        }
        self.settle();
    }

    fn next(&self, pace: Pace) -> Option<(Wish, Asked)> {
        if self.asked.is_some() || self.is_done() {
            return None;
        }
        if let Some(ended) = self.ended.iter().find(|ended| ended.text.is_none()) {
            let known = ended.language.or(self.tongue.language()).is_some();
            let kind = if known { Kind::Final } else { Kind::Language };
            let asked = Asked { start: ended.start, end: ended.end, speech: ended.speech, kind };
            return Some((Wish::Final, asked));
        }
        // What goes on is shown when all before it is final.
        if !self.ended.is_empty() {
            return None;
        }
        self.next_of_open(pace)
    }

    fn next_of_open(&self, pace: Pace) -> Option<(Wish, Asked)> {
        let open = self.utterances.open().filter(|open| open.counts())?;
        let (start, speech) = (self.sample(open.start), open.speech);
        let (until, hush) = (self.listened(), self.sample(open.spoken_until + HUSH));
        let is_hushed = self.utterances.silence() >= HUSH;
        let is_known = self.tongue.language().is_some();
        if !is_known && !Tongue::can_ask(speech) {
            return None;
        }
        let kind = |kind| if is_known { kind } else { Kind::Language };
        if is_hushed {
            // Others would wait for what may be thrown away.
            pace.every?;
            let is_there = self.ahead.as_ref().is_some_and(|(from, to, _)| (*from, *to) == (start, hush));
            let asked = Asked { start, end: hush, speech, kind: kind(Kind::Final) };
            return (!is_there).then_some((Wish::Final, asked));
        }
        let every = pace.every.filter(|_| self.options.partials)?;
        let due = self.decoded_until.map_or(start + FIRST, |decoded| decoded + every);
        let asked = Asked { start, end: until, speech, kind: kind(Kind::Partial) };
        (until >= due).then_some((Wish::Partial, asked))
    }

    fn chunk_options(&self, asked: Asked, decoding: Decoding) -> Option<ChunkOptions> {
        let ended = self.ended.iter().find(|ended| is_about(ended, asked));
        let language = ended.and_then(|ended| ended.language).or(self.tongue.language())?;
        let is_told = ended.is_none_or(|ended| !ended.untold);
        let prompt = if is_told { self.told(asked.start) } else { None };
        Some(ChunkOptions { language, decoding, prompt })
    }

    fn language_heard(&mut self, asked: Asked, opinion: Opinion) {
        if self.tongue.hear(opinion, asked.speech) {
            let Opinion { language, probability } = opinion;
            return self.name_language(language, probability);
        }
        // Short, and the model is not sure: it is told so for this utterance alone.
        if let Some(ended) = self.ended.iter_mut().find(|ended| is_about(ended, asked)) {
            ended.language = Some(opinion.language);
        }
    }

    fn text_heard(&mut self, asked: Asked, text: ChunkText) {
        let prompt = if asked.kind == Kind::Final { self.told(asked.start) } else { None };
        let is_echo = prompt.is_some_and(|prompt| guards::is_echo(&text, &prompt));
        let wanted = asked.kind == Kind::Final;
        let ended =
            self.ended.iter_mut().find(|ended| wanted && ended.text.is_none() && is_about(ended, asked));
        if let Some(ended) = ended {
            if is_echo && !ended.untold {
                ended.untold = true;
            } else {
                ended.text = Some(text);
            }
            return;
        }
        let goes_on = self.utterances.open().is_some_and(|open| self.sample(open.start) == asked.start);
        if goes_on && self.ended.is_empty() {
            self.guessed(asked, &text);
            if wanted && !is_echo {
                self.ahead = Some((asked.start, asked.end, text));
            }
        }
    }

    /// A text of the utterance that goes on.
    fn guessed(&mut self, asked: Asked, text: &ChunkText) {
        self.decoded_until = Some(asked.end);
        if self.options.partials
            && let Some(text) = guards::believed(text.clone(), millis(asked.speech))
        {
            let length = Millis::of_samples(asked.end - asked.start);
            // Behind a whole text it is quiet.
            let until = if asked.kind == Kind::Final { length } else { length - EDGE };
            let shown = self.agreement.hear(&text, until);
            self.show(shown, asked.start);
        }
    }
}

fn is_about(ended: &Ended, asked: Asked) -> bool {
    (ended.start, ended.end) == (asked.start, asked.end)
}
