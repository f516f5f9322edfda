//! The head of what a decoder writes when channels are kept apart: that of a WAV file, which tells how many there
//! are. Without it a decoder writes one channel and nothing before it.

/// The head is shorter, with everything that ffmpeg puts in.
pub(crate) const LONGEST: usize = 4096;

/// Of a file whose length is not known when it begins.
const ENDLESS: [u8; 4] = [0xff; 4];
const BEFORE_CHUNKS: usize = 12;

/// What a head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// How many channels follow, one frame of all after the other.
    pub(crate) channels: u16,
    /// Where they begin.
    pub(crate) length: usize,
}

/// The head of samples of 16 kHz and 16 bits.
pub(crate) fn write(channels: u16) -> Vec<u8> {
    let (rate, frame) = (steno_shared::time::SAMPLE_RATE, 2 * channels);
    let mut head = b"RIFF".to_vec();
    head.extend(ENDLESS);
    head.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    head.extend(channels.to_le_bytes());
    head.extend(rate.to_le_bytes());
    head.extend((rate * u32::from(frame)).to_le_bytes());
    head.extend(frame.to_le_bytes());
    head.extend(b"\x10\0data");
    head.extend(ENDLESS);
    head
}

/// Reads a head, if these bytes hold all of it.
pub(crate) fn read(bytes: &[u8]) -> Option<Head> {
    let mut at = BEFORE_CHUNKS;
    let mut channels = None;
    loop {
        let chunk = bytes.get(at..)?;
        let size = u32::from_le_bytes(chunk.get(4..8)?.try_into().ok()?);
        match &chunk[..4] {
            b"fmt " => channels = Some(u16::from_le_bytes(chunk.get(10..12)?.try_into().ok()?)),
            b"data" => return Some(Head { channels: channels?, length: at + 8 }),
            _ => {}
        }
        at = at.checked_add(8)?.checked_add(usize::try_from(size).ok()?.next_multiple_of(2))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_once_it_is_whole() {
        for channels in [1, 2, 6, 8, 16] {
            let mut head = write(channels);
            let length = head.len();
            assert!((0..length).all(|count| read(&head[..count]).is_none()));
            head.extend([1, 2, 3]);
            assert_eq!(read(&head), Some(Head { channels, length }));
        }
    }

    #[test]
    fn the_head_of_ffmpeg_has_more_in_it() {
        // WAVE_FORMAT_EXTENSIBLE of six channels, and who wrote it.
        let mut head = b"RIFF\xff\xff\xff\xffWAVEfmt \x28\0\0\0\xfe\xff\x06\0".to_vec();
        head.extend([0; 36]);
        head.extend(b"LIST\x1a\0\0\0INFOISFT\x0e\0\0\0Lavf59.27.100\0data\xff\xff\xff\xff");
        assert_eq!(read(&head), Some(Head { channels: 6, length: head.len() }));
    }

    #[test]
    fn what_is_no_head_is_none() {
        assert_eq!(read(&[0xff; LONGEST]), None);
        assert_eq!(read(b"RIFF\xff\xff\xff\xffWAVEdata\x02\0\0\0"), None);
    }
}
