//! What it costs to find out who speaks, beside transcription.

use std::path::Path;
use std::time::Instant;

use reqwest::Method;
use steno_shared::job::{Lane, StageKind, StageState};
use steno_tests::client::{Client, answer, form};
use steno_tests::world::{Plan, World};
use steno_tests::{conversations, wait};

/// Lengths of the files, in minutes: of one that is diarized as a whole, and of one in chunks.
const MINUTES: [f64; 2] = [4.0, 30.0];
const LONG: std::time::Duration = std::time::Duration::from_secs(3600);

/// Seconds: by the clock, of processors by the transcriber itself, and by the processes that find speakers.
type Cost = [f64; 3];

/// Transcription alone, diarization alone, and both at once.
pub(crate) async fn cost() {
    let mut world = Plan::default().set("STENO_KEEP_AUDIO", "1h").start().await;
    let client = world.keyed_client().await;
    let conversation = conversations::test_set().into_iter().rfind(|one| one.speakers() == 3).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    println!("\nwho speaks, and what is said: CPU seconds per minute of audio, and seconds by the clock");
    for minutes in MINUTES {
        let file = folder.path().join("talk.wav");
        let _ = conversation.talked_on(minutes * 60.0, &file);
        // The models are loaded, and a child runs, before anything is measured.
        run(&mut world, &client, &conversation.path(), "true").await;
        let (_, text) = run(&mut world, &client, &file, "false").await;
        let (job, both) = run(&mut world, &client, &file, "true").await;
        let speakers = again(&mut world, &client, &job).await;
        println!("  {minutes:.0} minutes");
        println!("    text alone     {:8.3} CPU s   {:7.2} s", text[1] / minutes, text[0]);
        println!("    speakers alone {:8.3} CPU s   {:7.2} s", speakers[2] / minutes, speakers[0]);
        println!("    both           {:8.3} CPU s   {:7.2} s", (both[1] + both[2]) / minutes, both[0]);
        println!("    both, of the longer alone: {:.2}", both[0] / text[0].max(speakers[0]));
    }
}

fn spent(world: &mut World, began: Instant) -> Cost {
    let worker = world.worker(Lane::Transcribe);
    [began.elapsed().as_secs_f64(), worker.cpu(), worker.cpu_of_children()]
}

fn since(after: Cost, before: Cost) -> Cost {
    [after[0] - before[0], after[1] - before[1], after[2] - before[2]]
}

async fn run(world: &mut World, client: &Client, file: &Path, diarize: &str) -> (String, Cost) {
    let before = spent(world, Instant::now());
    let began = Instant::now();
    let fields = form(file, &[("diarize", diarize), ("language", "en")]);
    let created = answer(client.request(Method::POST, "/v1/jobs").multipart(fields)).await;
    let job = created.header("x-job-id").to_owned();
    wait::until("the job to end", LONG, async || {
        let job = client.get(&format!("/v1/jobs/{job}?wait=1")).await.ok();
        (job["state"] == "completed").then_some(())
    })
    .await;
    (job, since(spent(world, began), [0.0, before[1], before[2]]))
}

async fn again(world: &mut World, client: &Client, job: &str) -> Cost {
    let before = spent(world, Instant::now());
    let began = Instant::now();
    let retry = client.request(Method::POST, &format!("/v1/jobs/{job}/retry?stage=diarize"));
    assert_eq!(answer(retry).await.status, 202);
    let store = world.store().await;
    wait::until("the speakers", LONG, async || {
        let stages = store.stages(job.parse().unwrap()).await.unwrap();
        let is_done = |kind| stages.iter().any(|stage| stage.kind == kind && stage.state == StageState::Done);
        is_done(StageKind::Diarize).then_some(())
    })
    .await;
    since(spent(world, began), [0.0, before[1], before[2]])
}
