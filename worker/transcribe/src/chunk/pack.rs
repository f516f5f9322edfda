//! Packs spans of speech into chunks.
//!
//! A chunk takes spans as long as they fit. Each span keeps a little of the silence around it; what is longer is
//! left out, so a long silence shrinks to a pause. Of a short silence nothing is left out.

use steno_runtime::speech::Span;

use super::{Chunk, Piece};

const fn samples(milliseconds: u64) -> u64 {
    milliseconds * 16
}

/// Silence kept before a span: the detector is a moment late.
const BEFORE: u64 = samples(200);
/// Silence kept behind it: words fade out.
const AFTER: u64 = samples(300);

/// Fills chunks with spans.
#[derive(Debug)]
pub struct Packer {
    /// The most samples of a chunk.
    longest: u64,
    /// A silence of more samples than this ends a chunk.
    apart: u64,
    /// The samples of the file.
    total: u64,
    /// Its successor tells how much silence follows.
    waiting: Option<Span>,
    /// Where the span before the waiting one ends.
    earlier: u64,
    chunk: Option<Chunk>,
}

impl Packer {
    /// For chunks of at most `longest` samples of a file of `total` samples.
    #[must_use]
    pub fn new(longest: u64, total: u64) -> Self {
        Self { longest, apart: u64::MAX, total, waiting: None, earlier: 0, chunk: None }
    }

    /// Lets a chunk end at every silence of more samples than this, too.
    #[must_use]
    pub fn apart(self, silence: u64) -> Self {
        Self { apart: silence, ..self }
    }

    /// The longest span that fits a chunk of `longest` samples with the silence around it.
    #[must_use]
    pub fn longest_span(longest: u64) -> u64 {
        longest - BEFORE - AFTER
    }

    /// Takes the next span; gives back a chunk that is full without it.
    pub fn push(&mut self, span: Span) -> Option<Chunk> {
        let settled = self.waiting.replace(span)?;
        self.settle(settled, span.start)
    }

    /// The chunks that are left when the file ends.
    pub fn finish(mut self) -> Vec<Chunk> {
        let total = self.total;
        let full = self.waiting.take().and_then(|span| self.settle(span, total));
        full.into_iter().chain(self.chunk).collect()
    }

    /// Puts a span into the chunk. The next one begins at `later`.
    fn settle(&mut self, span: Span, later: u64) -> Option<Chunk> {
        let (gap_before, gap_after) = (span.start - self.earlier, later.saturating_sub(span.end));
        let first = self.earlier == 0;
        self.earlier = span.end;
        // Two spans share the silence between them in the ratio of what each would keep.
        let share = |gap: u64, own: u64| own.min(gap * own / (BEFORE + AFTER));
        let before = if first { BEFORE.min(span.start) } else { share(gap_before, BEFORE) };
        let after = if later == self.total { AFTER.min(gap_after) } else { share(gap_after, AFTER) };
        let piece = Piece { start: span.start - before, end: (span.end + after).min(self.total) };
        let near = gap_before <= self.apart;
        let fits =
            self.chunk.as_ref().is_some_and(|chunk| near && chunk.samples() + piece.len() <= self.longest);
        let full = if fits { None } else { self.chunk.take() };
        let chunk = self.chunk.get_or_insert_with(|| Chunk { pieces: Vec::new(), speech: Vec::new() });
        match chunk.pieces.last_mut() {
            Some(last) if last.end >= piece.start => last.end = piece.end,
            _ => chunk.pieces.push(piece),
        }
        chunk.speech.push(span);
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 16_000;

    fn pack(longest: u64, total: u64, spans: &[(u64, u64)]) -> Vec<Chunk> {
        pack_by(Packer::new(longest, total), spans)
    }

    fn pack_by(mut packer: Packer, spans: &[(u64, u64)]) -> Vec<Chunk> {
        let spans = spans.iter().map(|(start, end)| Span { start: *start, end: *end });
        let mut chunks: Vec<_> = spans.filter_map(|span| packer.push(span)).collect();
        chunks.extend(packer.finish());
        chunks
    }

    fn pieces(chunk: &Chunk) -> Vec<(u64, u64)> {
        chunk.pieces.iter().map(|piece| (piece.start, piece.end)).collect()
    }

    #[test]
    fn a_span_keeps_a_little_silence_within_the_file() {
        let chunks = pack(28 * SECOND, 10 * SECOND, &[(SECOND, 2 * SECOND)]);
        assert_eq!(pieces(&chunks[0]), [(SECOND - BEFORE, 2 * SECOND + AFTER)]);
        let chunks = pack(28 * SECOND, 2 * SECOND + 5, &[(7, 2 * SECOND)]);
        assert_eq!(pieces(&chunks[0]), [(0, 2 * SECOND + 5)]);
        assert_eq!(pack(28 * SECOND, SECOND, &[]), []);
    }

    #[test]
    fn short_silences_are_kept_and_long_ones_shrink() {
        let spans = [(SECOND, 2 * SECOND), (2 * SECOND + 6000, 3 * SECOND), (9 * SECOND, 10 * SECOND)];
        let chunks = pack(28 * SECOND, 11 * SECOND, &spans);
        assert_eq!(chunks.len(), 1);
        let expected = [(SECOND - BEFORE, 3 * SECOND + AFTER), (9 * SECOND - BEFORE, 10 * SECOND + AFTER)];
        assert_eq!(pieces(&chunks[0]), expected);
        assert_eq!(chunks[0].speech.len(), 3);
    }

    #[test]
    fn a_chunk_is_never_longer_than_it_may_be() {
        let spans: Vec<_> = (0..20).map(|at| (at * 5 * SECOND, at * 5 * SECOND + 4 * SECOND)).collect();
        let chunks = pack(10 * SECOND, 100 * SECOND, &spans);
        assert_eq!(chunks.len(), 10);
        assert!(chunks.iter().all(|chunk| chunk.samples() <= 10 * SECOND));
    }

    #[test]
    fn a_long_silence_may_end_a_chunk() {
        let spans = [(SECOND, 2 * SECOND), (3 * SECOND, 4 * SECOND), (6 * SECOND, 7 * SECOND)];
        let chunks = pack_by(Packer::new(28 * SECOND, 8 * SECOND).apart(SECOND), &spans);
        assert_eq!(chunks.iter().map(|chunk| chunk.speech.len()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(pieces(&chunks[1]), [(6 * SECOND - BEFORE, 7 * SECOND + AFTER)]);
    }

    /// Numbers without a pattern, the same in each run (Knuth's linear congruential generator).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % limit
        }
    }

    #[test]
    fn whatever_the_spans_all_speech_is_in_one_chunk_each_and_chunks_do_not_overlap() {
        let mut numbers = Numbers(1);
        for _ in 0..300 {
            let longest = (2 + numbers.below(27)) * SECOND;
            let mut at = numbers.below(2 * SECOND);
            let mut spans = Vec::new();
            for _ in 0..numbers.below(40) {
                let length = 1 + numbers.below(Packer::longest_span(longest));
                spans.push((at, at + length));
                // Often none: a long span that was cut.
                at += length + if numbers.below(3) == 0 { 0 } else { numbers.below(5 * SECOND) };
            }
            let chunks = pack(longest, at, &spans);
            let packed: Vec<_> = chunks.iter().flat_map(|chunk| &chunk.speech).collect();
            assert_eq!(packed.len(), spans.len());
            let mut earlier = 0;
            for chunk in &chunks {
                assert!(chunk.samples() <= longest, "{} of {longest}", chunk.samples());
                for piece in &chunk.pieces {
                    assert!(piece.start >= earlier && piece.end > piece.start && piece.end <= at.max(1));
                    earlier = piece.end;
                }
                for speech in &chunk.speech {
                    let inside = |piece: &Piece| speech.within(piece) == *speech;
                    assert!(chunk.pieces.iter().any(inside), "{speech:?} is not in {:?}", chunk.pieces);
                }
            }
        }
    }
}
