//! ffmpeg as the decoder for everything else: how it is called, and what its messages mean.

use std::ffi::OsString;
use std::path::Path;

use steno_runtime::Meter;
use steno_shared::job::MediaOptions;
use steno_shared::time::{Millis, SAMPLE_RATE};

use crate::report::Report;
use crate::sniff::Container;
use crate::supervise::Listener;

/// The formats that it may take an unknown file for. None of them names other files.
const FORMATS: &str = "aac,ac3,eac3,aiff,amr,asf,au,avi,caf,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,\
                       mpegts,ogg,wav,w64";
/// No single allocation is larger.
const LARGEST_ALLOCATION: &str = "268435456";
/// Only the last messages are kept.
const KEPT: usize = 4096;
/// An MP3 that was cut out of another begins and ends with packets that lack their other half, and so does each
/// part of one that was put together.
const MOST_LOST_PACKETS: u32 = 3;
/// More complaints than this about packets that it decodes all the same mean that the sound is damaged.
const MOST_COMPLAINTS: u32 = 20;

/// The arguments that decode an audio track of a file, at most `seconds` of it. Channels that are kept apart come
/// behind the head of a WAV file, which tells how many there are.
///
/// The format list is what keeps ffmpeg from reading the files that a playlist or a script names: the protocol
/// list cannot, since the file itself needs `file`.
pub(crate) fn arguments(
    file: &Path,
    container: Option<Container>,
    seconds: u64,
    media: &MediaOptions,
) -> Vec<OsString> {
    let formats = container.map_or(FORMATS, Container::ffmpeg_formats);
    let mut url = OsString::from("file:");
    url.push(file);
    let mut arguments: Vec<OsString> = Vec::new();
    arguments.extend(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info"].map(Into::into));
    arguments.extend(["-max_alloc", LARGEST_ALLOCATION, "-threads", "1"].map(Into::into));
    arguments
        .extend(["-protocol_whitelist", "file,pipe", "-format_whitelist", formats, "-i"].map(Into::into));
    arguments.push(url);
    arguments.extend(["-map".into(), format!("0:a:{}", media.track.max(1) - 1).into()]);
    arguments.extend(["-vn", "-sn", "-dn", "-map_metadata", "-1"].map(Into::into));
    arguments.extend(["-t".into(), seconds.to_string().into()]);
    let channels: &[&str] = if media.multichannel { &["-f", "wav"] } else { &["-ac", "1", "-f", "s16le"] };
    arguments.extend(channels.iter().map(Into::into));
    arguments.extend(["-c:a", "pcm_s16le", "-ar", "16000", "pipe:1"].map(Into::into));
    arguments
}

/// What ffmpeg said about a file.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    meter: Meter,
    container: Option<Container>,
    /// It could not even be started.
    pub(crate) is_missing: bool,
    /// The length in samples that the header tells, if it is the audio's and no estimate.
    pub(crate) length: Option<u64>,
    /// It came upon an end where none should be.
    is_cut: bool,
    lost_packets: u32,
    has_video: bool,
    is_estimate: bool,
    pub(crate) audio_tracks: u32,
    is_past_input: bool,
    /// What it complained about, the last complaints only.
    complaints: Vec<String>,
    complaint_count: u32,
    kept: usize,
}

/// The cause of a failure, as ffmpeg's messages show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// There are tracks, none of them audio.
    NoAudio,
    /// It takes the file for something that is not accepted.
    NotAccepted,
    /// A sentence for the caller.
    Told(&'static str),
    /// Nothing that is known.
    Unknown,
}

impl Heard {
    pub(crate) fn new(meter: &Meter, container: Option<Container>) -> Self {
        Self { meter: meter.clone(), container, ..Self::default() }
    }

    /// What it complained about, for the log.
    pub(crate) fn complaints(&self) -> String {
        self.complaints.join("; ")
    }

    /// Whether a part of the file could not be decoded, though others could.
    pub(crate) fn is_damaged(&self) -> bool {
        self.is_cut || self.lost_packets > MOST_LOST_PACKETS || self.complaint_count > MOST_COMPLAINTS
    }

    /// Why nothing could be decoded.
    pub(crate) fn cause(&self) -> Cause {
        const CAUSES: &[(&str, Cause)] = &[
            ("matches no streams", Cause::NoAudio),
            ("does not contain any stream", Cause::NoAudio),
            ("not on whitelist", Cause::NotAccepted),
            (
                "moov atom not found",
                Cause::Told("its index is missing, so the recording was not finished or cut off"),
            ),
            ("encrypted", Cause::Told("it is encrypted")),
            ("Decoder (codec", Cause::Told("its audio codec is not known here")),
            ("Unknown decoder", Cause::Told("its audio codec is not known here")),
            ("Could not find codec parameters", Cause::Told("its audio codec cannot be recognised")),
            ("Cannot allocate memory", Cause::Told("decoding it takes more memory than is allowed")),
            ("Invalid data found", Cause::Told("its data are damaged")),
        ];
        let says = |text: &str| self.complaints.iter().any(|complaint| complaint.contains(text));
        CAUSES.iter().find(|(text, _)| says(text)).map_or(Cause::Unknown, |(_, cause)| *cause)
    }

    fn complain(&mut self, text: &str) {
        const CUT: [&str; 3] = ["partial file", "ended prematurely", "orrupt"];
        // Of version 5, and of version 6 and later.
        const LOST: [&str; 2] = ["Error while decoding", "Error submitting packet to decoder"];
        self.is_cut |= CUT.iter().any(|sign| text.contains(sign));
        self.lost_packets += u32::from(LOST.iter().any(|sign| text.contains(sign)));
        self.complaint_count += 1;
        self.kept += text.len();
        self.complaints.push(text.to_owned());
        while self.kept > KEPT && self.complaints.len() > 1 {
            self.kept -= self.complaints.remove(0).len();
        }
    }

    fn inform(&mut self, text: &str) {
        // Metadata of the file are indented further, so they cannot pass for these.
        if text.starts_with("Output #0") {
            self.is_past_input = true;
        } else if let Some(length) = text.strip_prefix("  Duration: ").and_then(clock) {
            self.length = Some(length);
            self.meter.set_total(Millis::of_samples(length));
        } else if text.starts_with("  Stream #") && !self.is_past_input {
            let is_picture = text.contains("(attached pic)");
            self.has_video |= text.contains(": Video: ") && !is_picture;
            self.audio_tracks += u32::from(text.contains(": Audio: "));
        }
        // The length of the longest track need not be the first audio track's.
        if self.has_video || self.audio_tracks > 1 || self.is_estimate {
            self.length = None;
        }
    }

    fn warn(&mut self, text: &str) {
        self.is_estimate |= text.contains("Estimating duration");
        // The last packet of a file that does not tell its length is always short of what was asked for, and a
        // recording of a broadcast begins and ends anywhere.
        let is_open =
            [Container::Wav, Container::Au, Container::MpegTransport].map(Some).contains(&self.container);
        self.is_cut |= text.contains("Packet corrupt") && !is_open;
    }
}

impl Listener for Heard {
    fn line(&mut self, line: &str) {
        if Report::read(line) == Some(Report::NoProgram) {
            self.is_missing = true;
        }
        let line = without_speaker(line);
        if let Some(text) = line.strip_prefix("[info] ") {
            self.inform(text);
        } else if let Some(text) = line.strip_prefix("[warning] ") {
            self.warn(text);
        } else if let Some(text) = line.strip_prefix("[error] ").or_else(|| line.strip_prefix("[fatal] ")) {
            self.complain(text);
        } else if !line.starts_with('[') {
            // What the loader of programs says, or the allocator.
            self.complain(line);
        }
    }
}

/// "[mov,mp4 @ 0x55d0] [error] moov atom not found" without who says it; one part may speak for another.
fn without_speaker(mut line: &str) -> &str {
    while let Some((speaker, rest)) = line.split_once("] ") {
        if !speaker.starts_with('[') || !speaker.contains(" @ 0x") {
            break;
        }
        line = rest;
    }
    line
}

/// `00:01:02.34, ...` in samples.
fn clock(text: &str) -> Option<u64> {
    let (time, _) = text.split_once(',')?;
    let mut parts = time.split(':');
    let (hours, minutes): (u64, u64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let seconds: f64 = parts.next()?.parse().ok()?;
    let whole = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?;
    Some(((whole as f64 + seconds) * f64::from(SAMPLE_RATE)).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> Heard {
        let mut heard = Heard::default();
        lines.iter().for_each(|line| heard.line(line));
        heard
    }

    #[test]
    fn the_length_is_the_audios_or_none() {
        let begin = "[info]   Duration: 00:01:02.50, start: 0.000000, bitrate: 72 kb/s";
        let audio = "[info]   Stream #0:0[0x1](und): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, mono";
        let cover = "[info]   Stream #0:1: Video: mjpeg (Baseline), yuvj420p, 90k tbr (attached pic)";
        let video = "[info]   Stream #0:1: Video: h264 (High), yuv420p, 1280x720";
        let estimate =
            "[mp3 @ 0x55d0c0de] [warning] Estimating duration from bitrate, this may be inaccurate";
        let metadata = "[info]     title           :   Duration: 99:00:00.00, start";
        let samples = 62 * 16_000 + 8_000;
        assert_eq!(heard(&[begin, audio, cover, metadata]).length, Some(samples));
        assert_eq!(heard(&[begin, audio]).meter.progress().total, Some(Millis(62_500)));
        assert_eq!(heard(&[begin, audio, video]).length, None);
        assert_eq!(heard(&[estimate, begin, audio]).length, None);
        assert_eq!(heard(&[begin, audio, audio]).length, None);
        assert_eq!(heard(&["[info]   Duration: N/A, start: 0.000000, bitrate: N/A"]).length, None);
    }

    #[test]
    fn complaints_name_the_cause() {
        let cause = |line: &str| heard(&[line]).cause();
        let moov = "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x5560] [error] moov atom not found";
        assert!(matches!(cause(moov), Cause::Told(text) if text.contains("index")));
        assert_eq!(cause("[fatal] Stream map '0:a:0' matches no streams."), Cause::NoAudio);
        assert_eq!(cause("[hls @ 0x1] [error] Format not on whitelist 'wav'"), Cause::NotAccepted);
        assert_eq!(cause("[info]     title           : [error] moov atom not found"), Cause::Unknown);
        assert_eq!(cause("killed"), Cause::Unknown);
    }

    #[test]
    fn a_cut_is_damage_and_a_packet_or_two_are_none() {
        let lost = "[error] Error while decoding stream #0:0: Invalid data found when processing input";
        let lost_since_6 =
            "[aist#0:0/mp3 @ 0x1] [dec:mp3float @ 0x2] [error] Error submitting packet to decoder: x";
        let header = "[mp3float @ 0x1] [error] Header missing";
        assert!(!heard(&[header, lost, lost_since_6]).is_damaged());
        assert!(heard(&[lost, lost, lost_since_6, lost_since_6]).is_damaged());
        assert!(heard(&[header; 21]).is_damaged());
        assert!(heard(&["[matroska,webm @ 0x1] [error] File ended prematurely"]).is_damaged());
        assert!(heard(&["[mov,mp4 @ 0x1] [error] stream 0, offset 0x1a1ab: partial file"]).is_damaged());

        let corrupt = "[avi @ 0x1] [warning] Packet corrupt (stream = 1, dts = 511).";
        assert!(heard(&[corrupt]).is_damaged());
        let mut broadcast = Heard::new(&Meter::default(), Some(Container::MpegTransport));
        broadcast.line(corrupt);
        assert!(!broadcast.is_damaged());
        assert!(heard(&[r#""no_program""#]).is_missing);
    }

    #[test]
    fn only_the_last_complaints_are_kept() {
        let mut heard = Heard::default();
        (0..1000).for_each(|nr| heard.line(&format!("[error] complaint {nr}")));
        assert!(heard.complaints().len() < 2 * KEPT && heard.complaints().ends_with("999"));
    }
}
