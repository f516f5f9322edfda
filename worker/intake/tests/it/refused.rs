//! What is refused, by content and with a sentence that says why.

use std::time::{Duration, Instant};

use steno_shared::error::FailureCode;

use crate::lab::{lab, lab_without_ffmpeg};
use crate::media::{SOURCE, encode, ffmpeg, film, folder, put, wav};

/// The message is one plain sentence that gives nothing away.
fn assert_plain(message: &str) {
    let first = message.chars().next().unwrap();
    assert!(first.is_lowercase() && !message.ends_with('.') && !message.contains('\n'), "{message}");
    for secret in ["/", "0x", "symphonia", "panicked", "[error]"] {
        assert!(!message.contains(secret), "{message}");
    }
    println!("{message}");
}

#[tokio::test]
async fn what_is_no_media_is_refused_by_name() {
    let table: &[(&str, &[u8], FailureCode, &str)] = &[
        ("empty.mp3", b"", FailureCode::EmptyFile, "the file is empty"),
        ("text.mp3", b"this is no music\n", FailureCode::UnsupportedFormat, "a text file"),
        ("report.wav", b"%PDF-1.7\n%\xe2\xe3", FailureCode::UnsupportedFormat, "a PDF document"),
        ("cover.m4a", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", FailureCode::UnsupportedFormat, "a PNG picture"),
        ("talk.mp4", b"PK\x03\x04\x14\0\0\0\x08\0", FailureCode::UnsupportedFormat, "a ZIP archive"),
        ("song.mid", b"MThd\0\0\0\x06\0\x01", FailureCode::UnsupportedFormat, "a MIDI file"),
        ("zeros.mp3", &[0; 5000], FailureCode::UnsupportedFormat, "not audio or video"),
    ];
    for (name, content, code, part) in table {
        let (found, message) = lab().refused(&put(name, content)).await;
        assert_eq!(found, *code, "{name}");
        assert!(message.contains(part), "{name}: {message}");
        assert_plain(&message);
    }
}

#[tokio::test]
async fn noise_is_refused() {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let content: Vec<u8> = (0..300_000).map(|_| noise()).collect();
    for name in ["noise.mp3", "noise.bin"] {
        let (code, message) = lab().refused(&put(name, &content)).await;
        assert_eq!(code, FailureCode::UnsupportedFormat);
        assert_plain(&message);
    }
    let (code, message) =
        lab().refused(&put("id3.mp3", &[b"ID3\x04\0\0\0\0\0\x10".as_slice(), &content].concat())).await;
    assert_eq!(code, FailureCode::Undecodable);
    assert_plain(&message);
}

#[tokio::test]
async fn playlists_and_scripts_do_not_reach_other_files() {
    let secret = ffmpeg("secret.ts", &format!("-i {} -c:a mp2", SOURCE.display()));
    let (secret, source) = (secret.display(), SOURCE.display());
    let playlists = [
        ("list.mp3", format!("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{secret}\n#EXT-X-ENDLIST\n")),
        ("late.mp3", format!("\n\n#EXTM3U\n#EXTINF:10,\nfile://{secret}\n#EXT-X-ENDLIST\n")),
        ("script.wav", format!("ffconcat version 1.0\nfile '{source}'\n")),
        ("dash.mp4", format!("<?xml version=\"1.0\"?><MPD><BaseURL>{source}</BaseURL></MPD>")),
        (
            "call.sdp",
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nc=IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\n".into(),
        ),
    ];
    for (name, content) in &playlists {
        let (code, message) = lab().refused(&put(name, content.as_bytes())).await;
        assert_eq!(code, FailureCode::UnsupportedFormat, "{name}: {message}");
        assert_plain(&message);
    }
    // Not text by its first bytes, so ffmpeg is asked; its list of formats keeps the playlist closed.
    let binary = [playlists[0].1.as_bytes(), b"\n#\x01\x02\xff"].concat();
    let (code, message) = lab().refused(&put("binary-list.mp3", &binary)).await;
    assert_eq!(code, FailureCode::UnsupportedFormat, "{message}");
}

#[tokio::test]
async fn a_film_without_sound_is_refused_as_such() {
    let silent = "-f lavfi -i testsrc=size=160x120:rate=25:duration=2";
    for (name, codec) in [
        ("silent.mp4", "mpeg4"),
        ("silent.mov", "mpeg4"),
        ("silent.mkv", "mpeg4"),
        ("silent.webm", "libvpx"),
        ("silent.avi", "mpeg4"),
        ("silent.wmv", "wmv2"),
        ("silent.mpg", "mpeg1video"),
    ] {
        let (code, message) = lab().refused(&ffmpeg(name, &format!("{silent} -c:v {codec}"))).await;
        assert_eq!(code, FailureCode::NoAudio, "{name}: {message}");
        assert!(message.ends_with("has no audio track"), "{message}");
        assert_plain(&message);
    }
}

#[tokio::test]
async fn headers_without_sound_are_refused() {
    let files = [
        put("none.wav", &wav(16_000, 1, std::iter::empty())),
        put("none.flac", &std::fs::read(encode("some.flac", "")).unwrap()[..60]),
        put("none.ogg", &std::fs::read(encode("some.ogg", "-c:a libvorbis")).unwrap()[..60]),
        put("none.mp4", &std::fs::read(film("some.mp4", "-c:v mpeg4 -c:a aac")).unwrap()[..60]),
        put("none.avi", &std::fs::read(film("some.avi", "-c:v mpeg4 -c:a pcm_s16le")).unwrap()[..60]),
    ];
    for path in files {
        let (code, message) = lab().refused(&path).await;
        assert_eq!(code, FailureCode::Undecodable, "{}", path.display());
        assert_plain(&message);
    }
}

#[tokio::test]
async fn hostile_headers_are_refused_quickly() {
    // symphonia multiplies the channels of this one beyond 16 bits.
    let mut overflow = wav(16_000, 1, (0..23).map(|nr| nr * 100));
    overflow[22..24].copy_from_slice(&65_535_u16.to_le_bytes());
    overflow[34..36].copy_from_slice(&32_u16.to_le_bytes());
    let mut fast = wav(u32::MAX, 1, 0..1000);
    fast[28..32].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut slow = wav(16_000, 1, 0..1000);
    slow[24..28].copy_from_slice(&0_u32.to_le_bytes());
    // A table of sizes with four thousand million entries, of which there are none.
    let mut bomb = std::fs::read(encode("bomb.m4a", "-c:a aac")).unwrap();
    let at = bomb.windows(4).position(|window| window == b"stsz").unwrap();
    bomb[at + 12..at + 16].copy_from_slice(&u32::MAX.to_be_bytes());
    let mut durations = std::fs::read(encode("durations.m4a", "-c:a alac")).unwrap();
    let at = durations.windows(4).position(|window| window == b"stts").unwrap();
    durations[at + 8..at + 12].copy_from_slice(&u32::MAX.to_be_bytes());
    for (name, content) in [
        ("overflow.wav", &overflow),
        ("fast.wav", &fast),
        ("slow.wav", &slow),
        ("bomb.m4a", &bomb),
        ("durations.m4a", &durations),
    ] {
        let began = Instant::now();
        // Some decode in part: what matters is that nothing crashes the worker, and that it does not take long.
        match lab().take_in(&put(name, content)).await {
            Ok(heard) => println!("{name}: {} s, {:?}", heard.seconds(), heard.warnings),
            Err(_) => assert_plain(&lab().refused(&folder().join(name)).await.1),
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{name}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn durations_that_a_header_invents_are_not_believed() {
    for (name, arguments) in [("long.m4a", "-c:a aac"), ("long.mp4", "-c:a alac")] {
        let mut content = std::fs::read(encode(name, arguments)).unwrap();
        for (kind, at) in [(b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)] {
            let found = content.windows(4).position(|window| window == kind).unwrap();
            content[found + at..found + at + 4].copy_from_slice(&0x7fff_ffff_u32.to_be_bytes());
        }
        let heard = lab().take_in(&put(name, &content)).await.unwrap();
        assert!((heard.seconds() - 6.437).abs() < 0.05, "{name}: {} s", heard.seconds());
        assert!(heard.warnings.is_empty(), "{name}: {:?}", heard.warnings);
    }
}

#[tokio::test]
async fn without_ffmpeg_the_refusal_says_what_is_missing() {
    for path in [encode("needs.wma", "-c:a wmav2"), film("needs.avi", "-c:v mpeg4 -c:a pcm_s16le")] {
        let (code, message) = lab_without_ffmpeg().refused(&path).await;
        assert_eq!(code, FailureCode::UnsupportedFormat);
        assert!(message.contains("ffmpeg, which is not installed"), "{message}");
        assert_plain(&message);
    }
}
