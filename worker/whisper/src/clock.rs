//! When each token of a stretch of text was said.
//!
//! Two methods; the catalogue says with which one a model is read. Measured with the miniature model on the
//! held-out sentences (some 900 words found, starts and ends alike): alignment is off by 0.03 s in the median and
//! by less than 0.15 s for nine words of ten; proportion by 0.05 s and less than 0.16 s. Over chunks of 28 s with
//! pauses within the segments: 0.03 s and 0.25 s, against 0.05 s and 0.4 s. Alignment is another pass of the
//! decoder and, in whisper.cpp 1.8.3, a computation on four threads whatever was asked for: half as much again of
//! CPU for a long chunk, twice as much for a short one. Hence proportion, unless the catalogue says otherwise.
//!
//! whisper.cpp's own heuristic also looks at the time tokens that would have been likely within the text. It came
//! to 0.09 s and 0.7 s with the miniature model, and knows no end of a single segment: it is not used.

use steno_shared::catalog::WordTimes;

use crate::raw::RawToken;

/// How the tokens of a model get their times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    method: Method,
    /// Added to every time, in milliseconds.
    shift: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    /// Dynamic time warping of attention to sound (OpenAI's `timing.py`; whisper.cpp's `t_dtw`, which is the end
    /// of a token: the time at which the path goes on to the next one).
    Alignment,
    /// In proportion to how long each token takes to say, between the times around the stretch.
    Proportion,
}

/// A token of text with its time in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TimedToken {
    pub(crate) bytes: Vec<u8>,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) log_probability: f64,
}

impl Clock {
    pub(crate) fn of(settings: &WordTimes) -> Self {
        let method = if settings.heads.is_empty() { Method::Proportion } else { Method::Alignment };
        Self { method, shift: settings.shift_ms }
    }

    /// Gives the tokens of a stretch from `start` to `end` their times, which may lie a little outside of it.
    pub(crate) fn time(self, tokens: &[RawToken], start: i64, end: i64) -> Vec<TimedToken> {
        let ends: Vec<i64> = match self.method {
            Method::Alignment => tokens.iter().map(|token| token.aligned_end.saturating_mul(10)).collect(),
            Method::Proportion => proportional_ends(tokens, start, end),
        };
        let mut timed = Vec::with_capacity(tokens.len());
        let mut begin = start;
        for (token, end) in tokens.iter().zip(ends) {
            let end = end + self.shift;
            timed.push(TimedToken {
                bytes: token.bytes.clone(),
                start: begin,
                end,
                log_probability: f64::from(token.log_probability),
            });
            begin = end;
        }
        timed
    }
}

fn proportional_ends(tokens: &[RawToken], start: i64, end: i64) -> Vec<i64> {
    let lengths: Vec<f64> = tokens.iter().map(|token| spoken_length(&token.bytes)).collect();
    let whole: f64 = lengths.iter().sum();
    let mut said = 0.0;
    let at = |length: f64| {
        said += length;
        start + ((end - start) as f64 * said / whole).round() as i64
    };
    lengths.into_iter().map(at).collect()
}

/// How long it takes to say some bytes, in letters (whisper.cpp's `voice_length`): stops are pauses, and digits
/// are words.
fn spoken_length(bytes: &[u8]) -> f64 {
    let one = |byte: &u8| match byte {
        b' ' => 0.01,
        b',' => 2.0,
        b'.' | b'!' | b'?' | b'0'..=b'9' => 3.0,
        // A character of several bytes counts once.
        0x80..=0xBF => 0.0,
        _ => 1.0,
    };
    bytes.iter().map(one).sum::<f64>().max(0.01)
}

#[cfg(test)]
mod tests {
    use steno_shared::catalog::AlignmentHead;

    use super::*;

    fn token(text: &str, aligned_end: i64) -> RawToken {
        RawToken { id: 1, bytes: text.as_bytes().to_vec(), log_probability: 0.0, aligned_end }
    }

    fn spans(clock: Clock, tokens: &[RawToken]) -> Vec<(i64, i64)> {
        clock.time(tokens, 1000, 2000).iter().map(|token| (token.start, token.end)).collect()
    }

    #[test]
    fn by_proportion_long_tokens_take_longer() {
        let clock = Clock::of(&WordTimes::default());
        let tokens = [token(" a", -1), token(" long", -1), token(",", -1), token(" été", -1)];
        let found = spans(clock, &tokens);
        assert_eq!((found[0].0, found[3].1), (1000, 2000));
        let lengths: Vec<_> = found.iter().map(|(start, end)| end - start).collect();
        assert!(lengths[0] < lengths[2] && lengths[2] < lengths[3] && lengths[3] < lengths[1], "{lengths:?}");
    }

    #[test]
    fn by_alignment_a_token_begins_where_the_one_before_ends_and_the_shift_is_added() {
        let settings = WordTimes { heads: vec![AlignmentHead { layer: 1, head: 0 }], shift_ms: 50 };
        let found = spans(Clock::of(&settings), &[token(" a", 120), token(" b", 150)]);
        assert_eq!(found, [(1000, 1250), (1250, 1550)]);
    }
}
