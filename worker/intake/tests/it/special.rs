//! Files that decoders get wrong without a word: each was seen to lose audio, or to be taken for something else.

use std::path::Path;

use crate::lab::{Heard, lab, lab_without_ffmpeg};
use crate::media::{SOURCE, encode, ffmpeg, put, record, wav};
use crate::signal::{RATE, SIGNAL, compare};

const SECONDS: f64 = 6.437;

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

fn source_samples() -> impl Iterator<Item = i16> {
    SIGNAL.iter().map(|sample| (sample * 32_768.0) as i16)
}

/// The signal is there, in its place, and nothing was found wrong with the file.
fn assert_exact(heard: &Heard, name: &str) {
    let found = compare(&heard.samples);
    assert!(heard.warnings.is_empty(), "{name}: {:?}", heard.warnings);
    assert!(found.worst_ms() < 1.0 && found.correlation > 0.99, "{name}: {found:?}");
    assert!((heard.seconds() - SECONDS).abs() < 0.02, "{name}: {} s", heard.seconds());
}

#[tokio::test]
async fn a_streamed_wav_is_read_to_its_end() {
    let whole = wav(RATE as u32, 1, source_samples());
    for size in [0_u32, 0x7fff_ffff, 0x7fff_f000, 0xffff_fff0, 0xffff_ffff] {
        let mut streamed = whole.clone();
        streamed[4..8].copy_from_slice(&size.saturating_add(36).to_le_bytes());
        streamed[40..44].copy_from_slice(&size.to_le_bytes());
        let name = format!("streamed-{size:x}.wav");
        assert_exact(&lab().take_in(&put(&name, &streamed)).await.unwrap(), &name);
    }
}

#[tokio::test]
async fn a_recording_that_was_never_rewound_is_whole() {
    for (name, arguments) in [
        ("live.webm", "-f webm -c:a libopus -b:a 96k -ac 2"),
        ("live.mkv", "-f matroska -c:a flac"),
        ("live.ogg", "-f ogg -c:a libvorbis -q:a 5"),
        ("live.flac", "-f flac"),
        ("live.wav", "-f wav"),
        ("live.mp3", "-f mp3 -c:a libmp3lame -b:a 128k -write_xing 0"),
        ("live.mp4", "-f mp4 -c:a aac -b:a 128k -movflags +frag_keyframe+empty_moov"),
        ("live.au", "-f au"),
        ("live.avi", "-f avi -c:a pcm_s16le"),
        ("live.wma", "-f asf -c:a wmav2"),
        ("live.ts", "-f mpegts -c:a mp2"),
        ("live.flv", "-f flv -c:a libmp3lame -b:a 128k -ar 44100"),
    ] {
        let heard = lab().take_in(&record(name, arguments)).await.unwrap();
        let found = compare(&heard.samples);
        assert!(heard.warnings.is_empty(), "{name}: {:?}", heard.warnings);
        assert!((heard.seconds() - SECONDS).abs() < 0.07, "{name}: {} s", heard.seconds());
        assert!(found.worst_ms() < 45.0 && found.correlation > 0.99, "{name}: {found:?}");
    }
}

#[tokio::test]
async fn an_mp3_of_variable_rate_without_a_xing_header_keeps_its_end() {
    // Loud first and silent afterwards: a guess from the first frames is too short.
    let path = encode("no-xing.mp3", "-af apad=pad_dur=14 -c:a libmp3lame -q:a 2 -write_xing 0");
    assert!(!bytes(&path).windows(4).any(|window| window == b"Xing" || window == b"Info"));
    for lab in [lab(), lab_without_ffmpeg()] {
        let heard = lab.take_in(&path).await.unwrap();
        assert!((heard.seconds() - SECONDS - 14.0).abs() < 0.1, "{} s", heard.seconds());
        assert!(heard.warnings.is_empty());
        assert!(compare(&heard.samples).correlation > 0.99);
    }
}

#[tokio::test]
async fn mp3_files_put_together_are_read_to_the_end_of_the_last() {
    let one = bytes(&encode("one.mp3", "-c:a libmp3lame -b:a 128k"));
    // The header of the first tells the length of the first alone.
    let heard = lab().take_in(&put("three.mp3", &[one.as_slice(), &one, &one].concat())).await.unwrap();
    assert!((heard.seconds() - 3.0 * SECONDS).abs() < 0.3, "{} s", heard.seconds());
    assert!(heard.warnings.is_empty(), "{:?}", heard.warnings);
}

#[tokio::test]
async fn tags_and_pictures_before_and_after_an_mp3_are_no_sound() {
    let mp3 = bytes(&encode("tagged.mp3", "-c:a libmp3lame -b:a 128k -id3v2_version 0"));
    // A picture full of what looks like the beginning of frames.
    let picture: Vec<u8> = [0xff, 0xfb, 0x90, 0x00, 0x11].repeat(40_000);
    let size = picture.len() as u32;
    let digits = [size >> 21, size >> 14 & 0x7f, size >> 7 & 0x7f, size & 0x7f].map(|digit| digit as u8);
    let mut tagged = [b"ID3\x04\0\0".as_slice(), &digits, &picture, &mp3].concat();
    tagged.extend([b"TAG".as_slice(), &[b'x'; 125]].concat());
    for lab in [lab(), lab_without_ffmpeg()] {
        assert_exact(&lab.take_in(&put("tagged-more.mp3", &tagged)).await.unwrap(), "tagged.mp3");
    }
}

#[tokio::test]
async fn a_flac_behind_a_tag_is_a_flac() {
    let flac = bytes(&encode("behind.flac", ""));
    let tagged = [b"ID3\x04\0\0\0\0\x01\0".as_slice(), &[0; 128], &flac].concat();
    for lab in [lab(), lab_without_ffmpeg()] {
        assert_exact(&lab.take_in(&put("behind-tag.flac", &tagged)).await.unwrap(), "behind-tag.flac");
    }
}

#[tokio::test]
async fn every_link_of_a_chained_ogg_is_heard() {
    for (codec, others) in
        [("libvorbis -q:a 5", "libvorbis -q:a 5 -ar 44100"), ("libopus -b:a 96k", "libopus -b:a 96k -ac 2")]
    {
        let first = bytes(&encode("first-link.ogg", &format!("-c:a {codec}")));
        let second = bytes(&encode("second-link.ogg", &format!("-c:a {others} -serial_offset 77")));
        let chain = put("chain.ogg", &[first, second].concat());
        for lab in [lab(), lab_without_ffmpeg()] {
            let heard = lab.take_in(&chain).await.unwrap();
            assert!((heard.seconds() - 2.0 * SECONDS).abs() < 0.02, "{codec}: {} s", heard.seconds());
            let half = heard.samples.len() / 2;
            for part in [&heard.samples[..half], &heard.samples[half..]] {
                let found = compare(part);
                assert!(found.worst_ms() < 1.0 && found.correlation > 0.99, "{codec}: {found:?}");
            }
            assert!(heard.warnings.is_empty());
        }
    }
}

#[tokio::test]
async fn a_film_is_not_taken_for_the_mpeg_audio_in_it() {
    // Names lie; symphonia's own guess found 0.06 s of "mp1" in these.
    for (name, arguments) in
        [("lies.mp3", "-f avi -c:a pcm_s16le"), ("lies.wav", "-f mpegts -c:a mp2"), ("lies.ogg", "-f au")]
    {
        let heard = lab().take_in(&encode(name, arguments)).await.unwrap();
        assert!((heard.seconds() - SECONDS).abs() < 0.05, "{name}: {} s", heard.seconds());
    }
}

#[tokio::test]
async fn only_the_first_audio_track_is_heard() {
    let source = SOURCE.display();
    let two = format!("-i {source} -f lavfi -i sine=duration=20 -map 0:a -map 1:a");
    for (name, codec) in [("two.mka", "flac"), ("two.m4a", "alac"), ("two.mp4", "aac -b:a 128k")] {
        let heard = lab().take_in(&ffmpeg(name, &format!("{two} -c:a {codec}"))).await.unwrap();
        assert_exact(&heard, name);
    }
}

#[tokio::test]
async fn audio_that_begins_after_the_pictures_keeps_its_distance() {
    let source = SOURCE.display();
    let late = format!("-f lavfi -i testsrc=size=160x120:rate=25:duration=8 -itsoffset 1.5 -i {source}");
    for (name, codecs) in [
        ("late.mp4", "-c:v mpeg4 -c:a aac -b:a 128k"),
        ("late.mov", "-c:v mpeg4 -c:a pcm_s16le"),
        ("late.mkv", "-c:v mpeg4 -c:a flac"),
        ("late.webm", "-c:v libvpx -deadline realtime -c:a libopus -b:a 96k -ac 2"),
    ] {
        let heard = lab().take_in(&ffmpeg(name, &format!("{late} {codecs}"))).await.unwrap();
        assert!((heard.seconds() - SECONDS - 1.5).abs() < 0.03, "{name}: {} s", heard.seconds());
        assert!(heard.samples[..23_000].iter().all(|sample| sample.abs() < 50), "{name}: no silence first");
        let found = compare(&heard.samples[24_000..]);
        assert!(
            found.worst_ms() < 20.0 && heard.warnings.is_empty(),
            "{name}: {found:?} {:?}",
            heard.warnings
        );
    }
}

#[tokio::test]
async fn progress_runs_to_the_length_in_the_header() {
    for path in [
        encode("progress.flac", ""),
        encode("progress.wma", "-c:a wmav2"),
        encode("progress.m4a", "-c:a aac"),
    ] {
        let heard = lab().take_in(&path).await.unwrap();
        let progress = heard.meter.progress();
        let total = progress.total.unwrap().as_seconds();
        assert!((total - SECONDS).abs() < 0.1, "{}: {total} s", path.display());
        assert!((progress.done.as_seconds() - heard.seconds()).abs() < 0.001);
    }
}

#[tokio::test]
async fn the_shortest_of_sounds_is_sound() {
    for count in [1, 15, 160] {
        let path = put("short.wav", &wav(16_000, 1, source_samples().take(count)));
        assert_eq!(lab().take_in(&path).await.unwrap().samples.len(), count);
    }
}
