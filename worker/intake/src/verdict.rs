//! From the decoders' goes at a file to samples with warnings, or to a sentence that says what is wrong with it.

use std::time::Duration;

use steno_shared::error::FailureCode;
use steno_shared::job::{MAX_ATTEMPTS, MediaOptions, Setback};
use steno_shared::object::{ObjectError, ObjectWriter};
use steno_shared::time::{Millis, SAMPLE_RATE};
use steno_shared::transcript::{Warning, WarningCode};

use crate::attempt::{Attempt, Decoder, Decoders, How, Task};
use crate::limits::samples_in;
use crate::sink;
use crate::sniff::{Container, Media, Sniffed};
use crate::supervise::Interrupted;

/// The samples of a file, not yet finished as an object.
#[derive(Debug)]
pub struct Decoded {
    /// Which decoder they are from.
    pub decoder: Decoder,
    /// How many there are of each channel in the whole of the media.
    pub frames: u64,
    /// What the caller should know.
    pub warnings: Vec<Warning>,
    /// Holds those that shall be heard.
    pub(crate) writer: Box<dyn ObjectWriter>,
    /// How many channels it holds.
    pub(crate) channels: u16,
    /// Whether they are all the same.
    pub(crate) is_uniform: bool,
}

impl Decoders {
    /// Decodes a file that was looked at: natively if that is exact, and by ffmpeg else, or if that fails.
    /// `tries` counts the tries at the job's intake, this one included: a decoder that crashes or hangs may do
    /// so because of the machine, until the last try has shown that it is the file.
    ///
    /// # Errors
    /// Why there are no samples.
    pub async fn decode(&self, task: &Task<'_>, sniffed: Sniffed, tries: u32) -> Result<Decoded, Setback> {
        let media = match sniffed {
            Sniffed::Empty => return Err(Setback::give_up(FailureCode::EmptyFile, "the file is empty")),
            Sniffed::Foreign(name) => {
                let message = format!("the file is {name}, not audio or video");
                return Err(Setback::give_up(FailureCode::UnsupportedFormat, message));
            }
            Sniffed::Media(media) => Some(media),
            Sniffed::Unknown => None,
        };
        let case = Case { media, wanted: task.media, most: self.limits.samples(), tries };
        let first = match media.filter(|media| media.container.is_native()) {
            None => None,
            Some(media) => {
                let first = self.native_attempt(task, media).await?;
                if first.how == How::Whole && first.frames > 0 && !case.is_short(&first) {
                    return case.success(first);
                }
                if matches!(first.how, How::TooLong | How::TooWide | How::NoAudio | How::NoSuchTrack(_)) {
                    return Err(case.failure(&first));
                }
                Some(first)
            }
        };
        let delay = first.as_ref().map_or(0, |first| first.delay);
        let second = self.ffmpeg(task, case.container(), delay).await.map_err(setback_of)?;
        case.judge(first, second)
    }

    async fn native_attempt(&self, task: &Task<'_>, media: Media) -> Result<Attempt, Setback> {
        let attempt = self.native(task, media).await.map_err(setback_of)?;
        match &attempt.how {
            How::Abnormal(what) => tracing::warn!(what, "the native decoder failed; ffmpeg is next"),
            How::Broken(what) => {
                tracing::error!(what, "the native decoder cannot be started; ffmpeg is next");
            }
            _ => {}
        }
        Ok(attempt)
    }
}

/// An attempt that was cut short by something else than the file.
fn setback_of(interrupted: Interrupted) -> Setback {
    match interrupted {
        Interrupted::Stopped => Setback::HandBack,
        Interrupted::Store(error) => setback_of_store(&error),
        Interrupted::Child(error) => {
            tracing::error!(error = %error, "cannot run a decoder");
            Setback::retry(
                FailureCode::Internal,
                "the file could not be decoded because of a fault of the server",
            )
        }
    }
}

/// An attempt that failed at the object store.
pub(crate) fn setback_of_store(error: &ObjectError) -> Setback {
    match error {
        ObjectError::Full => {
            Setback::retry(FailureCode::OutOfSpace, "the server has no room left for the decoded audio")
        }
        ObjectError::Missing(_) => {
            tracing::error!(error = %error, "an upload is gone");
            Setback::give_up(FailureCode::Internal, "the uploaded file is no longer stored")
        }
        other => {
            tracing::error!(error = %other, cause = ?std::error::Error::source(other), "the object store failed");
            Setback::retry(
                FailureCode::Internal,
                "the file could not be read or stored because of a fault of the server",
            )
        }
    }
}

/// What is known about a file beside what its decoders made of it.
struct Case<'a> {
    /// None if the file begins like nothing known.
    media: Option<Media>,
    /// What of it shall be heard.
    wanted: &'a MediaOptions,
    /// The most samples that are accepted.
    most: u64,
    tries: u32,
}

impl Case<'_> {
    fn container(&self) -> Option<Container> {
        self.media.map(|media| media.container)
    }

    /// Whether clearly less was decoded than the header tells of.
    fn is_short(&self, attempt: &Attempt) -> bool {
        attempt.length.is_some_and(|length| is_short(attempt.frames, length))
    }

    fn judge(&self, first: Option<Attempt>, second: Attempt) -> Result<Decoded, Setback> {
        match second.how {
            How::TooLong => return Err(self.failure(&second)),
            How::Abnormal(what) if self.tries < MAX_ATTEMPTS => {
                tracing::warn!(what, "the decoder failed");
                return Err(Setback::retry(FailureCode::TimedOut, "the decoder failed on this file"));
            }
            How::Broken(ref what) => {
                tracing::error!(what, "ffmpeg cannot be started");
                return Err(Setback::retry(
                    FailureCode::Internal,
                    "the decoder cannot be started on this server",
                ));
            }
            _ => {}
        }
        let length = first.as_ref().and_then(|first| first.length).or(second.length);
        let first = first.filter(|first| first.frames > 0);
        let mut best = match first {
            // ffmpeg comes to the same end. symphonia puts silence where something is missing, so that what follows
            // keeps its time.
            Some(first) if second.frames <= first.frames + tolerance(first.frames) => {
                Attempt { how: if first.how == How::Whole { second.how } else { first.how }, ..first }
            }
            // symphonia cut off what ffmpeg reads, or stumbled over what ffmpeg does not.
            _ if second.frames > 0 => second,
            _ => return Err(self.failure(&second)),
        };
        best.length = length;
        self.success(best)
    }

    fn success(&self, attempt: Attempt) -> Result<Decoded, Setback> {
        if attempt.frames <= sink::window(self.wanted).start {
            let from = self.wanted.from.unwrap_or_default().as_seconds();
            let lasts = Millis::of_samples(attempt.frames).as_seconds();
            let message = format!("audio_start_from is {from} s, but the audio lasts {lasts} s");
            return Err(Setback::give_up(FailureCode::StartBeyondEnd, message));
        }
        let mut warnings = Vec::new();
        if attempt.how != How::Whole
            || self.is_short(&attempt)
            || self.media.is_some_and(|media| media.is_cut)
        {
            let decoded = spoken(attempt.frames);
            let part = match attempt.length.filter(|length| is_short(attempt.frames, *length)) {
                Some(length) => format!("{decoded} of {} could be decoded", spoken(length)),
                None => format!("{decoded} could be decoded"),
            };
            let message = format!("the file ends early or is damaged: {part}");
            warnings.push(Warning::new(WarningCode::TruncatedMedia, message));
        }
        warnings.extend(self.lack_of_channels(&attempt));
        let Attempt { decoder, frames, writer, channels, is_uniform, .. } = attempt;
        Ok(Decoded { decoder, frames, warnings, writer, channels, is_uniform })
    }

    /// What to say if there are no channels to tell speakers apart by.
    fn lack_of_channels(&self, attempt: &Attempt) -> Option<Warning> {
        match attempt.channels {
            _ if !self.wanted.multichannel => None,
            1 => Some(Warning::new(WarningCode::SingleChannel, "the file has one channel")),
            count if attempt.is_uniform => {
                let message =
                    format!("all {count} channels of the file are the same, so one was transcribed");
                Some(Warning::new(WarningCode::IdenticalChannels, message))
            }
            _ => None,
        }
    }

    /// Why there are no samples.
    fn failure(&self, attempt: &Attempt) -> Setback {
        let (name, article) = self.container().map_or(("media", ""), |container| (container.name(), "the "));
        let file = format!("{article}{name} file");
        let undecodable = |reason: &str| {
            let message = format!("the {name} file could not be decoded: {reason}");
            Setback::give_up(FailureCode::Undecodable, message)
        };
        match &attempt.how {
            How::TooLong => {
                let most = spoken(self.most);
                let message = match attempt.length.filter(|length| *length > self.most) {
                    Some(length) => {
                        format!(
                            "the audio is {} long, and this server accepts at most {most}",
                            spoken(length)
                        )
                    }
                    None => format!("the audio is longer than {most}, the most that this server accepts"),
                };
                Setback::give_up(FailureCode::AudioTooLong, message)
            }
            How::NoAudio => Setback::give_up(FailureCode::NoAudio, format!("{file} has no audio track")),
            How::NoSuchTrack(count) => {
                let tracks = if *count == 1 { "track" } else { "tracks" };
                let numbers = match count {
                    0 | 1 => "1".to_owned(),
                    2 => "1 or 2".to_owned(),
                    more => format!("from 1 to {more}"),
                };
                let message = format!("the file has {count} audio {tracks}; track must be {numbers}");
                Setback::give_up(FailureCode::NoSuchTrack, message)
            }
            How::TooWide => {
                let (count, most) = (attempt.channels, sink::MOST_CHANNELS);
                let message = format!(
                    "the file has {count} channels, and at most {most} are transcribed apart; leave \
                     multichannel out to have them mixed"
                );
                Setback::give_up(FailureCode::TooManyChannels, message)
            }
            How::Missing => {
                let message = format!(
                    "this {name} file cannot be read without ffmpeg, which is not installed on this server"
                );
                Setback::give_up(FailureCode::UnsupportedFormat, message)
            }
            _ if self.media.is_none() => {
                let message = "the file is not audio or video in a format that is known here";
                Setback::give_up(FailureCode::UnsupportedFormat, message)
            }
            How::Undecodable(Some(reason)) => undecodable(reason),
            How::Abnormal(what) => undecodable(&format!("the decoder failed, {what}")),
            How::Whole | How::Damaged(_) => undecodable("it holds no sound"),
            How::Undecodable(None) | How::Declined(_) | How::NotAccepted | How::Broken(_) => {
                undecodable("its content is damaged or not what it seems")
            }
        }
    }
}

/// Whether clearly less was decoded than there should be.
fn is_short(samples: u64, length: u64) -> bool {
    samples + tolerance(length) < length
}

/// Headers round, and count what encoders add.
fn tolerance(samples: u64) -> u64 {
    samples_in(Duration::from_millis(500)) + samples / 1000
}

/// A length for people: `12.3 s`, `5 min 3 s`, `20 h`.
fn spoken(samples: u64) -> String {
    let tenths = Millis::of_samples(samples.min(u64::MAX / 2000)).0 / 100;
    let seconds = samples / u64::from(SAMPLE_RATE);
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    if seconds < 60 {
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    let told =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}"));
    told.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_spoken() {
        let table =
            [(0, "0.0 s"), (160, "0.0 s"), (16_000 * 12 + 4_800, "12.3 s"), (16_000 * 303, "5 min 3 s")];
        for (samples, text) in table {
            assert_eq!(spoken(samples), text);
        }
        assert_eq!(spoken(16_000 * 3600 * 24), "24 h");
        assert_eq!(spoken(16_000 * (3600 + 61)), "1 h 1 min 1 s");
        assert!(!spoken(u64::MAX).is_empty());
    }

    #[test]
    fn half_a_second_is_not_missed() {
        assert!(!is_short(16_000 * 20 - 7_000, 16_000 * 20));
        assert!(is_short(16_000 * 12, 16_000 * 20));
        assert!(!is_short(16_000 * 21, 16_000 * 20));
    }
}
