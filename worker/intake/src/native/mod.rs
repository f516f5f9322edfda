//! Decoding in this executable, by symphonia: what the child does that `steno-intake decode` is.
//!
//! It is the quick way for the formats that symphonia decodes exactly. Whatever it does not is declined, and goes
//! to ffmpeg: each check in here stands for an error that symphonia makes without a word.

mod mkv;
mod mp4;
mod output;
mod plan;
mod resample;
mod source;
mod timeline;
mod track;
mod wav;

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::PathBuf;

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::errors::Error;
use symphonia::core::formats::FormatReader;
use symphonia::core::packet::Packet;

use crate::confine::Confinement;
use crate::report::Report;
use crate::sniff::Container;
use output::{Channels, Output, OutputError, Span};
use plan::{Length, Plan, Refusal};
use source::{Reached, Source};
use steno_shared::failpoint;
use steno_shared::time::SAMPLE_RATE;
use timeline::Timeline;
use track::Track;

/// Standard output is written in pieces of this size, that of a pipe.
const BLOCK: usize = 64 * 1024;
/// An encoder pads less than half a second. What symphonia trims beyond that is audio that the header hides.
const MOST_PADDING_S: f64 = 0.5;
/// A file that was read to its end is read so far.
const UNREAD: u64 = 256 * 1024;
/// The first packets of an MP3 that was cut out of another lack what they refer to.
const LEAD_IN_S: f64 = 0.1;

/// What the child is told, as its command line gives it.
#[derive(Debug, Clone, clap::Args)]
pub struct NativeArgs {
    /// Its limits.
    #[command(flatten)]
    pub confinement: Confinement,
    /// What it decodes.
    #[command(flatten)]
    pub input: NativeInput,
}

/// A file, and what is wanted of it.
#[derive(Debug, Clone, clap::Args)]
pub struct NativeInput {
    /// What the parent recognised.
    #[arg(long)]
    pub container: Container,
    /// Where the media begin in the file.
    #[arg(long)]
    pub offset: u64,
    /// The number of the audio track; 0 = the first.
    #[arg(long, default_value_t = 0)]
    pub track: u16,
    /// Keep the channels apart, behind a head that tells how many there are.
    #[arg(long)]
    pub multichannel: bool,
    /// The file.
    pub file: PathBuf,
}

/// Decodes a file to standard output and reports on standard error.
///
/// # Errors
/// If the limits cannot be taken on.
pub fn run(args: &NativeArgs) -> std::io::Result<()> {
    args.confinement.apply()?;
    failpoint::arm().map_err(std::io::Error::other)?;
    failpoint::hit_blocking("intake.native");
    let writer = BufWriter::with_capacity(BLOCK, std::io::stdout().lock());
    decode_to(&args.input, writer, &mut |report| report.send());
    Ok(())
}

/// Decodes a file in this very process, without any limit: for the fuzz target alone.
pub fn decode_unconfined(input: &NativeInput, writer: impl Write) {
    decode_to(input, writer, &mut |_| {});
}

fn decode_to(input: &NativeInput, writer: impl Write, tell: &mut dyn FnMut(Report)) {
    let last = match decode(input, writer, tell) {
        Ok(damage) => Report::Ended(damage),
        Err(Refusal::NoAudio) => Report::NoAudio,
        Err(Refusal::NoSuchTrack(count)) => Report::NoSuchTrack(count),
        Err(refusal) => Report::Declined(refusal.to_string()),
    };
    tell(last);
}

/// Decodes an audio track. Returns what was wrong with the file, if something was.
fn decode(
    args: &NativeInput,
    writer: impl Write,
    tell: &mut dyn FnMut(Report),
) -> Result<Option<String>, Refusal> {
    let plan = match args.container {
        Container::Wav => wav::plan(&mut File::open(&args.file)?)?,
        Container::Mp4 => mp4::plan(&mut File::open(&args.file)?, args.track, |told| {
            tell(Report::Delay(told.delay.in_samples(SAMPLE_RATE)));
            tell_length(tell, told.length.samples());
        })?,
        Container::Matroska => mkv::plan(&mut File::open(&args.file)?)?,
        _ => Plan::default(),
    };
    let source = Source::open(File::open(&args.file)?, args.offset)?;
    let (reached, file_length) = (source.reached(), source.length());
    let reader = track::open(args.container, source)?;
    let track = Track::find(args.container, reader.as_ref(), args.track)?;
    let length = match plan.length {
        Length::AsInHeader => track.length(reader.as_ref()),
        told => told.samples(),
    };
    tell_length(tell, length);
    let keep = plan.keep.map_or(u64::MAX, |keep| keep.in_samples(track.rate));
    let span = Span { skip: plan.skip.in_samples(track.rate), keep };
    let channels = if args.multichannel { Channels::Apart } else { Channels::Mixed };
    let mut decoding = Decoding {
        container: args.container,
        number: args.track,
        is_endless: plan.is_endless,
        output: Output::new(writer, span, channels),
        interleaved: Vec::new(),
        heard_s: 0.0,
        lost_s: 0.0,
        trimmed_s: 0.0,
        timeline: Timeline::new(args.container),
        track,
    };
    let broken = match decoding.all(reader) {
        Ok(broken) => broken,
        // The parent has gone, or will say why it reads no more.
        Err(OutputError::Write(_)) => return Ok(None),
        Err(OutputError::Resample(error)) => return plan::decline(error.to_string()),
    };
    let unread = Unread { reached, file_length };
    let damage = broken.or_else(|| decoding.damage(&unread));
    match decoding.output.finish() {
        Err(OutputError::Resample(error)) => plan::decline(error.to_string()),
        Ok(()) | Err(OutputError::Write(_)) => Ok(damage),
    }
}

/// Tells how much audio there should be.
fn tell_length(tell: &mut dyn FnMut(Report), length: Option<u64>) {
    if let Some(length) = length {
        tell(Report::Length(length));
    }
}

struct Unread {
    reached: Reached,
    file_length: u64,
}

struct Decoding<W> {
    container: Container,
    /// Of the track.
    number: u16,
    /// The file may end anywhere.
    is_endless: bool,
    track: Track,
    output: Output<W>,
    interleaved: Vec<f32>,
    heard_s: f64,
    /// Time of packets that could not be decoded.
    lost_s: f64,
    /// Time that symphonia cut off the end.
    trimmed_s: f64,
    timeline: Timeline,
}

impl<W: Write> Decoding<W> {
    /// Decodes packet by packet. Returns why it ended before the end of the file.
    fn all(&mut self, mut reader: Box<dyn FormatReader + '_>) -> Result<Option<String>, OutputError> {
        loop {
            match reader.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track.id => {
                    if let Some(broken) = self.one(&packet)? {
                        return Ok(Some(broken));
                    }
                }
                Ok(Some(other)) => self.timeline.see_other(track::time_in(reader.as_ref(), &other)),
                Ok(None) => return Ok(None),
                // The next link of a chain has begun, with tracks of its own.
                Err(Error::ResetRequired) => {
                    match Track::find(self.container, reader.as_ref(), self.number) {
                        Ok(track) => {
                            self.track = track;
                            self.timeline.reset();
                        }
                        Err(refusal) => return Ok(Some(format!("the next part is not read: {refusal}"))),
                    }
                }
                Err(Error::IoError(error)) if self.is_endless && error.kind() == ErrorKind::UnexpectedEof => {
                    return Ok(None);
                }
                Err(error) => return Ok(Some(error.to_string())),
            }
        }
    }

    /// Decodes one packet. Returns why no more can be decoded.
    fn one(&mut self, packet: &Packet) -> Result<Option<String>, OutputError> {
        if let Some(gap) = self.timeline.gap_before(self.track.time(packet)) {
            self.lost_s += if gap.is_loss { gap.seconds } else { 0.0 };
            self.silence(gap.seconds)?;
        }
        self.trimmed_s += self.track.seconds(packet.trim_end.get());
        let early = self.track.frames_before_start(packet);
        let told_s = self.track.seconds(packet.block_dur().get());
        match self.track.decoder.decode(packet) {
            Ok(buffer) => {
                let (rate, channels) = copy(&buffer, &mut self.interleaved);
                let frames = self.interleaved.len() / channels;
                let early = (early as usize).min(frames);
                let heard_s = (frames - early) as f64 / f64::from(rate);
                self.output.push(&self.interleaved[early * channels..], channels, rate)?;
                self.heard_s += heard_s;
                self.timeline.advance(told_s, heard_s);
            }
            Err(Error::DecodeError(_) | Error::IoError(_)) => {
                self.lost_s += told_s.max(f64::MIN_POSITIVE);
                self.silence(told_s)?;
                self.timeline.advance(told_s, told_s);
            }
            Err(error) => return Ok(Some(error.to_string())),
        }
        Ok(None)
    }

    /// In place of what is missing, so that what follows keeps its time.
    fn silence(&mut self, seconds: f64) -> Result<(), OutputError> {
        let rate = self.track.rate;
        self.output.push_silence((seconds * f64::from(rate)).round() as u64, rate)
    }

    /// What went wrong without an end to it.
    fn damage(&self, unread: &Unread) -> Option<String> {
        let excused_s = if self.container == Container::MpegAudio { LEAD_IN_S } else { 0.0 };
        if self.lost_s > excused_s || self.lost_s > self.heard_s {
            return Some(format!("{:.1} s could not be decoded", self.lost_s));
        }
        if self.trimmed_s > MOST_PADDING_S {
            return Some(format!("{:.1} s more than the header tells", self.trimmed_s));
        }
        let is_bare = matches!(
            self.container,
            Container::Flac | Container::MpegAudio | Container::Adts | Container::OggPlain
        );
        let left = unread.file_length.saturating_sub(unread.reached.get());
        (is_bare && left > UNREAD).then(|| format!("{left} bytes were not read"))
    }
}

/// Copies a decoded buffer out, and returns its rate and number of channels.
fn copy(buffer: &GenericAudioBufferRef<'_>, interleaved: &mut Vec<f32>) -> (u32, usize) {
    buffer.copy_to_vec_interleaved(interleaved);
    (buffer.spec().rate(), buffer.spec().channels().count().max(1))
}
