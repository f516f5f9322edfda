//! Every format that is promised: the length, the place and the shape of the sound.

use std::fmt::Write;
use std::path::PathBuf;

use crate::lab::{lab, lab_without_ffmpeg};
use crate::media::{encode, film};
use crate::signal::compare;

/// Which decoder is expected to decode a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Symphonia,
    Ffmpeg,
}
use By::{Ffmpeg, Symphonia};

/// What is asked of a format.
struct Case {
    path: PathBuf,
    by: By,
    least_correlation: f64,
    /// Both for the offset and for the length, in milliseconds.
    most_ms: f64,
}

fn case(path: PathBuf, by: By) -> Case {
    Case { path, by, least_correlation: 0.99, most_ms: 20.0 }
}

/// A case for a codec that changes the sound more.
fn rough(path: PathBuf, by: By) -> Case {
    Case { least_correlation: 0.97, ..case(path, by) }
}

/// A case for a codec that remakes a voice rather than a wave.
fn voice(path: PathBuf, by: By) -> Case {
    Case { least_correlation: 0.94, ..case(path, by) }
}

/// A case for a container that does not tell how much the encoder has added, or a decoder that does not ask: up to
/// 2048 frames at either end.
fn blind(path: PathBuf, by: By) -> Case {
    Case { most_ms: 45.0, ..case(path, by) }
}

async fn check(cases: Vec<Case>) {
    let (full, native) = (lab(), lab_without_ffmpeg());
    let mut table = String::from(
        "file                     by         longer ms  late ms (start, middle, end)  correlation\n",
    );
    let mut wrong = Vec::new();
    for case in cases {
        let name = case.path.file_name().unwrap().to_str().unwrap().to_owned();
        let alone = native.take_in(&case.path).await;
        let by = if alone.is_ok_and(|heard| heard.warnings.is_empty()) { Symphonia } else { Ffmpeg };
        let heard = match full.take_in(&case.path).await {
            Ok(heard) => heard,
            Err(setback) => {
                wrong.push(format!("{name}: {setback:?}"));
                continue;
            }
        };
        let found = compare(&heard.samples);
        let [start, middle, end] = found.late_ms;
        let (longer, correlation) = (found.longer_ms, found.correlation);
        writeln!(
            table,
            "{name:24} {by:9} {longer:10.2} {start:9.2} {middle:9.2} {end:9.2} {correlation:12.4}",
            by = format!("{by:?}"),
        )
        .unwrap();
        let is_wrong = by != case.by
            || longer.abs() > case.most_ms
            || found.worst_ms() > case.most_ms
            || correlation < case.least_correlation
            || !heard.warnings.is_empty();
        if is_wrong {
            wrong.push(format!("{name}: expected by {:?}; {by:?} {found:?} {:?}", case.by, heard.warnings));
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{table}\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn uncompressed_audio_keeps_its_length_place_and_shape() {
    check(vec![
        rough(encode("u8.wav", "-c:a pcm_u8"), Symphonia),
        case(encode("s16.wav", "-c:a pcm_s16le"), Symphonia),
        case(encode("s24.wav", "-c:a pcm_s24le"), Symphonia),
        case(encode("s32.wav", "-c:a pcm_s32le"), Symphonia),
        case(encode("f32.wav", "-c:a pcm_f32le"), Symphonia),
        case(encode("f64.wav", "-c:a pcm_f64le"), Symphonia),
        case(encode("alaw.wav", "-c:a pcm_alaw"), Symphonia),
        case(encode("mulaw.wav", "-c:a pcm_mulaw -ar 8000"), Symphonia),
        case(encode("adpcm.wav", "-c:a adpcm_ms"), Ffmpeg),
        case(encode("stereo.wav", "-ac 2"), Symphonia),
        case(encode("surround.wav", "-af pan=5.1|FL=c0|FR=c0|FC=c0|LFE=c0|BL=c0|BR=c0"), Symphonia),
        case(encode("8k.wav", "-ar 8000"), Symphonia),
        case(encode("11k.wav", "-ar 11025"), Symphonia),
        case(encode("16k.wav", "-ar 16000"), Symphonia),
        case(encode("44k.wav", "-ar 44100"), Symphonia),
        case(encode("96k.wav", "-ar 96000"), Symphonia),
        case(encode("large.wav", "-rf64 always"), Ffmpeg),
        case(encode("large.w64", ""), Ffmpeg),
        case(encode("plain.aiff", ""), Symphonia),
        case(encode("plain.caf", ""), Symphonia),
        case(encode("plain.au", ""), Ffmpeg),
        case(encode("plain.flac", ""), Symphonia),
        case(encode("deep.flac", "-c:a flac -sample_fmt s32 -ar 96000"), Symphonia),
        case(encode("lossless.ogg", "-c:a flac"), Symphonia),
        case(encode("lossless.m4a", "-c:a alac"), Symphonia),
        case(encode("alac.caf", "-c:a alac"), Symphonia),
        case(encode("pcm.mov", "-c:a pcm_s16le"), Symphonia),
        case(encode("pcm.mkv", "-c:a pcm_s16le"), Symphonia),
        case(encode("flac.mkv", "-c:a flac"), Symphonia),
    ])
    .await;
}

#[tokio::test]
async fn compressed_audio_keeps_its_length_place_and_shape() {
    check(vec![
        case(encode("cbr.mp3", "-c:a libmp3lame -b:a 128k"), Symphonia),
        case(encode("vbr.mp3", "-c:a libmp3lame -q:a 4"), Symphonia),
        case(encode("low.mp3", "-c:a libmp3lame -b:a 32k -ar 16000"), Symphonia),
        case(encode("stereo.mp3", "-c:a libmp3lame -b:a 96k -ac 2 -ar 44100"), Symphonia),
        case(encode("plain.mp2", "-c:a mp2 -b:a 128k"), Symphonia),
        case(encode("vorbis.ogg", "-c:a libvorbis -q:a 5"), Symphonia),
        rough(encode("mono.opus", "-c:a libopus -b:a 48k"), Symphonia),
        rough(encode("stereo.opus", "-c:a libopus -b:a 96k -ac 2"), Symphonia),
        voice(encode("voice.opus", "-c:a libopus -b:a 24k -application voip"), Symphonia),
        rough(encode("surround.opus", "-c:a libopus -b:a 256k -ac 6 -mapping_family 1"), Ffmpeg),
        voice(encode("speex.ogg", "-c:a libspeex -ar 16000"), Ffmpeg),
        case(encode("last.m4a", "-c:a aac -b:a 128k"), Symphonia),
        case(encode("first.m4a", "-c:a aac -b:a 128k -movflags +faststart"), Symphonia),
        case(encode("stereo.m4a", "-c:a aac -b:a 160k -ac 2 -ar 44100"), Symphonia),
        blind(encode("low.m4a", "-c:a aac -b:a 48k -ar 16000"), Ffmpeg),
        case(encode("surround.m4a", "-c:a aac -b:a 320k -ac 6"), Ffmpeg),
        blind(encode("pieces.m4a", "-c:a aac -b:a 128k -movflags +frag_keyframe+empty_moov"), Symphonia),
        blind(encode("mp3.mp4", "-c:a libmp3lame -b:a 128k"), Ffmpeg),
        rough(encode("opus.mp4", "-c:a libopus -b:a 64k"), Ffmpeg),
        blind(encode("plain.aac", "-c:a aac -b:a 128k"), Symphonia),
        blind(encode("aac.mkv", "-c:a aac -b:a 128k"), Symphonia),
        case(encode("vorbis.webm", "-c:a libvorbis -q:a 5"), Symphonia),
        rough(encode("opus.webm", "-c:a libopus -b:a 48k"), Symphonia),
        blind(encode("mp3.mkv", "-c:a libmp3lame -b:a 128k"), Ffmpeg),
        blind(encode("ac3.mkv", "-c:a ac3"), Ffmpeg),
        blind(encode("plain.ac3", "-c:a ac3"), Ffmpeg),
        blind(encode("v2.wma", "-c:a wmav2 -b:a 128k"), Ffmpeg),
        blind(encode("v1.wma", "-c:a wmav1 -b:a 128k"), Ffmpeg),
    ])
    .await;
}

#[tokio::test]
async fn the_sound_of_films_keeps_its_length_place_and_shape() {
    check(vec![
        case(film("h264.mp4", "-c:v libx264 -preset ultrafast -c:a aac -b:a 128k"), Ffmpeg),
        case(film("mpeg4.mp4", "-c:v mpeg4 -c:a aac -b:a 128k -movflags +faststart"), Ffmpeg),
        case(film("film.mov", "-c:v mpeg4 -c:a aac -b:a 128k"), Ffmpeg),
        blind(film("film.mkv", "-c:v libx264 -preset ultrafast -c:a aac -b:a 128k"), Symphonia),
        rough(film("film.webm", "-c:v libvpx -deadline realtime -c:a libopus -b:a 48k"), Symphonia),
        case(film("pcm.avi", "-c:v mpeg4 -c:a pcm_s16le"), Ffmpeg),
        blind(film("mp3.avi", "-c:v mpeg4 -c:a libmp3lame -b:a 128k"), Ffmpeg),
        blind(film("film.wmv", "-c:v wmv2 -c:a wmav2 -b:a 128k"), Ffmpeg),
        case(film("film.mpg", "-c:v mpeg1video -c:a mp2 -b:a 128k"), Ffmpeg),
        case(film("film.mpeg", "-f vob -c:v mpeg2video -c:a mp2 -b:a 128k"), Ffmpeg),
        blind(film("film.ts", "-c:v mpeg2video -c:a aac -b:a 128k"), Ffmpeg),
        blind(film("film.flv", "-c:v flv -c:a libmp3lame -b:a 128k -ar 44100"), Ffmpeg),
        case(film("film.3gp", "-c:v mpeg4 -c:a aac -b:a 64k"), Ffmpeg),
    ])
    .await;
}
