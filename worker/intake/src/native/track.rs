//! The track that is decoded: which reader, which codec, and whether symphonia gets them right together.

use std::sync::LazyLock;

use steno_shared::time::SAMPLE_RATE;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_ALAC, CODEC_ID_FLAC, CODEC_ID_MP2, CODEC_ID_MP3, CODEC_ID_OPUS, CODEC_ID_PCM_ALAW,
    CODEC_ID_PCM_MULAW, CODEC_ID_PCM_S32LE, CODEC_ID_VORBIS,
};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::packet::Packet;
use symphonia::core::units::TimeBase;
use symphonia::default::formats::{
    AdtsReader, AiffReader, CafReader, FlacReader, IsoMp4Reader, MkvReader, MpaReader, OggReader, WavReader,
};

use super::plan::{Refusal, decline, nth};
use super::source::Source;
use crate::sniff::Container;

/// AAC of a lower rate may be the lower half of HE-AAC, whose upper half symphonia leaves out.
const LEAST_AAC_RATE: u32 = 24_001;
/// What a file may ask the resampler for.
const RATES: std::ops::RangeInclusive<u32> = 2_000..=384_000;
const MOST_CHANNELS: usize = 64;

static CODECS: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut codecs = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut codecs);
    codecs.register_audio_decoder::<symphonia_adapter_libopus::OpusDecoder>();
    codecs
});

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Declined(error.to_string())
    }
}

/// Opens the reader for what was recognised. symphonia's own guess is not asked for: it finds MPEG audio in
/// anything.
pub(super) fn open(container: Container, source: Source) -> Result<Box<dyn FormatReader>, Refusal> {
    let source = match container {
        Container::MpegAudio | Container::Adts => source.of_unknown_length(),
        _ => source,
    };
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    let options = FormatOptions::default();
    Ok(match container {
        Container::Wav => Box::new(WavReader::try_new(stream, options)?),
        Container::Aiff => Box::new(AiffReader::try_new(stream, options)?),
        Container::Caf => Box::new(CafReader::try_new(stream, options)?),
        Container::Flac => Box::new(FlacReader::try_new(stream, options)?),
        Container::MpegAudio => Box::new(MpaReader::try_new(stream, options)?),
        Container::Adts => Box::new(AdtsReader::try_new(stream, options)?),
        Container::OggPlain => Box::new(OggReader::try_new(stream, options)?),
        Container::Mp4 => Box::new(IsoMp4Reader::try_new(stream, options)?),
        Container::Matroska => Box::new(MkvReader::try_new(stream, options)?),
        other => return decline(format!("{} is not decoded natively", other.name())),
    })
}

/// The track that is decoded.
pub(super) struct Track {
    pub(super) id: u32,
    /// In Hz.
    pub(super) rate: u32,
    pub(super) decoder: Box<dyn AudioDecoder>,
    /// Whether packets before time zero hold what shall not be heard.
    has_delay_in_time: bool,
    time_base: Option<TimeBase>,
    /// From the header.
    frames: Option<u64>,
}

impl Track {
    /// The audio track of this number.
    pub(super) fn find(
        container: Container,
        reader: &dyn FormatReader,
        number: u16,
    ) -> Result<Self, Refusal> {
        let mut audio = Vec::new();
        for track in reader.tracks() {
            match &track.codec_params {
                Some(CodecParameters::Audio(params)) => audio.push((track, params)),
                Some(_) => {}
                // It may be the one.
                None if audio.len() < usize::from(number.max(1)) => {
                    return decline("a track of a kind that is not known");
                }
                None => break,
            }
        }
        let (track, params) = match nth(audio.into_iter(), number) {
            Err(Refusal::NoAudio) if reader.tracks().is_empty() => return decline("no track at all"),
            // symphonia does not list what it cannot decode.
            Err(Refusal::NoSuchTrack(_)) if container == Container::OggPlain => {
                return decline("too few tracks");
            }
            found => found?,
        };
        let rate = check(container, params)?;
        Ok(Self {
            id: track.id,
            rate,
            decoder: CODECS.make_audio_decoder(params, &AudioDecoderOptions::default())?,
            // The decoder of Opus drops the delay by itself.
            has_delay_in_time: container == Container::Matroska && params.codec != CODEC_ID_OPUS,
            time_base: track.time_base,
            frames: track.num_frames,
        })
    }

    /// How much audio the header tells of, in 16 kHz samples.
    pub(super) fn length(&self, reader: &dyn FormatReader) -> Option<u64> {
        let in_track = || Some(self.frames? as f64 / f64::from(self.rate));
        let in_file = || {
            // With others it is the longest track's.
            let info = Some(reader.media_info()).filter(|_| reader.tracks().len() == 1)?;
            Some(info.time_base?.calc_duration(info.duration?)?.as_secs_f64())
        };
        let seconds = in_track().or_else(in_file).filter(|seconds| *seconds > 0.0)?;
        Some((seconds * f64::from(SAMPLE_RATE)).round() as u64)
    }

    /// A span in the track's units.
    pub(super) fn seconds(&self, ticks: u64) -> f64 {
        seconds(self.time_base, ticks)
    }

    /// When a packet begins, in seconds.
    pub(super) fn time(&self, packet: &Packet) -> f64 {
        let ticks = packet.pts.get();
        self.seconds(ticks.unsigned_abs()).copysign(ticks as f64)
    }

    /// The frames of a packet that lie before the beginning: the delay of an encoder.
    pub(super) fn frames_before_start(&self, packet: &Packet) -> u64 {
        if !self.has_delay_in_time || !packet.pts.is_negative() {
            return 0;
        }
        (self.seconds(packet.pts.get().unsigned_abs()) * f64::from(self.rate)).round() as u64
    }
}

/// When a packet of any track begins, in seconds.
pub(super) fn time_in(reader: &dyn FormatReader, packet: &Packet) -> f64 {
    let base =
        reader.tracks().iter().find(|track| track.id == packet.track_id).and_then(|track| track.time_base);
    seconds(base, packet.pts.get().unsigned_abs()).copysign(packet.pts.get() as f64)
}

/// A span in units of a time base.
fn seconds(base: Option<TimeBase>, ticks: u64) -> f64 {
    base.map_or(0.0, |base| ticks as f64 * f64::from(base.numer.get()) / f64::from(base.denom.get()))
}

/// Whether symphonia decodes this codec in this container exactly. Returns the rate.
fn check(container: Container, params: &AudioCodecParameters) -> Result<u32, Refusal> {
    let Some(rate) = params.sample_rate.filter(|rate| RATES.contains(rate)) else {
        return decline(format!("a rate of {:?} Hz", params.sample_rate));
    };
    let channels = params.channels.as_ref().map_or(1, |channels| channels.count());
    if channels > MOST_CHANNELS {
        return decline(format!("{channels} channels"));
    }
    let is_pcm = (CODEC_ID_PCM_S32LE..=CODEC_ID_PCM_MULAW.max(CODEC_ID_PCM_ALAW)).contains(&params.codec);
    let is_exact = match params.codec {
        CODEC_ID_AAC => rate >= LEAST_AAC_RATE && channels <= 2,
        CODEC_ID_OPUS => channels <= 2 && container != Container::Mp4,
        CODEC_ID_MP3 | CODEC_ID_MP2 => container == Container::MpegAudio,
        CODEC_ID_FLAC | CODEC_ID_ALAC | CODEC_ID_VORBIS => true,
        _ => is_pcm,
    };
    if is_exact {
        Ok(rate)
    } else {
        decline(format!("codec {} at {rate} Hz in {channels} channels", params.codec))
    }
}
