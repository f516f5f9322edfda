//! The bytes of a client on their way to be samples, and the pace at which they are taken.

use std::time::Duration;

use tokio::time::Instant;

use super::pcm::Pcm;

/// How far audio may lead the time in which it is spoken.
const LEAD: Duration = Duration::from_secs(10);

/// The audio of a client.
#[derive(Debug)]
pub(super) struct Audio {
    pcm: Pcm,
    sample_bytes: usize,
    rate: u32,
    /// What has come of a sample that is not whole.
    begun: Vec<u8>,
    /// Whole samples that have come, of the client's own rate.
    samples: u64,
    /// When the audio that has come will have been spoken, once a worker is ready for it.
    spoken_at: Option<Instant>,
}

impl Audio {
    /// None yet, of samples of so many bytes, and so many of them a second.
    pub(super) fn new(pcm: Pcm, sample_bytes: usize, rate: u32) -> Self {
        Self { pcm, sample_bytes, rate, begun: Vec::new(), samples: 0, spoken_at: None }
    }

    /// How many samples have come, as the client counts them.
    pub(super) fn samples(&self) -> u64 {
        self.samples
    }

    /// The samples at 16 kHz that these bytes make. Samples may lie in two frames.
    ///
    /// # Errors
    /// If the filters fail, which is a fault of this program.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<i16>, String> {
        let mut out = Vec::new();
        let mut rest = bytes;
        if !self.begun.is_empty() {
            let (missing, after) = rest.split_at(rest.len().min(self.sample_bytes - self.begun.len()));
            self.begun.extend_from_slice(missing);
            rest = after;
            if self.begun.len() < self.sample_bytes {
                return Ok(out);
            }
            self.pcm.push(&self.begun, &mut out).map_err(|error| error.to_string())?;
            self.begun.clear();
            self.count(1);
        }
        let (whole, begun) = rest.split_at(rest.len() - rest.len() % self.sample_bytes);
        self.pcm.push(whole, &mut out).map_err(|error| error.to_string())?;
        self.begun.extend_from_slice(begun);
        self.count((whole.len() / self.sample_bytes) as u64);
        Ok(out)
    }

    /// What the filters still hold at the end.
    ///
    /// # Errors
    /// If the filters fail, which is a fault of this program.
    pub(super) fn finish(&mut self) -> Result<Vec<i16>, String> {
        let mut out = Vec::new();
        self.pcm.finish(&mut out).map_err(|error| error.to_string())?;
        Ok(out)
    }

    /// The client sends from the last whole sample on.
    pub(super) fn restart(&mut self) {
        self.begun.clear();
    }

    /// A worker is ready: from here on audio is spoken as time goes by.
    pub(super) fn ready(&mut self) {
        self.spoken_at.get_or_insert_with(Instant::now);
    }

    /// From when on more is taken; none while a worker is waited for and as much has come as may.
    pub(super) fn take_from(&self) -> Option<Instant> {
        match self.spoken_at {
            Some(spoken) => Some(spoken.checked_sub(LEAD).unwrap_or(spoken)),
            None => (self.length(self.samples) < LEAD).then(Instant::now),
        }
    }

    fn count(&mut self, samples: u64) {
        self.samples += samples;
        let length = self.length(samples);
        if let Some(spoken) = &mut self.spoken_at {
            // Silence on the line is not made up for.
            *spoken = (*spoken).max(Instant::now()) + length;
        }
    }

    fn length(&self, samples: u64) -> Duration {
        Duration::from_nanos(
            samples.saturating_mul(1_000_000_000 / 1000) / u64::from(self.rate.max(1)) * 1000,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::pcm::Encoding;
    use super::*;

    fn audio() -> Audio {
        Audio::new(Pcm::new(Encoding::S16le, 16_000).unwrap(), 2, 16_000)
    }

    #[test]
    fn samples_lie_in_frames_of_any_length() {
        let samples: Vec<i16> = (0..1000).map(|at| at * 31).collect();
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        for length in [1, 2, 3, 7, 999, 2000] {
            let mut audio = audio();
            let mut out = Vec::new();
            for frame in bytes.chunks(length) {
                out.extend(audio.take(frame).unwrap());
            }
            out.extend(audio.finish().unwrap());
            assert_eq!((out.as_slice(), audio.samples()), (samples.as_slice(), 1000), "frames of {length}");
        }
    }

    #[test]
    fn half_a_sample_is_forgotten_when_the_client_comes_back() {
        let mut audio = audio();
        assert_eq!(audio.take(&[1, 0, 2]).unwrap(), [1]);
        audio.restart();
        assert_eq!(audio.take(&[3, 0]).unwrap(), [3]);
        assert_eq!(audio.samples(), 2);
    }

    #[test]
    fn ten_seconds_are_taken_ahead_of_the_worker_and_then_of_the_clock() {
        let mut audio = audio();
        let second = vec![0; 32_000];
        for _ in 0..10 {
            assert!(audio.take_from().is_some());
            audio.take(&second).unwrap();
        }
        assert_eq!(audio.take_from(), None);
        audio.ready();
        assert!(audio.take_from().unwrap() <= Instant::now());
        for _ in 0..12 {
            audio.take(&second).unwrap();
        }
        let wait = audio.take_from().unwrap().duration_since(Instant::now());
        assert!(wait > Duration::from_secs(1) && wait <= Duration::from_secs(2), "{wait:?}");
    }
}
