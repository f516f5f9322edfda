//! What each step costs: for measuring, without a database or a queue.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use steno_runtime::Meter;
use steno_runtime::cost::{Cost, MemoryWatch, Stopwatch, anonymous_memory};
use steno_runtime::engine::{ChunkOptions, ChunkText, StopFlag};
use steno_runtime::models::{Loaded, Models};
use steno_runtime::speech::EarshotDetector;
use steno_shared::catalog::{self, Model};
use steno_shared::job::JobOptions;
use steno_shared::language::Language;
use steno_shared::object::LocalObject;
use steno_shared::time::{Millis, SAMPLE_RATE};
use steno_shared::transcript::Transcript;
use steno_whisper::{WhisperLoader, bundled};

use crate::chunk::Piece;
use crate::chunk::plan::Planner;
use crate::engine::Engine;
use crate::job::journal::NoJournal;
use crate::job::{Order, transcribe};
use crate::samples::Samples;
use crate::settings::{Bench, Settings};

/// What all of it cost.
#[derive(Debug, Serialize)]
struct Report {
    model: String,
    threads: usize,
    at_once: usize,
    /// How much was transcribed, in seconds.
    audio_s: f64,
    /// In how many chunks.
    chunks: usize,
    /// Loading the model.
    load_s: f64,
    /// Finding speech and cutting chunks, one file after the other.
    detection: Cost,
    /// All the rest, and on the clock also finding speech once more: spectrogram, encoder, decoder.
    transcription: Cost,
    /// The most memory that no file backs, in bytes, and the part of it that the model took when it was loaded.
    peak_memory: u64,
    model_memory: u64,
    /// With [`Bench::whole`] the text alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    transcripts: Vec<Value>,
}

/// Measures, and prints one JSON object.
///
/// # Errors
/// If the model or a file cannot be read, or the engine fails.
pub fn run(settings: &Settings, what: &Bench) -> anyhow::Result<()> {
    let watch = MemoryWatch::start();
    let language = what.language.as_deref().map(Language::parse).transpose()?;
    let folder = settings.worker.common.models();
    catalog::extend(&folder)?;
    bundled::install(&folder)?;
    let Some(entry) = catalog::model(&what.model) else {
        let known: Vec<_> = catalog::models().iter().map(|model| model.id.as_str()).collect();
        bail!("unknown model {:?}; there are {}", what.model, known.join(", "));
    };
    if !entry.is_installed(&folder) {
        bail!("the model {0} is not installed; `steno models pull {0}` installs it", entry.id);
    }
    let models = Models::new(folder, Arc::new(WhisperLoader));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let (before, began) = (anonymous_memory(), Instant::now());
        let model = models.get(&entry.id).await?;
        let bench = Setup {
            engine: Engine::start(settings.threads(cfg!(feature = "cuda")))?,
            model_memory: anonymous_memory().saturating_sub(before),
            load_s: began.elapsed().as_secs_f64(),
            model,
            entry,
            language,
        };
        if what.whole { bench.whole(what) } else { bench.pipeline(what).await }
    })?;
    let report = Report { peak_memory: watch.peak(), ..report };
    Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?)
}

/// What is measured with.
struct Setup {
    engine: Engine,
    entry: &'static Model,
    model: Arc<Loaded>,
    language: Option<Language>,
    load_s: f64,
    model_memory: u64,
}

impl Setup {
    fn report(&self, at_once: usize) -> Report {
        Report {
            model: self.entry.id.to_string(),
            threads: self.engine.threads(),
            at_once,
            audio_s: 0.0,
            chunks: 0,
            load_s: self.load_s,
            detection: Cost::default(),
            transcription: Cost::default(),
            peak_memory: 0,
            model_memory: self.model_memory,
            transcripts: Vec::new(),
        }
    }

    /// All files, as jobs have it.
    async fn pipeline(&self, what: &Bench) -> anyhow::Result<Report> {
        let at_once = what.at_once.get();
        let mut report = self.report(at_once);
        let files = what.files.iter().map(|file| Ok(Arc::new(open(file)?)));
        let files = files.collect::<anyhow::Result<Vec<_>>>()?;
        let jobs: Vec<_> = files.iter().cycle().take(files.len().max(at_once)).cloned().collect();
        let detecting = Stopwatch::start();
        for samples in &jobs {
            report.audio_s += Millis::of_samples(samples.count()).as_seconds();
            report.chunks += self.chunks(samples)?;
        }
        report.detection = detecting.cost();
        let transcribing = Stopwatch::start();
        let transcripts = jobs.into_iter().map(|samples| self.transcript(samples));
        let transcripts: Vec<_> = stream::iter(transcripts).buffered(at_once).try_collect().await?;
        report.transcription = transcribing.cost();
        // Speech was found on the way once more.
        let text = report.transcription.cpu_s - report.detection.cpu_s;
        report.transcription.cpu_s = text.max(0.0);
        if what.transcripts {
            let values = transcripts.iter().map(serde_json::to_value);
            report.transcripts = values.collect::<Result<_, _>>()?;
        }
        Ok(report)
    }

    fn chunks(&self, samples: &Arc<Samples>) -> anyhow::Result<usize> {
        let longest = u64::from(self.entry.chunk_seconds * SAMPLE_RATE);
        let planner = Planner::new(Arc::clone(samples), EarshotDetector::boxed(), longest);
        Ok(planner.collect::<Result<Vec<_>, _>>()?.len())
    }

    async fn transcript(&self, samples: Arc<Samples>) -> anyhow::Result<Transcript> {
        let order = Order {
            options: JobOptions {
                model: self.entry.id.clone(),
                language: self.language,
                ..JobOptions::default()
            },
            entry: self.entry,
            model: Arc::clone(&self.model),
            duration: Millis::of_samples(samples.count()),
            channels: vec![samples],
            warnings: Vec::new(),
            file_name: None,
        };
        Ok(transcribe(order, &self.engine, EarshotDetector::boxed, &NoJournal, &Meter::default()).await?)
    }

    /// All files one after the other, each given to the engine as it is.
    fn whole(&self, what: &Bench) -> anyhow::Result<Report> {
        let mut report = self.report(1);
        let mut state = self.model.state()?;
        let language = self.language.context("--whole needs --language")?;
        let options = ChunkOptions::of(language);
        let transcribing = Stopwatch::start();
        for file in &what.files {
            let samples = open(file)?;
            let joined = samples.join(&[Piece { start: 0, end: samples.count() }])?;
            let text = state.transcribe(&joined, &options, &StopFlag::default())?;
            report.audio_s += Millis::of_samples(samples.count()).as_seconds();
            report.chunks += 1;
            if what.transcripts {
                report.transcripts.push(json!({"text": plain(&text)}));
            }
        }
        report.transcription = transcribing.cost();
        Ok(report)
    }
}

/// The words with a space between them.
fn plain(text: &ChunkText) -> String {
    let words = text.segments.iter().flat_map(|segment| &segment.words);
    words.map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// The header of a WAV file is 22 samples, which does no harm.
fn open(file: &Path) -> anyhow::Result<Samples> {
    Samples::open(LocalObject::in_place(file.to_owned()))
        .with_context(|| format!("cannot open {}", file.display()))
}
