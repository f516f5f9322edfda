//! Damaged files of every format: each becomes samples, or is refused for good with a plain sentence, in little time.

use std::time::{Duration, Instant};

use steno_shared::error::Failure;
use steno_shared::job::Setback;

use crate::damage::{Chance, damage};
use crate::lab::lab;
use crate::media::{encode, film, put};

/// How many damaged copies of each file are tried.
const COPIES: usize = 4;

#[tokio::test]
async fn damaged_files_never_harm_the_worker() {
    let files = [
        encode("m.wav", ""),
        encode("m.aiff", ""),
        encode("m.caf", "-c:a alac"),
        encode("m.au", ""),
        encode("m.w64", ""),
        encode("m.flac", ""),
        encode("m.mp3", "-c:a libmp3lame"),
        encode("m.aac", "-c:a aac"),
        encode("m.mp2", "-c:a mp2"),
        encode("m.ogg", "-c:a libvorbis"),
        encode("m.opus", "-c:a libopus"),
        encode("m.m4a", "-c:a aac -movflags +faststart"),
        encode("alac.m4a", "-c:a alac -movflags +faststart"),
        encode("m.mka", "-c:a aac"),
        encode("m.wma", "-c:a wmav2"),
        film("m.webm", "-c:v libvpx -deadline realtime -c:a libopus"),
        film("m.mp4", "-c:v mpeg4 -c:a aac -movflags +faststart"),
        film("m.mov", "-c:v mpeg4 -c:a pcm_s16le"),
        film("m.mkv", "-c:v mpeg4 -c:a aac"),
        film("pieces.mp4", "-c:v mpeg4 -g 12 -c:a aac -movflags +frag_keyframe+empty_moov"),
        film("m.ts", "-c:v mpeg2video -c:a mp2"),
        film("m.flv", "-c:v flv -c:a libmp3lame -ar 44100"),
        film("m.avi", "-c:v mpeg4 -c:a libmp3lame"),
        film("m.wmv", "-c:v wmv2 -c:a wmav2"),
        film("m.mpg", "-c:v mpeg1video -c:a mp2"),
    ];
    let lab = lab();
    let (mut heard, mut partial, mut refused) = (0, 0, 0);
    for path in files {
        let whole = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut chance = Chance::from(whole.len() as u64);
        for nr in 0..COPIES {
            let mut content = whole.clone();
            damage(&mut content, &[], &mut chance);
            let copy = put(&format!("damaged-{nr}-{name}"), &content);
            let began = Instant::now();
            match lab.take_in(&copy).await {
                Ok(found) if found.warnings.is_empty() => heard += 1,
                Ok(_) => partial += 1,
                Err(Setback::Final(Failure { code, message })) => {
                    assert!(code.is_the_callers() && !message.contains('/'), "{name} {nr}: {code} {message}");
                    refused += 1;
                }
                Err(other) => panic!("{name} {nr}: {other:?}"),
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{name} {nr}: {:?}", began.elapsed());
        }
    }
    println!("{heard} heard, {partial} heard in part, {refused} refused");
    assert!(lab.is_clean().await);
}
