//! Keys of objects. Only this file builds and reads them.

use std::fmt;
use std::str::FromStr;

use crate::id::JobId;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// Media as it was sent, or fetched.
    Upload,
    /// A piece of media that is being sent resumably.
    Part,
    /// 16 kHz mono samples, 16-bit little-endian, no header.
    Samples,
    /// A transcript as JSON.
    Transcript,
    /// Who spoke when, as JSON.
    Diarization,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Upload, Self::Part, Self::Samples, Self::Transcript, Self::Diarization];

    /// The folder, or the prefix, that holds all objects of the kind.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Upload => "uploads",
            Self::Part => "parts",
            Self::Samples => "samples",
            Self::Transcript => "transcripts",
            Self::Diarization => "diarizations",
        }
    }
}

/// The key of an object: its kind, its job, and the attempt that wrote it (of a part, its number), so that two
/// attempts at one stage never write the same object and only the one that a row names counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    kind: ObjectKind,
    job: JobId,
    attempt: u32,
}

impl ObjectKey {
    /// The media of a job, as it was sent.
    #[must_use]
    pub fn upload(job: JobId) -> Self {
        Self { kind: ObjectKind::Upload, job, attempt: 0 }
    }

    /// The media that an attempt at a job's URL fetched; its number is never that of an upload.
    #[must_use]
    pub fn fetched(job: JobId, attempt: u32) -> Self {
        Self { kind: ObjectKind::Upload, job, attempt }
    }

    /// A part of the media of the job that will be; no number is given twice.
    #[must_use]
    pub fn part(job: JobId, number: u32) -> Self {
        Self { kind: ObjectKind::Part, job, attempt: number }
    }

    /// The samples that an attempt at intake made.
    #[must_use]
    pub fn samples(job: JobId, attempt: u32) -> Self {
        Self { kind: ObjectKind::Samples, job, attempt }
    }

    /// The transcript that an attempt made.
    #[must_use]
    pub fn transcript(job: JobId, attempt: u32) -> Self {
        Self { kind: ObjectKind::Transcript, job, attempt }
    }

    /// Who spoke when, as an attempt found out.
    #[must_use]
    pub fn diarization(job: JobId, attempt: u32) -> Self {
        Self { kind: ObjectKind::Diarization, job, attempt }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// Whose it is.
    #[must_use]
    pub fn job(&self) -> JobId {
        self.job
    }

    /// The attempt that wrote it; of a part, its number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.attempt
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.kind.folder(), self.job, self.attempt)
    }
}

/// The text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an object key: {0:?}")]
pub struct InvalidKey(String);

impl FromStr for ObjectKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let invalid = || InvalidKey(text.to_owned());
        let (folder, name) = text.split_once('/').ok_or_else(invalid)?;
        let (job, attempt) = name.split_once('.').ok_or_else(invalid)?;
        let kind = ObjectKind::ALL.into_iter().find(|kind| kind.folder() == folder).ok_or_else(invalid)?;
        let key = Self {
            kind,
            job: job.parse().map_err(|_| invalid())?,
            attempt: attempt.parse().map_err(|_| invalid())?,
        };
        // One key, one spelling: "+1" and "01" are numbers too.
        if key.to_string() == text { Ok(key) } else { Err(invalid()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_as_written() {
        let job = JobId::random();
        for key in [
            ObjectKey::upload(job),
            ObjectKey::fetched(job, 1),
            ObjectKey::part(job, 7),
            ObjectKey::samples(job, 1),
            ObjectKey::transcript(job, 12),
            ObjectKey::diarization(job, 3),
        ] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let job = JobId::random();
        let texts = [
            "",
            "uploads/",
            "uploads/x.0",
            &format!("other/{job}.0"),
            &format!("uploads/{job}.00"),
            "../a.0",
        ];
        for text in texts {
            assert!(text.parse::<ObjectKey>().is_err(), "{text}");
        }
    }
}
