//! Damage to files, by reproducible chance.

/// Numbers that a length or a count is set to.
const LARGE: [u32; 6] = [0, 1, 0x7f, 0x7fff_ffff, 0xffff_fff0, u32::MAX];

/// Reproducible chance.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl From<u64> for Chance {
    fn from(seed: u64) -> Self {
        Self(seed)
    }
}

impl Chance {
    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    /// Where damage is done: mostly where the headers are.
    fn place(&mut self, content: &[u8]) -> usize {
        let head = content.len().min(600);
        let end = if self.below(3) > 0 { head } else { content.len() };
        self.below(end)
    }

    fn range(&mut self, content: &[u8]) -> std::ops::Range<usize> {
        let (one, other) = (self.below(content.len()), self.below(content.len()));
        one.min(other)..one.max(other)
    }
}

/// Damages a file that is not empty: bytes, bits, lengths, whole parts, and parts of another file.
pub(crate) fn damage(content: &mut Vec<u8>, other: &[u8], chance: &mut Chance) {
    for _ in 0..1 + chance.below(12) {
        let at = chance.place(content);
        match chance.below(5) {
            0 => content[at] = 0xff,
            1 => content[at] = 0,
            2 => content[at] ^= 1 << chance.below(8),
            3 => content[at] = chance.below(256) as u8,
            _ => set_number(&mut content[at..], chance),
        }
    }
    match chance.below(9) {
        0 => content.truncate(chance.below(content.len()) + 1),
        1 => drop(content.drain(chance.range(content))),
        2 => {
            let part = content[chance.range(content)].to_vec();
            let at = chance.below(content.len());
            content.splice(at..at, part);
        }
        3 if !other.is_empty() => {
            let part = other[chance.range(other)].to_vec();
            let at = chance.below(content.len());
            let end = (at + part.len()).min(content.len());
            content.splice(at..end, part);
        }
        _ => {}
    }
    if content.is_empty() {
        content.push(0);
    }
}

/// As if a length, or a count, were another: of two or four bytes, in either order.
fn set_number(bytes: &mut [u8], chance: &mut Chance) {
    let number = LARGE[chance.below(LARGE.len())];
    let mut written = if chance.below(2) == 0 { number.to_be_bytes() } else { number.to_le_bytes() };
    let size = [2, 4][chance.below(2)].min(bytes.len());
    if size == 2 {
        written[..2].copy_from_slice(&(number as u16).to_be_bytes());
    }
    bytes[..size].copy_from_slice(&written[..size]);
}
