//! The link between the API and a stream worker: one TCP connection that all their sessions share.
//!
//! A frame is its length (4 bytes, little-endian, without these four), a byte that says what it holds, and that: JSON of
//! a [`Request`](super::Request) or a [`Reply`](super::Reply), or audio: the session (8 bytes, little-endian), the number
//! of its first sample (8 bytes), and samples of 16-bit little-endian PCM at 16 kHz. Neither side may stop reading
//! because of one session: a session's audio is bounded by [`WINDOW`] instead.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::SessionNumber;
use crate::time::SAMPLE_RATE;

/// Both sides speak the same version, or not at all.
pub const VERSION: u32 = 1;
/// The name of the secret in the database by which a worker knows the API.
pub const SECRET: &str = "link";
/// A worker is sent at most this many samples of a session beyond those that it has heard: 30 s.
pub const WINDOW: u64 = 30 * SAMPLE_RATE as u64;
/// The longest frame: 16 s of audio. Longer audio is sent in several.
pub const LONGEST: usize = 512 * 1024;
/// The most samples of a frame.
pub const MOST_SAMPLES: usize = (LONGEST - AUDIO_HEAD - 1) / 2;

const MESSAGE: u8 = 1;
const AUDIO: u8 = 2;
const AUDIO_HEAD: usize = 16;

/// What a frame holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame<M> {
    /// A request, or a reply.
    Message(M),
    /// Audio of a session.
    Audio(Audio),
}

/// A stretch of a session's audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audio {
    /// Whose it is.
    pub session: SessionNumber,
    /// The number of its first sample.
    pub start: u64,
    /// At 16 kHz.
    pub samples: Vec<i16>,
}

/// Reads the next frame; none where the other side has ended the link between two frames.
///
/// # Errors
/// If the link breaks, or what comes is no frame.
pub async fn read<M: DeserializeOwned>(link: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame<M>>> {
    let mut head = [0; 4];
    if link.read(&mut head[..1]).await? == 0 {
        return Ok(None);
    }
    link.read_exact(&mut head[1..]).await?;
    let length = u32::from_le_bytes(head) as usize;
    if length == 0 || length > LONGEST {
        return Err(invalid(format!("a frame of {length} bytes")));
    }
    let mut frame = vec![0; length];
    link.read_exact(&mut frame).await?;
    let (kind, content) = (frame[0], &frame[1..]);
    match kind {
        MESSAGE => serde_json::from_slice(content).map(Frame::Message).map(Some).map_err(invalid),
        AUDIO => audio(content).map(Frame::Audio).map(Some),
        _ => Err(invalid(format!("a frame of kind {kind}"))),
    }
}

/// Writes a request or a reply. Not safe to be dropped half-way: the other side would wait for the rest.
///
/// # Errors
/// If the link breaks.
pub async fn write<M: Serialize + Sync>(link: &mut (impl AsyncWrite + Unpin), message: &M) -> io::Result<()> {
    let content = serde_json::to_vec(message).map_err(invalid)?;
    if content.len() >= LONGEST {
        return Err(invalid("a message longer than a frame can be"));
    }
    let mut frame = begin(MESSAGE, content.len());
    frame.extend_from_slice(&content);
    link.write_all(&frame).await
}

/// Writes audio, in several frames if it is long. Not safe to be dropped half-way, as [`write()`].
///
/// # Errors
/// If the link breaks.
pub async fn write_audio(link: &mut (impl AsyncWrite + Unpin), audio: &Audio) -> io::Result<()> {
    let mut start = audio.start;
    for part in audio.samples.chunks(MOST_SAMPLES) {
        let mut frame = begin(AUDIO, AUDIO_HEAD + 2 * part.len());
        frame.extend_from_slice(&audio.session.0.to_le_bytes());
        frame.extend_from_slice(&start.to_le_bytes());
        frame.extend(part.iter().flat_map(|sample| sample.to_le_bytes()));
        link.write_all(&frame).await?;
        start += part.len() as u64;
    }
    Ok(())
}

fn begin(kind: u8, content: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(5 + content);
    // At most LONGEST: it fits.
    frame.extend_from_slice(&(content as u32 + 1).to_le_bytes());
    frame.push(kind);
    frame
}

fn audio(content: &[u8]) -> io::Result<Audio> {
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).map_err(invalid);
    let (Some(session), Some(start), Some(samples)) =
        (content.get(..8), content.get(8..AUDIO_HEAD), content.get(AUDIO_HEAD..))
    else {
        return Err(invalid("audio without its head"));
    };
    let pairs = samples.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(invalid("half a sample"));
    }
    let samples = pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    Ok(Audio { session: SessionNumber(number(session)?), start: number(start)?, samples })
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Reply, Request, Said};
    use crate::time::Millis;

    async fn read_all(bytes: &[u8]) -> io::Result<Vec<Frame<Request>>> {
        let mut link = bytes;
        let mut frames = Vec::new();
        while let Some(frame) = read(&mut link).await? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[tokio::test]
    async fn what_is_written_reads_back() {
        let session = SessionNumber(7);
        let samples: Vec<i16> = (0..MOST_SAMPLES + 10).map(|at| at as i16).collect();
        let mut link = Vec::new();
        write(&mut link, &Request::Open { session }).await.unwrap();
        write_audio(&mut link, &Audio { session, start: 5, samples: samples.clone() }).await.unwrap();
        let frames = read_all(&link).await.unwrap();
        assert_eq!(frames[0], Frame::Message(Request::Open { session }));
        let mut joined = Vec::new();
        for frame in &frames[1..] {
            let Frame::Audio(audio) = frame else { panic!("{frame:?}") };
            assert_eq!((audio.session, audio.start), (session, 5 + joined.len() as u64));
            joined.extend_from_slice(&audio.samples);
        }
        assert_eq!((frames.len(), joined), (3, samples));

        let said = Said::Partial { start: Millis(1), end: Millis(2), text: "one".to_owned() };
        let reply = Reply::Said { session, said };
        let mut link = Vec::new();
        write(&mut link, &reply).await.unwrap();
        assert_eq!(read::<Reply>(&mut link.as_slice()).await.unwrap(), Some(Frame::Message(reply)));
    }

    #[tokio::test]
    async fn what_is_no_frame_is_an_error_and_an_end_between_frames_is_none() {
        let mut whole = Vec::new();
        write(&mut whole, &Request::Hello { version: VERSION, secret: "s".to_owned() }).await.unwrap();
        assert_eq!(read_all(&whole).await.unwrap().len(), 1);
        for cut in 1..whole.len() {
            assert!(read_all(&whole[..cut]).await.is_err(), "cut at {cut}");
        }
        let framed = |bytes: &[u8]| [&(bytes.len() as u32).to_le_bytes()[..], bytes].concat();
        for frame in [
            framed(b""),
            framed(b"\x01{}"),
            framed(b"\x01[1"),
            framed(b"\x03"),
            framed(b"\x02short"),
            framed(&[&[AUDIO][..], &[0; 17]].concat()),
            u32::MAX.to_le_bytes().to_vec(),
            [&(LONGEST as u32 + 1).to_le_bytes()[..], &vec![1; LONGEST + 1]].concat(),
        ] {
            assert!(read_all(&frame).await.is_err(), "{:?}", &frame[..frame.len().min(30)]);
        }
    }
}
