//! Held-out speech through the engine as a live session, as fast as it can be heard: what is said in the end, and how
//! steady what is shown before is.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it must be")]

use std::path::Path;
use std::sync::{Arc, OnceLock};

use steno_runtime::engine::{ChunkOptions, StopFlag};
use steno_runtime::models::{Loaded, Models};
use steno_shared::catalog;
use steno_shared::language::Language;
use steno_shared::live::{ENDPOINT_MS, Said, SessionOptions};
use steno_shared::transcript::Segment;
use steno_stream::engine::{Cadence, Engine, Output, Start};
use steno_tests::clips::{self, Clip};
use steno_tests::score::{self, Score};
use steno_whisper::{WhisperLoader, bundled};
use tokio::sync::mpsc;

/// Partial texts for 0.4 s of new audio each.
const CADENCE: u64 = 6400;

/// The miniature model, loaded once.
fn model() -> Arc<Loaded> {
    static MODEL: OnceLock<(tempfile::TempDir, Arc<Loaded>)> = OnceLock::new();
    let (_, model) = MODEL.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        bundled::install(folder.path()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let models = Models::new(folder.path().to_owned(), Arc::new(WhisperLoader));
        let model = runtime.block_on(models.get(&bundled::ID.into())).unwrap();
        (folder, model)
    });
    Arc::clone(model)
}

fn options(language: Option<&str>) -> SessionOptions {
    SessionOptions {
        model: bundled::ID.into(),
        language: language.map(|code| Language::parse(code).unwrap()),
        endpoint_ms: ENDPOINT_MS,
        partials: true,
        prompt: None,
    }
}

/// What a session said.
#[derive(Debug, Default)]
struct Heard {
    finals: Vec<(Segment, bool)>,
    partials: usize,
    languages: Vec<Language>,
    /// Words that were taken back, in partial texts or by the final one.
    taken_back: usize,
    shown: Vec<String>,
    /// Audio heard when the first text of an utterance was there, less the time its first word begins, in seconds.
    firsts: Vec<f64>,
    is_done: bool,
}

impl Heard {
    fn take(&mut self, output: Output, at: f64) {
        match output {
            Output::Said(Said::Partial { text, start, .. }) => {
                if self.shown.is_empty() && !text.is_empty() {
                    self.firsts.push(at - start.as_seconds());
                }
                self.partials += 1;
                self.show(score::words(&text));
            }
            Output::Said(Said::Final { segment, utterance_end, .. }) => {
                self.show(score::words(&segment.text));
                self.shown.clear();
                self.finals.push((segment, utterance_end));
            }
            Output::Said(Said::Language { language, .. }) => self.languages.push(language),
            Output::Heard { heard, needed_from } => assert!(needed_from <= heard.max(1) + 20 * 16_000),
            Output::Done => self.is_done = true,
            Output::Failed { message, .. } => panic!("{message}"),
        }
    }

    fn show(&mut self, words: Vec<String>) {
        let kept = self.shown.iter().zip(&words).take_while(|(one, other)| one == other).count();
        self.taken_back += self.shown.len() - kept;
        self.shown = words;
    }

    fn text(&self) -> String {
        self.finals.iter().map(|(segment, _)| segment.text.clone()).collect::<Vec<_>>().join(" ")
    }

    fn erasure(&self) -> f64 {
        self.taken_back as f64 / score::words(&self.text()).len().max(1) as f64
    }
}

/// Replays samples in frames; the next comes when all that is wanted for those before is done.
fn replay(engine: &Engine, options: SessionOptions, samples: &[i16], frame: usize) -> Heard {
    let (outlet, mut outputs) = mpsc::unbounded_channel();
    let entry = catalog::model(bundled::ID).unwrap();
    let session = engine.join(Start { model: model(), entry, options, resumption: None }, outlet);
    let mut heard = Heard::default();
    let mut at = 0;
    for part in samples.chunks(frame) {
        session.hear(at, part);
        at += part.len() as u64;
        engine.settle();
        while let Ok(output) = outputs.try_recv() {
            heard.take(output, at as f64 / 16_000.0);
        }
    }
    session.stop();
    engine.settle();
    while let Ok(output) = outputs.try_recv() {
        heard.take(output, at as f64 / 16_000.0);
    }
    assert!(heard.is_done);
    let mut earlier = 0;
    for word in heard.finals.iter().flat_map(|(segment, _)| &segment.words) {
        assert!(earlier <= word.start.0 && word.start <= word.end, "{word:?}");
        earlier = word.start.0;
    }
    assert!(earlier <= at * 1000 / 16_000);
    heard
}

fn engine() -> Engine {
    Engine::start_at(1, Cadence::Every(CADENCE)).unwrap()
}

fn batch_text(path: &Path) -> String {
    let samples: Vec<f32> = clips::samples(path).iter().map(|sample| f32::from(*sample) / 32768.0).collect();
    let mut state = model().state().unwrap();
    let english = ChunkOptions::of(Language::parse("en").unwrap());
    let text = state.transcribe(&samples, &english, &StopFlag::default()).unwrap();
    let words = text.segments.iter().flat_map(|segment| &segment.words);
    words.map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// Every so many clips of the held-out set.
fn some_clips(step: usize) -> Vec<Clip> {
    clips::heldout().into_iter().step_by(step).collect()
}

/// Clips, each with silence behind it.
fn joined(clips: &[Clip], gap: f64) -> Vec<i16> {
    let mut samples = vec![0; 8000];
    for clip in clips {
        samples.extend(clips::samples(&clip.path()));
        samples.extend(std::iter::repeat_n(0, (gap * 16_000.0) as usize));
    }
    samples
}

#[test]
fn live_text_is_nearly_as_good_as_batch_text_and_what_is_shown_rarely_flips() {
    let engine = engine();
    let clips = some_clips(if steno_tests::is_long_run() { 1 } else { 9 });
    let mut batch = Score::default();
    for clip in &clips {
        batch.add(Score::of(&clip.text, &batch_text(&clip.path())));
    }
    let said = clips.iter().map(|clip| clip.text.as_str()).collect::<Vec<_>>().join(" ");
    for (gap, frame) in [(0.9, 320), (0.5, 1600), (0.2, 4096)] {
        let began = std::time::Instant::now();
        let samples = joined(&clips, gap);
        let heard = replay(&engine, options(Some("en")), &samples, frame);
        let live = Score::of(&said, &heard.text());
        let mut firsts = heard.firsts.clone();
        firsts.sort_by(f64::total_cmp);
        println!(
            "gap {gap} s, frames of {} ms: {:.1} % errors live, {:.1} % in batch; {} partials, erasure {:.2}, {} finals \
             for {} clips, first text after {:.2} s p50; {:.1} s of audio in {:.1} s",
            frame / 16,
            live.percent(),
            batch.percent(),
            heard.partials,
            heard.erasure(),
            heard.finals.len(),
            clips.len(),
            firsts.get(firsts.len() / 2).copied().unwrap_or_default(),
            samples.len() as f64 / 16_000.0,
            began.elapsed().as_secs_f64(),
        );
        assert!(live.percent() <= batch.percent() + 5.0, "{}\n{said}", heard.text());
        assert!(heard.erasure() < 0.4);
    }
}

#[test]
fn steps_of_loudness_and_noise_cost_no_words() {
    let engine = engine();
    let clips = some_clips(19);
    let said = clips.iter().map(|clip| clip.text.as_str()).collect::<Vec<_>>().join(" ");
    let at_level =
        |samples: Vec<i16>, gain: f32| samples.into_iter().map(move |s| (f32::from(s) * gain) as i16);
    let score = |name: &str, samples: &[i16]| {
        let heard = replay(&engine, options(Some("en")), samples, 1600);
        let score = Score::of(&said, &heard.text());
        println!(
            "{name}: {:.1} % errors, {} finals for {} clips",
            score.percent(),
            heard.finals.len(),
            clips.len()
        );
        score
    };
    let gap = || std::iter::repeat_n(0i16, 9600);
    let levels = |gains: [f32; 2]| {
        let each = clips.iter().zip(gains.into_iter().cycle());
        each.flat_map(|(clip, gain)| at_level(clips::samples(&clip.path()), gain).chain(gap()))
            .collect::<Vec<_>>()
    };
    let plain = score("one level", &levels([1.0, 1.0]));
    let mut seed = 1u32;
    let mut noise = |level: i32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) as i32 % (2 * level) - level
    };
    let mut noisy = levels([1.0, 1.0]);
    noisy.iter_mut().for_each(|sample| *sample = sample.saturating_add(noise(150) as i16));
    let hard = [
        ("all quiet", levels([0.03, 0.03])),
        ("loud and quiet in turn", levels([1.0, 0.06])),
        ("in soft noise", noisy),
    ];
    for (name, samples) in hard {
        let score = score(name, &samples);
        assert!(score.percent() <= plain.percent() + 12.0, "{name}");
    }
}

#[test]
fn what_is_not_speech_gives_no_text() {
    let engine = engine();
    for (name, path) in clips::not_speech() {
        let heard = replay(&engine, options(None), &clips::samples(&path), 1600);
        assert_eq!((heard.text(), heard.partials), (String::new(), 0), "{name}");
    }
}

#[test]
fn the_language_is_told_once_and_the_same_is_said_each_time() {
    let engine = engine();
    let clips = some_clips(17);
    let samples = joined(&clips, 0.7);
    let one = replay(&engine, options(None), &samples, 1600);
    assert_eq!(one.languages.iter().map(|language| language.code()).collect::<Vec<_>>(), ["en"]);
    let other = replay(&engine, options(None), &samples, 333);
    let texts = |heard: &Heard| heard.finals.iter().map(|(segment, _)| segment.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&one), texts(&other), "what stays does not depend on how the audio comes");
}
