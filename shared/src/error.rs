//! Why a job failed: a code that programs read and a sentence that people read.
//!
//! The code decides the HTTP status (in the API's one table); the message is shown to the caller as it is, so
//! it names no path, no host and no internals.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::job::UnknownSpelling;

/// The causes of failure that a client may tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The file has no bytes.
    EmptyFile,
    /// The content is not audio or video that can be read here.
    UnsupportedFormat,
    /// A video without an audio track.
    NoAudio,
    /// The file has fewer audio tracks than the number asked for.
    NoSuchTrack,
    /// The file has more channels than are transcribed apart.
    TooManyChannels,
    /// The part asked for begins where the audio has ended.
    StartBeyondEnd,
    /// Audio in a known format of which nothing could be decoded.
    Undecodable,
    /// The decoded audio is longer than this server accepts.
    AudioTooLong,
    /// The file at the URL is larger than the account may send.
    FileTooLarge,
    /// The URL leads where this server does not go.
    UrlRefused,
    /// The server at the URL did not give the file.
    UrlFailed,
    /// The account has not the credits that the audio costs.
    NoCredits,
    /// The account has not the minutes that the audio takes.
    QuotaExceeded,
    /// The model asked for is not installed on any worker.
    ModelNotInstalled,
    /// Something of the audio is not in the text, and the caller wanted all or nothing.
    Incomplete,
    /// No room left on the server's disk.
    OutOfSpace,
    /// The worker died at this job, as often as tries are allowed.
    WorkerLost,
    /// An attempt ran past its time limit.
    TimedOut,
    /// Anything that is the server's own fault.
    Internal,
}

impl FailureCode {
    const ALL: &'static [(Self, &'static str)] = &[
        (Self::EmptyFile, "empty_file"),
        (Self::UnsupportedFormat, "unsupported_format"),
        (Self::NoAudio, "no_audio"),
        (Self::NoSuchTrack, "no_such_track"),
        (Self::TooManyChannels, "too_many_channels"),
        (Self::StartBeyondEnd, "start_beyond_end"),
        (Self::Undecodable, "undecodable"),
        (Self::AudioTooLong, "audio_too_long"),
        (Self::FileTooLarge, "file_too_large"),
        (Self::UrlRefused, "url_refused"),
        (Self::UrlFailed, "url_failed"),
        (Self::NoCredits, "no_credits"),
        (Self::QuotaExceeded, "quota_exceeded"),
        (Self::ModelNotInstalled, "model_not_installed"),
        (Self::Incomplete, "incomplete"),
        (Self::OutOfSpace, "out_of_space"),
        (Self::WorkerLost, "worker_lost"),
        (Self::TimedOut, "timed_out"),
        (Self::Internal, "internal"),
    ];

    /// The spelling in the database and in `code` of an error body.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(code, _)| *code == self).map_or("internal", |(_, text)| text)
    }

    /// True if the file or the request is at fault: no retry can help, and nothing of it is kept.
    #[must_use]
    pub fn is_the_callers(self) -> bool {
        matches!(
            self,
            Self::EmptyFile
                | Self::UnsupportedFormat
                | Self::NoAudio
                | Self::NoSuchTrack
                | Self::TooManyChannels
                | Self::StartBeyondEnd
                | Self::Undecodable
                | Self::AudioTooLong
                | Self::FileTooLarge
                | Self::UrlRefused
        )
    }

    /// True if the account's limits are at fault: the same file is welcome when there is room again.
    #[must_use]
    pub fn is_a_shortage(self) -> bool {
        matches!(self, Self::NoCredits | Self::QuotaExceeded)
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FailureCode {
    type Err = UnknownSpelling;
    fn from_str(text: &str) -> Result<Self, UnknownSpelling> {
        let found = Self::ALL.iter().find(|(_, spelling)| *spelling == text);
        found.map(|(code, _)| *code).ok_or_else(|| UnknownSpelling(text.to_owned()))
    }
}

/// Why a job or an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The cause, for programs.
    pub code: FailureCode,
    /// The cause, for people: one sentence without a full stop.
    pub message: String,
}

impl Failure {
    /// A failure with its sentence.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_one_spelling() {
        for (code, text) in FailureCode::ALL {
            assert_eq!(text.parse(), Ok(*code));
            assert_eq!(code.as_str(), *text);
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{text}\""));
        }
    }
}
