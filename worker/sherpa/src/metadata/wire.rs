//! Protobuf's wire format, read from a file field by field: what nobody asks for is skipped, so that a model of any
//! size costs a few kilobytes.

use std::io::{BufRead, BufReader, Read, Seek};

/// A model has some fields for each of its nodes; this is a hundred times what the largest known ones have.
const MOST_FIELDS: u32 = 4_000_000;
/// Keys, values and names are words; some values are licences.
const LONGEST_TEXT: u64 = 1 << 20;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It is something else.
    #[error("it is no ONNX model")]
    Foreign,
    /// It goes on behind its end.
    #[error("it is cut off")]
    CutOff,
    /// The disk is at fault.
    #[error("it cannot be read")]
    Disk(#[from] std::io::Error),
}

/// The value of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    /// A number.
    Number(u64),
    /// Text, or another message: it lies from here up to this place in the file.
    Bytes(u64),
    /// Of a kind that nothing here has.
    Other,
}

/// A file, and the place that is read next.
pub(super) struct Wire<R> {
    reader: BufReader<R>,
    at: u64,
    fields: u32,
}

impl<R: Read + Seek> Wire<R> {
    /// From the first byte on.
    pub(super) fn new(file: R) -> Self {
        Self { reader: BufReader::new(file), at: 0, fields: 0 }
    }

    /// Tells `take` of every field up to `end`. It may read of a field's bytes what it likes, and no further.
    pub(super) fn fields(
        &mut self,
        end: u64,
        mut take: impl FnMut(&mut Self, u64, Value) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        while self.at < end {
            self.fields += 1;
            let tag = self.varint(end)?;
            let (number, kind) = (tag >> 3, tag & 7);
            if number == 0 || self.fields > MOST_FIELDS {
                return Err(Fault::Foreign);
            }
            let (value, next) = match kind {
                0 => {
                    let value = self.varint(end)?;
                    (Value::Number(value), self.at)
                }
                1 => (Value::Other, self.at + 8),
                2 => {
                    let length = self.varint(end)?;
                    let next = self.at.checked_add(length).ok_or(Fault::Foreign)?;
                    (Value::Bytes(next), next)
                }
                5 => (Value::Other, self.at + 4),
                _ => return Err(Fault::Foreign),
            };
            if next > end {
                return Err(Fault::CutOff);
            }
            take(self, number, value)?;
            self.skip_to(next)?;
        }
        Ok(())
    }

    /// The text from here up to `end`.
    pub(super) fn text(&mut self, end: u64) -> Result<String, Fault> {
        let length = end.saturating_sub(self.at);
        if length > LONGEST_TEXT {
            return Err(Fault::Foreign);
        }
        let mut bytes = vec![0; length as usize];
        self.reader.read_exact(&mut bytes)?;
        self.at = end;
        String::from_utf8(bytes).map_err(|_| Fault::Foreign)
    }

    fn skip_to(&mut self, next: u64) -> Result<(), Fault> {
        // Longer than a file can be, it has been refused.
        self.reader.seek_relative((next - self.at).cast_signed())?;
        self.at = next;
        Ok(())
    }

    fn varint(&mut self, end: u64) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            if self.at >= end {
                return Err(Fault::CutOff);
            }
            let byte = *self.reader.fill_buf()?.first().ok_or(Fault::CutOff)?;
            self.reader.consume(1);
            self.at += 1;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn numbers(bytes: &[u8]) -> Result<Vec<u64>, Fault> {
        let mut found = Vec::new();
        Wire::new(Cursor::new(bytes)).fields(bytes.len() as u64, |wire, number, value| {
            found.push(number);
            if let (2, Value::Bytes(end)) = (number, value) {
                assert_eq!(wire.text(end)?, "ab");
            }
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn fields_are_read_or_skipped() {
        // 1: a number, 2: text, 3: four bytes, 4: eight bytes, 16: text that nobody reads.
        let bytes = b"\x08\x96\x01\x12\x02ab\x1d\0\0\0\0\x21\0\0\0\0\0\0\0\0\x82\x01\x01x";
        assert_eq!(numbers(bytes).unwrap(), [1, 2, 3, 4, 16]);
    }

    #[test]
    fn what_is_cut_off_or_of_no_known_kind_is_refused() {
        for bytes in [&b"\x12\x05ab"[..], b"\x08", b"\x08\x96", b"\x1d\0\0", b"\x12\xff\xff\xff\x07ab"] {
            assert!(matches!(numbers(bytes), Err(Fault::CutOff)), "{bytes:?}");
        }
        for bytes in
            [&b"\x00\x01"[..], b"\x0b", b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x12\x02\xff\xff"]
        {
            assert!(matches!(numbers(bytes), Err(Fault::Foreign)), "{bytes:?}");
        }
    }
}
