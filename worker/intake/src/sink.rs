//! Where a decoder's samples go: counted to the end of the media, and stored as far as they shall be heard.

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use steno_runtime::Meter;
use steno_shared::failpoint;
use steno_shared::job::MediaOptions;
use steno_shared::object::{ObjectError, ObjectWriter};
use steno_shared::time::{Millis, SAMPLE_RATE};
use tokio_util::sync::CancellationToken;

use crate::head;

/// Silence is written in pieces of this size.
const BLOCK: u64 = 64 * 1024;
/// More channels are not transcribed apart.
pub(crate) const MOST_CHANNELS: u16 = 8;

/// Who is told of a decoder's samples, and who may end it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch<'a> {
    pub(crate) meter: &'a Meter,
    pub(crate) stop: &'a CancellationToken,
    pub(crate) file_name: Option<&'a str>,
}

/// Takes what a decoder writes. A frame is one sample of each channel.
#[derive(Debug)]
pub(crate) struct Sink<'a> {
    pub(crate) writer: Box<dyn ObjectWriter>,
    pub(crate) watch: Watch<'a>,
    /// Frames decoded so far. Counting goes on after the window: what the header says of the length is no promise,
    /// and whether the file is whole shows at its end only.
    pub(crate) frames: u64,
    /// How many channels there are; none until the decoder has said so.
    pub(crate) channels: Option<u16>,
    /// Whether each frame that was stored is the same in all channels.
    pub(crate) is_uniform: bool,
    /// The frames that are stored.
    window: Range<u64>,
    /// Frames of silence before the first.
    lead: u64,
    /// A part of the head, or of a frame.
    rest: BytesMut,
}

/// The frames that shall be heard.
pub(crate) fn window(media: &MediaOptions) -> Range<u64> {
    let frames = |moment: Millis| moment.0.saturating_mul(u64::from(SAMPLE_RATE) / 1000);
    media.from.map_or(0, frames)..media.until.map_or(u64::MAX, frames)
}

impl<'a> Sink<'a> {
    /// A sink for what shall be heard of the media.
    pub(crate) fn new(writer: Box<dyn ObjectWriter>, watch: Watch<'a>, media: &MediaOptions) -> Self {
        Self {
            writer,
            watch,
            frames: 0,
            channels: Some(1).filter(|_| !media.multichannel),
            is_uniform: true,
            window: window(media),
            lead: 0,
            rest: BytesMut::new(),
        }
    }

    /// The same with silence before the first frame.
    pub(crate) fn after_silence(self, frames: u64) -> Self {
        Self { lead: frames, ..self }
    }

    /// Whether there are more channels than are transcribed apart.
    pub(crate) fn is_too_wide(&self) -> bool {
        self.channels.is_some_and(|channels| channels > MOST_CHANNELS)
    }

    /// Whether the decoder writes something else than a head with samples behind it.
    pub(crate) fn is_headless(&self) -> bool {
        self.channels.is_none() && self.rest.len() > head::LONGEST
    }

    /// Takes a piece of the decoder's output.
    pub(crate) async fn write(&mut self, block: &[u8]) -> Result<(), ObjectError> {
        self.rest.extend_from_slice(block);
        let Some(channels) = self.width() else { return Ok(()) };
        if self.rest.len() < 2 * channels || self.is_too_wide() {
            return Ok(());
        }
        let is_first = self.frames == 0;
        self.silence(channels).await?;
        let whole = self.rest.len() - self.rest.len() % (2 * channels);
        let frames = self.rest.split_to(whole).freeze();
        self.store(frames, channels).await?;
        if is_first {
            failpoint::hit("intake.decode", self.watch.file_name).await;
        }
        Ok(())
    }

    /// The number of channels, looked for at the head if it is not known.
    fn width(&mut self) -> Option<usize> {
        if self.channels.is_none() {
            let head = head::read(&self.rest)?;
            self.rest.advance(head.length);
            self.channels = Some(head.channels.max(1));
        }
        self.channels.map(usize::from)
    }

    async fn silence(&mut self, channels: usize) -> Result<(), ObjectError> {
        while self.lead > 0 {
            let frames = self.lead.min(BLOCK);
            self.lead -= frames;
            self.store(Bytes::from(vec![0; frames as usize * 2 * channels]), channels).await?;
        }
        Ok(())
    }

    /// Counts whole frames, and stores those in the window.
    async fn store(&mut self, frames: Bytes, channels: usize) -> Result<(), ObjectError> {
        let (first, count) = (self.frames, (frames.len() / (2 * channels)) as u64);
        self.frames += count;
        let within = |at: u64| at.clamp(first, self.frames) - first;
        let (from, until) = (within(self.window.start), within(self.window.end));
        if from < until {
            let at = |frame: u64| frame as usize * 2 * channels;
            let heard = frames.slice(at(from)..at(until));
            self.is_uniform = self.is_uniform && is_uniform(&heard, channels);
            self.writer.write(heard).await?;
        }
        self.watch.meter.advance_to(Millis::of_samples(self.frames));
        Ok(())
    }
}

fn is_uniform(frames: &[u8], channels: usize) -> bool {
    channels == 1
        || frames.chunks_exact(2 * channels).all(|frame| frame[2..].chunks_exact(2).all(|s| *s == frame[..2]))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use steno_shared::object::Stored;

    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    #[async_trait::async_trait]
    impl ObjectWriter for Written {
        async fn write(&mut self, block: Bytes) -> Result<(), ObjectError> {
            self.0.lock().unwrap().extend_from_slice(&block);
            Ok(())
        }

        async fn finish(self: Box<Self>) -> Result<Stored, ObjectError> {
            Err(ObjectError::Full)
        }
    }

    /// What is counted, and what is stored, of these blocks after so much silence.
    async fn sunk(media: &MediaOptions, silence: u64, blocks: &[&[u8]]) -> (u64, Option<u16>, bool, Vec<u8>) {
        let (written, meter, stop) = (Written::default(), Meter::default(), CancellationToken::new());
        let watch = Watch { meter: &meter, stop: &stop, file_name: None };
        let mut sink = Sink::new(Box::new(written.clone()), watch, media).after_silence(silence);
        for block in blocks {
            sink.write(block).await.unwrap();
        }
        let stored = written.0.lock().unwrap().clone();
        (sink.frames, sink.channels, sink.is_uniform, stored)
    }

    fn apart() -> MediaOptions {
        MediaOptions { multichannel: true, ..MediaOptions::default() }
    }

    #[tokio::test]
    async fn samples_stay_whole_wherever_blocks_end() {
        let blocks: [&[u8]; 6] = [b"a", b"bcd", b"", b"efg", b"h", b"i"];
        let found = sunk(&MediaOptions::default(), 0, &blocks).await;
        assert_eq!(found, (4, Some(1), true, b"abcdefgh".to_vec()));
    }

    #[tokio::test]
    async fn the_head_tells_the_channels_wherever_blocks_end() {
        let bytes = [head::write(2), b"abABcdCDef".to_vec()].concat();
        for size in [1, 3, 44, 46, 100] {
            let blocks: Vec<_> = bytes.chunks(size).collect();
            let found = sunk(&apart(), 1, &blocks).await;
            assert_eq!(found, (3, Some(2), false, b"\0\0\0\0abABcdCD".to_vec()), "blocks of {size}");
        }
        let same = [head::write(3), b"aaaaaabcbcbc".to_vec()].concat();
        assert!(sunk(&apart(), 0, &[&same]).await.2);
        let wide = [head::write(9), vec![1; 180]].concat();
        assert_eq!(sunk(&apart(), 0, &[&wide]).await, (0, Some(9), true, Vec::new()));
    }

    #[tokio::test]
    async fn only_the_window_is_stored_and_all_is_counted() {
        let samples: Vec<u8> = (0..100_u16).flat_map(u16::to_le_bytes).collect();
        for (from, until, expected) in [
            (Some(1), Some(3), 16..48),
            (None, Some(2), 0..32),
            (Some(4), None, 64..100),
            (Some(9), None, 0..0),
        ] {
            let media =
                MediaOptions { from: from.map(Millis), until: until.map(Millis), ..MediaOptions::default() };
            for size in [2, 7, 50, 500] {
                let blocks: Vec<_> = samples.chunks(size).collect();
                let (frames, _, _, stored) = sunk(&media, 0, &blocks).await;
                let wanted: Vec<u8> = expected.clone().flat_map(u16::to_le_bytes).collect();
                assert_eq!((frames, stored), (100, wanted), "{from:?} {until:?} {size}");
            }
        }
    }

    #[tokio::test]
    async fn the_silence_before_the_first_frame_belongs_to_the_media() {
        let media = MediaOptions { from: Some(Millis(5)), until: Some(Millis(7)), ..MediaOptions::default() };
        let (frames, _, _, stored) = sunk(&media, 100, &[&[1; 200]]).await;
        assert_eq!((frames, stored), (200, [[0; 40].as_slice(), &[1; 24]].concat()));
        assert_eq!(sunk(&media, 100, &[]).await.0, 0);
    }
}
