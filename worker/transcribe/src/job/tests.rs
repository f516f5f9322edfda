//! Whole jobs, with an engine that says what the test wants it to.

use std::path::Path;
use std::slice::from_ref;
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use steno_runtime::Meter;
use steno_runtime::engine::{
    ChunkOptions, ChunkText, Decoding, EngineError, StopFlag, TextSegment, TextWord, Transcriber,
    TranscriberModel,
};
use steno_runtime::models::{ModelLoader, Models};
use steno_runtime::speech::EarshotDetector;
use steno_shared::catalog::{self, Model, ModelId};
use steno_shared::job::{JobOptions, Replacement, Temperature};
use steno_shared::language::Language;
use steno_shared::object::LocalObject;
use steno_shared::store::ChunkRecord;
use steno_shared::time::{Millis, SAMPLE_RATE};
use steno_shared::transcript::{Transcript, WarningCode};
use steno_whisper::bundled;

use super::journal::{Journal, NoJournal};
use super::{Order, transcribe};
use crate::engine::Engine;
use crate::samples::Samples;

/// What the engine was asked, in the order of asking.
type Asked = Arc<Mutex<Vec<ChunkOptions>>>;
type Says = dyn Fn(&[f32], &ChunkOptions) -> ChunkText + Send + Sync;
type Hears = dyn Fn(&[f32]) -> (&'static str, f64) + Send + Sync;

/// An engine that follows a script.
#[derive(Clone)]
struct Script {
    says: Arc<Says>,
    hears: Arc<Hears>,
    asked: Asked,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl Script {
    fn new(says: impl Fn(&[f32], &ChunkOptions) -> ChunkText + Send + Sync + 'static) -> Self {
        Self { says: Arc::new(says), hears: Arc::new(|_| ("en", 0.95)), asked: Asked::default() }
    }

    fn asked(&self) -> Vec<ChunkOptions> {
        self.asked.lock().unwrap().clone()
    }
}

impl ModelLoader for Script {
    fn load(&self, _: &Path, _: &Model) -> Result<Arc<dyn TranscriberModel>, EngineError> {
        Ok(Arc::new(self.clone()))
    }
}

impl TranscriberModel for Script {
    fn open(&self) -> Result<Box<dyn Transcriber>, EngineError> {
        Ok(Box::new(self.clone()))
    }
}

impl Transcriber for Script {
    fn detect_language(&mut self, samples: &[f32], _: &StopFlag) -> Result<(Language, f64), EngineError> {
        let (code, probability) = (self.hears)(samples);
        Ok((Language::parse(code).unwrap(), probability))
    }

    fn transcribe(
        &mut self,
        samples: &[f32],
        options: &ChunkOptions,
        _: &StopFlag,
    ) -> Result<ChunkText, EngineError> {
        self.asked.lock().unwrap().push(options.clone());
        Ok((self.says)(samples, options))
    }
}

/// Words evenly over `from` to `to` seconds.
fn words(text: &str, from: f64, to: f64) -> ChunkText {
    let count = text.split_whitespace().count().max(1) as f64;
    let at = |number: f64| Millis::of_seconds(from + (to - from) * number / count);
    let word = |(number, text): (usize, &str)| TextWord {
        text: text.to_owned(),
        spaced: true,
        start: at(number as f64),
        end: at(number as f64 + 1.0),
        log_probability: -0.1,
        tokens: 1,
    };
    let words = text.split_whitespace().enumerate().map(word).collect();
    let segment = TextSegment { start: at(0.0), end: at(count), words };
    ChunkText { segments: vec![segment], no_speech_probability: 0.0 }
}

/// Words evenly over a chunk.
fn all_over(text: &str, samples: &[f32]) -> ChunkText {
    words(text, 0.0, seconds(samples))
}

fn seconds(samples: &[f32]) -> f64 {
    samples.len() as f64 / f64::from(SAMPLE_RATE)
}

/// Whether a chunk is of [`soft`] speech.
fn is_soft(samples: &[f32]) -> bool {
    samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs())) < 0.2
}

/// Some three seconds of speech, which has its peak near 1.
fn speech() -> Vec<i16> {
    static SPEECH: OnceLock<Vec<i16>> = OnceLock::new();
    let speech = SPEECH.get_or_init(|| {
        let clips = steno_tests::clips::heldout();
        let clip = clips.iter().find(|clip| clip.seconds > 3.0).unwrap();
        let samples = steno_tests::clips::samples(&clip.path());
        let peak = samples.iter().map(|sample| i32::from(sample.unsigned_abs())).max().unwrap();
        samples.into_iter().map(|sample| (i32::from(sample) * 30_000 / peak) as i16).collect()
    });
    speech.clone()
}

/// The same, softer.
fn soft() -> Vec<i16> {
    speech().into_iter().map(|sample| sample / 6).collect()
}

fn silence(seconds: f64) -> Vec<i16> {
    vec![0; (seconds * f64::from(SAMPLE_RATE)) as usize]
}

/// Keeps chunks in memory.
#[derive(Debug, Default)]
struct Memory(Mutex<Vec<ChunkRecord>>);

#[async_trait]
impl Journal for Memory {
    async fn entries(&self) -> Vec<ChunkRecord> {
        self.0.lock().unwrap().clone()
    }

    async fn keep(&self, record: ChunkRecord) -> bool {
        let mut entries = self.0.lock().unwrap();
        entries.retain(|entry| entry.start != record.start);
        entries.push(record);
        true
    }
}

/// A job on channels of equal length, whose media is as long, unless the options have a window.
async fn done(
    script: &Script,
    options: JobOptions,
    channels: &[Vec<i16>],
    journal: &dyn Journal,
) -> Transcript {
    done_of(script, options, channels, journal, None).await
}

async fn done_of(
    script: &Script,
    options: JobOptions,
    channels: &[Vec<i16>],
    journal: &dyn Journal,
    duration: Option<Millis>,
) -> Transcript {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        bundled::install(folder.path()).unwrap();
        folder
    });
    let models = Models::new(folder.path().to_owned(), Arc::new(script.clone()));
    let model = models.get(&ModelId::from(bundled::ID)).await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let frames = channels[0].len();
    let samples: Vec<u8> =
        (0..frames).flat_map(|at| channels.iter().flat_map(move |own| own[at].to_le_bytes())).collect();
    std::fs::write(file.path(), samples).unwrap();
    let samples = Samples::open(LocalObject::in_place(file.path().to_owned())).unwrap();
    let order = Order {
        options,
        entry: catalog::model(bundled::ID).unwrap(),
        model,
        channels: samples.split(channels.len() as u16).into_iter().map(Arc::new).collect(),
        duration: duration.unwrap_or(Millis::of_samples(frames as u64)),
        warnings: Vec::new(),
        file_name: None,
    };
    let engine = Engine::start(2).unwrap();
    let meter = Meter::default();
    let heard = order.options.heard_of(order.duration);
    let transcript = transcribe(order, &engine, EarshotDetector::boxed, journal, &meter).await.unwrap();
    assert_eq!(transcript.check(), Ok(()));
    assert_eq!((meter.progress().done, meter.progress().total), (heard, Some(heard)));
    transcript
}

fn codes(transcript: &Transcript) -> Vec<WarningCode> {
    transcript.warnings.iter().map(|warning| warning.code).collect()
}

fn english() -> JobOptions {
    JobOptions { language: Language::parse("en").ok(), ..JobOptions::default() }
}

#[tokio::test]
async fn a_prompt_reaches_the_engine_and_its_echo_does_not_reach_the_text() {
    let script = Script::new(|samples, options| match &options.prompt {
        Some(prompt) => {
            let mut echo = all_over(prompt.text(), samples);
            echo.no_speech_probability = 0.9;
            echo
        }
        None => all_over("what was really said", samples),
    });
    let mut options = english();
    options.text.prompt = Some("The board of Meridian met.".to_owned());
    options.text.keywords = vec!["Ana Silva".to_owned()];
    let transcript = done(&script, options, &[speech()], &NoJournal).await;
    assert_eq!(transcript.text, "what was really said");
    let prompts: Vec<_> =
        script.asked().into_iter().map(|asked| asked.prompt.map(|prompt| prompt.text().to_owned())).collect();
    assert_eq!(prompts, [Some("Glossary: Ana Silva. The board of Meridian met.".to_owned()), None]);
}

#[tokio::test]
async fn the_temperature_reaches_the_engine_and_a_loop_is_tried_again_more_freely() {
    let script = Script::new(|samples, options| match options.decoding {
        Decoding::Sampled(temperature) if temperature.as_f32() > 0.5 => all_over("it ends", samples),
        _ => all_over(&"so it goes on ".repeat(12), samples),
    });
    let mut options = english();
    options.text.temperature = Temperature::of(0.2);
    let transcript = done(&script, options, &[speech()], &NoJournal).await;
    assert_eq!((transcript.text.as_str(), codes(&transcript)), ("it ends", vec![]));
    let decodings: Vec<_> = script.asked().into_iter().map(|asked| asked.decoding).collect();
    let sampled = |temperature| Decoding::Sampled(Temperature::of(temperature).unwrap());
    assert_eq!(decodings, [sampled(0.2), sampled(0.6)]);
}

#[tokio::test]
async fn whatever_is_left_out_is_listed_with_its_reason() {
    // Speech for nine seconds, of which the model writes the first three; it is sure that nobody speaks after that.
    let file = [speech(), speech(), speech()].concat();
    let heard = |nobody: f64| {
        Script::new(move |samples, _| {
            if seconds(samples) > 7.0 {
                words("the first words", 0.3, 3.0)
            } else {
                ChunkText { segments: Vec::new(), no_speech_probability: nobody }
            }
        })
    };
    let transcript = done(&heard(0.9), english(), from_ref(&file), &NoJournal).await;
    assert_eq!(codes(&transcript), [WarningCode::NotSpeech]);
    let about = &transcript.warnings[0];
    assert!(about.start.unwrap() >= Millis(2500) && about.end.unwrap() > Millis(7000), "{about:?}");
    assert!(transcript.speech_seconds < Millis(5000), "{}", transcript.speech_seconds);

    let transcript = done(&heard(0.1), english(), from_ref(&file), &NoJournal).await;
    assert_eq!(codes(&transcript), [WarningCode::Untranscribed]);
    assert!(transcript.transcribed_seconds + Millis(2000) < transcript.speech_seconds);

    // Nothing at all: the whole is no speech, which is said once.
    let nobody = Script::new(|_, _| ChunkText { segments: Vec::new(), no_speech_probability: 0.9 });
    let transcript = done(&nobody, english(), &[speech()], &NoJournal).await;
    assert_eq!(codes(&transcript), [WarningCode::NoSpeech]);
}

#[tokio::test]
async fn the_language_changes_between_sentences_and_is_kept_with_them() {
    let mut script = Script::new(|samples, options| {
        all_over(if options.language.code() == "es" { "hola a todos" } else { "hello everybody" }, samples)
    });
    script.hears = Arc::new(|samples: &[f32]| if is_soft(samples) { ("es", 0.9) } else { ("en", 0.95) });
    let file = [speech(), silence(1.6), soft(), silence(1.6), soft(), silence(1.6), speech()].concat();
    let mut options = JobOptions::default();
    options.text.multilingual = true;
    let journal = Memory::default();
    let transcript = done(&script, options.clone(), from_ref(&file), &journal).await;
    let spoken: Vec<_> = transcript
        .segments
        .iter()
        .map(|segment| (segment.language.as_deref().unwrap(), segment.text.as_str()))
        .collect();
    let (hello, hola) = (("en", "hello everybody"), ("es", "hola a todos"));
    assert_eq!(spoken, [hello, hola, hola, hello]);
    assert!(transcript.language_probability > 0.85);

    // A successor finds each chunk with its language.
    let asked = script.asked().len();
    let again = done(&script, options.clone(), from_ref(&file), &journal).await;
    assert_eq!((again, script.asked().len()), (transcript, asked));

    // A language that is given is the language of all.
    options.language = Language::parse("es").ok();
    let given = done(&script, options, from_ref(&file), &NoJournal).await;
    assert!(given.segments.iter().all(|segment| segment.language.as_deref() == Some("es")), "{given:?}");

    // Without the option there is one language, and no segment says it.
    let one = done(&script, JobOptions::default(), from_ref(&file), &NoJournal).await;
    assert_eq!(one.language, "en");
    assert!(one.segments.iter().all(|segment| segment.language.is_none()));
}

#[tokio::test]
async fn channels_are_transcribed_each_by_itself_and_merged() {
    let script =
        Script::new(|samples, _| all_over(if is_soft(samples) { "two two" } else { "one one" }, samples));
    let first = [speech(), silence(9.0), speech(), silence(9.0)].concat();
    let mut second = [silence(7.0), soft(), silence(9.0), soft()].concat();
    second.resize(first.len(), 0);
    let options = JobOptions { diarize: true, ..english() };
    let journal = Memory::default();
    let transcript = done(&script, options.clone(), &[first.clone(), second.clone()], &journal).await;
    let said: Vec<_> = transcript
        .segments
        .iter()
        .map(|segment| (segment.text.as_str(), segment.channel, segment.speaker.as_deref().unwrap()))
        .collect();
    let (one, two) = (("one", Some(1), "Speaker 1"), ("two", Some(2), "Speaker 2"));
    assert_eq!(said, [one, two, one, two], "{transcript:?}");
    assert_eq!((transcript.text.as_str(), codes(&transcript)), ("one two one two", vec![]));
    assert_eq!(transcript.speakers, ["Speaker 1", "Speaker 2"]);

    let asked = script.asked().len();
    let again = done(&script, options, &[first, second], &journal).await;
    assert_eq!(
        (again, script.asked().len()),
        (transcript, asked),
        "every chunk was kept, under a key of its own"
    );
}

#[tokio::test]
async fn a_window_has_the_times_of_the_whole_file() {
    let script = Script::new(|samples, _| all_over("some words", samples));
    let mut options = english();
    options.media.from = Some(Millis(60_000));
    options.media.until = Some(Millis(66_000));
    options.text.replace = vec![Replacement { find: "some".into(), with: "a few".into() }];
    let mut window = [silence(1.0), speech()].concat();
    window.resize(6 * SAMPLE_RATE as usize, 0);
    let transcript = done_of(&script, options, &[window], &NoJournal, Some(Millis(120_000))).await;
    assert_eq!((transcript.duration, transcript.text.as_str()), (Millis(120_000), "a few words"));
    let segment = &transcript.segments[0];
    assert!(segment.start >= Millis(60_800) && segment.end <= Millis(66_000), "{segment:?}");
    assert!(segment.words[0].start >= segment.start && segment.words.len() == 3);
}

#[tokio::test]
async fn a_sentence_for_chunk_after_chunk_is_cut_and_kept_that_way() {
    let script = Script::new(|samples, _| {
        let mut text = all_over("Thanks.", samples);
        text.segments[0].words[0].log_probability = -0.9;
        text
    });
    let file = [speech(), silence(1.0)].concat().repeat(5);
    // One chunk for each.
    let mut options = JobOptions::default();
    options.text.multilingual = true;
    let journal = Memory::default();
    let transcript = done(&script, options.clone(), from_ref(&file), &journal).await;
    assert_eq!(transcript.text, "Thanks. Thanks.");
    assert_eq!(codes(&transcript), [WarningCode::Repetition]);
    let about = &transcript.warnings[0];
    assert!(about.end.unwrap().since(about.start.unwrap()) > Millis(9000), "three clips: {about:?}");
    let told = journal.entries().await.into_iter().filter(|record| !record.segments().is_empty()).count();
    assert_eq!(told, 2, "who follows the job is not told of what was cut");
    let asked = script.asked().len();
    let again = done(&script, options, from_ref(&file), &journal).await;
    assert_eq!((again, script.asked().len()), (transcript, asked));
}
