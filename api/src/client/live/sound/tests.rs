use std::io::Cursor;

use super::*;

const RAW: Format = Format { encoding: Encoding::S16le, rate: 16_000 };

/// The head of a WAV file, with another chunk before its format.
fn wav(tag: u16, channels: u16, rate: u32, bits: u16, length: u32) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
    bytes.extend([tag, channels].iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend([rate, 0].iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend([0, bits].iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend(b"data");
    bytes.extend(length.to_le_bytes());
    bytes
}

async fn open(bytes: Vec<u8>) -> Result<Sound, ClientError> {
    Sound::of("standard input".to_owned(), Box::new(Cursor::new(bytes)), RAW).await
}

async fn read(bytes: Vec<u8>) -> (Format, Vec<u8>) {
    let mut sound = open(bytes).await.unwrap();
    let mut all = Vec::new();
    while let Some(bytes) = sound.read().await.unwrap() {
        assert!(!bytes.is_empty());
        all.extend(bytes);
    }
    assert_eq!(sound.read().await.unwrap(), None);
    (sound.format(), all)
}

#[tokio::test]
async fn samples_are_read_as_they_are() {
    for length in [1, 2, 11, 12, 13, 511, 512, 100_001] {
        let bytes: Vec<u8> = (0..length).map(|at| (at * 7 + 3) as u8).collect();
        assert_eq!(read(bytes.clone()).await, (RAW, bytes), "{length} bytes");
    }
}

#[tokio::test]
async fn a_wav_file_says_what_its_samples_are() {
    let samples: Vec<u8> = (0..5_000_u32).map(|at| at as u8).collect();
    for (tag, bits, encoding) in [(1, 16, Encoding::S16le), (3, 32, Encoding::F32le), (7, 8, Encoding::Mulaw)]
    {
        // What follows the samples is none; and a length that was not known, or is too long, ends with the file.
        for (length, trailer, expected) in
            [(4_000, &b"LIST"[..], 4_000), (u32::MAX, b"", 5_000), (0, b"", 5_000), (9_000, b"", 5_000)]
        {
            let bytes = [&wav(tag, 1, 44_100, bits, length)[..], &samples, trailer].concat();
            let format = Format { encoding, rate: 44_100 };
            assert_eq!(read(bytes).await, (format, samples[..expected].to_vec()), "{tag} {length}");
        }
    }
    // The extensible form names the tag once more.
    let mut head = wav(0xfffe, 1, 48_000, 32, 4);
    let begins = head.len() - 8 - 16;
    head[begins - 4] = 40;
    let identifier = [&[22, 0, 32, 0, 0, 0, 0, 0, 3, 0][..], &[0; 14]].concat();
    let at = begins + 16;
    head.splice(at..at, identifier);
    head.extend([1, 2, 3, 4]);
    assert_eq!(read(head).await, (Format { encoding: Encoding::F32le, rate: 48_000 }, vec![1, 2, 3, 4]));
}

#[tokio::test]
async fn what_is_no_mono_audio_is_refused_with_what_mends_it() {
    for (bytes, what) in [
        (wav(1, 2, 16_000, 16, 4), "has 2 channels"),
        (wav(1, 0, 16_000, 16, 4), "has 0 channels"),
        (wav(1, 1, 16_000, 24, 4), "has samples of 24 bits"),
        (wav(17, 1, 16_000, 4, 4), "has samples of the form 17"),
        (wav(1, 1, 96_000, 16, 4), "has 96000 samples a second"),
        (wav(1, 1, 0, 16, 4), "has 0 samples a second"),
        (wav(1, 1, 16_000, 16, 4)[..40].to_vec(), "breaks off in its head"),
        (b"RIFF\0\0\0\0WAVEdata\x04\0\0\0abcd".to_vec(), "does not say what its samples are"),
        (b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0abdata\x04\0\0\0".to_vec(), "is damaged"),
        (b"RIFF\0\0\0\0AVI LIST".to_vec(), "is RIFF without WAVE"),
        ([&b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\xff"[..], &[0; 200_000]].concat(), "near its beginning"),
        ([&b"RIFF\0\0\0\0WAVE"[..], &b"junk\0\0\0\0".repeat(20_000)].concat(), "near its beginning"),
        (b"fLaC\0\0\0\x22rest of it".to_vec(), "is FLAC"),
        (b"\0\0\0\x20ftypisom rest".to_vec(), "is MP4"),
    ] {
        let error = open(bytes).await.err().unwrap().to_string();
        assert!(error.contains(what) && error.contains("ffmpeg -i - "), "{what}: {error}");
    }
    assert_eq!(open(Vec::new()).await.err().unwrap().to_string(), "standard input is empty");
    let error = Sound::open(Some(Path::new("/nowhere.pcm")), RAW).await.err().unwrap().to_string();
    assert!(error.contains("cannot read /nowhere.pcm"), "{error}");
}
