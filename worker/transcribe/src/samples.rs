//! The samples of a job: read in blocks, at any place, by any thread.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use steno_shared::object::LocalObject;

use crate::chunk::Piece;

const BYTES_PER_SAMPLE: u64 = 2;

/// A file of 16 kHz mono samples, 16-bit little-endian, without a header.
#[derive(Debug)]
pub struct Samples {
    file: File,
    count: u64,
    /// A copy that was fetched lives as long as this.
    _object: LocalObject,
}

impl Samples {
    /// Opens the samples of a job.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(object: LocalObject) -> io::Result<Self> {
        let file = File::open(object.path())?;
        let count = file.metadata()?.len() / BYTES_PER_SAMPLE;
        Ok(Self { file, count, _object: object })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The samples from `start` up to `end`, or up to the last.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn read(&self, start: u64, end: u64) -> io::Result<Vec<i16>> {
        let count = end.min(self.count).saturating_sub(start) as usize;
        let mut bytes = vec![0; count * BYTES_PER_SAMPLE as usize];
        self.file.read_exact_at(&mut bytes, start * BYTES_PER_SAMPLE)?;
        let (pairs, _) = bytes.as_chunks();
        Ok(pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect())
    }

    /// The samples of some pieces, one after the other, from -1 to 1.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn join(&self, pieces: &[Piece]) -> io::Result<Vec<f32>> {
        let mut joined = Vec::with_capacity(pieces.iter().map(|piece| piece.len() as usize).sum());
        for piece in pieces {
            let samples = self.read(piece.start, piece.end)?;
            joined.extend(samples.into_iter().map(|sample| f32::from(sample) / 32768.0));
        }
        Ok(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_and_what_lies_beyond_the_end_is_left_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let values: Vec<i16> = (0..100).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).chain([7]).collect();
        std::fs::write(file.path(), bytes).unwrap();
        let samples = Samples::open(LocalObject::in_place(file.path().to_owned())).unwrap();
        assert_eq!(samples.count(), 100);
        assert_eq!(samples.read(98, 200).unwrap(), [98, 99]);
        assert_eq!(samples.read(200, 300).unwrap(), [0; 0]);
        let joined = samples.join(&[Piece { start: 2, end: 4 }, Piece { start: 50, end: 51 }]).unwrap();
        assert_eq!(joined, [2.0 / 32768.0, 3.0 / 32768.0, 50.0 / 32768.0]);
    }
}
