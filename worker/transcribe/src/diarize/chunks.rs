//! How a file is cut into what a child is given at once.

use std::io;

use crate::chunk::Piece;
use crate::samples::Samples;

const SECOND: u64 = 16_000;
/// A file up to this is given as a whole: what is told apart in one go is told apart best.
const WHOLE: u64 = 300 * SECOND;
/// Longer ones in chunks of about this. It bounds memory, and how long others wait.
const CHUNK: u64 = 120 * SECOND;
/// The cut is looked for so far on either side of where it would be.
const REACH: u64 = 10 * SECOND;
/// What is looked at together: as long as a short pause. Also what cuts are multiples of, so that they are whole
/// milliseconds.
const FRAME: u64 = SECOND / 10;

/// The chunks of a file: all of it, in order, without overlap. None of an empty one.
pub(super) fn plan(samples: &Samples) -> io::Result<Vec<Piece>> {
    let count = samples.count();
    if count == 0 {
        return Ok(Vec::new());
    }
    let chunks = if count <= WHOLE { 1 } else { count.div_ceil(CHUNK) };
    let mut cuts = vec![0];
    for number in 1..chunks {
        let around = count / chunks * number;
        let from = (around - REACH) / FRAME * FRAME;
        cuts.push(from + FRAME * quietest(&samples.read(from, around + REACH)?));
    }
    cuts.push(count);
    Ok(cuts.windows(2).map(|cut| Piece { start: cut[0], end: cut[1] }).collect())
}

/// Which frame of some samples has the least energy, with half of its neighbours': in the middle of a pause rather
/// than at its edge.
fn quietest(samples: &[i16]) -> u64 {
    let energy = |frame: &[i16]| frame.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
    let frames: Vec<f64> = samples.chunks_exact(FRAME as usize).map(energy).collect();
    let smooth = |at: usize| {
        let beside = |at: Option<usize>| at.and_then(|at| frames.get(at)).map_or(0.0, |energy| energy / 2.0);
        frames[at] + beside(at.checked_sub(1)) + beside(Some(at + 1))
    };
    let quietest = (0..frames.len()).min_by(|one, other| smooth(*one).total_cmp(&smooth(*other)));
    quietest.unwrap_or(0) as u64
}

#[cfg(test)]
mod tests {
    use steno_shared::object::LocalObject;

    use super::*;

    fn samples(values: &[i16]) -> Samples {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
            .unwrap();
        // The open file outlives its name.
        Samples::open(LocalObject::in_place(file.path().to_owned())).unwrap()
    }

    fn lengths(pieces: &[Piece]) -> Vec<u64> {
        pieces.iter().map(Piece::len).collect()
    }

    #[test]
    fn a_short_file_is_one_chunk_and_an_empty_one_none() {
        assert_eq!(plan(&samples(&[])).unwrap(), []);
        assert_eq!(lengths(&plan(&samples(&[1; 100])).unwrap()), [100]);
        assert_eq!(lengths(&plan(&samples(&vec![1; WHOLE as usize])).unwrap()), [WHOLE]);
    }

    #[test]
    fn a_long_file_is_cut_at_pauses_and_nothing_is_left_out() {
        let count = WHOLE + 77;
        let mut values = vec![1000_i16; count as usize];
        // A pause of half a second some seconds before the first third.
        let pause = count / 3 - 7 * SECOND;
        values[pause as usize..(pause + SECOND / 2) as usize].fill(3);
        let pieces = plan(&samples(&values)).unwrap();
        assert_eq!(pieces.len(), 3);
        assert!((pause..pause + SECOND / 2).contains(&pieces[0].end), "{pieces:?}");
        assert_eq!((pieces[0].start, pieces[2].end), (0, count));
        for pair in pieces.windows(2) {
            assert_eq!(pair[0].end, pair[1].start);
            assert!(pair[0].end.is_multiple_of(FRAME));
        }
        let within = CHUNK / 2..=CHUNK + 2 * REACH;
        assert!(pieces.iter().all(|piece| within.contains(&piece.len())), "{pieces:?}");
    }
}
