//! What a job may ask for of the media: a track, a part, the channels apart.

use std::path::PathBuf;
use std::time::Duration;

use steno_intake::Decoder::{Ffmpeg, Native};
use steno_shared::error::FailureCode;
use steno_shared::job::MediaOptions;
use steno_shared::time::Millis;
use steno_shared::transcript::WarningCode;

use crate::lab::{lab, lab_for, lab_without_ffmpeg};
use crate::media::{SOURCE, cut, encode, ffmpeg, put, wav};
use crate::signal::{RATE, SIGNAL, compare};

const ALL: MediaOptions = MediaOptions { track: 0, from: None, until: None, multichannel: false };

fn track(track: u16) -> MediaOptions {
    MediaOptions { track, ..ALL }
}

fn part(from: Option<u64>, until: Option<u64>) -> MediaOptions {
    MediaOptions { from: from.map(Millis), until: until.map(Millis), ..ALL }
}

fn apart() -> MediaOptions {
    MediaOptions { multichannel: true, ..ALL }
}

/// A file whose audio tracks are silence, the signal, and more silence, with these further inputs and codecs.
fn three(name: &str, inputs: &str, arguments: &str) -> PathBuf {
    let silence = |seconds: u32| format!("-f lavfi -i anullsrc=r=48000:cl=mono:d={seconds}");
    let (source, short, long) = (SOURCE.display(), silence(2), silence(9));
    ffmpeg(name, &format!("{short} -i {source} {long} {inputs} -map 0 -map 1 -map 2 {arguments}"))
}

#[tokio::test]
async fn the_track_asked_for_is_heard() {
    let picture = "-f lavfi -i testsrc=size=160x120:rate=25:duration=2";
    for (name, inputs, arguments, decoder) in [
        ("tracks.mka", "", "-c:a flac", Native),
        ("tracks.m4a", "", "-c:a alac", Native),
        ("tracks.mov", "", "-c:a pcm_s16le", Native),
        ("tracks.avi", "", "-c:a pcm_s16le", Ffmpeg),
        ("tracks.wma", "", "-c:a wmav2 -b:a 128k", Ffmpeg),
        ("tracks.ts", "", "-c:a mp2 -b:a 128k", Ffmpeg),
        ("tracks.mp4", picture, "-map 3 -c:v mpeg4 -c:a aac -b:a 128k", Ffmpeg),
        ("tracks.mkv", picture, "-map 3 -c:v mpeg4 -c:a aac -b:a 128k", Native),
    ] {
        let path = three(name, inputs, arguments);
        let heard = lab_for(track(2)).take_in(&path).await.unwrap();
        let found = compare(&heard.samples);
        println!("{name}: {} s by {:?}, {found:?}", heard.seconds(), heard.decoder);
        assert_eq!((heard.decoder, heard.codes()), (decoder, vec![]), "{name}");
        assert!(found.worst_ms() < 45.0 && found.correlation > 0.99, "{name}: {found:?}");
        for (number, seconds) in [(0, 2.0), (1, 2.0), (3, 9.0)] {
            let heard = lab_for(track(number)).take_in(&path).await.unwrap();
            assert!((heard.seconds() - seconds).abs() < 0.1, "{name} {number}: {} s", heard.seconds());
            assert!(heard.samples.iter().all(|sample| sample.abs() < 10), "{name} {number}");
        }
        let (code, message) = lab_for(track(4)).refused(&path).await;
        assert_eq!(code, FailureCode::NoSuchTrack, "{name}");
        assert_eq!(message, "the file has 3 audio tracks; track must be from 1 to 3", "{name}");
    }
}

#[tokio::test]
async fn a_file_with_one_track_has_no_second() {
    let (wma, ogg) = (encode("one.wma", "-c:a wmav2"), encode("one.ogg", "-c:a libvorbis"));
    for path in
        [SOURCE.clone(), encode("one.mp3", "-c:a libmp3lame"), encode("one.m4a", "-c:a aac"), wma, ogg]
    {
        for number in [2, u16::MAX] {
            let lab = lab_for(track(number));
            let (code, message) = lab.refused(&path).await;
            assert_eq!(code, FailureCode::NoSuchTrack, "{}", path.display());
            assert_eq!(message, "the file has 1 audio track; track must be 1");
            assert!(lab.is_clean().await);
        }
        assert!(lab_for(track(1)).take_in(&path).await.is_ok());
    }
    let two = format!("-i {0} -i {0} -map 0 -map 1 -c:a flac", SOURCE.display());
    let (_, message) = lab_for(track(3)).refused(&ffmpeg("pair.mka", &two)).await;
    assert_eq!(message, "the file has 2 audio tracks; track must be 1 or 2");
    let silent = ffmpeg("mute.mp4", "-f lavfi -i testsrc=size=160x120:rate=25:duration=1 -c:v mpeg4");
    assert_eq!(lab_for(track(2)).refused(&silent).await.0, FailureCode::NoAudio);
}

#[tokio::test]
async fn a_part_is_the_same_samples_as_in_the_whole() {
    for (path, decoder) in [
        (SOURCE.clone(), Native),
        (encode("part.mp3", "-c:a libmp3lame"), Native),
        (encode("part.m4a", "-c:a aac"), Native),
        (encode("part.wma", "-c:a wmav2"), Ffmpeg),
    ] {
        let whole = lab().take_in(&path).await.unwrap();
        for (from, until) in [
            (Some(1234), Some(4321)),
            (Some(0), None),
            (Some(5000), None),
            (None, Some(1)),
            (Some(6000), Some(99_000)),
            (Some(u64::MAX / 100), Some(u64::MAX)),
        ] {
            let lab = lab_for(part(from, until));
            if from > Some(99_000) {
                assert_eq!(lab.refused(&path).await.0, FailureCode::StartBeyondEnd);
                continue;
            }
            let heard = lab.take_in(&path).await.unwrap();
            let at = |millis: u64| (16 * millis as usize).min(whole.samples.len());
            let wanted = &whole.samples[at(from.unwrap_or(0))..at(until.unwrap_or(99_000))];
            assert!(heard.samples == wanted, "{} {from:?} {until:?}", path.display());
            assert_eq!((heard.frames, heard.decoder), (whole.frames, decoder));
            assert_eq!(heard.meter.progress().done, Millis::of_samples(whole.frames));
            assert!(heard.warnings.is_empty());
        }
    }
}

#[tokio::test]
async fn a_part_after_the_end_is_refused() {
    let path = put("seconds.wav", &wav(16_000, 1, (0..196_800).map(|nr| nr as i16)));
    let lab = lab_for(part(Some(90_000), None));
    let (code, message) = lab.refused(&path).await;
    assert_eq!(code, FailureCode::StartBeyondEnd);
    assert_eq!(message, "audio_start_from is 90 s, but the audio lasts 12.3 s");
    assert!(lab.is_clean().await);
    assert_eq!(lab_for(part(Some(12_300), None)).refused(&path).await.0, FailureCode::StartBeyondEnd);
    let last = lab_for(part(Some(12_299), None)).take_in(&path).await.unwrap();
    assert_eq!(last.samples.len(), 16);
}

#[tokio::test]
async fn the_length_of_a_part_is_that_of_what_could_be_decoded() {
    // The header of a cut file tells of more than there is, after the part as well.
    let path = cut(&encode("lying.flac", ""), 60);
    let heard = lab_for(part(Some(500), Some(1500))).take_in(&path).await.unwrap();
    assert_eq!((heard.samples.len(), heard.codes()), (16_000, vec![WarningCode::TruncatedMedia]));
    assert!((heard.frames as f64 / 16_000.0 / 6.437 - 0.6).abs() < 0.16, "{}", heard.frames);
    // The limit is that of the media.
    let mut lab = lab_for(part(Some(500), Some(1500)));
    lab.decoders.limits.duration = Duration::from_secs(3);
    assert_eq!(lab.refused(&encode("too-long.flac", "")).await.0, FailureCode::AudioTooLong);
}

/// A file with the signal in the channel of this number, and tones in the others.
fn channels(name: &str, channels: u16, signal: u16, arguments: &str) -> PathBuf {
    let sample = move |at: usize, nr: u16| {
        let tone = (at as f32 * 0.01 * f32::from(nr + 1)).sin() * 0.2;
        let sound = if nr == signal { SIGNAL[at] } else { tone };
        (sound * 32_768.0) as i16
    };
    let frames = (0..SIGNAL.len()).flat_map(|at| (0..channels).map(move |nr| sample(at, nr)));
    let source = put(&format!("{name}.wav"), &wav(RATE as u32, channels, frames));
    ffmpeg(name, &format!("-i {} {arguments}", source.display()))
}

#[tokio::test]
async fn channels_are_kept_apart() {
    for (name, count, signal, arguments, decoder) in [
        ("left.wav", 2, 0, "", Native),
        ("right.flac", 2, 1, "", Native),
        ("right.mp3", 2, 1, "-c:a libmp3lame -b:a 256k", Native),
        ("right.m4a", 2, 1, "-c:a aac -b:a 256k", Native),
        ("right.opus", 2, 1, "-c:a libopus -b:a 256k", Native),
        ("right.wma", 2, 1, "-c:a wmav2 -b:a 192k", Ffmpeg),
        (
            "right.mov",
            2,
            1,
            "-f lavfi -i testsrc=size=160x120:rate=25:duration=6 -c:v mpeg4 -c:a pcm_s16le",
            Ffmpeg,
        ),
        ("telephone.wav", 2, 1, "-ar 8000 -c:a pcm_mulaw", Native),
        ("five.wav", 6, 4, "", Native),
        ("five.m4a", 6, 2, "-c:a aac -b:a 512k", Ffmpeg),
        ("eight.wav", 8, 7, "", Native),
        ("eight.flac", 8, 7, "", Native),
        ("eight.w64", 8, 7, "", Ffmpeg),
    ] {
        let heard = lab_for(apart()).take_in(&channels(name, count, signal, arguments)).await.unwrap();
        assert_eq!((heard.channels, heard.decoder), (usize::from(count), decoder), "{name}");
        let found = compare(&heard.channel(usize::from(signal)));
        println!("{name}: {found:?}");
        assert!(found.worst_ms() < 45.0 && found.correlation > 0.98, "{name}: {found:?}");
        let other = compare(&heard.channel(usize::from(signal == 0)));
        assert!(other.correlation < 0.5, "{name}: {other:?}");
        assert_eq!((heard.frames as usize, heard.codes()), (heard.channel(0).len(), vec![]), "{name}");
    }
}

#[tokio::test]
async fn a_part_of_the_channels_is_the_same_frames_as_in_the_whole() {
    for name in ["part-of.flac", "part-of.w64"] {
        let path = channels(name, 2, 1, "");
        let whole = lab_for(apart()).take_in(&path).await.unwrap();
        let part = MediaOptions { multichannel: true, ..part(Some(1000), Some(2500)) };
        let heard = lab_for(part).take_in(&path).await.unwrap();
        assert!(heard.samples == whole.samples[32_000..80_000], "{name}");
    }
}

#[tokio::test]
async fn what_has_one_channel_is_heard_as_such() {
    for name in ["mono.wav", "mono.w64"] {
        let heard = lab_for(apart()).take_in(&encode(name, "")).await.unwrap();
        assert_eq!((heard.channels, heard.codes()), (1, vec![WarningCode::SingleChannel]), "{name}");
        assert!(compare(&heard.samples).correlation > 0.99, "{name}");
    }
    for (name, arguments) in [
        ("dual.wav", "-ac 2"),
        ("dual.w64", "-ac 2"),
        ("dual.mp3", "-c:a libmp3lame -ac 2"),
        ("all.wav", "-af pan=5.1|FL=c0|FR=c0|FC=c0|LFE=c0|BL=c0|BR=c0"),
    ] {
        let lab = lab_for(apart());
        let heard = lab.take_in(&encode(name, arguments)).await.unwrap();
        assert_eq!((heard.channels, heard.codes()), (1, vec![WarningCode::IdenticalChannels]), "{name}");
        let found = compare(&heard.samples);
        assert!(found.worst_ms() < 1.0 && found.correlation > 0.99, "{name}: {found:?}");
        assert_eq!(heard.frames as usize, heard.samples.len());
        assert!(lab.is_clean().await);
    }
}

#[tokio::test]
async fn more_channels_than_eight_are_refused_or_mixed() {
    let path = put("sixteen.wav", &wav(16_000, 16, (0..16 * 16_000).map(|nr| (nr % 16) as i16 * 100)));
    let large = ffmpeg("sixteen.w64", &format!("-i {}", path.display()));
    for path in [path, large] {
        let lab = lab_for(apart());
        let (code, message) = lab.refused(&path).await;
        assert_eq!(code, FailureCode::TooManyChannels);
        assert!(
            message.starts_with("the file has 16 channels, and at most 8 are transcribed apart"),
            "{message}"
        );
        assert!(lab.is_clean().await);
    }
    assert_eq!(
        lab()
            .take_in(&put("mixed.wav", &wav(16_000, 16, (0..1600).map(|nr| nr % 16))))
            .await
            .unwrap()
            .channels,
        1
    );
}

#[tokio::test]
async fn the_limits_count_frames_whatever_the_channels() {
    let path = channels("limits.flac", 8, 0, "");
    let mut lab = lab_for(apart());
    lab.decoders.limits.duration = Duration::from_millis(6437);
    assert_eq!(lab.take_in(&path).await.unwrap().channels, 8);
    lab.decoders.limits.duration = Duration::from_secs(6);
    assert_eq!(lab.refused(&path).await.0, FailureCode::AudioTooLong);
}

#[tokio::test]
async fn a_later_part_with_other_channels_is_heard_in_all() {
    let first = std::fs::read(channels("apart.ogg", 2, 1, "-c:a libvorbis -q:a 5")).unwrap();
    let second = std::fs::read(encode("together.ogg", "-c:a libvorbis -q:a 5 -serial_offset 77")).unwrap();
    let mut lab = lab_without_ffmpeg();
    lab.media = apart();
    let heard = lab.take_in(&put("changing.ogg", &[first, second].concat())).await.unwrap();
    assert_eq!((heard.channels, heard.codes()), (2, vec![]));
    let right = heard.channel(1);
    for half in [&right[..right.len() / 2], &right[right.len() / 2..], &heard.channel(0)[right.len() / 2..]] {
        let found = compare(half);
        assert!(found.worst_ms() < 2.0 && found.correlation > 0.99, "{found:?}");
    }
}
