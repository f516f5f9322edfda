//! `steno bench`: what this machine makes of a recording, stage by stage.
//!
//! The workers measure themselves, as processes of their own without a database or a queue; what they say is put
//! together here.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use steno_shared::job::Lane;
use tempfile::TempDir;
use tokio::process::Command;

use super::error::{CommandError, Json, Written};
use super::{output, text};

/// What is measured unless another recording is named.
const RECORDING: &[u8] = include_bytes!("../../../models/demo/briefing.flac");
const RECORDING_NAME: &str = "briefing.flac";
/// What the shell sees of Ctrl-C.
const INTERRUPTED: u8 = 130;

/// What `steno bench` takes.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = AFTER)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) json: Json,

    /// A recording, best of some minutes [default: a conversation of 36 s]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// An installed model
    #[arg(long, value_name = "ID", default_value = "mini")]
    model: String,

    /// The language spoken [default: detected]
    #[arg(long, value_name = "CODE")]
    language: Option<String>,

    /// Numbers of decoding threads to measure, separated by commas [default: 1 and one per core]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    threads: Vec<NonZeroUsize>,

    /// How many files are transcribed at once, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1")]
    at_once: Vec<NonZeroUsize>,

    /// Folder that holds everything
    #[arg(long, env = "STENO_DATA", value_name = "DIR", default_value = "data")]
    data: PathBuf,

    /// Folder of the installed models; `DATA/models` unless set
    #[arg(long, env = "STENO_MODELS", value_name = "DIR")]
    models: Option<PathBuf>,
}

const AFTER: &str = "\
The columns: seconds of audio for each second of processor time, which hardly depends on what else the machine does;
seconds of audio for each second on the clock, which does, and the load average says how busy it is; the most
memory that no file backs, and the part of it that the model took when it was loaded. A recording that is shorter
than the model's chunks times the threads cannot keep them all busy: then give --at-once a larger number.

  steno bench talk.mp3 --model small --threads 1,2,4
  steno bench --at-once 1,4 --json";

/// One line of the table.
#[derive(Debug)]
struct Row {
    stage: &'static str,
    /// Decoding threads and files at once, where that makes a difference.
    setup: Option<(u64, u64)>,
    audio_s: f64,
    cpu_s: f64,
    wall_s: f64,
    /// Peak and model, in bytes.
    memory: Option<(u64, u64)>,
}

/// Measures, and prints it.
///
/// # Errors
/// If the recording cannot be decoded, or the model is not installed.
pub(crate) async fn run(arguments: &Bench) -> Result<(), CommandError> {
    let measured = tokio::select! {
        measured = measure(arguments) => measured?,
        // The workers are gone with their handles, the folder with its own.
        _ = tokio::signal::ctrl_c() => return Err(CommandError::Said(INTERRUPTED)),
    };
    let load = load_average();
    match Written::by(&arguments.json) {
        Written::Json => output::print_document(&document(arguments, &load, &measured)),
        Written::Text => output::print(&table(arguments, &load, &measured)),
    }
}

async fn measure(arguments: &Bench) -> anyhow::Result<Vec<Row>> {
    let folder = TempDir::with_prefix("steno-bench-").context("cannot make a folder for the samples")?;
    let file = match &arguments.file {
        Some(file) => file.clone(),
        None => {
            let file = folder.path().join(RECORDING_NAME);
            std::fs::write(&file, RECORDING).context("cannot write the recording")?;
            file
        }
    };
    let mut intake = worker(Lane::Intake)?;
    let intake = said(intake.arg("bench").arg("--store").arg(folder.path()).arg("--").arg(&file)).await?;
    let audio_s = number(&intake["audio_s"]);
    let mut rows = vec![Row::of("intake", audio_s, &intake["decoding"])];
    let samples = intake["samples"].as_str().context("the intake worker has told of no samples")?;
    for threads in arguments.threads() {
        for at_once in &arguments.at_once {
            let report = transcription(arguments, Path::new(samples), [threads, *at_once]).await?;
            let audio_s = number(&report["audio_s"]);
            if rows.len() == 1 {
                rows.push(Row::of("speech detection", audio_s, &report["detection"]));
            }
            let memory = |name: &str| report[name].as_u64().unwrap_or(0);
            rows.push(Row {
                setup: Some((threads.get() as u64, at_once.get() as u64)),
                memory: Some((memory("peak_memory"), memory("model_memory"))),
                ..Row::of("transcription", audio_s, &report["transcription"])
            });
        }
    }
    Ok(rows)
}

/// One run of the transcriber.
async fn transcription(
    arguments: &Bench,
    samples: &Path,
    [threads, at_once]: [NonZeroUsize; 2],
) -> anyhow::Result<Value> {
    let models = arguments.models.clone().unwrap_or_else(|| arguments.data.join("models"));
    let mut command = worker(Lane::Transcribe)?;
    command.arg("--models").arg(models).arg(format!("--threads={threads}")).arg("bench");
    command.arg(format!("--model={}", arguments.model)).arg(format!("--at-once={at_once}"));
    if let Some(language) = &arguments.language {
        command.arg(format!("--language={language}"));
    }
    said(command.arg("--").arg(samples)).await
}

/// A worker's executable, which lies beside this one.
fn worker(lane: Lane) -> anyhow::Result<Command> {
    let own = std::env::current_exe().context("cannot find the folder of the executables")?;
    let path = own.with_file_name(lane.program());
    if !path.is_file() {
        bail!("{} is missing; build all of it: cargo build --release --workspace", path.display());
    }
    Ok(Command::new(path))
}

/// What a worker prints, or why it failed.
async fn said(command: &mut Command) -> anyhow::Result<Value> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.context("cannot start a worker")?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        // How the workers say why they end.
        let reason = |line: &str| {
            let prefixes = ["Error: ", "steno-intake: "].iter();
            prefixes.filter_map(|prefix| line.strip_prefix(prefix)).next().map(str::to_owned)
        };
        let reason = words.lines().find_map(reason);
        bail!("{}", reason.unwrap_or_else(|| format!("a worker has failed: {}", words.trim())));
    }
    serde_json::from_slice(&output.stdout).context("a worker has said what nobody understands")
}

impl Bench {
    /// As asked for, or one and as many as the machine has cores.
    fn threads(&self) -> Vec<NonZeroUsize> {
        if !self.threads.is_empty() {
            return self.threads.clone();
        }
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let mut threads = vec![NonZeroUsize::MIN, cores];
        threads.dedup();
        threads
    }

    fn recording(&self) -> String {
        self.file.as_ref().map_or_else(|| RECORDING_NAME.to_owned(), |file| file.display().to_string())
    }
}

impl Row {
    fn of(stage: &'static str, audio_s: f64, cost: &Value) -> Self {
        let (cpu_s, wall_s) = (number(&cost["cpu_s"]), number(&cost["wall_s"]));
        Self { stage, setup: None, audio_s, cpu_s, wall_s, memory: None }
    }

    fn cells(&self) -> [String; 7] {
        let mebibytes = |bytes: u64| format!("{} MiB", bytes >> 20);
        let of_setup =
            |value: fn((u64, u64)) -> u64| self.setup.map_or_else(String::new, |s| value(s).to_string());
        [
            self.stage.to_owned(),
            of_setup(|(threads, _)| threads),
            of_setup(|(_, at_once)| at_once),
            rate(self.audio_s, self.cpu_s),
            rate(self.audio_s, self.wall_s),
            self.memory.map_or_else(String::new, |(peak, _)| mebibytes(peak)),
            self.memory.map_or_else(String::new, |(_, model)| mebibytes(model)),
        ]
    }

    fn document(&self) -> Value {
        let mut document = json!({
            "stage": self.stage.replace(' ', "_"),
            "audio_s": self.audio_s,
            "cpu_s": self.cpu_s,
            "wall_s": self.wall_s,
            "audio_s_per_cpu_s": ratio(self.audio_s, self.cpu_s),
            "audio_s_per_wall_s": ratio(self.audio_s, self.wall_s),
        });
        if let Some((threads, at_once)) = self.setup {
            document["threads"] = threads.into();
            document["at_once"] = at_once.into();
        }
        if let Some((peak, model)) = self.memory {
            document["peak_memory_bytes"] = peak.into();
            document["model_memory_bytes"] = model.into();
        }
        document
    }
}

fn document(arguments: &Bench, load: &[f64], rows: &[Row]) -> Value {
    json!({
        "recording": arguments.recording(),
        "model": arguments.model,
        "cores": std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        "load_average": load,
        "stages": rows.iter().map(Row::document).collect::<Vec<_>>(),
    })
}

fn table(arguments: &Bench, load: &[f64], rows: &[Row]) -> String {
    let load: Vec<_> = load.iter().map(|load| format!("{load:.2}")).collect();
    let about = text::list(&[
        ("recording", arguments.recording()),
        ("length", text::clock(rows.first().map_or(0.0, |row| row.audio_s))),
        ("model", arguments.model.clone()),
        ("load average", load.join(" ")),
    ]);
    let headings = ["stage", "threads", "files", "audio s/CPU s", "audio s/s", "memory", "of it the model"];
    let cells: Vec<_> = rows.iter().map(Row::cells).collect();
    format!("{about}\n{}", text::table(headings, &cells))
}

/// Of the last 1, 5 and 15 minutes; empty where nobody tells.
fn load_average() -> Vec<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).filter_map(|load| load.parse().ok()).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

/// None if it took no time that a clock shows.
fn ratio(audio_s: f64, seconds: f64) -> Option<f64> {
    (seconds > 0.0).then(|| (audio_s / seconds * 10.0).round() / 10.0)
}

fn rate(audio_s: f64, seconds: f64) -> String {
    ratio(audio_s, seconds).map_or_else(String::new, |ratio| format!("{ratio:.1}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let setup = Some((2, 4));
        let memory = Some((200 << 20, 20 << 20));
        Row { stage: "speech detection", setup, audio_s: 60.0, cpu_s: 2.0, wall_s: 0.0, memory }
    }

    #[test]
    fn what_took_no_time_has_no_rate() {
        let cells = row().cells();
        assert_eq!(cells, ["speech detection", "2", "4", "30.0", "", "200 MiB", "20 MiB"]);
        let document = row().document();
        assert_eq!(document["stage"], "speech_detection");
        assert_eq!(
            (&document["audio_s_per_cpu_s"], &document["audio_s_per_wall_s"]),
            (&json!(30.0), &Value::Null)
        );
    }
}
