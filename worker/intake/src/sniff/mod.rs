//! What a file is, by its first bytes: never by its name, by what the client says, or by what a decoder guesses.
//!
//! Decoders look for something to decode and find it anywhere: a chance MPEG sync word in a video, a playlist that
//! names other files. So nothing is decoded that was not recognised here, or at least found not to be text.

mod container;
mod foreign;
mod frames;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

pub use container::Container;

/// This much is looked at.
const HEAD: u64 = 64 * 1024;
/// ID3 tags may be stacked, but not without end.
const MOST_TAGS: usize = 4;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// No bytes at all.
    Empty,
    /// Media, or at least it begins like media.
    Media(Media),
    /// Something else that is known, with its article: "a PDF document".
    Foreign(&'static str),
    /// Binary data that begins like nothing known.
    Unknown,
}

/// What is known about media from their first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Media {
    /// How they are packed.
    pub container: Container,
    /// Where they begin: after the ID3 tags, if there are any.
    pub offset: u64,
    /// The header tells of more bytes than there are.
    pub is_cut: bool,
}

impl Media {
    fn new(container: Container, offset: u64) -> Self {
        Self { container, offset, is_cut: false }
    }
}

/// Looks at the beginning of a file.
///
/// # Errors
/// If it cannot be read.
pub fn sniff_file(file: &mut File) -> io::Result<Sniffed> {
    let (mut head, mut offset) = (read_at(file, 0)?, 0);
    if head.is_empty() {
        return Ok(Sniffed::Empty);
    }
    for _ in 0..MOST_TAGS {
        let Some(length) = frames::id3_length(&head) else { break };
        offset += length;
        head = read_at(file, offset)?;
    }
    let mut sniffed = sniff(&head, offset);
    if let Sniffed::Media(media) = &mut sniffed {
        let length = file.metadata()?.len();
        media.is_cut = container::told_length(media.container, &head).is_some_and(|told| told > length);
    }
    Ok(sniffed)
}

fn read_at(file: &mut File, offset: u64) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// What begins like this, `offset` bytes after the start of its file.
fn sniff(head: &[u8], offset: u64) -> Sniffed {
    if let Some(container) = container::by_magic(head) {
        return Sniffed::Media(Media::new(container, offset));
    }
    if let Some(name) = foreign::name(head) {
        return Sniffed::Foreign(name);
    }
    match frames::find(head) {
        Some((container, at)) => Sniffed::Media(Media::new(container, offset + at as u64)),
        // After an ID3 tag there is hardly anything else.
        None if offset > 0 => Sniffed::Media(Media::new(Container::MpegAudio, offset)),
        None => Sniffed::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn padded(start: &[u8]) -> Vec<u8> {
        let mut bytes = start.to_vec();
        bytes.resize(4096, 0);
        bytes
    }

    #[test]
    fn media_are_known_by_their_first_bytes() {
        let ogg = |packet: &[u8]| {
            let mut page = b"OggS\0\x02".to_vec();
            page.resize(26, 0);
            page.extend([1, packet.len() as u8]);
            page.extend(packet);
            page
        };
        let opus = |channels: u8| ogg(&[b"OpusHead\x01".as_slice(), &[channels], &[0; 9]].concat());
        let table: &[(Vec<u8>, Container)] = &[
            (b"RIFF\x24\0\0\0WAVEfmt ".to_vec(), Container::Wav),
            (b"RF64\xff\xff\xff\xffWAVEds64".to_vec(), Container::WavLarge),
            (b"RIFX\0\0\0\x24WAVEfmt ".to_vec(), Container::WavLarge),
            (b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb".to_vec(), Container::Wave64),
            (b"RIFF\x24\0\0\0AVI LIST".to_vec(), Container::Avi),
            (b"FORM\0\0\0\x24AIFFCOMM".to_vec(), Container::Aiff),
            (b"FORM\0\0\0\x24AIFCFVER".to_vec(), Container::Aiff),
            (b"caff\0\x01\0\0desc".to_vec(), Container::Caf),
            (b"fLaC\0\0\0\x22".to_vec(), Container::Flac),
            (ogg(b"\x01vorbis\0\0\0\0"), Container::OggPlain),
            (ogg(b"\x7fFLAC\x01\0"), Container::OggPlain),
            (opus(1), Container::OggPlain),
            (opus(2), Container::OggPlain),
            (opus(6), Container::OggOther),
            (ogg(b"Speex   1.2"), Container::OggOther),
            (ogg(b"\x80theora"), Container::OggOther),
            (b"\0\0\0\x20ftypM4A \0\0\x02\0".to_vec(), Container::Mp4),
            (b"\0\0\0\x14ftypqt  \0\0\x02\0".to_vec(), Container::Mp4),
            (b"\0\0\0\x08wide\0\x01\0\0mdat".to_vec(), Container::Mp4),
            (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm".to_vec(), Container::Matroska),
            (b"\x1aE\xdf\xa3\xa3B\x86\x81\x01B\x82\x88matroska".to_vec(), Container::Matroska),
            (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9".to_vec(), Container::Asf),
            (b"\0\0\x01\xba\x44\0\x04\0".to_vec(), Container::MpegProgram),
            (b"FLV\x01\x05\0\0\0\x09".to_vec(), Container::Flv),
            (b".snd\0\0\0\x18".to_vec(), Container::Au),
            (b"#!AMR\n\x0c".to_vec(), Container::Amr),
            (b"#!AMR-WB\n\x0c".to_vec(), Container::Amr),
            (b"\x0b\x77\x12\x34\x56".to_vec(), Container::Ac3),
        ];
        for (start, container) in table {
            assert_eq!(sniff(&padded(start), 0), Sniffed::Media(Media::new(*container, 0)));
        }
        let mut stream = vec![0xff; 188 * 5];
        stream.iter_mut().step_by(188).for_each(|byte| *byte = 0x47);
        let media = Media::new(Container::MpegTransport, 0);
        assert_eq!(sniff(&stream, 0), Sniffed::Media(media));
    }

    #[test]
    fn what_is_no_media_is_named() {
        let mut tar = vec![0_u8; 512];
        tar[..8].copy_from_slice(b"talk.wav");
        tar[257..262].copy_from_slice(b"ustar");
        let table: &[(&[u8], &str)] = &[
            (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "a PDF document"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG picture"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG picture"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "a WebP picture"),
            (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIF picture"),
            (b"\0\0\0\x1cftypavif\0\0\0\0", "an AVIF picture"),
            (b"PK\x03\x04\x14\0\0\0\x08\0", "a ZIP archive or an office document"),
            (b"\x1f\x8b\x08\0\0\0\0\0", "a gzip archive"),
            (b"MThd\0\0\0\x06\0\x01", "a MIDI file, which holds notes and no sound"),
            (b"\x7fELF\x02\x01\x01\0", "a program"),
            (b"SQLite format 3\0", "a database"),
            (b"#EXTM3U\n#EXT-X-VERSION:3\n", "a playlist"),
            (b"\xef\xbb\xbf#EXTM3U\r\n", "a playlist"),
            (b"ffconcat version 1.0\nfile 'a.wav'\n", "a playlist"),
            (b"<?xml version=\"1.0\"?><MPD>", "an XML document"),
            (b"<!doctype html><html>", "an HTML page"),
            (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", "a text file"),
            ("Guten Tag, wie geht es Ihnen? Größer!\n".as_bytes(), "a text file"),
            (b"{\"text\": 5}", "a text file"),
            (b"\xff\xfeH\0e\0l\0l\0o\0", "a text file"),
            (&tar, "a tar archive"),
        ];
        for (start, name) in table {
            assert_eq!(sniff(start, 0), Sniffed::Foreign(name), "{name}");
        }
        assert_eq!(sniff(&padded(b"\x01\x02\x03\x04"), 0), Sniffed::Unknown);
        assert_eq!(sniff(&[0; 100], 0), Sniffed::Unknown);
    }

    #[test]
    fn bare_frames_need_three_in_a_row() {
        // MPEG-1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes a frame.
        let mut mp3 = vec![0; 417 * 4];
        mp3.chunks_exact_mut(417).for_each(|frame| frame[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0x00]));
        let found = |offset| Sniffed::Media(Media::new(Container::MpegAudio, offset));
        assert_eq!(sniff(&mp3, 0), found(0));
        assert_eq!(sniff(&[&[0; 33], mp3.as_slice()].concat(), 0), found(33));
        assert_eq!(sniff(&mp3[..417 * 2], 0), Sniffed::Unknown);
        assert_eq!(sniff(&[0; 64], 1234), found(1234));

        // AAC LC, 48 kHz, stereo, frames of 100 bytes.
        let mut adts = vec![0; 400];
        let header = [0xff, 0xf1, 0x4c, 0x80, 0x0c, 0x9f, 0xfc];
        adts.chunks_exact_mut(100).for_each(|frame| frame[..7].copy_from_slice(&header));
        assert_eq!(sniff(&adts, 0), Sniffed::Media(Media::new(Container::Adts, 0)));
        adts[100] = 0;
        assert_eq!(sniff(&adts, 0), Sniffed::Unknown);
    }

    #[test]
    fn tags_before_the_media_are_skipped() {
        let mut file = tempfile::tempfile().unwrap();
        let mut bytes = b"ID3\x04\0\0\0\0\x02\x01".to_vec();
        bytes.resize(10 + 257, b'x');
        bytes.extend(b"fLaC\0\0\0\x22");
        io::Write::write_all(&mut file, &bytes).unwrap();
        let media = Media::new(Container::Flac, 267);
        assert_eq!(sniff_file(&mut file).unwrap(), Sniffed::Media(media));
        assert_eq!(sniff_file(&mut tempfile::tempfile().unwrap()).unwrap(), Sniffed::Empty);
    }

    #[test]
    fn a_header_may_tell_that_the_file_is_cut() {
        let is_cut = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            io::Write::write_all(&mut file, bytes).unwrap();
            matches!(sniff_file(&mut file).unwrap(), Sniffed::Media(Media { is_cut: true, .. }))
        };
        let avi = |size: u32| [b"RIFF".as_slice(), &size.to_le_bytes(), b"AVI LIST", &[0; 84]].concat();
        assert!(is_cut(&avi(93)) && !is_cut(&avi(92)) && !is_cut(&avi(0)) && !is_cut(&avi(u32::MAX)));
        let asf = |size: u64| {
            let start = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c";
            let object = b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\0\xc0\x0c\x20\x53\x65";
            [start.as_slice(), &[0; 14], object, &[0; 24], &size.to_le_bytes(), &[0; 22]].concat()
        };
        assert!(is_cut(&asf(101)) && !is_cut(&asf(100)) && !is_cut(&asf(0)));
    }
}
