//! Files that end early: what is there is decoded, and a warning says that more should be.

use std::path::PathBuf;

use steno_shared::error::FailureCode;
use steno_shared::transcript::WarningCode;

use crate::lab::{Heard, lab, lab_without_ffmpeg};
use crate::media::{cut, encode, film, put};
use crate::signal::compare;

const SECONDS: f64 = 6.437;

/// About so much is left, in its place, and a warning says so.
fn assert_partial(heard: &Heard, left: f64, name: &str) {
    let seconds = heard.seconds();
    assert!((seconds / SECONDS - left).abs() < 0.16, "{name}: {seconds} s");
    let [warning] = &heard.warnings[..] else { panic!("{name}: {:?}", heard.warnings) };
    assert_eq!(warning.code, WarningCode::TruncatedMedia);
    let told = format!("{seconds:.1} s");
    let floor = format!("{:.1} s", (seconds * 10.0).floor() / 10.0);
    assert!(
        warning.message.contains(&told) || warning.message.contains(&floor),
        "{name}: {warning:?} {seconds}"
    );
    let found = compare(&heard.samples);
    assert!(found.late_ms[0].abs() < 45.0, "{name}: {found:?}");
    println!("{name:20} {seconds:.3} s: {}", warning.message);
}

#[tokio::test]
async fn what_is_left_of_a_cut_file_is_heard_with_a_warning() {
    let files: Vec<PathBuf> = vec![
        encode("c.wav", ""),
        encode("c.aiff", ""),
        encode("c.caf", ""),
        encode("c.au", ""),
        encode("c.w64", ""),
        encode("c.flac", ""),
        encode("c.mp3", "-c:a libmp3lame -b:a 128k"),
        encode("c.aac", "-c:a aac -b:a 128k"),
        encode("c.ogg", "-c:a libvorbis -q:a 5"),
        encode("c.opus", "-c:a libopus -b:a 96k"),
        encode("c.m4a", "-c:a aac -b:a 128k -movflags +faststart"),
        encode("alac.m4a", "-c:a alac -movflags +faststart"),
        encode("c.mka", "-c:a aac -b:a 128k -cluster_time_limit 500"),
        encode("c.wma", "-c:a wmav2 -b:a 128k"),
        film("c.webm", "-c:v libvpx -deadline realtime -c:a libopus -b:a 48k -cluster_time_limit 500"),
        film("c.mkv", "-c:v mpeg4 -c:a aac -b:a 128k -cluster_time_limit 500"),
        film("c.mp4", "-c:v mpeg4 -c:a aac -b:a 128k -movflags +faststart"),
        film("pieces.mp4", "-c:v mpeg4 -g 12 -c:a aac -b:a 128k -movflags +frag_keyframe+empty_moov"),
        film("c.mov", "-c:v mpeg4 -c:a pcm_s16le -movflags +faststart"),
        film("c.avi", "-c:v mpeg4 -c:a pcm_s16le"),
        film("c.wmv", "-c:v wmv2 -c:a wmav2 -b:a 128k"),
    ];
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let heard =
            lab().take_in(&cut(&path, 60)).await.unwrap_or_else(|setback| panic!("{name}: {setback:?}"));
        assert_partial(&heard, 0.6, name);
    }
}

#[tokio::test]
async fn a_stream_without_a_header_has_no_end_that_could_be_missed() {
    for path in
        [film("c.mpg", "-c:v mpeg1video -c:a mp2 -b:a 128k"), film("c.ts", "-c:v mpeg2video -c:a mp2")]
    {
        let heard = lab().take_in(&cut(&path, 60)).await.unwrap();
        assert!((heard.seconds() / SECONDS - 0.6).abs() < 0.1, "{}: {} s", path.display(), heard.seconds());
    }
}

#[tokio::test]
async fn what_symphonia_reads_of_a_cut_file_is_enough_without_ffmpeg() {
    let files = [
        encode("n.wav", ""),
        encode("n.flac", ""),
        encode("n.mp3", "-c:a libmp3lame -b:a 128k"),
        encode("n.ogg", "-c:a libvorbis -q:a 5"),
        encode("n.opus", "-c:a libopus -b:a 96k"),
    ];
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_partial(&lab_without_ffmpeg().take_in(&cut(&path, 60)).await.unwrap(), 0.6, name);
    }
}

#[tokio::test]
async fn an_mp4_without_its_index_is_refused_with_the_reason() {
    for path in [encode("last-index.m4a", "-c:a aac"), film("last-index.mp4", "-c:v mpeg4 -c:a aac")] {
        let (code, message) = lab().refused(&cut(&path, 60)).await;
        assert_eq!(code, FailureCode::Undecodable);
        assert!(message.contains("MP4") && message.contains("index is missing"), "{message}");
    }
}

#[tokio::test]
async fn noise_in_the_middle_does_not_move_what_follows() {
    for (name, arguments) in [("noise.flac", ""), ("noise.ogg", "-c:a libvorbis -q:a 5")] {
        let mut content = std::fs::read(encode(name, arguments)).unwrap();
        let middle = content.len() / 2;
        content[middle..middle + 300].iter_mut().enumerate().for_each(|(nr, byte)| *byte = (nr * 37) as u8);
        let heard = lab().take_in(&put(&format!("more-{name}"), &content)).await.unwrap();
        let found = compare(&heard.samples);
        println!("{name}: {} s {found:?} {:?}", heard.seconds(), heard.warnings);
        assert!(found.late_ms[0].abs() < 1.0 && found.late_ms[2].abs() < 1.0, "{name}: {found:?}");
        assert!(!heard.warnings.is_empty(), "{name}: no warning");
    }
}
