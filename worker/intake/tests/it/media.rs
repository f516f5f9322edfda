//! Media files for the tests, made by ffmpeg from the known signal.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, OnceLock};

use crate::signal::{RATE, SIGNAL};

/// Where the files are, for as long as the tests run.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::tempdir().unwrap()).path()
}

/// The signal as a WAV file of 48 kHz, 16 bits, one channel.
pub(crate) static SOURCE: LazyLock<PathBuf> = LazyLock::new(|| {
    let samples = SIGNAL.iter().map(|sample| (sample * 32_768.0) as i16);
    put("source.wav", &wav(RATE as u32, 1, samples))
});

/// A WAV file of 16 bits.
pub(crate) fn wav(rate: u32, channels: u16, samples: impl Iterator<Item = i16>) -> Vec<u8> {
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend((rate * u32::from(channels) * 2).to_le_bytes());
    file.extend((channels * 2).to_le_bytes());
    file.extend(b"\x10\0data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

/// A file with this content.
pub(crate) fn put(name: &str, content: &[u8]) -> PathBuf {
    let path = folder().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// The signal, encoded to a file of this name by these arguments.
pub(crate) fn encode(name: &str, arguments: &str) -> PathBuf {
    let source = format!("-i {}", SOURCE.display());
    ffmpeg(name, &format!("{source} {arguments}"))
}

/// The signal with a picture that moves, encoded.
pub(crate) fn film(name: &str, arguments: &str) -> PathBuf {
    let source = format!("-i {} -f lavfi -i testsrc=size=160x120:rate=25:duration=6.4", SOURCE.display());
    ffmpeg(name, &format!("{source} {arguments}"))
}

/// What ffmpeg makes by these arguments, separated by spaces.
pub(crate) fn ffmpeg(name: &str, arguments: &str) -> PathBuf {
    let path = folder().join(name);
    let status = Command::new("ffmpeg")
        .args("-hide_banner -nostdin -loglevel error -y".split(' '))
        .args(arguments.split_whitespace())
        .arg(&path)
        .stdin(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "{name}: ffmpeg {arguments}");
    path
}

/// The codec of a file's audio, and what ffmpeg makes of it when nobody tells it anything but the decoder.
pub(crate) fn ffmpegs_own(path: &Path, decoder: &str) -> (String, Vec<i16>) {
    let output = Command::new("ffmpeg")
        .args("-hide_banner -nostdin -nostats".split(' '))
        .args(decoder.split_whitespace())
        .arg("-i")
        .arg(path)
        .args("-map 0:a:0 -ac 1 -ar 16000 -f s16le pipe:1".split(' '))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", path.display());
    let told = String::from_utf8_lossy(&output.stderr);
    let (_, codec) = told.split_once(": Audio: ").unwrap();
    let codec = codec.split([' ', ',']).next().unwrap().to_owned();
    let samples = output.stdout.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    (codec, samples.collect())
}

/// The signal, encoded to a pipe: nothing at the start of the file can be mended afterwards.
pub(crate) fn record(name: &str, arguments: &str) -> PathBuf {
    let output = Command::new("ffmpeg")
        .args("-hide_banner -nostdin -loglevel error -i".split(' '))
        .arg(&*SOURCE)
        .args(arguments.split_whitespace())
        .arg("pipe:1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: ffmpeg {arguments}");
    put(name, &output.stdout)
}

/// The first part of a file.
pub(crate) fn cut(path: &Path, percent: usize) -> PathBuf {
    let content = std::fs::read(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    put(&format!("cut-{percent}-{name}"), &content[..content.len() * percent / 100])
}
