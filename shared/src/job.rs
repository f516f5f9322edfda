//! A job is what the user asked for; a stage is one step of it, run in the lane of its workers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, Shortage, Tier};
use crate::diarization::SpeakerEdits;
use crate::error::{Failure, FailureCode};
use crate::id::{JobId, WorkerId};
use crate::object::ObjectKey;
use crate::time::Millis;
use crate::transcript::Warning;

mod options;

pub use options::{JobOptions, MediaOptions, Replacement, Temperature, TextOptions};

/// An enum whose variants have one spelling, in the database and on the wire.
macro_rules! spelled {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_meta])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// Every variant, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The spelling in the database and on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }

        impl FromStr for $name {
            type Err = UnknownSpelling;
            fn from_str(text: &str) -> Result<Self, UnknownSpelling> {
                match text { $($text => Ok(Self::$variant),)+ _ => Err(UnknownSpelling(text.to_owned())) }
            }
        }
    };
}

pub(crate) use spelled;

/// The text is not one of the spellings of the type asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown value {0:?}")]
pub struct UnknownSpelling(pub String);

spelled! {
    /// Where a job stands. The last three are final.
    JobState {
        /// No stage has been claimed yet.
        Queued = "queued",
        /// At least one stage has been claimed.
        Processing = "processing",
        /// The transcript can be read.
        Completed = "completed",
        /// A stage failed for good; the job says why.
        Failed = "failed",
        /// The caller took it back.
        Cancelled = "cancelled",
    }
}

impl JobState {
    /// True if the job will not change any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

spelled! {
    /// Where a stage stands.
    StageState {
        /// Waiting for a worker, perhaps until a later time (back-off).
        Queued = "queued",
        /// Claimed: an owner holds the lease.
        Running = "running",
        /// Its output is stored.
        Done = "done",
        /// It failed for good.
        Failed = "failed",
        /// Its job was cancelled.
        Cancelled = "cancelled",
    }
}

spelled! {
    /// One step of a job.
    StageKind {
        /// What is at a URL to an upload.
        Fetch = "fetch",
        /// Media to 16 kHz samples.
        Intake = "intake",
        /// Samples to a transcript.
        Transcribe = "transcribe",
        /// Samples to turns: who spoke when.
        Diarize = "diarize",
    }
}

spelled! {
    /// A named queue with its workers.
    Lane {
        /// Downloads from other people's servers.
        Fetch = "fetch",
        /// Decoding: no engine, no GPU.
        Intake = "intake",
        /// Speech to text.
        Transcribe = "transcribe",
        /// Who spoke when.
        Diarize = "diarize",
        /// Live sessions. They have a worker, not a job: nothing is ever queued in it.
        Stream = "stream",
    }
}

impl Lane {
    /// The lanes that have an executable of their own. Diarization is done by the one that transcribes.
    pub const LED: &'static [Self] = &[Self::Fetch, Self::Intake, Self::Transcribe, Self::Stream];

    /// The lanes without whose workers nothing is transcribed.
    pub const NEEDED: &'static [Self] = &[Self::Intake, Self::Transcribe];

    /// The executable whose processes work in it.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Fetch => "steno-courier",
            Self::Intake => "steno-intake",
            Self::Transcribe | Self::Diarize => "steno-transcribe",
            Self::Stream => "steno-stream",
        }
    }
}

impl StageKind {
    /// The lane whose workers run this stage.
    #[must_use]
    pub fn lane(self) -> Lane {
        match self {
            Self::Fetch => Lane::Fetch,
            Self::Intake => Lane::Intake,
            Self::Transcribe => Lane::Transcribe,
            Self::Diarize => Lane::Diarize,
        }
    }
}

/// Who goes first in a lane. Somebody waits on an interactive job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Nobody waits on the connection.
    Batch,
    /// A synchronous request waits.
    Interactive,
}

impl Priority {
    /// The number kept in the database: the greater goes first.
    #[must_use]
    pub fn rank(self) -> i32 {
        match self {
            Self::Batch => 0,
            Self::Interactive => 10,
        }
    }
}

/// A job about to be created, with the stage that begins it.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Chosen by the caller of the store, since the upload is stored under it beforehand.
    pub id: JobId,
    /// Whose job it is.
    pub account: AccountId,
    /// What the account may use.
    pub limits: Tier,
    /// Who goes first.
    pub priority: Priority,
    /// What was asked for.
    pub options: JobOptions,
    /// The name the client gave its file, for naming downloads. Never used as a path.
    pub file_name: Option<String>,
    /// Where the media is.
    pub source: Source,
    /// The request that made it, for following one request through the logs.
    pub request_id: String,
    /// The webhook that is told of its end, beside those of the account.
    pub webhook: Option<String>,
    /// The request's `Idempotency-Key`.
    pub idempotency: Option<Idempotency>,
}

/// Where a job's media is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the object store.
    Upload(Upload),
    /// Still to be fetched from there.
    Url(String),
}

/// A name for a request: the same name with the same content is the same job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The client's name for it.
    pub key: String,
    /// What the request asks for, as a hash.
    pub digest: String,
}

/// What became of the wish to create a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It is created.
    Created,
    /// There is one already: of the same idempotency key, or for the same upload and still under way. The new
    /// upload is the caller's to remove.
    Existing(JobId),
    /// It is not created, and the upload is the caller's to remove.
    Refused(Refusal),
}

/// Why a job is not created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// As many of the account's jobs run or are waited on as may.
    Concurrent(u32),
    /// As many of the account's jobs wait for their turn as may.
    Queued(u32),
    /// A limit of the account's is used up.
    Shortage(Shortage),
    /// The idempotency key names another request.
    OtherRequest,
}

/// How often a stage is tried before its job fails.
pub const MAX_ATTEMPTS: u32 = 3;

/// A spooled file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Where it is stored.
    pub key: ObjectKey,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content, lower-case hexadecimal.
    pub sha256: String,
}

/// A job as the database has it.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// Whose job it is.
    pub account: AccountId,
    /// What the account may use.
    pub limits: Tier,
    /// Where it stands.
    pub state: JobState,
    /// What was asked for.
    pub options: JobOptions,
    /// The name the client gave its file.
    pub file_name: Option<String>,
    /// Where its media was fetched from.
    pub source_url: Option<String>,
    /// The media, until it is deleted.
    pub upload: Option<ObjectKey>,
    /// The samples, once intake is done and until they are deleted.
    pub samples: Option<ObjectKey>,
    /// The result, once completed. It names no speakers: [`Self::diarization`] does.
    pub transcript: Option<ObjectKey>,
    /// The result of a transcription whose diarization has not ended yet.
    pub pending_transcript: Option<ObjectKey>,
    /// Who spoke when, once completed, if that was found out.
    pub diarization: Option<ObjectKey>,
    /// The same, while the transcription has not ended yet.
    pub pending_diarization: Option<ObjectKey>,
    /// What callers made of the speakers.
    pub speaker_edits: SpeakerEdits,
    /// The exact length of the media, known after intake.
    pub duration: Option<Millis>,
    /// How many channels the samples have, one frame of all after the other.
    pub channels: u16,
    /// What intake has to say about the media.
    pub warnings: Vec<Warning>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// The request that made it.
    pub request_id: String,
    /// How often it was run again, so that a new run writes no object of an older one.
    pub runs: u32,
    /// Whether several requests were given it, so that none may remove it for all.
    pub joined: bool,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// When its first stage was claimed.
    pub started_at: Option<i64>,
    /// When it reached a final state.
    pub finished_at: Option<i64>,
}

impl Job {
    /// Every object that its row names.
    #[must_use]
    pub fn objects(&self) -> Vec<ObjectKey> {
        let Self { upload, samples, transcript, diarization, .. } = *self;
        let pending = [self.pending_transcript, self.pending_diarization];
        [upload, samples, transcript, diarization].into_iter().chain(pending).flatten().collect()
    }
}

/// How far a stage is, in media time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Media time dealt with.
    pub done: Millis,
    /// Media time in all, once known.
    pub total: Option<Millis>,
}

/// A stage as the database has it.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Which step.
    pub kind: StageKind,
    /// Where it stands.
    pub state: StageState,
    /// Tries so far, the running one included.
    pub attempts: u32,
    /// How far it is.
    pub progress: Progress,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// When its last attempt was claimed.
    pub started_at: Option<i64>,
    /// When its last attempt ended.
    pub finished_at: Option<i64>,
}

/// The right to run one attempt of a stage: whatever is written under it is refused once another attempt has
/// been claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// The stage of it.
    pub stage: StageKind,
    /// Who claimed it.
    pub owner: WorkerId,
    /// Which try this is, from 1.
    pub attempt: u32,
}

/// How an attempt ended without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setback {
    /// Trying again cannot help: the media is at fault, or the request.
    Final(Failure),
    /// Another try may succeed; the last one makes it final.
    Retry(Failure),
    /// The worker is stopping: back into the queue, and the try is not counted.
    HandBack,
}

impl Setback {
    /// A final setback.
    pub fn give_up(code: FailureCode, message: impl Into<String>) -> Self {
        Self::Final(Failure::new(code, message))
    }

    /// A setback after which the stage is tried again.
    pub fn retry(code: FailureCode, message: impl Into<String>) -> Self {
        Self::Retry(Failure::new(code, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_read_back() {
        for state in JobState::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
            assert_eq!(serde_json::to_string(state).unwrap(), format!("\"{state}\""));
        }
        assert!("Queued".parse::<JobState>().is_err());
    }
}
