//! Steno beside whisper.cpp's own server, with the same model, the same file, the same settings of the decoder and
//! as many threads: end to end, over HTTP, in turns.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::Value;
use steno_shared::job::Lane;
use steno_tests::client::form;
use steno_tests::process::Process;
use steno_tests::world::{Plan, SOON, World};
use steno_tests::{clips, scripted_model, wait};

use crate::{cpu, load};

/// Silence around the speech of a clip of the held-out set, of which this much is cut off, in samples.
const CUT_BEFORE: usize = 4000;
const CUT_AFTER: usize = 5600;
/// Clips between two pauses: about ten seconds of speech.
const CLIPS_IN_A_ROW: usize = 4;
/// How much of a recording is silence, in the one and in the other.
const SILENCES: [f64; 2] = [0.0, 0.3];
const AT_ONCE: [usize; 2] = [1, 4];

/// How to compare.
#[derive(Debug, clap::Args)]
pub(crate) struct Beside {
    /// Sizes of scripted models, by the names of models/scripted
    #[arg(value_name = "SIZE", default_values = ["tiny", "base"])]
    sizes: Vec<String>,

    /// whisper.cpp's server, by its path or its name on PATH
    #[arg(long, value_name = "PROGRAM", default_value = "whisper-server")]
    server: PathBuf,

    /// Length of the recording in seconds
    #[arg(long, default_value = "120")]
    seconds: f64,

    /// How often each is measured
    #[arg(long, default_value = "5")]
    rounds: usize,

    /// Threads of each server [default: one per core]
    #[arg(long)]
    threads: Option<usize>,
}

/// What a server took for some requests, in seconds.
#[derive(Debug, Clone, Copy)]
struct Took {
    wall: f64,
    cpu: f64,
}

/// A server that is measured.
trait Server {
    async fn transcribe(&self, file: &Path);
    fn cpu(&mut self) -> f64;
}

struct Ours {
    world: World,
    /// How a text of the model begins.
    said: String,
}

struct Theirs {
    process: Process,
    address: String,
}

/// Compares, and prints a table.
pub(crate) async fn run(what: &Beside) {
    if Command::new(&what.server).arg("--help").output().is_err() {
        println!("skipped: there is no {} on PATH", what.server.display());
        return;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = what.threads.unwrap_or(cores);
    println!(
        "{threads} threads each on {cores} cores, {:.0} s of audio, {} rounds",
        what.seconds, what.rounds
    );
    println!(
        "| model | silence | files at once | ours, audio s/s | theirs | ratio | (from, to) | ours, audio s/CPU s | theirs | ratio | load |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for size in &what.sizes {
        let folder = tempfile::TempDir::new().unwrap();
        let model = folder.path().join("model.bin");
        let said = scripted_model::make(size, &[], &model).unwrap().segments[0].text.clone();
        let mut ours = Ours::start(&model, threads, said).await;
        let mut theirs = Theirs::start(what, &model, threads, folder.path()).await;
        for silence in SILENCES {
            let file = folder.path().join("talk.wav");
            recording(what.seconds, silence, &file);
            // The first request opens decoding states.
            measure(&mut ours, &file, 2).await;
            measure(&mut theirs, &file, 1).await;
            for at_once in AT_ONCE {
                let mut rounds = Vec::new();
                for round in 0..what.rounds {
                    rounds.push(if round % 2 == 0 {
                        let one = measure(&mut ours, &file, at_once).await;
                        (one, measure(&mut theirs, &file, at_once).await)
                    } else {
                        let other = measure(&mut theirs, &file, at_once).await;
                        (measure(&mut ours, &file, at_once).await, other)
                    });
                }
                let audio = what.seconds * at_once as f64;
                println!("| {size} | {:.0} % | {at_once} | {} |", silence * 100.0, row(audio, &rounds));
            }
        }
    }
}

/// The figures of some rounds: medians, and the ratio round by round, so that both had the same neighbours.
fn row(audio: f64, rounds: &[(Took, Took)]) -> String {
    let rates = |of: fn(&(Took, Took)) -> f64| median(rounds.iter().map(|round| audio / of(round)).collect());
    let ratios =
        |of: fn(&Took) -> f64| sorted(rounds.iter().map(|(one, other)| of(other) / of(one)).collect());
    let (wall, work) = (ratios(|took| took.wall), ratios(|took| took.cpu));
    format!(
        "{:.1} | {:.1} | **{:.2}** | ({:.2}, {:.2}) | {:.1} | {:.1} | {:.2} | {}",
        rates(|(ours, _)| ours.wall),
        rates(|(_, theirs)| theirs.wall),
        median(wall.clone()),
        wall[0],
        wall[wall.len() - 1],
        rates(|(ours, _)| ours.cpu),
        rates(|(_, theirs)| theirs.cpu),
        median(work),
        load()
    )
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: Vec<f64>) -> f64 {
    let values = sorted(values);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

async fn measure(server: &mut impl Server, file: &Path, at_once: usize) -> Took {
    let (before, began) = (server.cpu(), Instant::now());
    join_all((0..at_once).map(|_| server.transcribe(file))).await;
    let wall = began.elapsed().as_secs_f64();
    Took { wall, cpu: server.cpu() - before }
}

impl Ours {
    async fn start(model: &Path, threads: usize, said: String) -> Self {
        let plan = Plan::default().set("STENO_THREADS", &threads.to_string());
        let world = plan.set("STENO_LOG", "warn,steno_api::serve=info").start().await;
        scripted_model::install(&world, model);
        let ours = Self { world, said };
        wait::until("the model to be offered", SOON, async || {
            let models = ours.world.client().get("/v1/models").await.ok();
            let ids: Vec<_> = models["models"].as_array()?.iter().map(|model| &model["id"]).collect();
            ids.contains(&&Value::from(scripted_model::ID)).then_some(())
        })
        .await;
        ours
    }
}

impl Server for Ours {
    async fn transcribe(&self, file: &Path) {
        let fields = [("model", scripted_model::ID), ("language", "en"), ("diarize", "false")];
        let transcript = self.world.client().transcribe_file(file, &fields).await.ok();
        let text = transcript["text"].as_str().unwrap();
        assert!(text.starts_with(&self.said), "{text}");
    }

    fn cpu(&mut self) -> f64 {
        let workers = [Lane::Intake, Lane::Transcribe].map(|lane| self.world.worker(lane).id());
        cpu(self.world.api().id()) + workers.map(cpu).iter().sum::<f64>()
    }
}

impl Theirs {
    async fn start(what: &Beside, model: &Path, threads: usize, folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(&what.server);
        command.args(["--port", &port.to_string(), "--threads", &threads.to_string(), "--model"]).arg(model);
        // As ours: greedy, no second tries, no text carried over, the language given.
        command.args(["--beam-size", "1", "--no-fallback", "--max-context", "0", "--language", "en"]);
        let logs = folder.join("logs");
        std::fs::create_dir(&logs).unwrap();
        let process = Process::start("whisper-server", command, &logs);
        let theirs = Self { process, address: format!("127.0.0.1:{port}") };
        wait::until("whisper-server to listen", Duration::from_secs(120), async || {
            tokio::net::TcpStream::connect(&theirs.address).await.ok().map(drop)
        })
        .await;
        theirs
    }
}

impl Server for Theirs {
    async fn transcribe(&self, file: &Path) {
        let request = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = request.post(format!("http://{}/inference", self.address));
        let answer = request.multipart(form(file, &[("response_format", "json")])).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert!(answer["text"].as_str().is_some_and(|text| text.len() > 100), "{answer}");
    }

    fn cpu(&mut self) -> f64 {
        cpu(self.process.id())
    }
}

/// Speech of so many seconds, of which a share is silence: a pause after each few clips.
fn recording(seconds: f64, silence: f64, file: &Path) {
    let total = (seconds * 16_000.0) as usize;
    let mut samples: Vec<i16> = Vec::with_capacity(total);
    for group in clips::heldout().chunks(CLIPS_IN_A_ROW).cycle() {
        let begin = samples.len();
        for clip in group {
            let clip = clips::samples(&clip.path());
            samples.extend(&clip[CUT_BEFORE..clip.len() - CUT_AFTER]);
        }
        let speech = samples.len() - begin;
        samples.resize(samples.len() + (speech as f64 * silence / (1.0 - silence)) as usize, 0);
        if samples.len() >= total {
            break;
        }
    }
    samples.truncate(total);
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    clips::write_wav(&bytes, file);
}
