//! A look at a model's file before whisper.cpp reads it.
//!
//! whisper.cpp trusts what it reads: a file that is cut off or is something else can end the process, and with it
//! every job. So the file is walked from its header to its last tensor first, by its own lengths. Weights that are
//! damaged in place are not seen here; that is what a checksum at the installation is for.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// What such a file begins with: `ggml`, little-endian.
const MAGIC: u32 = 0x6767_6d6c;
/// The numbers of the header and what they may be: those of Whisper's models, and room to spare.
const HEADER: [(&str, std::ops::RangeInclusive<u32>); 11] = [
    ("the vocabulary", 1..=1 << 20),
    ("the audio context", 1..=1 << 14),
    ("the audio width", 1..=1 << 14),
    ("the audio heads", 1..=1 << 10),
    ("the audio layers", 1..=1 << 10),
    ("the text context", 1..=1 << 14),
    ("the text width", 1..=1 << 14),
    ("the text heads", 1..=1 << 10),
    ("the text layers", 1..=1 << 10),
    ("the mel bands", 1..=1 << 10),
    ("the weights' type", 0..=1 << 20),
];
/// The longest entry of a vocabulary, and the longest name of a tensor.
const LONGEST_NAME: u32 = 1 << 10;
/// Tensors have this many dimensions at most.
const DIMENSIONS: u32 = 4;

/// Why a file is no model.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("it is cut off")]
    CutOff,
    #[error("it is no model in ggml format")]
    Foreign,
    #[error("{0} cannot be {1}")]
    Implausible(&'static str, u32),
}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::CutOff,
            _ => Self::Unreadable(error),
        }
    }
}

/// Walks a model's file.
pub(crate) fn check(path: &Path) -> Result<(), Damage> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut walk = Walk { reader: BufReader::new(file), at: 0, length };
    if length < 4 || walk.number()? != MAGIC {
        return Err(Damage::Foreign);
    }
    for (what, plausible) in HEADER {
        let number = walk.number()?;
        within(what, number, &plausible)?;
    }
    let (bands, positions) = (walk.number()?, walk.number()?);
    within("the filters' bands", bands, &(1..=1 << 10))?;
    within("the filters' frequencies", positions, &(1..=1 << 14))?;
    walk.skip(4 * u64::from(bands) * u64::from(positions))?;
    let words = walk.number()?;
    within("the words", words, &HEADER[0].1)?;
    for _ in 0..words {
        let length = walk.number()?;
        within("a word's length", length, &(0..=LONGEST_NAME))?;
        walk.skip(length.into())?;
    }
    let mut tensors = 0;
    while walk.at < walk.length {
        walk.tensor()?;
        tensors += 1;
    }
    within("the number of tensors", tensors, &(1..=u32::MAX))
}

fn within(what: &'static str, number: u32, plausible: &std::ops::RangeInclusive<u32>) -> Result<(), Damage> {
    if plausible.contains(&number) { Ok(()) } else { Err(Damage::Implausible(what, number)) }
}

struct Walk {
    reader: BufReader<File>,
    at: u64,
    length: u64,
}

impl Walk {
    fn number(&mut self) -> Result<u32, Damage> {
        let mut bytes = [0; 4];
        self.reader.read_exact(&mut bytes)?;
        self.at += 4;
        Ok(u32::from_le_bytes(bytes))
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Damage> {
        let to = self.at.checked_add(bytes).filter(|to| *to <= self.length).ok_or(Damage::CutOff)?;
        match i64::try_from(bytes) {
            Ok(bytes) => self.reader.seek_relative(bytes)?,
            Err(_) => drop(self.reader.seek(SeekFrom::Start(to))?),
        }
        self.at = to;
        Ok(())
    }

    /// A tensor: how many dimensions, the length of its name, its type; the dimensions, the name, the values.
    fn tensor(&mut self) -> Result<(), Damage> {
        let (dimensions, name, kind) = (self.number()?, self.number()?, self.number()?);
        within("a tensor's dimensions", dimensions, &(1..=DIMENSIONS))?;
        within("a name's length", name, &(1..=LONGEST_NAME))?;
        let mut values = 1u64;
        for _ in 0..dimensions {
            values = values.checked_mul(self.number()?.into()).ok_or(Damage::CutOff)?;
        }
        let (per_block, bytes) = block(kind).ok_or(Damage::Implausible("a tensor's type", kind))?;
        if !values.is_multiple_of(per_block) {
            return Err(Damage::Implausible("a tensor's type", kind));
        }
        let bytes = (values / per_block).checked_mul(bytes).ok_or(Damage::CutOff)?;
        self.skip(name.into())?;
        self.skip(bytes)
    }
}

/// How many values a block of this type has, and how many bytes (ggml's `type_traits`).
fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 => (1, 4),
        1 => (1, 2),
        2 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        10 => (256, 84),
        11 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use steno_shared::catalog;

    use super::*;
    use crate::{WhisperModel, bundled};

    /// Whether a file of these bytes is found out, and what the loader says of it.
    fn refused(bytes: &[u8]) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let loaded = WhisperModel::load(file.path(), catalog::model("small").unwrap());
        loaded.map(|_| String::new()).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn a_damaged_file_is_refused_and_ends_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = bundled::install(folder.path()).unwrap();
        check(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let with = |at: usize, number: u32| {
            let mut bytes = whole.clone();
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
            bytes
        };
        for (bytes, expected) in [
            (Vec::new(), "no model"),
            (b"ggm".to_vec(), "no model"),
            (b"GGUF".repeat(1000), "no model"),
            (vec![0; 1 << 20], "no model"),
            (b"<html>404</html>".repeat(100), "no model"),
            (whole[..40].to_vec(), "cut off"),
            (whole[..whole.len() / 2].to_vec(), "cut off"),
            (whole[..whole.len() - 1].to_vec(), "cut off"),
            ([whole.as_slice(), &[1]].concat(), "cut off"),
            ([whole.as_slice(), &[0; 12]].concat(), "dimensions"),
            (with(4, u32::MAX), "vocabulary"),
            (with(16, 0), "audio heads"),
            (with(20, 1 << 31), "audio layers"),
            (with(48, u32::MAX), "bands"),
        ] {
            let said = refused(&bytes);
            assert!(said.contains(expected), "{} bytes: {said:?}, not {expected:?}", bytes.len());
        }
    }

    /// Where each tensor begins.
    fn tensors(path: &Path) -> Vec<u64> {
        let file = File::open(path).unwrap();
        let length = file.metadata().unwrap().len();
        let mut walk = Walk { reader: BufReader::new(file), at: 0, length };
        walk.skip(48).unwrap();
        let (bands, positions) = (walk.number().unwrap(), walk.number().unwrap());
        walk.skip(4 * u64::from(bands) * u64::from(positions)).unwrap();
        for _ in 0..walk.number().unwrap() {
            let length = walk.number().unwrap();
            walk.skip(length.into()).unwrap();
        }
        let mut starts = Vec::new();
        while walk.at < walk.length {
            starts.push(walk.at);
            walk.tensor().unwrap();
        }
        starts
    }

    #[test]
    fn what_only_whisper_cpp_can_see_ends_nothing_either() {
        let folder = tempfile::tempdir().unwrap();
        let path = bundled::install(folder.path()).unwrap();
        let (whole, starts) = (std::fs::read(&path).unwrap(), tensors(&path));
        // Without the last tensor, without any, and with headers that are plausible but another model's.
        let last = usize::try_from(*starts.last().unwrap()).unwrap();
        assert!(refused(&whole[..last]).contains("cannot read"));
        assert!(refused(&whole[..usize::try_from(starts[0]).unwrap()]).contains("tensors"));
        for (field, (name, ..)) in HEADER.iter().enumerate().take(10).skip(1) {
            let mut bytes = whole.clone();
            let at = 4 + 4 * field;
            let number = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            bytes[at..at + 4].copy_from_slice(&(number * 2).to_le_bytes());
            let said = refused(&bytes);
            println!("twice {name}: {said}");
        }
    }
}
