//! The scripted models, by which costs are measured: they decode their script, whatever they are given to hear.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it must be")]

use steno_runtime::engine::{ChunkOptions, StopFlag, Transcriber, TranscriberModel};
use steno_shared::catalog;
use steno_shared::language::Language;
use steno_tests::scripted_model::{self, Script};
use steno_whisper::{WhisperModel, bundled};

/// A state of the least of these models, with matrices of this type, and its script.
fn least(kind: &str) -> (Box<dyn Transcriber>, Script) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bin");
    let script = scripted_model::make("least", &["--type", kind, "--words", "70"], &path).unwrap();
    let model = WhisperModel::load(&path, catalog::model(bundled::ID).unwrap()).unwrap();
    (model.open().unwrap(), script)
}

/// 28 s of silence, of a tone, and of noise without a pattern (Knuth's linear congruential generator).
fn sounds() -> [Vec<f32>; 3] {
    let tone = (0..28 * 16_000).map(|at: u32| (at as f32 * 0.05).sin() * 0.3);
    let mut number = 1u64;
    let noise = std::iter::from_fn(|| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some((number >> 40) as f32 / (1 << 24) as f32 - 0.5)
    });
    [vec![0.0; 28 * 16_000], tone.collect(), noise.take(28 * 16_000).collect()]
}

#[test]
fn the_script_is_decoded_from_any_sound() {
    for kind in ["f16", "q8_0"] {
        let (mut state, script) = least(kind);
        let english = Language::parse("en").unwrap();
        let options = ChunkOptions::of(english);
        for samples in sounds() {
            let heard = state.transcribe(&samples, &options, &StopFlag::default()).unwrap();
            assert_eq!(heard.segments.len(), script.segments.len(), "{kind}: {heard:?}");
            for (segment, line) in heard.segments.iter().zip(&script.segments) {
                let words: Vec<_> = segment.words.iter().map(|word| word.text.as_str()).collect();
                assert_eq!(words.join(" "), line.text);
                let times = (segment.start.as_seconds() - line.start, segment.end.as_seconds() - line.end);
                assert!(times.0.abs() < 0.011 && times.1.abs() < 0.011, "{segment:?} for {line:?}");
            }
            assert!(heard.no_speech_probability < 0.01);
            let (language, probability) = state.detect_language(&samples, &StopFlag::default()).unwrap();
            assert!(language == english && probability > 0.99, "{probability}");
        }
    }
}

#[test]
fn a_script_that_no_window_holds_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bin");
    for (size, arguments, expected) in [
        ("gigantic", &[][..], "invalid choice"),
        ("least", &["--words", "0"], "1 to 170 words"),
        ("least", &["--words", "171"], "1 to 170 words"),
        ("least", &["--seconds", "31"], "a window has 30 s"),
        ("least", &["--type", "q9"], "invalid choice"),
    ] {
        let error = scripted_model::make(size, arguments, &path).unwrap_err();
        assert!(error.contains(expected), "{size} {arguments:?}: {error}");
        assert!(!path.exists());
    }
}
