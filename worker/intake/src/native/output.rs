//! From decoded frames to the samples on standard output: the part that shall be heard, 16 kHz, 16 bits, one
//! channel, or each for itself behind a head that tells how many there are.

use std::io::{self, Write};

use super::resample::{ResampleError, Resampler};
use crate::head;

/// Beyond this a float sample is no sound; it would drown its whole block in the resampler.
const LOUDEST: f32 = 8.0;

/// Why no more samples can be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    #[error(transparent)]
    Resample(#[from] ResampleError),
    /// Nobody reads any more.
    #[error("cannot write samples")]
    Write(#[from] io::Error),
}

/// The part of a track that shall be heard, in frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// Frames to drop at the start.
    pub(super) skip: u64,
    /// Frames to keep after them.
    pub(super) keep: u64,
}

impl Span {
    #[cfg(test)]
    pub(super) const ALL: Self = Self { skip: 0, keep: u64::MAX };

    /// The range of the next `count` frames that belongs to the span.
    fn take(&mut self, count: usize) -> std::ops::Range<usize> {
        let start = (count as u64).min(self.skip);
        self.skip -= start;
        let kept = (count as u64 - start).min(self.keep);
        self.keep -= kept;
        start as usize..(start + kept) as usize
    }
}

/// What becomes of the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channels {
    /// They are mixed to one, by their mean, so that nothing can clip.
    Mixed,
    /// Each is kept.
    Apart,
}

/// Where decoded frames go.
#[derive(Debug)]
pub(super) struct Output<W> {
    span: Span,
    /// How many channels are written; none until the first frames have come.
    width: Option<usize>,
    /// Silence before that: frames, and their rate.
    early: Option<(u64, u32)>,
    resampler: Option<(u32, Resampler)>,
    mixed: Vec<f32>,
    ready: Vec<f32>,
    bytes: Vec<u8>,
    writer: W,
}

impl<W: Write> Output<W> {
    pub(super) fn new(writer: W, span: Span, channels: Channels) -> Self {
        Self {
            span,
            width: Some(1).filter(|_| channels == Channels::Mixed),
            early: None,
            resampler: None,
            mixed: Vec::new(),
            ready: Vec::new(),
            bytes: Vec::new(),
            writer,
        }
    }

    /// Takes interleaved frames.
    pub(super) fn push(&mut self, frames: &[f32], channels: usize, rate: u32) -> Result<(), OutputError> {
        let channels = channels.max(1);
        let width = match self.width {
            Some(width) => width,
            None => self.begin(channels)?,
        };
        let mut mixed = std::mem::take(&mut self.mixed);
        mixed.clear();
        if channels == width {
            mixed.extend(frames.iter().map(|sample| sane(*sample)));
        } else {
            mix(frames, channels, width, &mut mixed);
        }
        let pushed = self.push_mixed(&mixed, width, rate);
        self.mixed = mixed;
        pushed
    }

    /// Silence in place of what could not be decoded, so that what follows keeps its time.
    pub(super) fn push_silence(&mut self, count: u64, rate: u32) -> Result<(), OutputError> {
        let Some(width) = self.width else {
            let (before, _) = self.early.unwrap_or_default();
            self.early = Some((before.saturating_add(count), rate));
            return Ok(());
        };
        let silence = vec![0.0; 1024 * width];
        let mut left = count;
        while left > 0 {
            let part = left.min(1024);
            self.push_mixed(&silence[..part as usize * width], width, rate)?;
            left -= part;
        }
        Ok(())
    }

    /// The first frames tell how many channels there are.
    fn begin(&mut self, channels: usize) -> Result<usize, OutputError> {
        self.width = Some(channels);
        self.writer.write_all(&head::write(u16::try_from(channels).unwrap_or(u16::MAX)))?;
        if let Some((count, rate)) = self.early.take() {
            self.push_silence(count, rate)?;
        }
        Ok(channels)
    }

    fn push_mixed(&mut self, mixed: &[f32], width: usize, rate: u32) -> Result<(), OutputError> {
        if self.resampler.as_ref().is_none_or(|(current, _)| *current != rate) {
            self.end_stretch()?;
            self.resampler = Some((rate, Resampler::new(rate, width)?));
        }
        let heard = self.span.take(mixed.len() / width);
        if let Some((_, resampler)) = &mut self.resampler {
            resampler.push(&mixed[heard.start * width..heard.end * width], &mut self.ready)?;
        }
        self.write()
    }

    /// Writes what the filter still holds.
    pub(super) fn finish(mut self) -> Result<(), OutputError> {
        self.end_stretch()?;
        Ok(self.writer.flush()?)
    }

    /// The rate changes, or nothing more comes.
    fn end_stretch(&mut self) -> Result<(), OutputError> {
        if let Some((_, resampler)) = self.resampler.take() {
            resampler.finish(&mut self.ready)?;
        }
        self.write()
    }

    fn write(&mut self) -> Result<(), OutputError> {
        self.bytes.clear();
        self.bytes.extend(self.ready.drain(..).flat_map(|sample| to_i16(sample).to_le_bytes()));
        Ok(self.writer.write_all(&self.bytes)?)
    }
}

/// Mixes to one channel, which is heard in all of them: a later part of a file may have other channels.
fn mix(frames: &[f32], channels: usize, width: usize, mixed: &mut Vec<f32>) {
    let share = 1.0 / channels as f32;
    for frame in frames.chunks_exact(channels) {
        let sum: f32 = frame.iter().map(|sample| sane(*sample)).sum();
        mixed.extend(std::iter::repeat_n(sum * share, width));
    }
}

/// Float files may hold anything.
fn sane(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-LOUDEST, LOUDEST) } else { 0.0 }
}

/// To the nearest step, clipped, without dither: a 16-bit file of 16 kHz passes bit by bit.
fn to_i16(sample: f32) -> i16 {
    // `as` saturates.
    (sample * 32_768.0).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(span: Span, rate: u32, pushes: &[&[f32]]) -> Vec<i16> {
        let mut bytes = Vec::new();
        let mut output = Output::new(&mut bytes, span, Channels::Mixed);
        for push in pushes {
            output.push(push, 1, rate).unwrap();
        }
        output.finish().unwrap();
        bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
    }

    #[test]
    fn samples_of_16_khz_pass_bit_by_bit() {
        let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        let floats: Vec<f32> = all.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
        assert_eq!(written(Span::ALL, 16_000, &[&floats]), all);
    }

    #[test]
    fn what_is_too_loud_clips_and_what_is_no_number_is_silence() {
        let hostile =
            [1.0, 1.5, -1.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, f32::MIN_POSITIVE];
        let expected = [i16::MAX, i16::MAX, i16::MIN, 0, 0, 0, i16::MAX, i16::MIN, 0];
        assert_eq!(written(Span::ALL, 16_000, &[&hostile]), expected);
    }

    #[test]
    fn channels_are_mixed_by_their_mean() {
        let mut mono = Vec::new();
        mix(&[1.0, 0.0, 0.5, -0.5, 0.25, 0.75, 9.0], 2, 1, &mut mono);
        assert_eq!(mono, [0.5, 0.0, 0.5]);
        mono.clear();
        mix(&[0.6, 0.0, 0.0, 0.0, 0.0, 0.6], 6, 1, &mut mono);
        assert!((mono[0] - 0.2).abs() < 1e-6);
    }

    #[test]
    fn channels_that_are_kept_apart_come_behind_their_number() {
        let mut bytes = Vec::new();
        let mut output = Output::new(&mut bytes, Span { skip: 1, keep: 5 }, Channels::Apart);
        output.push_silence(2, 16_000).unwrap();
        output.push(&[0.25, -0.25, 0.5, -0.5], 2, 16_000).unwrap();
        // Another part of the file, with other channels.
        output.push(&[0.125], 1, 16_000).unwrap();
        output.push(&[0.75, 0.0, 0.0, 9.0, 9.0, 9.0], 3, 16_000).unwrap();
        output.finish().unwrap();
        let head = head::read(&bytes).unwrap();
        let frames: Vec<_> = bytes[head.length..]
            .chunks_exact(4)
            .map(|frame| {
                let sample = |at: usize| f32::from(i16::from_le_bytes([frame[at], frame[at + 1]])) / 32_768.0;
                (sample(0), sample(2))
            })
            .collect();
        assert_eq!(head.channels, 2);
        assert_eq!(frames, [(0.0, 0.0), (0.25, -0.25), (0.5, -0.5), (0.125, 0.125), (0.25, 0.25)]);
    }

    #[test]
    fn only_the_span_is_heard_wherever_the_packets_end() {
        let count: Vec<f32> = (0..10).map(|nr| nr as f32 / 32_768.0).collect();
        let span = Span { skip: 3, keep: 4 };
        assert_eq!(written(span, 16_000, &[&count]), [3, 4, 5, 6]);
        let pieces: Vec<&[f32]> = count.chunks(2).collect();
        assert_eq!(written(span, 16_000, &pieces), [3, 4, 5, 6]);
    }

    #[test]
    fn a_change_of_rate_loses_nothing() {
        let mut bytes = Vec::new();
        let mut output = Output::new(&mut bytes, Span::ALL, Channels::Mixed);
        output.push(&[0.1; 4410], 1, 44_100).unwrap();
        output.push(&[0.1; 9600], 2, 48_000).unwrap();
        output.push_silence(1600, 16_000).unwrap();
        output.finish().unwrap();
        assert_eq!(bytes.len(), 2 * 3 * 1600);
    }
}
