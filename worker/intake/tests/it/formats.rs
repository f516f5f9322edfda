//! Every format that is promised: the length, the place and the shape of the sound, beside the signal that went in
//! and beside what ffmpeg makes of the file by itself.

use std::fmt::Write;
use std::path::PathBuf;

use steno_intake::Decoder::{self, Ffmpeg, Native};

use crate::lab::lab;
use crate::media::{encode, ffmpegs_own, film};
use crate::signal::{beside, compare};

/// How far length and place may be from ffmpeg's.
const MOST_BESIDE_MS: f64 = 20.0;

/// What is asked of a format.
struct Case {
    path: PathBuf,
    by: Decoder,
    least_correlation: f64,
    /// Both for the offset and for the length, in milliseconds.
    most_ms: f64,
}

fn case(path: PathBuf, by: Decoder) -> Case {
    Case { path, by, least_correlation: 0.99, most_ms: 20.0 }
}

/// A case for a codec that changes the sound more.
fn rough(path: PathBuf, by: Decoder) -> Case {
    Case { least_correlation: 0.97, ..case(path, by) }
}

/// A case for a codec that remakes a voice rather than a wave.
fn voice(path: PathBuf, by: Decoder) -> Case {
    Case { least_correlation: 0.94, ..case(path, by) }
}

/// A case for a container that does not tell how much the encoder has added, or a decoder that does not ask: up to
/// 2048 frames at either end.
fn blind(path: PathBuf, by: Decoder) -> Case {
    Case { most_ms: 45.0, ..case(path, by) }
}

async fn check(cases: Vec<Case>) {
    let lab = lab();
    let mut table = String::from(
        "                                    beside the signal                          beside ffmpeg\n\
         file             codec      by      longer ms  late ms (start to end)  corr.   longer ms  late ms  corr.\n",
    );
    let mut wrong = Vec::new();
    for case in cases {
        let name = case.path.file_name().unwrap().to_str().unwrap().to_owned();
        let heard = match lab.take_in(&case.path).await {
            Ok(heard) => heard,
            Err(setback) => {
                wrong.push(format!("{name}: {setback:?}"));
                continue;
            }
        };
        let (codec, mut reference) = ffmpegs_own(&case.path, "");
        if codec == "opus" && heard.decoder == Native {
            // Its own decoder of Opus loses the shape of sound in the hybrid mode; the codec's authors' does not.
            reference = ffmpegs_own(&case.path, "-c:a libopus").1;
        }
        let (found, other) = (compare(&heard.samples), beside(&reference, &heard.samples));
        let [start, middle, end] = found.late_ms;
        writeln!(
            table,
            "{name:16} {codec:10} {by:6} {longer:9.2} {start:8.2} {middle:7.2} {end:7.2} {shape:7.4} \
             {more:10.2} {late:8.2} {likeness:7.4}",
            by = format!("{:?}", heard.decoder),
            longer = found.longer_ms,
            shape = found.correlation,
            more = other.longer_ms,
            late = other.worst_ms(),
            likeness = other.correlation,
        )
        .unwrap();
        let is_wrong = heard.decoder != case.by
            || found.longer_ms.abs() > case.most_ms
            || found.worst_ms() > case.most_ms
            || found.correlation < case.least_correlation
            || other.longer_ms.abs() > MOST_BESIDE_MS
            || other.worst_ms() > MOST_BESIDE_MS
            || other.correlation < if codec == "opus" { 0.97 } else { 0.99 }
            || !heard.warnings.is_empty();
        if is_wrong {
            let by = heard.decoder;
            wrong
                .push(format!("{name}: by {by:?}, {found:?}, beside ffmpeg {other:?}, {:?}", heard.warnings));
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{table}\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn uncompressed_audio_keeps_its_length_place_and_shape() {
    check(vec![
        rough(encode("u8.wav", "-c:a pcm_u8"), Native),
        case(encode("s16.wav", "-c:a pcm_s16le"), Native),
        case(encode("s24.wav", "-c:a pcm_s24le"), Native),
        case(encode("s32.wav", "-c:a pcm_s32le"), Native),
        case(encode("f32.wav", "-c:a pcm_f32le"), Native),
        case(encode("f64.wav", "-c:a pcm_f64le"), Native),
        case(encode("alaw.wav", "-c:a pcm_alaw"), Native),
        case(encode("mulaw.wav", "-c:a pcm_mulaw -ar 8000"), Native),
        case(encode("adpcm.wav", "-c:a adpcm_ms"), Ffmpeg),
        blind(encode("ima.wav", "-c:a adpcm_ima_wav"), Ffmpeg),
        case(encode("stereo.wav", "-ac 2"), Native),
        case(encode("surround.wav", "-af pan=5.1|FL=c0|FR=c0|FC=c0|LFE=c0|BL=c0|BR=c0"), Native),
        case(encode("8k.wav", "-ar 8000"), Native),
        case(encode("11k.wav", "-ar 11025"), Native),
        case(encode("16k.wav", "-ar 16000"), Native),
        case(encode("44k.wav", "-ar 44100"), Native),
        case(encode("96k.wav", "-ar 96000"), Native),
        case(encode("large.wav", "-rf64 always"), Ffmpeg),
        case(encode("large.w64", ""), Ffmpeg),
        case(encode("plain.aiff", ""), Native),
        case(encode("plain.caf", ""), Native),
        case(encode("plain.au", ""), Ffmpeg),
        case(encode("plain.flac", ""), Native),
        case(encode("s24.flac", "-c:a flac -sample_fmt s32"), Native),
        case(encode("stereo.flac", "-ac 2 -ar 44100"), Native),
        case(encode("deep.flac", "-c:a flac -sample_fmt s32 -ar 96000"), Native),
        case(encode("lossless.ogg", "-c:a flac"), Native),
        case(encode("lossless.m4a", "-c:a alac"), Native),
        case(encode("alac.caf", "-c:a alac"), Native),
        case(encode("flac.mp4", "-c:a flac -strict -2"), Native),
        case(encode("pcm.mov", "-c:a pcm_s16le"), Native),
        case(encode("big.mov", "-c:a pcm_s24be"), Ffmpeg),
        case(encode("pcm.mkv", "-c:a pcm_s16le"), Native),
        case(encode("flac.mkv", "-c:a flac"), Native),
    ])
    .await;
}

#[tokio::test]
async fn compressed_audio_keeps_its_length_place_and_shape() {
    check(vec![
        case(encode("cbr.mp3", "-c:a libmp3lame -b:a 128k"), Native),
        case(encode("vbr.mp3", "-c:a libmp3lame -q:a 4"), Native),
        blind(encode("bare.mp3", "-c:a libmp3lame -q:a 4 -write_xing 0"), Native),
        case(encode("8k.mp3", "-c:a libmp3lame -b:a 24k -ar 8000"), Native),
        case(encode("low.mp3", "-c:a libmp3lame -b:a 32k -ar 16000"), Native),
        case(encode("stereo.mp3", "-c:a libmp3lame -b:a 96k -ac 2 -ar 44100"), Native),
        case(encode("plain.mp2", "-c:a mp2 -b:a 128k"), Native),
        case(encode("vorbis.ogg", "-c:a libvorbis -q:a 5"), Native),
        rough(encode("mono.opus", "-c:a libopus -b:a 48k"), Native),
        rough(encode("stereo.opus", "-c:a libopus -b:a 96k -ac 2"), Native),
        voice(encode("voice.opus", "-c:a libopus -b:a 24k -application voip"), Native),
        rough(encode("surround.opus", "-c:a libopus -b:a 256k -ac 6 -mapping_family 1"), Ffmpeg),
        voice(encode("speex.ogg", "-c:a libspeex -ar 16000"), Ffmpeg),
        case(encode("last.m4a", "-c:a aac -b:a 128k"), Native),
        case(encode("first.m4a", "-c:a aac -b:a 128k -movflags +faststart"), Native),
        case(encode("stereo.m4a", "-c:a aac -b:a 160k -ac 2 -ar 44100"), Native),
        blind(encode("low.m4a", "-c:a aac -b:a 48k -ar 16000"), Ffmpeg),
        Case { most_ms: 100.0, ..blind(encode("8k.m4a", "-c:a aac -b:a 32k -ar 8000"), Ffmpeg) },
        case(encode("surround.m4a", "-c:a aac -b:a 320k -ac 6"), Ffmpeg),
        blind(encode("pieces.m4a", "-c:a aac -b:a 128k -movflags +frag_keyframe+empty_moov"), Native),
        blind(encode("mp3.mp4", "-c:a libmp3lame -b:a 128k"), Ffmpeg),
        rough(encode("opus.mp4", "-c:a libopus -b:a 64k"), Ffmpeg),
        blind(encode("plain.aac", "-c:a aac -b:a 128k"), Native),
        blind(encode("aac.mkv", "-c:a aac -b:a 128k"), Native),
        case(encode("vorbis.mkv", "-c:a libvorbis -q:a 5"), Native),
        rough(encode("opus.mkv", "-c:a libopus -b:a 48k"), Native),
        case(encode("vorbis.webm", "-c:a libvorbis -q:a 5"), Native),
        rough(encode("opus.webm", "-c:a libopus -b:a 48k"), Native),
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
        blind(
            film("pieces.mp4", "-c:v mpeg4 -g 12 -c:a aac -b:a 128k -movflags +frag_keyframe+empty_moov"),
            Ffmpeg,
        ),
        blind(film("mp3.mp4", "-c:v mpeg4 -c:a libmp3lame -b:a 128k"), Ffmpeg),
        case(film("film.mov", "-c:v mpeg4 -c:a aac -b:a 128k"), Ffmpeg),
        blind(film("film.mkv", "-c:v libx264 -preset ultrafast -c:a aac -b:a 128k"), Native),
        rough(film("film.webm", "-c:v libvpx -deadline realtime -c:a libopus -b:a 48k"), Native),
        case(film("pcm.avi", "-c:v mpeg4 -c:a pcm_s16le"), Ffmpeg),
        blind(film("mp3.avi", "-c:v mpeg4 -c:a libmp3lame -b:a 128k"), Ffmpeg),
        blind(film("ac3.avi", "-c:v mpeg4 -c:a ac3"), Ffmpeg),
        blind(film("film.wmv", "-c:v wmv2 -c:a wmav2 -b:a 128k"), Ffmpeg),
        case(film("film.mpg", "-c:v mpeg1video -c:a mp2 -b:a 128k"), Ffmpeg),
        case(film("film.mpeg", "-f vob -c:v mpeg2video -c:a mp2 -b:a 128k"), Ffmpeg),
        blind(film("film.ts", "-c:v mpeg2video -c:a aac -b:a 128k"), Ffmpeg),
        blind(film("film.flv", "-c:v flv -c:a libmp3lame -b:a 128k -ar 44100"), Ffmpeg),
        case(film("film.3gp", "-c:v mpeg4 -c:a aac -b:a 64k"), Ffmpeg),
    ])
    .await;
}
