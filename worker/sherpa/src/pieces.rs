//! Which parts of a turn are of one voice alone.

use steno_shared::diarization::Turn;
use steno_shared::time::Millis;

/// A shorter piece between two overlaps has hardly anything of its own.
const SHORTEST: Millis = Millis(250);

/// The pieces of turn `which` in which no other turn of another voice lies, in order of time.
pub(crate) fn alone(turns: &[Turn], which: usize) -> Vec<(Millis, Millis)> {
    let turn = turns[which];
    let mut pieces = Vec::new();
    let mut from = turn.start;
    // In order of their starts, so that what lies before one has been cut already.
    for other in turns.iter().filter(|other| other.voice != turn.voice && other.end > turn.start) {
        if other.start >= turn.end {
            break;
        }
        pieces.push((from, other.start));
        from = from.max(other.end);
    }
    pieces.push((from, turn.end));
    pieces.retain(|(start, end)| end.0 >= start.0 + SHORTEST.0);
    pieces
}

/// How long some pieces are in all.
pub(crate) fn length(pieces: &[(Millis, Millis)]) -> Millis {
    Millis(pieces.iter().map(|(start, end)| end.0 - start.0).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(start: u64, end: u64, voice: u32) -> Turn {
        Turn { start: Millis(start), end: Millis(end), voice }
    }

    fn found(turns: &[Turn], which: usize) -> Vec<(u64, u64)> {
        alone(turns, which).into_iter().map(|(start, end)| (start.0, end.0)).collect()
    }

    #[test]
    fn what_others_say_is_cut_out() {
        let turns = [turn(0, 10_000, 0), turn(2000, 3000, 1), turn(3100, 4000, 2), turn(9000, 12_000, 1)];
        assert_eq!(found(&turns, 0), [(0, 2000), (4000, 9000)]);
        assert_eq!(found(&turns, 1), []);
        assert_eq!(found(&turns, 3), [(10_000, 12_000)]);
        assert_eq!(length(&alone(&turns, 0)), Millis(7000));
    }

    #[test]
    fn turns_of_the_same_voice_leave_each_other_alone() {
        let turns = [turn(0, 5000, 0), turn(1000, 2000, 0), turn(4000, 4100, 1)];
        assert_eq!(found(&turns, 0), [(0, 4000), (4100, 5000)]);
        assert_eq!(found(&turns, 1), [(1000, 2000)]);
    }

    #[test]
    fn a_long_turn_within_another_is_cut_out_once() {
        let turns = [turn(0, 10_000, 0), turn(1000, 9000, 1), turn(2000, 3000, 2)];
        assert_eq!(found(&turns, 0), [(0, 1000), (9000, 10_000)]);
    }
}
