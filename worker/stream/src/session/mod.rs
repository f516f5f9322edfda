//! One session: from samples to text.
//!
//! Belongs here: all that is decided about a session, by its audio alone: no threads, no clock, time is counted in
//! samples. [`utterance`] finds out where somebody speaks, [`agreement`] what of a text may be shown before its end,
//! [`guards`] what of it is believed, [`course`] holds it together and says what it wants decoded. Does not belong here:
//! when that is decoded ([`crate::engine`]).

mod agreement;
pub(crate) mod course;
mod guards;
mod passes;
mod ring;
mod tongue;
mod utterance;
mod words;

use steno_runtime::engine::{ChunkOptions, ChunkText};
use steno_shared::language::Language;
use steno_shared::live::{FailReason, Said};

/// What a session says.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Text.
    Said(Said),
    /// How far it is: as [`steno_shared::live::Reply::Heard`].
    Heard {
        /// Audio before this sample was looked at.
        heard: u64,
        /// Audio before this sample is needed no more.
        needed_from: u64,
    },
    /// After a stop: all is final.
    Done,
    /// It has ended by a failure.
    Failed {
        /// What kind of failure.
        reason: FailReason,
        /// For people.
        message: String,
    },
}

/// What a session wants decoded, by its urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wish {
    /// A text that stays.
    Final,
    /// One that will be replaced.
    Partial,
}

/// How much may be asked for that is soon replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// A partial text for so many new samples at most; none at all for none.
    pub(crate) every: Option<u64>,
}

/// What shall be decoded.
#[derive(Debug)]
pub(crate) struct Pass {
    /// What is asked.
    pub(crate) work: Work,
    /// The audio, -1 to 1, 30 s at most.
    pub(crate) samples: Vec<f32>,
}

/// What is asked about a stretch of audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    /// Which language is spoken.
    Language,
    /// What is said.
    Text(ChunkOptions),
}

/// What the engine answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// To [`Work::Language`]: the language and how likely it is.
    Language(Language, f64),
    /// To [`Work::Text`].
    Text(ChunkText),
}
