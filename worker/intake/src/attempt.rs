//! One decoder's go at a file: how the child is started, and what its end means.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use steno_runtime::Meter;
use steno_shared::job::MediaOptions;
use steno_shared::object::{ObjectKey, ObjectStore, ObjectWriter};
use steno_shared::time::Millis;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::confine::Confinement;
use crate::ffmpeg::{self, Cause};
use crate::limits::Limits;
use crate::report::Report;
use crate::sink::{Sink, Watch};
use crate::sniff::{Container, Media};
use crate::supervise::{self, End, Interrupted, Listener};

/// What a child that could not even begin exits with, by its own account or the shell's convention.
const CANNOT_BEGIN: [i32; 2] = [126, 127];

/// A longer silence before the audio, in samples, is a fault of the clock.
const LONGEST_DELAY: u64 = 300 * 16_000;

/// The decoders of this machine.
#[derive(Debug, Clone)]
pub struct Decoders {
    /// This executable.
    pub own: PathBuf,
    /// ffmpeg.
    pub ffmpeg: PathBuf,
    /// Where programs are looked for.
    pub path: OsString,
    /// What each may use up.
    pub limits: Limits,
}

/// A file to decode, and who waits for it.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The file, by its absolute path.
    pub file: &'a Path,
    /// The name that the client gave it, for failpoints only.
    pub file_name: Option<&'a str>,
    /// What of it shall be heard.
    pub media: &'a MediaOptions,
    /// Where the samples go.
    pub objects: &'a dyn ObjectStore,
    /// Under this key.
    pub key: ObjectKey,
    /// Told how far it is.
    pub meter: &'a Meter,
    /// Cancelled when the work shall stop.
    pub stop: &'a CancellationToken,
}

/// Which decoder decoded a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoder {
    /// This executable, by symphonia.
    Native,
    /// ffmpeg.
    Ffmpeg,
}

/// What came of a go.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// Which decoder it was.
    pub(crate) decoder: Decoder,
    /// Holds the samples that shall be heard.
    pub(crate) writer: Box<dyn ObjectWriter>,
    /// How many were decoded of each channel.
    pub(crate) frames: u64,
    /// How many channels there are.
    pub(crate) channels: u16,
    /// Whether they are all the same.
    pub(crate) is_uniform: bool,
    /// How many there should be, if the header tells.
    pub(crate) length: Option<u64>,
    /// How many of silence belong before those of another decoder.
    pub(crate) delay: u64,
    pub(crate) how: How,
}

/// How a go ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum How {
    /// Everything was decoded, as far as the decoder can tell.
    Whole,
    /// Something was wrong with the file.
    Damaged(String),
    /// The file is not for this decoder.
    Declined(String),
    /// There are tracks, none of them audio.
    NoAudio,
    /// There are only so many audio tracks.
    NoSuchTrack(u32),
    /// There are more channels than are transcribed apart.
    TooWide,
    /// It is no media at all, or of a kind that is not accepted.
    NotAccepted,
    /// More audio than is accepted.
    TooLong,
    /// Nothing could be decoded; a reason for the caller, if one is known.
    Undecodable(Option<&'static str>),
    /// The decoder crashed or hung; what it did, for the caller.
    Abnormal(&'static str),
    /// The decoder is not installed.
    Missing,
    /// The decoder cannot be started: the server is at fault.
    Broken(String),
}

#[derive(Debug, Default)]
struct NativeHeard {
    meter: Meter,
    length: Option<u64>,
    delay: u64,
    last: Option<Report>,
    /// What was no report: a panic.
    other: String,
}

impl Listener for NativeHeard {
    fn line(&mut self, line: &str) {
        match Report::read(line) {
            Some(Report::Length(samples)) => {
                self.length = Some(samples);
                self.meter.set_total(Millis::of_samples(samples));
            }
            Some(Report::Delay(samples)) => self.delay = samples,
            Some(report) => self.last = Some(report),
            None if self.other.len() < 1024 => self.other = format!("{} {line}", self.other),
            None => {}
        }
    }
}

impl Attempt {
    fn of(decoder: Decoder, sink: Sink<'_>, how: How) -> Self {
        Self {
            decoder,
            channels: sink.channels.unwrap_or(1),
            is_uniform: sink.is_uniform,
            frames: sink.frames,
            writer: sink.writer,
            length: None,
            delay: 0,
            how,
        }
    }
}

impl Decoders {
    /// Decodes with symphonia, in a child that is this executable.
    pub(crate) async fn native(&self, task: &Task<'_>, media: Media) -> Result<Attempt, Interrupted> {
        let mut command = self.own_command("decode");
        command.arg("--container").arg(value_name(media.container));
        command.arg(format!("--offset={}", media.offset)).arg(format!("--track={}", task.media.track));
        command.args(task.media.multichannel.then_some("--multichannel")).arg("--").arg(task.file);
        let mut sink = sink(task).await?;
        let listener = NativeHeard { meter: task.meter.clone(), ..NativeHeard::default() };
        let (end, heard) = supervise::run(command, &self.limits, &mut sink, listener).await?;
        let how = match unusual(end) {
            Some(how) => how,
            None => match heard.last {
                Some(Report::Ended(None)) => How::Whole,
                Some(Report::Ended(Some(damage))) => How::Damaged(damage),
                Some(Report::Declined(reason)) => How::Declined(reason),
                Some(Report::NoAudio) => How::NoAudio,
                Some(Report::NoSuchTrack(count)) => How::NoSuchTrack(count),
                _ => How::Abnormal("it crashed"),
            },
        };
        tracing::debug!(?how, said = heard.other, frames = sink.frames, "native decoder ended");
        let attempt = Attempt::of(Decoder::Native, sink, how);
        Ok(Attempt { length: heard.length, delay: heard.delay, ..attempt })
    }

    /// Decodes with ffmpeg, after so many samples of silence: it leaves out what an MP4 has before its audio.
    pub(crate) async fn ffmpeg(
        &self,
        task: &Task<'_>,
        container: Option<Container>,
        delay: u64,
    ) -> Result<Attempt, Interrupted> {
        let mut command = self.own_command("become");
        // A second more than is accepted, so that there is too much to be seen.
        let seconds = self.limits.duration.as_secs().saturating_add(1);
        command
            .arg("--")
            .arg(&self.ffmpeg)
            .args(ffmpeg::arguments(task.file, container, seconds, task.media));
        command.env("PATH", &self.path);
        let delay = if delay < LONGEST_DELAY { delay } else { 0 };
        let mut sink = sink(task).await?.after_silence(delay);
        let listener = ffmpeg::Heard::new(task.meter, container);
        let (end, heard) = supervise::run(command, &self.limits, &mut sink, listener).await?;
        let is_success = matches!(end, End::Exited(status) if status.success());
        let has_sound = sink.frames > 0;
        let how = match unusual(end) {
            _ if heard.is_missing => How::Missing,
            Some(How::Broken(_)) => How::Broken(heard.complaints()),
            Some(how) => how,
            None if has_sound && is_success && !heard.is_damaged() => How::Whole,
            None if has_sound => How::Damaged(heard.complaints()),
            None => match heard.cause() {
                Cause::NoAudio if heard.audio_tracks > 0 => How::NoSuchTrack(heard.audio_tracks),
                Cause::NoAudio => How::NoAudio,
                Cause::NotAccepted => How::NotAccepted,
                Cause::Told(reason) => How::Undecodable(Some(reason)),
                Cause::Unknown => How::Undecodable(None),
            },
        };
        tracing::debug!(?how, said = heard.complaints(), frames = sink.frames, "ffmpeg ended");
        Ok(Attempt { length: heard.length, ..Attempt::of(Decoder::Ffmpeg, sink, how) })
    }

    /// This executable as a child with nothing of the parent's environment, which may hold secrets.
    fn own_command(&self, word: &str) -> Command {
        let confinement = Confinement {
            memory: self.limits.memory,
            cpu_seconds: self.limits.cpu_seconds(),
            parent: std::process::id().cast_signed(),
        };
        let mut command = Command::new(&self.own);
        command.arg0("steno-intake").env_clear().arg(word).args(confinement.arguments());
        command
    }
}

async fn sink<'a>(task: &Task<'a>) -> Result<Sink<'a>, Interrupted> {
    let writer = task.objects.create(&task.key).await?;
    let watch = Watch { meter: task.meter, stop: task.stop, file_name: task.file_name };
    Ok(Sink::new(writer, watch, task.media))
}

/// An end that says nothing about the file, or only that it is too long.
fn unusual(end: End) -> Option<How> {
    match end {
        End::TooLong => Some(How::TooLong),
        End::TooWide => Some(How::TooWide),
        End::Stalled => Some(How::Abnormal("it stopped making progress")),
        End::OverTime => Some(How::Abnormal("it took too long")),
        End::Exited(status) => unusual_status(status),
    }
}

fn unusual_status(status: ExitStatus) -> Option<How> {
    if status.signal().is_some() {
        return Some(How::Abnormal("it crashed"));
    }
    status
        .code()
        .filter(|code| CANNOT_BEGIN.contains(code))
        .map(|code| How::Broken(format!("exit code {code}")))
}

fn value_name(container: Container) -> impl AsRef<OsStr> {
    clap::ValueEnum::to_possible_value(&container)
        .map_or_else(String::new, |value| value.get_name().to_owned())
}
