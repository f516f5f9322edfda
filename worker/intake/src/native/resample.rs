//! Any sample rate to 16 kHz, block by block.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _, WindowFunction};
use steno_shared::time::SAMPLE_RATE;

/// About so many frames are transformed at once: at 48 kHz the filter then passes everything below 7.9 kHz.
const BLOCK: usize = 4096;

/// The resampler failed, which is a fault of this program.
#[derive(Debug, thiserror::Error)]
#[error("cannot resample from {from} Hz: {cause}")]
pub(super) struct ResampleError {
    from: u32,
    cause: String,
}

/// One stretch of audio of one rate, its channels interleaved. Its output is as long as its input, to half a sample, and begins with it: the
/// delay of the filter is taken off the front and made up for at the end.
#[derive(Debug)]
pub(super) struct Resampler {
    from: u32,
    channels: usize,
    /// None if the rate is right already.
    filter: Option<Fft<f32>>,
    waiting: Vec<f32>,
    block: Vec<f32>,
    /// Output frames still to be dropped.
    delay: usize,
    taken: u64,
    given: u64,
}

impl Resampler {
    pub(super) fn new(from: u32, channels: usize) -> Result<Self, ResampleError> {
        let mut this = Self {
            from,
            channels,
            filter: None,
            waiting: Vec::new(),
            block: Vec::new(),
            delay: 0,
            taken: 0,
            given: 0,
        };
        if from == SAMPLE_RATE {
            return Ok(this);
        }
        let (input, output) = (from as usize, SAMPLE_RATE as usize);
        let window = WindowFunction::BlackmanHarris2;
        // The filter delays by half a block, which must be a whole number of output frames.
        let pair = 2 * input / gcd(input, output);
        let block = pair * BLOCK.div_ceil(pair);
        let filter = Fft::new_custom(input, output, block, 1, channels, window, FixedSync::Both);
        let filter = filter.map_err(|error| failed(from, &error))?;
        this.delay = filter.output_delay();
        this.block = vec![0.0; channels * filter.output_frames_max()];
        this.filter = Some(filter);
        Ok(this)
    }

    /// Takes whole frames, and appends those that are ready to `output`.
    pub(super) fn push(&mut self, input: &[f32], output: &mut Vec<f32>) -> Result<(), ResampleError> {
        let frames = (input.len() / self.channels) as u64;
        self.taken += frames;
        if self.filter.is_none() {
            self.given += frames;
            output.extend_from_slice(input);
            return Ok(());
        }
        self.waiting.extend_from_slice(input);
        let mut used = 0;
        while let Some(count) = self.filter_block(used, None, output)? {
            used += count;
        }
        self.waiting.drain(..used * self.channels);
        Ok(())
    }

    /// The rest, once no more comes.
    pub(super) fn finish(mut self, output: &mut Vec<f32>) -> Result<(), ResampleError> {
        let due = self.due();
        let mut left = Some(self.waiting.len() / self.channels);
        while self.given < due && self.filter.is_some() {
            self.filter_block(0, left, output)?;
            left = Some(0);
            let surplus = self.given.saturating_sub(due);
            self.given -= surplus;
            output.truncate(output.len() - surplus as usize * self.channels);
        }
        Ok(())
    }

    /// The length of the output for all that was taken, in frames.
    fn due(&self) -> u64 {
        let (from, to) = (u128::from(self.from), u128::from(SAMPLE_RATE));
        let due = (u128::from(self.taken) * to + from / 2) / from;
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    /// Filters one block of the waiting frames, of which only the first `partial` count if that is given. Returns
    /// how many were used, or none if there are too few.
    fn filter_block(
        &mut self,
        at: usize,
        partial: Option<usize>,
        output: &mut Vec<f32>,
    ) -> Result<Option<usize>, ResampleError> {
        let Some(filter) = self.filter.as_mut() else { return Ok(None) };
        let wanted = filter.input_frames_next();
        let (from, channels) = (self.from, self.channels);
        let (waiting, room) = (self.waiting.len() / channels, self.block.len() / channels);
        if partial.is_none() && waiting - at < wanted {
            return Ok(None);
        }
        let indexing = Indexing { input_offset: at, partial_len: partial, ..Indexing::default() };
        let input = InterleavedSlice::new(&self.waiting, channels, waiting);
        let input = input.map_err(|error| failed(from, &error))?;
        let block = InterleavedSlice::new_mut(&mut self.block, channels, room);
        let mut block = block.map_err(|error| failed(from, &error))?;
        let (_, written) = filter
            .process_into_buffer(&input, &mut block, Some(&indexing))
            .map_err(|error| failed(from, &error))?;
        let dropped = self.delay.min(written);
        self.delay -= dropped;
        self.given += (written - dropped) as u64;
        output.extend_from_slice(&self.block[dropped * channels..written * channels]);
        Ok(Some(wanted))
    }
}

fn failed(from: u32, cause: &dyn std::fmt::Display) -> ResampleError {
    ResampleError { from, cause: cause.to_string() }
}

fn gcd(one: usize, other: usize) -> usize {
    if other == 0 { one } else { gcd(other, one % other) }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn resample(from: u32, input: &[f32], step: usize) -> Vec<f32> {
        let (mut resampler, mut output) = (Resampler::new(from, 1).unwrap(), Vec::new());
        for piece in input.chunks(step) {
            resampler.push(piece, &mut output).unwrap();
        }
        resampler.finish(&mut output).unwrap();
        output
    }

    fn tone(rate: u32, hertz: f64, frames: usize) -> Vec<f32> {
        (0..frames).map(|at| (TAU * hertz * at as f64 / f64::from(rate)).sin() as f32 * 0.5).collect()
    }

    #[test]
    fn the_length_is_exact_at_every_rate_and_size() {
        for from in [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 44_101, 48_000, 96_000, 192_000] {
            for frames in [0, 1, 2, 100, 1023, 4096, 4097, 50_000] {
                let length = resample(from, &tone(from, 440.0, frames), 1152).len() as f64;
                let exact = frames as f64 * 16_000.0 / f64::from(from);
                assert!((length - exact).abs() <= 0.5, "{from} Hz, {frames} frames: {length}, not {exact}");
            }
        }
    }

    #[test]
    fn the_signal_keeps_its_place_and_its_level() {
        for from in [8_000, 11_025, 22_050, 44_100, 48_000, 96_000] {
            let output = resample(from, &tone(from, 1_000.0, from as usize), 999);
            let expected = tone(16_000, 1_000.0, output.len());
            let middle = 500..output.len() - 500;
            let worst = output[middle.clone()].iter().zip(&expected[middle]).map(|(a, b)| (a - b).abs());
            let worst = worst.fold(0.0, f32::max);
            // Half a sample of delay would be 0.1.
            assert!(worst < 0.002, "{from} Hz: {worst}");
        }
    }

    #[test]
    fn channels_do_not_touch_each_other() {
        for from in [8_000, 16_000, 44_100, 48_000] {
            let channels = [440.0, 1_000.0, 3_000.0].map(|hertz| tone(from, hertz, 20_011));
            let frames: Vec<f32> =
                (0..20_011).flat_map(|at| channels.iter().map(move |channel| channel[at])).collect();
            let (mut resampler, mut together) = (Resampler::new(from, 3).unwrap(), Vec::new());
            frames.chunks(3 * 1152).for_each(|piece| resampler.push(piece, &mut together).unwrap());
            resampler.finish(&mut together).unwrap();
            for (nr, channel) in channels.iter().enumerate() {
                let found: Vec<f32> = together.iter().skip(nr).step_by(3).copied().collect();
                assert_eq!(found, resample(from, channel, 1152), "{from} Hz, channel {nr}");
            }
        }
    }

    #[test]
    fn what_16_khz_cannot_hold_is_filtered_out() {
        let output = resample(48_000, &tone(48_000, 10_000.0, 48_000), 4096);
        let loudest = output[500..15_500].iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
        assert!(loudest < 0.000_5, "{loudest}");
    }
}
