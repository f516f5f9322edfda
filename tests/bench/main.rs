//! What a short clip waits for, what a long one costs, what it costs to know who speaks, and how live sessions fare. Run
//! it on a quiet machine: `cargo build --release --workspace && target/release/steno-bench`. With `beside` it compares
//! Steno with whisper.cpp's own server; with `live` it measures live sessions alone.

#![expect(clippy::unwrap_used, reason = "a bench stops at the first thing that is not as it must be")]
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod beside;
mod live;
mod speakers;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use steno_shared::job::{Lane, StageKind};
use steno_shared::store::Store;
use steno_tests::clips::{self, Clip};
use steno_tests::process::cpu_of;
use steno_tests::wait;
use steno_tests::world::World;

const REPEATS: usize = 60;
/// Length of the file whose cost is measured, and of the two that run beside a short clip, in seconds.
const COST_LENGTH: f64 = 1800.0;
const LONG_LENGTH: f64 = 7200.0;

/// Measures what a short clip waits for and what a long one costs
#[derive(Debug, clap::Parser)]
#[command(name = "steno-bench")]
struct Arguments {
    #[command(subcommand)]
    instead: Option<Instead>,
}

#[derive(Debug, clap::Subcommand)]
enum Instead {
    /// Compares Steno with whisper.cpp's own server, if there is one on PATH
    Beside(beside::Beside),
    /// Measures live sessions: how soon text comes, how steady it is, how many are held
    Live(live::Live),
}

#[tokio::main]
async fn main() {
    match Arguments::parse().instead {
        Some(Instead::Beside(what)) => return beside::run(&what).await,
        Some(Instead::Live(what)) => return live::run(&what).await,
        None => {}
    }
    println!("load average before: {}", load());
    let clip = five_seconds();
    latency(&clip).await;
    cost().await;
    speakers::cost().await;
    live::cost().await;
    beside_long_files(&clip).await;
    println!("load average after: {}", load());
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap().split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn five_seconds() -> Clip {
    let distance = |clip: &Clip| (clip.seconds - 5.0).abs();
    let clips = clips::heldout();
    clips.into_iter().min_by(|one, other| distance(one).total_cmp(&distance(other))).unwrap()
}

/// Times in milliseconds, sorted.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn push(&mut self, millis: f64) {
        self.0.push(millis);
        self.0.sort_by(f64::total_cmp);
    }

    fn at(&self, share: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * share).round() as usize]
    }

    fn print(&self, name: &str) {
        println!("  {name:44} p50 {:8.1} ms   p95 {:8.1} ms", self.at(0.5), self.at(0.95));
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() * 1000.0
}

async fn send(world: &World, clip: &Clip) -> (String, f64) {
    let began = Instant::now();
    let answer = world.client().transcribe_file(&clip.path(), &[("diarize", "false")]).await;
    let wall = began.elapsed().as_secs_f64() * 1000.0;
    assert_eq!(answer.status, 200, "{}", answer.body);
    (answer.header("x-job-id").to_owned(), wall)
}

/// When the stages of a job were queued, claimed and done, in milliseconds.
async fn stages(store: &Store, job: &str) -> Vec<(StageKind, f64, f64, f64)> {
    let stages = store.stages(job.parse().unwrap()).await.unwrap();
    let times = stages.iter().map(|stage| {
        let (started, finished) = (stage.started_at.unwrap(), stage.finished_at.unwrap());
        (stage.kind, stage.created_at as f64, started as f64, finished as f64)
    });
    times.collect()
}

/// One clip after the other on an idle server.
async fn latency(clip: &Clip) {
    let world = World::start().await;
    let store = world.store().await;
    send(&world, clip).await;
    let (mut start, mut next, mut waiter) = (Times::default(), Times::default(), Times::default());
    let (mut wall, mut overhead) = (Times::default(), Times::default());
    for _ in 0..REPEATS {
        let (job, took) = send(&world, clip).await;
        let answered = now();
        let mut compute = 0.0;
        for (kind, created, started, finished) in stages(&store, &job).await {
            compute += finished - started;
            if kind == StageKind::Intake {
                start.push(started - created);
            } else {
                next.push(started - created);
                waiter.push(answered - finished);
            }
        }
        wall.push(took);
        overhead.push(took - compute);
    }
    println!("\na clip of {:.1} s, {REPEATS} times, one after the other", clip.seconds);
    start.print("enqueue to start (intake)");
    next.print("enqueue to start (transcribe)");
    waiter.print("finish to waiter, with its transcript");
    wall.print("request to answer");
    overhead.print("of that beyond the stages' own time");
}

/// CPU time of a process and of its ended children, in seconds.
fn cpu(process: u32) -> f64 {
    cpu_of(process).unwrap().iter().sum()
}

/// What a stage costs per second of audio.
async fn cost() {
    let mut world = World::start().await;
    let folder = tempfile::TempDir::new().unwrap();
    let wav = folder.path().join("talk.wav");
    clips::join(&clips::heldout(), 0.4, COST_LENGTH, &wav);
    println!("\nCPU seconds per audio second, {:.0} minutes of speech", COST_LENGTH / 60.0);
    for extension in ["wav", "mp3", "m4a", "ogg"] {
        let file = folder.path().join(format!("talk.{extension}"));
        if extension != "wav" {
            clips::ffmpeg(&["-i", wav.to_str().unwrap(), "-b:a", "64k"], &file);
        }
        let before = [cpu(world.worker(Lane::Intake).id()), cpu(world.worker(Lane::Transcribe).id())];
        let began = Instant::now();
        let answer = world.client().transcribe_file(&file, &[("diarize", "false")]).await.ok();
        let wall = began.elapsed().as_secs_f64();
        let after = [cpu(world.worker(Lane::Intake).id()), cpu(world.worker(Lane::Transcribe).id())];
        let duration = answer["duration"].as_f64().unwrap();
        println!(
            "  {extension}: intake {:.5}, transcribe {:.5}; {:.0} times real time",
            (after[0] - before[0]) / duration,
            (after[1] - before[1]) / duration,
            duration / wall
        );
    }
    let memory = world.worker(Lane::Transcribe).anonymous_memory();
    println!("  the transcriber's anonymous memory: {} MiB", memory >> 20);
}

/// A short clip while two files of two hours are being transcribed.
async fn beside_long_files(clip: &Clip) {
    let world = World::start().await;
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("long.wav");
    clips::join(&clips::heldout(), 0.4, LONG_LENGTH, &file);
    send(&world, clip).await;
    let mut idle = Times::default();
    for _ in 0..20 {
        idle.push(send(&world, clip).await.1);
    }
    let long: Vec<_> = (0..2)
        .map(|_| {
            let (client, file) = (world.client(), file.clone());
            tokio::spawn(async move { client.transcribe_file(&file, &[("diarize", "false")]).await })
        })
        .collect();
    let store = world.store().await;
    wait::until("both long files to be transcribed", Duration::from_secs(600), async || {
        let workers = store.workers().await.unwrap();
        workers.iter().any(|w| w.lane == Lane::Transcribe && w.slots - w.free == 2).then_some(())
    })
    .await;
    let mut beside = Times::default();
    for _ in 0..20 {
        beside.push(send(&world, clip).await.1);
    }
    println!("\na clip of {:.1} s beside two files of {:.0} hours", clip.seconds, LONG_LENGTH / 3600.0);
    idle.print("alone");
    beside.print("beside them");
    println!("  target: three times alone plus 2 s = {:.0} ms", idle.at(0.5) * 3.0 + 2000.0);
    assert!(long.iter().all(|answer| !answer.is_finished()), "the long files were done too soon");
    long.iter().for_each(tokio::task::JoinHandle::abort);
}
