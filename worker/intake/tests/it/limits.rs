//! Decoders that take too much: too long, too much memory, no progress, no end.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use steno_intake::Decoder;
use steno_shared::error::{Failure, FailureCode};
use steno_shared::job::Setback;

use crate::lab::lab;
use crate::media::{encode, ffmpeg, put};

/// A stand-in for ffmpeg.
fn script(name: &str, lines: &str) -> PathBuf {
    let path = put(name, format!("#!/bin/sh\n{lines}\n").as_bytes());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Twenty hours of silence.
static HOURS: LazyLock<PathBuf> = LazyLock::new(|| {
    ffmpeg("hours.flac", "-f lavfi -i anullsrc=r=16000:cl=mono:d=72000 -c:a flac -frame_size 65535")
});

/// Whether a process is there that was started with this word. Others run at the same time, so it is a rare one.
pub(crate) fn is_running(word: &str) -> bool {
    let is_ours = |entry: std::io::Result<std::fs::DirEntry>| {
        let command = std::fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        command.windows(word.len()).any(|window| window == word.as_bytes())
    };
    std::fs::read_dir("/proc").unwrap().any(is_ours)
}

#[tokio::test]
async fn a_small_file_with_hours_of_silence_is_cut_short() {
    let path = &*HOURS;
    let bytes = std::fs::metadata(path).unwrap().len();
    let began = Instant::now();
    let lab = lab();
    let (code, message) = lab.refused(path).await;
    println!("{bytes} bytes: {message} after {:?}", began.elapsed());
    assert_eq!(code, FailureCode::AudioTooLong);
    assert_eq!(message, "the audio is 20 h long, and this server accepts at most 1 h");
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(lab.is_clean().await);

    let path = ffmpeg("minutes.wma", "-f lavfi -i anullsrc=r=16000:cl=mono:d=600 -c:a wmav2");
    let mut lab = crate::lab::lab();
    lab.decoders.limits.duration = Duration::from_secs(300);
    let (code, message) = lab.refused(&path).await;
    assert_eq!(code, FailureCode::AudioTooLong);
    assert!(message.contains("10 min") && message.contains("at most 5 min"), "{message}");
}

#[tokio::test]
async fn the_limit_itself_is_within() {
    let path = ffmpeg("exact.flac", "-f lavfi -i sine=r=16000:d=3 -c:a flac");
    let mut lab = lab();
    lab.decoders.limits.duration = Duration::from_secs(3);
    assert_eq!(lab.take_in(&path).await.unwrap().samples.len(), 48_000);
    lab.decoders.limits.duration = Duration::from_millis(2999);
    assert_eq!(lab.refused(&path).await.0, FailureCode::AudioTooLong);
}

#[tokio::test]
async fn a_decoder_that_hangs_is_ended_and_its_try_with_it() {
    let path = encode("hang.wma", "-c:a wmav2");
    let mut lab = lab();
    // It starts another process, which must go too.
    lab.decoders.ffmpeg = script("hanging-ffmpeg", "sleep 987654 & sleep 987654");
    lab.decoders.limits.stall = Duration::from_millis(500);
    lab.tries = 1;
    let began = Instant::now();
    let first = lab.take_in(&path).await.unwrap_err();
    assert!(matches!(first, Setback::Retry(Failure { code: FailureCode::TimedOut, .. })), "{first:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    lab.tries = 3;
    let (code, message) = lab.refused(&path).await;
    assert_eq!(code, FailureCode::Undecodable);
    assert!(message.contains("stopped making progress"), "{message}");
    assert!(!is_running("987654") && lab.is_clean().await);
}

#[tokio::test]
async fn a_decoder_that_is_merely_slow_is_ended_at_the_limit() {
    let mut lab = lab();
    lab.decoders.ffmpeg = script("slow-ffmpeg", "while :; do printf 'xxxx'; sleep 0.1; done");
    lab.decoders.limits.time = Duration::from_secs(1);
    let began = Instant::now();
    let heard = lab.take_in(&encode("slow.wma", "-c:a wmav2")).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10));
    // What it wrote before is something, with a warning.
    assert!(!heard.samples.is_empty() && heard.warnings.len() == 1);
}

#[tokio::test]
async fn a_decoder_that_crashes_is_the_end_of_a_try_only() {
    let mut lab = lab();
    lab.decoders.ffmpeg = script("crashing-ffmpeg", "kill -SEGV $$");
    let path = encode("crash.wma", "-c:a wmav2");
    let (code, message) = lab.refused(&path).await;
    assert_eq!(code, FailureCode::Undecodable);
    assert!(message.contains("crashed"), "{message}");
    lab.tries = 2;
    assert!(matches!(lab.take_in(&path).await, Err(Setback::Retry(_))));
}

#[tokio::test]
async fn a_native_crash_falls_back_to_ffmpeg() {
    let path = encode("native-crash.flac", "");
    // An abort, a panic, and a child that cannot even begin.
    for (name, end) in [("abort", "kill -ABRT $$"), ("panic", "exit 101"), ("begin", "exit 126")] {
        let mut lab = lab();
        let own = lab.decoders.own.display();
        let lines =
            format!("[ $1 = decode ] && {{ printf 'samples that do not count'; {end}; }}\nexec {own} \"$@\"");
        lab.decoders.own = script(&format!("{name}-intake"), &lines);
        let heard = lab.take_in(&path).await.unwrap();
        assert!((heard.seconds() - 6.437).abs() < 0.01 && heard.warnings.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_native_panic_or_hang_ends_one_child_and_one_try_at_most() {
    let path = encode("native-fault.flac", "");
    let own = lab().decoders.own;
    for (name, fault) in [("panics", "panic"), ("aborts", "abort"), ("hangs", "sleep(987656000)")] {
        let mut lab = lab();
        let lines = format!("STENO_FAILPOINTS='intake.native={fault}' exec {} \"$@\"", own.display());
        lab.decoders.own = script(&format!("{name}-natively"), &lines);
        lab.decoders.limits.stall = Duration::from_secs(10);
        let heard = lab.take_in(&path).await.unwrap();
        assert!((heard.seconds() - 6.437).abs() < 0.01, "{name}: {} s", heard.seconds());
        assert_eq!((heard.decoder, heard.codes()), (Decoder::Ffmpeg, vec![]), "{name}");
        // If the other decoder does no better, another try may.
        lab.decoders.ffmpeg = script(&format!("{name}-ffmpeg"), "kill -SEGV $$");
        lab.tries = 1;
        let first = lab.take_in(&path).await.unwrap_err();
        assert!(matches!(first, Setback::Retry(_)), "{name}: {first:?}");
        assert!(!is_running("native-fault") && lab.is_clean().await, "{name}");
    }
}

#[tokio::test]
async fn memory_is_limited() {
    let path = encode("memory.wma", "-c:a wmav2");
    let mut lab = lab();
    lab.decoders.limits.memory = 64 << 20;
    // ffmpeg's libraries alone take more: the server is at fault, not the file.
    let setback = lab.take_in(&path).await.unwrap_err();
    assert!(matches!(setback, Setback::Retry(Failure { code: FailureCode::Internal, .. })), "{setback:?}");
    // This executable takes less.
    assert!(lab.take_in(&encode("memory.flac", "")).await.is_ok());
}

#[tokio::test]
async fn a_stop_ends_the_decoder_at_once_and_leaves_nothing() {
    let slow = script("endless-ffmpeg", "while :; do printf 'xxxx'; sleep 0.05; done");
    // A name of its own: others decode the same.
    let hours = put("stopped.flac", &std::fs::read(&*HOURS).unwrap());
    for path in [hours, encode("stopped.wma", "-c:a wmav2")] {
        let mut lab = lab();
        lab.decoders.ffmpeg = slow.clone();
        lab.decoders.limits.duration = Duration::from_secs(100 * 3600);
        let (stop, word) = (lab.stop.clone(), path.to_str().unwrap());
        let stopping = async {
            let deadline = Instant::now() + Duration::from_secs(10);
            while !is_running(word) {
                assert!(Instant::now() < deadline, "{word} was decoded before anybody could stop it");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            stop.cancel();
            Instant::now()
        };
        let (result, stopped) = tokio::join!(lab.take_in(&path), stopping);
        assert!(matches!(result, Err(Setback::HandBack)), "{result:?}");
        assert!(stopped.elapsed() < Duration::from_secs(10), "{:?}", stopped.elapsed());
        assert!(!is_running(word) && lab.is_clean().await);
    }
}

#[tokio::test]
async fn the_child_ends_with_its_parent() {
    let path = ffmpeg("orphan.flac", "-f lavfi -i anoisesrc=r=48000:d=60 -c:a flac");
    let own = env!("CARGO_BIN_EXE_steno-intake");
    // The shell is the parent, and is killed while the child waits for somebody to read.
    let command = format!(
        "{own} decode --memory=1073741824 --cpu-seconds=60 --parent=$$ --container=flac --offset=0 {} | sleep 5",
        path.display()
    );
    let mut shell = std::process::Command::new("sh");
    let mut shell = shell.args(["-c", &command]).stderr(std::process::Stdio::null()).spawn().unwrap();
    let decoder = format!("--offset=0\0{}", path.display());
    let becomes = |wanted: bool| {
        let deadline = Instant::now() + Duration::from_secs(3);
        while is_running(&decoder) != wanted && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        is_running(&decoder) == wanted
    };
    assert!(becomes(true));
    shell.kill().unwrap();
    shell.wait().unwrap();
    assert!(becomes(false));
}
