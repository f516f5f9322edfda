//! Chunks: what a model is given at once.
//!
//! [`pack`] fills chunks with spans of speech and leaves long silences out, [`time_map`] finds the way back from
//! the time within a chunk to that of the media, [`plan`] reads a file and gives its chunks one after the other.
//! All of it depends on the samples alone, so that whoever takes a job over finds the same chunks.

pub mod pack;
pub mod plan;
pub mod time_map;

use steno_runtime::speech::Span;

/// A stretch of samples that is given to the model as it is.
pub type Piece = Span;

/// What a model is given at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// What is joined, in order, without overlap. Never empty.
    pub pieces: Vec<Piece>,
    /// The speech in it.
    pub speech: Vec<Span>,
}

impl Chunk {
    /// Its first sample and the one after its last: by these it is known.
    #[must_use]
    pub fn span(&self) -> Span {
        let start = self.pieces.first().map_or(0, |piece| piece.start);
        Span { start, end: self.pieces.last().map_or(start, |piece| piece.end) }
    }

    /// How many samples the model is given.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.pieces.iter().map(Span::len).sum()
    }

    /// The part of it that lies within a stretch, with a margin on either side.
    #[must_use]
    pub fn part(&self, stretch: Span, margin: u64) -> Self {
        let wider = Span { start: stretch.start.saturating_sub(margin), end: stretch.end + margin };
        let within = |spans: &[Span], of: &Span| -> Vec<Span> {
            spans.iter().map(|span| span.within(of)).filter(|span| !span.is_empty()).collect()
        };
        Self { pieces: within(&self.pieces, &wider), speech: within(&self.speech, &stretch) }
    }
}
