//! Matroska and WebM: whether the file tells where it ends. What a browser records does not.

use std::io::Read;

use super::plan::{Plan, Refusal};

const SEGMENT: u32 = 0x1853_8067;
/// The header of the file is shorter.
const LONGEST_HEADER: u64 = 4096;

/// Looks at the size of the segment, which holds all the rest.
pub(super) fn plan(file: &mut impl Read) -> Result<Plan, Refusal> {
    let mut head = Vec::new();
    file.take(LONGEST_HEADER).read_to_end(&mut head)?;
    Ok(Plan { is_endless: is_endless(&head).unwrap_or(false), ..Plan::default() })
}

fn is_endless(head: &[u8]) -> Option<bool> {
    let (size, length) = size(head.get(4..)?)?;
    let segment = head.get(4 + length + usize::try_from(size?).ok()?..)?;
    let id = u32::from_be_bytes(segment.get(..4)?.try_into().ok()?);
    let (size, _) = self::size(&segment[4..])?;
    (id == SEGMENT).then_some(size.is_none())
}

/// The size of an element, none if it is not known, and how many bytes it is written in.
fn size(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let first = *bytes.first()?;
    let length = first.leading_zeros() as usize + 1;
    let all = bytes.get(..length).filter(|_| length <= 8)?;
    let marker = 1_u64 << (7 * length);
    let value = all.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)) & (marker - 1);
    Some((Some(value).filter(|value| *value != marker - 1), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_of_unknown_size_has_no_end() {
        let file = |size: &[u8]| [b"\x1a\x45\xdf\xa3\x84\x42\x86\x81\x01\x18\x53\x80\x67", size].concat();
        let found = |size: &[u8]| plan(&mut file(size).as_slice()).unwrap().is_endless;
        assert!(found(b"\x01\xff\xff\xff\xff\xff\xff\xff") && found(b"\xff"));
        assert!(!found(b"\x01\0\0\0\0\0\x01\0") && !found(b"\x84") && !found(b"") && !found(b"\0\xff"));
        for count in 0..13 {
            assert!(!plan(&mut &file(b"")[..count]).unwrap().is_endless);
        }
    }
}
