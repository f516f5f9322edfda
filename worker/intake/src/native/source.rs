//! The file as symphonia reads it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use symphonia::core::io::MediaSource;

/// How much of a source has been read, from its start.
#[derive(Debug, Clone, Default)]
pub(super) struct Reached(Arc<AtomicU64>);

impl Reached {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A file from an offset on, which counts how far it is read.
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    start: u64,
    position: u64,
    length: u64,
    tells_length: bool,
    reached: Reached,
}

impl Source {
    /// The file from `start` on.
    pub(super) fn open(mut file: File, start: u64) -> io::Result<Self> {
        let length = file.metadata()?.len().saturating_sub(start);
        file.seek(SeekFrom::Start(start))?;
        Ok(Self { file, start, position: 0, length, tells_length: true, reached: Reached::default() })
    }

    /// Without its length. symphonia guesses the number of frames of an MP3 without a Xing header from the length
    /// and the first frames, and then cuts off what is longer: a file of variable bit rate loses its end.
    pub(super) fn of_unknown_length(self) -> Self {
        Self { tells_length: false, ..self }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn reached(&self) -> Reached {
        self.reached.clone()
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.position += count as u64;
        self.reached.0.fetch_max(self.position, Ordering::Relaxed);
        Ok(count)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(position) => SeekFrom::Start(self.start.saturating_add(position)),
            relative => relative,
        };
        let absolute = self.file.seek(to)?;
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "a position before the media");
        self.position = absolute.checked_sub(self.start).ok_or_else(before)?;
        Ok(self.position)
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        self.tells_length.then_some(self.length)
    }
}
