//! The audio of a session: samples as they are, or a WAV file, from a file or standard input, as it comes.

use std::path::Path;

use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::client::error::ClientError;
use crate::live::pcm::{Encoding, RATES};

/// At most so much is read at once: 100 ms, and more than a microphone gives at once.
const BLOCKS_PER_SECOND: u64 = 10;
/// Samples begin before this place of a WAV file.
const LONGEST_HEAD: usize = 64 * 1024;
/// What is written as a length by those who do not know it yet.
const UNKNOWN: u32 = u32::MAX;

/// What the samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    /// How one is written.
    pub(crate) encoding: Encoding,
    /// How many there are in a second.
    pub(crate) rate: u32,
}

impl Format {
    /// How much there is of a second.
    pub(crate) fn bytes_per_second(self) -> u64 {
        u64::from(self.rate) * self.encoding.width() as u64
    }
}

/// Audio that is read while it comes.
pub(crate) struct Sound {
    source: Box<dyn AsyncRead + Send + Unpin>,
    name: String,
    /// What was read with the head and lies behind it.
    ahead: Vec<u8>,
    /// Bytes that are samples; what may follow is not. None = all.
    left: Option<u64>,
    format: Format,
}

/// What the first bytes are.
#[derive(Debug, PartialEq, Eq)]
enum Head {
    /// More of them are needed.
    Short,
    /// Samples.
    Raw,
    /// The head of a WAV file: its samples begin at this place, and are so many bytes if that is known.
    Wav(Format, usize, Option<u64>),
    /// Something else, as this names it.
    Other(String),
}

impl Sound {
    /// Opens a file, or standard input without one, and looks at its beginning. `format` is that of raw samples.
    ///
    /// # Errors
    /// If it cannot be read, is empty, or is of a form that a session does not take.
    pub(crate) async fn open(file: Option<&Path>, format: Format) -> Result<Self, ClientError> {
        let (name, source): (_, Box<dyn AsyncRead + Send + Unpin>) = match file {
            None => ("standard input".to_owned(), Box::new(tokio::io::stdin())),
            Some(path) => {
                let name = path.display().to_string();
                let opened = File::open(path).await;
                let opened = opened.map_err(|error| ClientError::file("read", &name, &error))?;
                (name, Box::new(opened))
            }
        };
        Self::of(name, source, format).await
    }

    pub(super) async fn of(
        name: String,
        source: Box<dyn AsyncRead + Send + Unpin>,
        format: Format,
    ) -> Result<Self, ClientError> {
        let mut this = Self { source, name, ahead: Vec::new(), left: None, format };
        loop {
            match head(&this.ahead) {
                Head::Short => {}
                Head::Raw => return Ok(this),
                Head::Wav(format, begins, length) => {
                    (this.format, this.left) = (format, length);
                    this.ahead.drain(..begins);
                    return Ok(this);
                }
                Head::Other(what) => return Err(this.unfit(&what)),
            }
            let mut more = [0; 512];
            match this.source.read(&mut more).await.map_err(|error| this.unreadable(&error))? {
                0 if this.ahead.is_empty() => {
                    return Err(ClientError::File(format!("{} is empty", this.name)));
                }
                // Shorter than a head is raw as well.
                0 if this.ahead.starts_with(b"RIFF") => return Err(this.unfit("breaks off in its head")),
                0 => return Ok(this),
                count => this.ahead.extend_from_slice(&more[..count]),
            }
        }
    }

    /// What the samples are.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// The next bytes; none at the end. It may be given up at any time.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) async fn read(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        let mut bytes = std::mem::take(&mut self.ahead);
        if bytes.is_empty() && self.left != Some(0) {
            bytes.resize((self.format.bytes_per_second() / BLOCKS_PER_SECOND) as usize, 0);
            let count = self.source.read(&mut bytes).await;
            bytes.truncate(count.map_err(|error| self.unreadable(&error))?);
        }
        if let Some(left) = &mut self.left {
            bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= bytes.len() as u64;
        }
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    fn unreadable(&self, error: &std::io::Error) -> ClientError {
        ClientError::file("read", &self.name, error)
    }

    fn unfit(&self, what: &str) -> ClientError {
        let (from, file) = match self.name.as_str() {
            "standard input" => ("-", "FILE"),
            name => (name, name),
        };
        ClientError::File(format!(
            "{} {what}, and a live session takes mono samples as they are, or in a WAV file; convert it: \
             ffmpeg -i {from} -f s16le -ar 16000 -ac 1 - | steno listen; or transcribe it as a file: \
             steno transcribe {file}",
            self.name
        ))
    }
}

fn head(bytes: &[u8]) -> Head {
    if bytes.len() < 12 {
        return Head::Short;
    }
    if let Some(name) = known(bytes) {
        return Head::Other(format!("is {name}"));
    }
    if !bytes.starts_with(b"RIFF") {
        return Head::Raw;
    }
    if &bytes[8..12] != b"WAVE" {
        return Head::Other("is RIFF without WAVE".to_owned());
    }
    let mut format = None;
    let mut at = 12;
    while let Some(&[a, b, c, d, l0, l1, l2, l3]) = bytes.get(at..at + 8) {
        let (name, length) = ([a, b, c, d], u32::from_le_bytes([l0, l1, l2, l3]));
        at += 8;
        if &name == b"data" {
            return match format {
                None => Head::Other("does not say what its samples are".to_owned()),
                Some(Ok(format)) => {
                    // Of a stream whose writer did not know how long it will be.
                    let is_known = length != UNKNOWN && length != 0;
                    Head::Wav(format, at, is_known.then_some(u64::from(length)))
                }
                Some(Err(what)) => Head::Other(what),
            };
        }
        if &name == b"fmt " {
            let Some(content) = bytes.get(at..at + (length as usize).min(LONGEST_HEAD)) else { break };
            format = Some(format_of(content));
        }
        // Padded to an even place.
        at += (length as usize).min(LONGEST_HEAD).next_multiple_of(2);
    }
    if at > LONGEST_HEAD || bytes.len() > LONGEST_HEAD {
        return Head::Other("has no samples near its beginning".to_owned());
    }
    Head::Short
}

/// A form that cannot be taken for samples.
fn known(bytes: &[u8]) -> Option<&'static str> {
    let forms: [(usize, &[u8], &str); 8] = [
        (0, b"fLaC", "FLAC"),
        (0, b"OggS", "Ogg"),
        (0, b"ID3", "MP3"),
        (0, b"\x1a\x45\xdf\xa3", "WebM or Matroska"),
        (0, b"FORM", "AIFF"),
        (0, b"caff", "CAF"),
        (4, b"ftyp", "MP4"),
        (0, b"RF64", "RF64"),
    ];
    let is = |at: usize, mark: &[u8]| bytes.get(at..at + mark.len()) == Some(mark);
    forms.into_iter().find(|(at, mark, _)| is(*at, mark)).map(|(_, _, name)| name)
}

/// The content of a chunk `fmt `.
fn format_of(content: &[u8]) -> Result<Format, String> {
    let short = |at: usize| {
        let bytes = content.get(at..at + 2)?;
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    };
    let (Some(tag), Some(channels), Some(low), Some(high), Some(bits)) =
        (short(0), short(2), short(4), short(6), short(14))
    else {
        return Err("is damaged".to_owned());
    };
    let rate = u32::from(low) | u32::from(high) << 16;
    // The extensible form names the same tags at the beginning of an identifier.
    let tag = if tag == 0xfffe { short(24).unwrap_or(tag) } else { tag };
    if channels != 1 {
        return Err(format!("has {channels} channels"));
    }
    if !RATES.contains(&rate) {
        return Err(format!("has {rate} samples a second"));
    }
    let encoding = match (tag, bits) {
        (1, 16) => Encoding::S16le,
        (3, 32) => Encoding::F32le,
        (7, 8) => Encoding::Mulaw,
        (1, bits) => return Err(format!("has samples of {bits} bits")),
        (tag, bits) => return Err(format!("has samples of the form {tag} with {bits} bits")),
    };
    Ok(Format { encoding, rate })
}

#[cfg(test)]
mod tests;
