//! Damaged files of every format: each becomes samples, or is refused for good with a plain sentence, in little time.

use std::time::{Duration, Instant};

use steno_shared::error::Failure;
use steno_shared::job::Setback;

use crate::lab::lab;
use crate::media::{encode, film, put};

/// How many damaged copies of each file are tried.
const COPIES: usize = 6;

/// Reproducible chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// Most damage goes where the headers are.
fn damage(content: &mut Vec<u8>, chance: &mut Chance) {
    let head = content.len().min(600);
    for _ in 0..1 + chance.below(12) {
        let at = if chance.below(3) > 0 { chance.below(head) } else { chance.below(content.len()) };
        match chance.below(4) {
            0 => content[at] = 0xff,
            1 => content[at] = 0,
            2 => content[at] ^= 1 << chance.below(8),
            _ => content[at] = chance.below(256) as u8,
        }
    }
    match chance.below(6) {
        0 => content.truncate(chance.below(content.len()) + 1),
        1 => {
            let (from, to) = (chance.below(content.len()), chance.below(content.len()));
            content.drain(from.min(to)..from.max(to));
        }
        _ => {}
    }
}

#[tokio::test]
async fn damaged_files_never_harm_the_worker() {
    let files = [
        encode("m.wav", ""),
        encode("m.aiff", ""),
        encode("m.caf", "-c:a alac"),
        encode("m.flac", ""),
        encode("m.mp3", "-c:a libmp3lame"),
        encode("m.aac", "-c:a aac"),
        encode("m.ogg", "-c:a libvorbis"),
        encode("m.opus", "-c:a libopus"),
        encode("m.m4a", "-c:a aac -movflags +faststart"),
        encode("alac.m4a", "-c:a alac -movflags +faststart"),
        encode("m.mka", "-c:a aac"),
        encode("m.wma", "-c:a wmav2"),
        film("m.webm", "-c:v libvpx -deadline realtime -c:a libopus"),
        film("m.mp4", "-c:v mpeg4 -c:a aac -movflags +faststart"),
        film("m.avi", "-c:v mpeg4 -c:a libmp3lame"),
        film("m.wmv", "-c:v wmv2 -c:a wmav2"),
        film("m.mpg", "-c:v mpeg1video -c:a mp2"),
    ];
    let lab = lab();
    let (mut heard, mut partial, mut refused) = (0, 0, 0);
    for path in files {
        let whole = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut chance = Chance(whole.len() as u64);
        for nr in 0..COPIES {
            let mut content = whole.clone();
            damage(&mut content, &mut chance);
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
