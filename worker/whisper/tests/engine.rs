//! The real engine with the miniature model, on the held-out clips.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it must be")]

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use steno_runtime::engine::{
    ChunkOptions, ChunkText, Decoding, EngineError, Prompt, StopFlag, Transcriber, TranscriberModel,
};
use steno_shared::catalog::{self, AlignmentHead, WordTimes};
use steno_shared::job::Temperature;
use steno_shared::language::Language;
use steno_shared::time::Millis;
use steno_tests::clips::{self, Clip};
use steno_tests::score::Score;
use steno_whisper::{WhisperModel, bundled};

/// The model, loaded once for all tests of this file.
fn model() -> &'static WhisperModel {
    static MODEL: OnceLock<WhisperModel> = OnceLock::new();
    MODEL.get_or_init(|| {
        let entry = catalog::model(bundled::ID).unwrap();
        WhisperModel::load(&entry.path(folder()), entry).unwrap()
    })
}

/// The folder of the models, with the miniature one in it.
fn folder() -> &'static std::path::Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        bundled::install(folder.path()).unwrap();
        folder
    });
    folder.path()
}

fn state() -> Box<dyn Transcriber> {
    model().open().unwrap()
}

fn decode(path: &std::path::Path) -> Vec<f32> {
    clips::samples(path).into_iter().map(|sample| f32::from(sample) / 32768.0).collect()
}

/// Clips in voices that the model has heard.
fn some_clips(count: usize) -> Vec<Clip> {
    clips::heldout()
        .into_iter()
        .filter(|clip| !clip.heldout && clip.source == "template")
        .take(count)
        .collect()
}

fn english() -> ChunkOptions {
    ChunkOptions::of(Language::parse("en").unwrap())
}

fn sampled(temperature: f32) -> Decoding {
    Decoding::Sampled(Temperature::of(temperature).unwrap())
}

fn text(chunk: &ChunkText) -> String {
    let words = chunk.segments.iter().flat_map(|segment| &segment.words);
    words.map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_clip_is_transcribed_with_words_in_their_places() {
    let mut state = state();
    let mut score = Score::default();
    for clip in some_clips(12) {
        let samples = decode(&clip.path());
        let chunk = state.transcribe(&samples, &english(), &StopFlag::default()).unwrap();
        score.add(Score::of(&clip.text, &text(&chunk)));
        let mut earlier = Millis(0);
        for segment in &chunk.segments {
            assert!(segment.start >= earlier && segment.end <= Millis::of_samples(samples.len() as u64));
            earlier = segment.start;
            for word in &segment.words {
                assert!(
                    word.start >= earlier && word.end >= word.start && word.end <= segment.end,
                    "{word:?}"
                );
                assert!(word.log_probability <= 0.0 && word.tokens > 0, "{word:?}");
                earlier = word.end;
            }
        }
        // 0.3 s of silence lie before, 0.4 s behind.
        let (first, last) = (chunk.segments.first().unwrap(), chunk.segments.last().unwrap());
        assert!(first.start.0.abs_diff(300) < 300, "{}: begins at {}", clip.text, first.start);
        assert!(last.end.as_seconds() <= clip.seconds && last.end.as_seconds() > clip.seconds - 1.5);
    }
    assert!(score.percent() < 30.0, "word error rate {:.1} %", score.percent());
}

#[test]
fn what_came_before_does_not_change_a_text() {
    let clips = some_clips(3);
    let samples: Vec<_> = clips.iter().map(|clip| decode(&clip.path())).collect();
    let stop = StopFlag::default();
    let fresh = state().transcribe(&samples[0], &english(), &stop).unwrap();
    let mut used = state();
    for other in &samples[1..] {
        used.detect_language(other, &stop).unwrap();
        used.transcribe(other, &english(), &stop).unwrap();
    }
    assert_eq!(used.transcribe(&samples[0], &english(), &stop).unwrap(), fresh);
}

#[test]
fn the_language_is_told_whatever_ran_before() {
    let mut state = state();
    let stop = StopFlag::default();
    let clip = decode(&some_clips(1)[0].path());
    let fresh = state.detect_language(&clip, &stop).unwrap();
    assert_eq!(fresh.0.code(), "en");
    assert!(fresh.1 > 0.5 && fresh.1 <= 1.0);
    // A short call leaves fewer positions of the encoder behind.
    state.transcribe(&clip[..16_000], &english(), &stop).unwrap();
    assert_eq!(state.detect_language(&clip, &stop).unwrap(), fresh);
}

#[test]
fn languages_that_the_model_has_not_learnt_do_not_end_it() {
    let mut state = state();
    let clip = decode(&some_clips(1)[0].path());
    for code in ["yue", "jv", "th"] {
        let options = ChunkOptions { language: Language::parse(code).unwrap(), ..english() };
        state.transcribe(&clip, &options, &StopFlag::default()).unwrap();
    }
}

#[test]
fn silence_has_no_text_and_says_so() {
    let mut state = state();
    let stop = StopFlag::default();
    let silent = state.transcribe(&vec![0.0; 10 * 16_000], &english(), &stop).unwrap();
    assert_eq!(silent.segments, []);
    assert!(silent.no_speech_probability > 0.8, "{}", silent.no_speech_probability);
    let clip = decode(&some_clips(1)[0].path());
    let spoken = state.transcribe(&clip, &english(), &stop).unwrap();
    assert!(spoken.no_speech_probability < 0.2, "{}", spoken.no_speech_probability);
}

#[test]
fn chunks_of_any_length_are_safe() {
    let mut state = state();
    let stop = StopFlag::default();
    let clip = decode(&some_clips(1)[0].path());
    for length in [0, 1, 200, 201, 1600, 4000] {
        let chunk = state.transcribe(&clip[..length], &english(), &stop).unwrap();
        let end = Millis::of_samples(length as u64);
        assert!(chunk.segments.iter().all(|segment| segment.end <= end), "{length}");
        state.detect_language(&clip[..length], &stop).unwrap();
    }
    let longest: Vec<f32> = clip.iter().copied().cycle().take(30 * 16_000).collect();
    state.transcribe(&longest, &english(), &stop).unwrap();
    let longer = vec![0.0; 30 * 16_000 + 1];
    assert!(matches!(state.transcribe(&longer, &english(), &stop), Err(EngineError::Failed(_))));
}

#[test]
fn a_loop_of_the_same_sentence_ends() {
    let mut state = state();
    let clip = decode(&some_clips(1)[0].path());
    let again: Vec<f32> = clip.iter().copied().cycle().take(28 * 16_000).collect();
    for decoding in [Decoding::Likeliest, sampled(0.4), sampled(1.0)] {
        let options = ChunkOptions { decoding, ..english() };
        state.transcribe(&again, &options, &StopFlag::default()).unwrap();
    }
}

#[test]
fn a_prompt_reaches_the_model_and_leaves_nothing_behind() {
    let clip = decode(&some_clips(1)[0].path());
    let stop = StopFlag::default();
    let mut state = state();
    let plain = state.transcribe(&clip, &english(), &stop).unwrap();
    let sureness = |chunk: &ChunkText| {
        let words = chunk.segments.iter().flat_map(|segment| &segment.words);
        words.map(|word| word.log_probability).sum::<f64>()
    };
    let (long, unspaced) = ("x".repeat(1000), "\u{4ECA}".repeat(1000));
    let prompts = [
        long.as_str(),
        &unspaced,
        "The committee meets again on Thursday afternoon.",
        "Hello\0 world",
        "\u{1F600} ¿Qué?",
        " ",
    ];
    for prompt in prompts {
        let options = ChunkOptions { prompt: Some(Prompt::of(prompt)), ..english() };
        let prompted = state.transcribe(&clip, &options, &stop).unwrap();
        if prompt.len() > 20 {
            assert_ne!(sureness(&prompted), sureness(&plain), "the model was not told: {}", text(&prompted));
        }
    }
    assert_eq!(state.transcribe(&clip, &english(), &stop).unwrap(), plain);
}

#[test]
fn a_prompt_beyond_the_models_room_is_known_and_does_no_harm() {
    let words = |count: usize| Prompt::of("word ".repeat(count));
    assert!(model().hears_all_of(&Prompt::of("")));
    assert!(model().hears_all_of(&words(40)));
    assert!(!model().hears_all_of(&words(300)));
    let clip = decode(&some_clips(1)[0].path());
    let options = ChunkOptions { prompt: Some(words(2000)), ..english() };
    state().transcribe(&clip, &options, &StopFlag::default()).unwrap();
}

#[test]
fn the_same_audio_gives_the_same_text_however_freely_and_whatever_came_before() {
    let clips: Vec<_> = some_clips(3).iter().map(|clip| decode(&clip.path())).collect();
    let stop = StopFlag::default();
    let mut state = state();
    let mut texts = |decoding: Decoding| {
        let options = ChunkOptions { decoding, ..english() };
        let mut said = |clip: &Vec<f32>| text(&state.transcribe(clip, &options, &stop).unwrap());
        let rounds: Vec<Vec<String>> = (0..3).map(|_| clips.iter().map(&mut said).collect()).collect();
        assert!(rounds.windows(2).all(|pair| pair[0] == pair[1]), "{rounds:?}");
        rounds.into_iter().next().unwrap()
    };
    let (likeliest, free) = (texts(Decoding::Likeliest), texts(sampled(1.0)));
    assert_ne!(likeliest, free, "warmth makes no difference");
}

#[test]
fn a_stop_is_obeyed_before_and_within_a_chunk() {
    let mut state = state();
    let clip: Vec<f32> = decode(&some_clips(1)[0].path()).into_iter().cycle().take(28 * 16_000).collect();
    let stop = StopFlag::default();
    stop.store(true, Ordering::Relaxed);
    assert_eq!(state.transcribe(&clip, &english(), &stop), Err(EngineError::Stopped));
    assert_eq!(state.detect_language(&clip, &stop), Err(EngineError::Stopped));

    // Whatever the moment, the state is fit for the next chunk.
    let stop = StopFlag::default();
    let flag = Arc::clone(&stop);
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(30));
        flag.store(true, Ordering::Relaxed);
    });
    let stopped = state.transcribe(&clip, &english(), &stop);
    stopper.join().unwrap();
    assert_eq!(stopped, Err(EngineError::Stopped));
    let after = state.transcribe(&clip, &english(), &StopFlag::default()).unwrap();
    assert!(!after.segments.is_empty());
}

#[test]
fn a_file_that_is_no_model_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bin");
    std::fs::write(&path, b"not a model at all, but long enough to have a header").unwrap();
    let entry = catalog::model(bundled::ID).unwrap();
    assert!(matches!(WhisperModel::load(&path, entry), Err(EngineError::Load(_))));
    assert!(matches!(WhisperModel::load(&folder.path().join("none"), entry), Err(EngineError::Load(_))));
}

/// Truth of the words of a clip, from the held-out set.
fn words_of(file: &str) -> Vec<(String, f64)> {
    let manifest = std::fs::read(clips::root().join("models/mini-whisper/heldout/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let clip = manifest["clips"].as_array().unwrap().iter().find(|clip| clip["file"] == file).unwrap();
    let words = clip["words"].as_array().unwrap().iter();
    words
        .map(|word| (word["word"].as_str().unwrap().to_lowercase(), word["start"].as_f64().unwrap()))
        .collect()
}

/// How far the starts of words are off, in the median, with these alignment heads.
fn median_error(heads: Vec<AlignmentHead>, shift_ms: i64) -> f64 {
    let mut entry = catalog::model(bundled::ID).unwrap().clone();
    entry.word_times = WordTimes { heads, shift_ms };
    let model = WhisperModel::load(&entry.path(folder()), &entry).unwrap();
    let mut state = model.open().unwrap();
    let mut errors = Vec::new();
    for clip in some_clips(12) {
        let chunk = state.transcribe(&decode(&clip.path()), &english(), &StopFlag::default()).unwrap();
        let truth = words_of(clip.path().file_name().unwrap().to_str().unwrap());
        let heard: Vec<_> = chunk.segments.iter().flat_map(|segment| &segment.words).collect();
        // Where as many words are heard as were said, each is that of its number.
        if heard.len() == truth.len() {
            for (heard, (said, start)) in heard.iter().zip(truth) {
                if heard.text.to_lowercase().starts_with(&said) {
                    errors.push((heard.start.as_seconds() - start).abs());
                }
            }
        }
    }
    assert!(errors.len() > 20, "{} words are too few", errors.len());
    errors.sort_by(f64::total_cmp);
    errors[errors.len() / 2]
}

#[test]
fn words_are_near_their_true_times_by_either_method() {
    let heads = vec![AlignmentHead { layer: 1, head: 0 }, AlignmentHead { layer: 2, head: 0 }];
    let (aligned, proportional) = (median_error(heads, 50), median_error(Vec::new(), 0));
    assert!(aligned < 0.08, "by alignment: {aligned} s");
    assert!(proportional < 0.12, "by proportion: {proportional} s");
}

#[test]
fn a_quick_text_is_the_same_each_time_and_nearly_as_good() {
    let quick = ChunkOptions { decoding: Decoding::Quick, ..english() };
    let mut state = state();
    let mut score = Score::default();
    for clip in some_clips(8) {
        let samples = decode(&clip.path());
        let first = state.transcribe(&samples, &quick, &StopFlag::default()).unwrap();
        let again = state.transcribe(&samples, &quick, &StopFlag::default()).unwrap();
        assert_eq!(text(&first), text(&again));
        score.add(Score::of(&clip.text, &text(&first)));
    }
    assert!(score.percent() < 25.0, "{score:?}");
}
