//! The way from the time within a chunk back to the time of the media.

use steno_shared::time::Millis;

use super::Piece;

/// Where the pieces of a chunk lie, in the chunk and in the media, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeMap(Vec<Stretch>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    /// In the chunk.
    own: Millis,
    /// In the media.
    start: Millis,
    end: Millis,
}

/// A span of media time within one piece of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The number of the piece.
    pub piece: usize,
    /// When it begins.
    pub start: Millis,
    /// When it ends.
    pub end: Millis,
}

impl TimeMap {
    /// The map of some joined pieces.
    #[must_use]
    pub fn new(pieces: &[Piece]) -> Self {
        let mut before = 0;
        let stretch = |piece: &Piece| {
            let own = Millis::of_samples(before);
            before += piece.len();
            Stretch { own, start: Millis::of_samples(piece.start), end: Millis::of_samples(piece.end) }
        };
        Self(pieces.iter().map(stretch).collect())
    }

    /// Where a span of chunk time lies in the media. One that reaches over several pieces lies in the one that
    /// has its middle.
    #[must_use]
    pub fn place(&self, start: Millis, end: Millis) -> Place {
        let middle = Millis(u64::midpoint(start.0, end.0));
        let piece = self.0.iter().rposition(|stretch| stretch.own <= middle).unwrap_or(0);
        let Some(stretch) = self.0.get(piece) else {
            return Place { piece, start, end };
        };
        let at = |time: Millis| (stretch.start + (time - stretch.own)).clamp(stretch.start, stretch.end);
        Place { piece, start: at(start), end: at(end) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces in milliseconds.
    fn map(pieces: &[(u64, u64)]) -> TimeMap {
        TimeMap::new(
            &pieces.iter().map(|(start, end)| Piece { start: start * 16, end: end * 16 }).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn times_within_a_piece_are_moved_by_what_was_left_out() {
        let map = map(&[(1000, 3000), (60_000, 61_000), (70_000, 80_000)]);
        let place = |start, end| {
            let place = map.place(Millis(start), Millis(end));
            (place.piece, place.start.0, place.end.0)
        };
        assert_eq!(place(0, 500), (0, 1000, 1500));
        assert_eq!(place(2000, 2500), (1, 60_000, 60_500));
        assert_eq!(place(3000, 4000), (2, 70_000, 71_000));
        assert_eq!(place(12_900, 13_500), (2, 79_900, 80_000));
    }

    #[test]
    fn a_word_across_a_gap_lies_where_most_of_it_is() {
        let map = map(&[(1000, 3000), (60_000, 61_000)]);
        assert_eq!(
            map.place(Millis(1500), Millis(2100)),
            Place { piece: 0, start: Millis(2500), end: Millis(3000) }
        );
        assert_eq!(
            map.place(Millis(1900), Millis(2500)),
            Place { piece: 1, start: Millis(60_000), end: Millis(60_500) }
        );
    }

    #[test]
    fn the_map_is_monotone_and_stays_within_the_pieces() {
        let pieces = [(7, 1009), (1500, 1501), (9000, 20_000), (20_000, 21_333)];
        let map = map(&pieces);
        let mut earlier = Millis(0);
        for time in 0..13_400 {
            let place = map.place(Millis(time), Millis(time));
            assert!(place.start >= earlier, "at {time}");
            assert!(pieces.iter().any(|(start, end)| (*start..=*end).contains(&place.start.0)), "at {time}");
            earlier = place.start;
        }
    }
}
