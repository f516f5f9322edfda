//! Streams of bare frames, which have no magic bytes: MPEG audio and ADTS.

use super::Container;

/// So many frames must follow each other before chance is ruled out.
const IN_A_ROW: usize = 3;

/// What the header of a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    container: Container,
    /// The bits of the header that are the same in all frames of a stream.
    constant: [u8; 2],
    length: usize,
}

/// Where three frames follow each other, and of what kind they are.
pub(super) fn find(head: &[u8]) -> Option<(Container, usize)> {
    (0..head.len()).find_map(|at| {
        let first = frame(&head[at..])?;
        let mut next = at + first.length;
        for _ in 1..IN_A_ROW {
            let following = frame(head.get(next..)?)?;
            if (following.container, following.constant) != (first.container, first.constant) {
                return None;
            }
            next += following.length;
        }
        Some((first.container, at))
    })
}

fn frame(bytes: &[u8]) -> Option<Frame> {
    match bytes {
        // The two bits of the layer are zero in ADTS, and in no MPEG audio.
        [0xff, second, rest @ ..] if second & 0xf6 == 0xf0 => adts(*second, rest),
        [0xff, second, rest @ ..] if second & 0xe0 == 0xe0 => mpeg(*second, rest),
        _ => None,
    }
}

fn adts(second: u8, rest: &[u8]) -> Option<Frame> {
    let [third, fourth, fifth, sixth, ..] = *rest else { return None };
    let rate = third >> 2 & 0xf;
    let length = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth) >> 5;
    let constant = [second, third & 0xfc];
    (rate < 13 && length > 7).then_some(Frame { container: Container::Adts, constant, length })
}

fn mpeg(second: u8, rest: &[u8]) -> Option<Frame> {
    /// kbit/s for MPEG-1 layer I, II, III, then MPEG-2 layer I, II and III.
    const BIT_RATES: [[u16; 14]; 5] = [
        [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let third = *rest.first()?;
    let (version, layer) = (second >> 3 & 3, 4 - (second >> 1 & 3));
    let base_rate = *[44_100_usize, 48_000, 32_000].get(usize::from(third >> 2 & 3))?;
    // 3 is MPEG-1, 2 is MPEG-2 with half the rates, 0 is 2.5 with a quarter of them.
    let (is_first, rate) = match version {
        3 => (true, base_rate),
        2 => (false, base_rate / 2),
        0 => (false, base_rate / 4),
        _ => return None,
    };
    let table = match (is_first, layer) {
        (true, 1..=3) => BIT_RATES[usize::from(layer) - 1],
        (false, 1) => BIT_RATES[3],
        (false, 2 | 3) => BIT_RATES[4],
        _ => return None,
    };
    let bit_rate = 1000 * usize::from(*table.get(usize::from(third >> 4).checked_sub(1)?)?);
    let padding = usize::from(third >> 1 & 1);
    let length = match (layer, is_first) {
        (1, _) => (12 * bit_rate / rate + padding) * 4,
        (3, false) => 72 * bit_rate / rate + padding,
        _ => 144 * bit_rate / rate + padding,
    };
    // Whether a checksum follows may differ from frame to frame, the bit rate too.
    let constant = [second & 0xfe, third & 0x0c];
    Some(Frame { container: Container::MpegAudio, constant, length })
}

/// The length of the ID3 tag that these bytes begin with.
pub(super) fn id3_length(head: &[u8]) -> Option<u64> {
    let [b'I', b'D', b'3', major, _, flags, size @ ..] = head else { return None };
    let size: [u8; 4] = size.get(..4)?.try_into().ok()?;
    if *major == 0xff || size.iter().any(|byte| byte & 0x80 != 0) {
        return None;
    }
    let body = size.iter().fold(0_u64, |sum, byte| sum << 7 | u64::from(*byte));
    let footer = if flags & 0x10 == 0 { 0 } else { 10 };
    Some(10 + body + footer)
}
