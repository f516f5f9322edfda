//! The samples of a job: read in blocks, at any place, by any thread, one channel at a time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use steno_shared::object::LocalObject;

use crate::chunk::Piece;

const BYTES_PER_SAMPLE: u64 = 2;

/// One channel of a file of 16 kHz samples, 16-bit little-endian, without a header, those of all channels in turn.
#[derive(Debug)]
pub struct Samples {
    file: Arc<Shared>,
    /// How many channels the file has, ...
    channels: u16,
    /// ... and which of them this is, from 0.
    channel: u16,
    count: u64,
}

#[derive(Debug)]
struct Shared {
    file: File,
    /// A copy that was fetched lives as long as this.
    object: LocalObject,
}

impl Samples {
    /// Opens the samples of a job that have one channel.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(object: LocalObject) -> io::Result<Self> {
        let file = File::open(object.path())?;
        let count = file.metadata()?.len() / BYTES_PER_SAMPLE;
        Ok(Self { file: Arc::new(Shared { file, object }), channels: 1, channel: 0, count })
    }

    /// The channels of a file that has so many.
    #[must_use]
    pub fn split(self, channels: u16) -> Vec<Self> {
        let channels = channels.max(1);
        let count = self.count / u64::from(channels);
        let of = |channel| Self { file: Arc::clone(&self.file), channels, channel, count };
        (0..channels).map(of).collect()
    }

    /// How many samples the channel has.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The file, with all its channels. It is there as long as this.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.object.path()
    }

    /// The samples from `start` up to `end`, or up to the last.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn read(&self, start: u64, end: u64) -> io::Result<Vec<i16>> {
        let count = end.min(self.count).saturating_sub(start) as usize;
        let frame = u64::from(self.channels) * BYTES_PER_SAMPLE;
        let mut bytes = vec![0; count * frame as usize];
        self.file.file.read_exact_at(&mut bytes, start * frame)?;
        let (pairs, _) = bytes.as_chunks();
        let own = pairs.iter().skip(self.channel.into()).step_by(self.channels.into());
        Ok(own.map(|pair| i16::from_le_bytes(*pair)).collect())
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

    #[test]
    fn channels_are_read_each_by_itself() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // The last frame is not complete.
        let values: Vec<i16> = vec![0, 10, 20, 1, 11, 21, 2, 12, 22, 3, 13];
        std::fs::write(file.path(), values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
            .unwrap();
        let open = || Samples::open(LocalObject::in_place(file.path().to_owned())).unwrap();
        let channels = open().split(3);
        let read: Vec<_> = channels.iter().map(|channel| channel.read(1, 9).unwrap()).collect();
        assert_eq!(read, [[1, 2], [11, 12], [21, 22]]);
        assert!(channels.iter().all(|channel| channel.count() == 3));
        assert_eq!(channels[2].join(&[Piece { start: 2, end: 3 }]).unwrap(), [22.0 / 32768.0]);
        assert_eq!(open().split(0).len(), 1);
        assert_eq!(open().split(1)[0].read(0, 99).unwrap(), values);
    }
}
