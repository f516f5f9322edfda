//! A stream of bytes to samples at 16 kHz, as they come.
//!
//! What is given out does not depend on how the bytes are cut: the filter takes blocks of one length. It lags behind
//! what is pushed by a block and half the filter, 5 ms and at most 8 ms.

use std::fmt;
use std::str::FromStr;

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Indexing, Resampler as _, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};
use steno_shared::time::SAMPLE_RATE;

/// The rates that a client may send.
pub(crate) const RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;
/// The filter's length in samples of the lower one of the two rates.
const TAPS: u32 = 128;
/// Between two samples the filter is known at so many places.
const PLACES: usize = 32;
/// A block lasts 5 ms.
const BLOCKS_PER_SECOND: u32 = 200;

/// How a sample is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// 16-bit integers, little-endian.
    #[default]
    S16le,
    /// 32-bit floats from -1 to 1, little-endian.
    F32le,
    /// G.711 µ-law.
    Mulaw,
}

/// The text names no encoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown encoding {0:?}; use s16le, f32le or mulaw")]
pub(crate) struct UnknownEncoding(String);

/// The stream cannot become samples.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PcmError {
    /// Nobody sends such a rate.
    #[error("sample_rate must lie between 8000 and 48000, not be {0}")]
    Rate(u32),
    /// The resampler failed, which is a fault of this program.
    #[error("cannot resample from {0} Hz: {1}")]
    Resample(u32, String),
}

impl Encoding {
    /// As the API names it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::S16le => "s16le",
            Self::F32le => "f32le",
            Self::Mulaw => "mulaw",
        }
    }

    /// The length of a sample in bytes.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::S16le => 2,
            Self::F32le => 4,
            Self::Mulaw => 1,
        }
    }

    /// A sample of as many bytes as it is wide.
    fn sample(self, bytes: &[u8]) -> f32 {
        match *bytes {
            [code] => f32::from(mulaw(code)) / SCALE,
            [low, high] => f32::from(i16::from_le_bytes([low, high])) / SCALE,
            [a, b, c, d] => {
                let sample = f32::from_le_bytes([a, b, c, d]);
                if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }
            }
            _ => 0.0,
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    fn from_str(text: &str) -> Result<Self, UnknownEncoding> {
        match text.trim().to_ascii_lowercase().as_str() {
            "s16le" | "pcm_s16le" | "linear16" | "pcm16" => Ok(Self::S16le),
            "f32le" | "pcm_f32le" | "float32" => Ok(Self::F32le),
            "mulaw" | "mu-law" | "pcm_mulaw" | "ulaw" => Ok(Self::Mulaw),
            _ => Err(UnknownEncoding(text.chars().take(40).collect())),
        }
    }
}

const SCALE: f32 = 32_768.0;

/// Exact for whatever came from 16 bits.
fn quantized(sample: f32) -> i16 {
    // Saturates.
    (sample * SCALE).round() as i16
}

/// A code of ITU-T G.711: a sign, three bits of exponent and four of mantissa, all inverted, around a bias of 33 in 14
/// bits.
fn mulaw(code: u8) -> i16 {
    let code = !code;
    let (exponent, mantissa) = ((code >> 4) & 7, i16::from(code & 15));
    let magnitude = (((mantissa << 1) + 33) << exponent) - 33;
    // From 14 bits to 16.
    if code & 0x80 == 0 { magnitude << 2 } else { -(magnitude << 2) }
}

/// One stream. Its output is as long as its input, to half a sample.
#[derive(Debug)]
pub(crate) struct Pcm {
    encoding: Encoding,
    /// The beginning of a sample that was cut.
    rest: [u8; 4],
    rest_length: usize,
    /// None if the rate is right already.
    filter: Option<Filter>,
}

impl Pcm {
    /// # Errors
    /// If the rate is out of [`RATES`].
    pub(crate) fn new(encoding: Encoding, rate: u32) -> Result<Self, PcmError> {
        if !RATES.contains(&rate) {
            return Err(PcmError::Rate(rate));
        }
        let filter = if rate == SAMPLE_RATE { None } else { Some(Filter::new(rate)?) };
        Ok(Self { encoding, rest: [0; 4], rest_length: 0, filter })
    }

    /// Takes bytes, and appends the samples that are ready to `out`.
    ///
    /// # Errors
    /// If the resampler fails, which is a fault of this program.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<i16>) -> Result<(), PcmError> {
        let width = self.encoding.width();
        let mut bytes = bytes;
        if self.rest_length > 0 {
            let taken = bytes.len().min(width - self.rest_length);
            self.rest[self.rest_length..self.rest_length + taken].copy_from_slice(&bytes[..taken]);
            self.rest_length += taken;
            bytes = &bytes[taken..];
            if self.rest_length < width {
                return Ok(());
            }
            self.rest_length = 0;
            let sample = self.encoding.sample(&self.rest[..width]);
            self.take(sample, out)?;
        }
        let samples = bytes.chunks_exact(width);
        let rest = samples.remainder();
        self.rest[..rest.len()].copy_from_slice(rest);
        self.rest_length = rest.len();
        for sample in samples {
            self.take(self.encoding.sample(sample), out)?;
        }
        Ok(())
    }

    /// Appends the rest, once no more comes. Half a sample is none.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub(crate) fn finish(&mut self, out: &mut Vec<i16>) -> Result<(), PcmError> {
        self.rest_length = 0;
        self.filter.as_mut().map_or(Ok(()), |filter| filter.finish(out))
    }

    fn take(&mut self, sample: f32, out: &mut Vec<i16>) -> Result<(), PcmError> {
        match &mut self.filter {
            Some(filter) => filter.take(sample, out),
            None => {
                out.push(quantized(sample));
                Ok(())
            }
        }
    }
}

/// Any rate to 16 kHz: band-limited interpolation, since the two rates need have little in common.
struct Filter {
    rate: u32,
    sinc: Async<f32>,
    /// Less than a block.
    waiting: Vec<f32>,
    /// What the filter makes of one.
    block: Vec<f32>,
    /// Samples still to be dropped from the front: the filter's delay.
    delay: usize,
    taken: u64,
    given: u64,
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, taken, given, .. } = self;
        f.debug_struct("Filter").field("rate", rate).field("taken", taken).field("given", given).finish()
    }
}

impl Filter {
    fn new(rate: u32) -> Result<Self, PcmError> {
        let taps = TAPS * rate.div_ceil(SAMPLE_RATE);
        let parameters = SincInterpolationParameters {
            sinc_len: taps as usize,
            f_cutoff: None,
            oversampling_factor: PLACES,
            interpolation: SincInterpolationType::Cubic,
            window: WindowFunction::BlackmanHarris2,
        };
        let block = (rate / BLOCKS_PER_SECOND) as usize;
        let ratio = f64::from(SAMPLE_RATE) / f64::from(rate);
        let sinc = Async::new_sinc(ratio, 1.0, &parameters, block, 1, FixedAsync::Input);
        let sinc = sinc.map_err(|error| PcmError::Resample(rate, error.to_string()))?;
        // Half the filter; the first output lies a step behind the beginning of that.
        let delay = (f64::from(taps) * ratio / 2.0).round() as usize - 1;
        let waiting = Vec::with_capacity(block);
        let block = vec![0.0; sinc.output_frames_max()];
        Ok(Self { rate, sinc, waiting, block, delay, taken: 0, given: 0 })
    }

    fn take(&mut self, sample: f32, out: &mut Vec<i16>) -> Result<(), PcmError> {
        self.taken += 1;
        self.waiting.push(sample);
        if self.waiting.len() == self.sinc.input_frames_next() { self.filter(out) } else { Ok(()) }
    }

    fn finish(&mut self, out: &mut Vec<i16>) -> Result<(), PcmError> {
        let (from, to) = (u64::from(self.rate), u64::from(SAMPLE_RATE));
        let due = (self.taken * to + from / 2) / from;
        while self.given < due {
            self.waiting.resize(self.sinc.input_frames_next(), 0.0);
            self.filter(out)?;
            let surplus = self.given.saturating_sub(due);
            self.given -= surplus;
            // At most a block.
            out.truncate(out.len() - surplus as usize);
        }
        Ok(())
    }

    /// Filters the waiting block.
    fn filter(&mut self, out: &mut Vec<i16>) -> Result<(), PcmError> {
        let failed = |error: &dyn fmt::Display| PcmError::Resample(self.rate, error.to_string());
        let (frames, room) = (self.waiting.len(), self.block.len());
        let input = InterleavedSlice::new(&self.waiting, 1, frames).map_err(|error| failed(&error))?;
        let mut output =
            InterleavedSlice::new_mut(&mut self.block, 1, room).map_err(|error| failed(&error))?;
        let (_, written) = self
            .sinc
            .process_into_buffer(&input, &mut output, Some(&Indexing::default()))
            .map_err(|error| failed(&error))?;
        self.waiting.clear();
        let dropped = self.delay.min(written);
        self.delay -= dropped;
        self.given += (written - dropped) as u64;
        out.extend(self.block[dropped..written].iter().copied().map(quantized));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
