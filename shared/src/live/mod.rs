//! Live sessions, as the API and the stream workers speak of them.
//!
//! Belongs here: the messages of the link between the two ([`link`] says how they travel). Does not belong here: what a
//! client sends and gets, which is the API's, and how speech becomes text, which is the worker's.
//!
//! A session's audio is counted in samples at 16 kHz from its beginning, also when another worker takes it over. The
//! worker says from where on it still needs the audio ([`Reply::Heard`], [`Said::Final`]); the API keeps what lies behind
//! that, and sends it to the next worker if this one is lost.

pub mod link;

use serde::{Deserialize, Serialize};

use crate::catalog::ModelId;
use crate::language::Language;
use crate::time::Millis;
use crate::transcript::Segment;

/// A session on one link: the API's number for it, never used twice on the same link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionNumber(pub u64);

/// How a session shall be transcribed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionOptions {
    /// The catalogue id of the model.
    pub model: ModelId,
    /// The language spoken; none has it detected on the first speech.
    pub language: Option<Language>,
    /// Silence that ends an utterance, in milliseconds of audio.
    pub endpoint_ms: u32,
    /// Whether texts are wanted that may still change.
    pub partials: bool,
    /// What the model is told was said before the session.
    pub prompt: Option<String>,
}

/// Silence that ends an utterance, unless a session wishes otherwise.
pub const ENDPOINT_MS: u32 = 450;
/// The shortest and the longest silence that a session may wish for.
pub const ENDPOINTS_MS: (u32, u32) = (200, 3000);

/// Where a worker takes a session up that another one has lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resumption {
    /// The first sample that it will be sent: everything before it is final.
    pub at: u64,
    /// The language that was detected, and how likely it was, 0 to 1.
    pub language: Option<(Language, f64)>,
    /// When the last final text ended; with none, nothing was said yet.
    pub said_until: Option<Millis>,
    /// The end of the final text so far, for models that are told what was said before.
    pub said: String,
}

/// What the API tells a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// First of all: the version of the link and the secret that both know from the database.
    Hello {
        /// [`link::VERSION`].
        version: u32,
        /// What the database keeps under [`link::SECRET`].
        secret: String,
    },
    /// A client is there: is there a place for it? Answered by [`Reply::Opened`] or [`Reply::Refused`].
    Open {
        /// The new session.
        session: SessionNumber,
    },
    /// The client has said what it wants. Answered by [`Reply::Ready`] or [`Reply::Failed`]. Audio may be sent before the
    /// answer.
    Begin {
        /// An open session.
        session: SessionNumber,
        /// What it wants.
        options: SessionOptions,
        /// Where it goes on, if another worker had it before.
        resumption: Option<Resumption>,
    },
    /// Whatever was said so far shall be final at once.
    Flush {
        /// A session that has begun.
        session: SessionNumber,
    },
    /// No more audio comes. Answered by [`Reply::Done`] when all is final.
    Stop {
        /// A session that has begun.
        session: SessionNumber,
    },
    /// Nobody waits for the session any more; nothing is answered.
    Leave {
        /// Any session.
        session: SessionNumber,
    },
}

/// What a worker tells the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Hello`]. A wrong secret or version has the link closed instead.
    Welcome,
    /// The session has a place.
    Opened {
        /// Which one.
        session: SessionNumber,
    },
    /// There is none: others would become slow.
    Refused {
        /// Which one.
        session: SessionNumber,
        /// When it is worth trying again, in seconds.
        retry_after_s: u64,
    },
    /// The model is in memory.
    Ready {
        /// Which session.
        session: SessionNumber,
    },
    /// Text.
    Said {
        /// Which session.
        session: SessionNumber,
        /// What was said.
        said: Said,
    },
    /// How far the worker is; sent at least once for each second of audio, and after every final text.
    Heard {
        /// Which session.
        session: SessionNumber,
        /// Audio before this sample was looked at for speech, and decoded if it was time to.
        heard: u64,
        /// Audio before this sample is needed no more: all of its text is final.
        needed_from: u64,
    },
    /// To [`Request::Stop`], after the last text.
    Done {
        /// Which session.
        session: SessionNumber,
    },
    /// The session has ended by a failure. The worker has forgotten it.
    Failed {
        /// Which session.
        session: SessionNumber,
        /// What kind of failure.
        reason: FailReason,
        /// For people.
        message: String,
    },
}

/// Why a worker gives a session up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    /// There is too much to do: the client may try again later.
    Busy,
    /// The model is not installed here.
    NoModel,
    /// The engine failed, or the model cannot be loaded.
    Internal,
    /// The worker is being stopped: another one can take the session up.
    Stopping,
}

/// What was said, or seems to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Said {
    /// The text since the last final one, as far as it is known. It may still change.
    Partial {
        /// When it begins.
        start: Millis,
        /// When its last word ends.
        end: Millis,
        /// Trimmed. Empty: what was there is taken back.
        text: String,
    },
    /// A text that stays.
    Final {
        /// Its words, with times of the session.
        segment: Segment,
        /// Whether an endpoint ended it; if not, it was cut off for its length, or the client wished so.
        utterance_end: bool,
        /// As in [`Reply::Heard`].
        needed_from: u64,
    },
    /// The language was detected, and is held from here on.
    Language {
        /// Which one.
        language: Language,
        /// How likely it is, 0 to 1.
        probability: f64,
    },
}
