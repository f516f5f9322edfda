//! The recordings that tests are given: the frozen held-out set, what is not speech, and files made of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// A clip of the held-out set.
#[derive(Debug, Clone, Deserialize)]
pub struct Clip {
    file: String,
    /// What is said.
    pub text: String,
    /// Who says it: a voice of the synthesiser.
    pub voice: String,
    /// Whether the voice was never in the training.
    pub heldout: bool,
    /// `template`, as the training's texts, or `everyday`.
    pub source: String,
    /// Its length.
    pub seconds: f64,
    /// The words, with the times that the synthesiser tells.
    pub words: Vec<SpokenWord>,
}

/// A word of a clip.
#[derive(Debug, Clone, Deserialize)]
pub struct SpokenWord {
    /// With its punctuation.
    pub word: String,
    /// When it begins, in seconds.
    pub start: f64,
    /// When it ends.
    pub end: f64,
}

#[derive(Deserialize)]
struct Manifest {
    clips: Vec<Clip>,
}

/// The root of the repository.
///
/// # Panics
/// Never, in a checkout.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn folder() -> PathBuf {
    root().join("models/mini-whisper/heldout")
}

/// The held-out set: speech that the miniature model has never heard.
///
/// # Panics
/// If the manifest cannot be read.
#[must_use]
pub fn heldout() -> Vec<Clip> {
    let manifest = std::fs::read(folder().join("manifest.json")).unwrap();
    serde_json::from_slice::<Manifest>(&manifest).unwrap().clips
}

/// Recordings without speech, with their names.
///
/// # Panics
/// If the folder cannot be read.
#[must_use]
pub fn not_speech() -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder().join("nonspeech")).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: PathBuf| (path.file_stem().unwrap().to_string_lossy().into_owned(), path);
    let mut clips: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "flac")).map(named).collect();
    clips.sort();
    clips
}

impl Clip {
    /// Its file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        folder().join(&self.file)
    }
}

/// The recording that `./start` transcribes, and what is said in it.
///
/// # Panics
/// If its text cannot be read.
#[must_use]
pub fn briefing() -> (PathBuf, String) {
    let folder = root().join("models/demo");
    let text = std::fs::read_to_string(folder.join("briefing.txt")).unwrap();
    let said = text.lines().map(|line| line.split_once(':').map_or(line, |(_, said)| said));
    (folder.join("briefing.flac"), said.collect::<Vec<_>>().join(" "))
}

/// Who speaks in the recording that `./start` transcribes, turn after turn.
///
/// # Panics
/// If its text cannot be read.
#[must_use]
pub fn briefing_turns() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("models/demo/briefing.txt")).unwrap();
    text.lines().filter_map(|line| line.split_once(':')).map(|(who, _)| who.to_owned()).collect()
}

/// Makes a media file by ffmpeg, from the arguments before the output.
///
/// # Panics
/// If ffmpeg fails.
pub fn ffmpeg(arguments: &[&str], output: &Path) {
    let status = Command::new("ffmpeg")
        .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y"])
        .args(arguments)
        .arg(output)
        .status()
        .unwrap();
    assert!(status.success(), "ffmpeg {arguments:?}");
}

/// Joins clips, each followed by `gap` seconds of silence, into a 16 kHz WAV file, repeated until it is
/// `seconds` long.
///
/// # Panics
/// If a clip cannot be decoded.
pub fn join(clips: &[Clip], gap: f64, seconds: f64, output: &Path) {
    let mut samples: Vec<u8> = Vec::new();
    let silence = vec![0; (gap * 16_000.0) as usize * 2];
    for clip in clips {
        samples.extend(decode(&clip.path()));
        samples.extend(&silence);
    }
    let once = samples.len();
    while (samples.len() as f64) < seconds * 32_000.0 {
        samples.extend_from_within(..once);
    }
    write_wav(&samples, output);
}

/// Ten hours as FLAC, with a clip of the held-out set every eighty seconds or so and silence in between: long, and
/// cheap to transcribe.
///
/// # Panics
/// If it cannot be made.
pub fn ten_hours(output: &Path) {
    let quarter = output.with_extension("quarter.wav");
    join(&heldout()[..11], 77.0, 900.0, &quarter);
    let arguments = ["-stream_loop", "39", "-i", quarter.to_str().unwrap(), "-t", "36000"];
    ffmpeg(&[&arguments[..], &["-c:a", "flac", "-compression_level", "0"]].concat(), output);
    std::fs::remove_file(quarter).unwrap();
}

/// The samples of a recording, 16 kHz mono.
///
/// # Panics
/// If it cannot be decoded.
#[must_use]
pub fn samples(path: &Path) -> Vec<i16> {
    decode(path).chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// 16 kHz mono samples, 16-bit little-endian.
fn decode(path: &Path) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-i"])
        .arg(path)
        .args(["-ac", "1", "-ar", "16000", "-f", "s16le", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", path.display());
    output.stdout
}

/// Writes 16 kHz mono samples, 16-bit little-endian, as a WAV file.
///
/// # Panics
/// If the file cannot be written.
pub fn write_wav(samples: &[u8], output: &Path) {
    std::fs::write(output, wav(samples)).unwrap();
}

/// A WAV file of silence, but for a click too soft to hear, by which files of the same length differ.
///
/// # Panics
/// If it would be longer than a WAV file can be.
#[must_use]
pub fn silence(seconds: u32, mark: u32) -> Vec<u8> {
    let mut samples = vec![0; seconds as usize * 32_000];
    for (sample, byte) in samples.chunks_exact_mut(2).zip(mark.to_le_bytes()) {
        sample[0] = byte;
    }
    wav(&samples)
}

/// 16 kHz mono samples, 16-bit little-endian, as a WAV file.
fn wav(samples: &[u8]) -> Vec<u8> {
    let length = u32::try_from(samples.len()).unwrap();
    let mut wav = Vec::with_capacity(samples.len() + 44);
    wav.extend(b"RIFF");
    wav.extend((length + 36).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16u32.to_le_bytes());
    for field in [1u16, 1] {
        wav.extend(field.to_le_bytes());
    }
    wav.extend(16_000u32.to_le_bytes());
    wav.extend(32_000u32.to_le_bytes());
    for field in [2u16, 16] {
        wav.extend(field.to_le_bytes());
    }
    wav.extend(b"data");
    wav.extend(length.to_le_bytes());
    wav.extend(samples);
    wav
}
