//! Conversations of an hour, and of three under `./test --long`: the number of speakers, what it costs, and how soon
//! it stops.

#![expect(clippy::print_stdout, reason = "its figures are wanted, with or without a failure")]

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use steno_shared::job::{Lane, StageKind, StageState};
use steno_tests::client::{Client, answer, form};
use steno_tests::conversations;
use steno_tests::diarization::{DiarizationError, Turn};
use steno_tests::world::{Plan, World};
use steno_tests::{is_long_run, wait};

use super::found;

const SPEAKERS: usize = 4;
/// What a process that runs the models may take, in bytes; the miniature pair itself is some megabytes.
const BOUND: u64 = 400 << 20;
/// Of the speech, in percent.
const MOST_WRONG: f64 = 15.0;
/// Ten times what the longest takes.
const LONG: Duration = Duration::from_secs(7200);
/// Ten times what stopping may take.
const STOPPED: Duration = Duration::from_secs(20);
/// Where it is stopped, as shares of the file.
const POINTS: [f64; 3] = [0.0, 0.2, 0.6];

/// A world whose jobs can be diarized again.
async fn world() -> World {
    Plan::default().set("STENO_KEEP_AUDIO", "1h").start().await
}

/// A job of a file, once it has ended.
async fn completed(client: &Client, file: &Path) -> String {
    let form = form(file, &[("language", "en")]);
    let created = answer(client.request(Method::POST, "/v1/jobs").multipart(form)).await;
    assert_eq!(created.status, 202, "{}", created.body);
    let job = created.header("x-job-id").to_owned();
    wait::until("the job to end", LONG, async || {
        let job = client.get(&format!("/v1/jobs/{job}?wait=1")).await.ok();
        assert_ne!(job["state"], "failed", "{job}");
        (job["state"] == "completed").then_some(())
    })
    .await;
    job
}

/// Diarizes a job again, and looks at it until `is_reached` says so.
async fn again(
    (world, client): (&mut World, &Client),
    job: &str,
    mut is_reached: impl FnMut(&mut World, f64, StageState) -> bool,
) {
    let retry = client.request(Method::POST, &format!("/v1/jobs/{job}/retry?stage=diarize"));
    assert_eq!(answer(retry).await.status, 202);
    let store = world.store().await;
    wait::until("the diarization to go on", LONG, async || {
        let stages = store.stages(job.parse().unwrap()).await.unwrap();
        let stage = stages.iter().find(|stage| stage.kind == StageKind::Diarize).unwrap();
        let (done, total) =
            (stage.progress.done.as_seconds(), stage.progress.total.unwrap_or_default().as_seconds());
        is_reached(world, done / total.max(1.0), stage.state).then_some(())
    })
    .await;
}

async fn transcript(client: &Client, job: &str) -> Value {
    client.get(&format!("/v1/jobs/{job}/transcript")).await.ok()
}

fn judge(truth: &[Turn], turns: &[Turn], count: usize) {
    let [wrong, without_edges] =
        [0.0, 0.25].map(|collar| DiarizationError::of(truth, turns, collar).percent());
    println!("  {count} speakers of {SPEAKERS}; wrong {wrong:.1} %, without edges {without_edges:.1} %");
    assert_eq!(count, SPEAKERS);
    assert!(wrong < MOST_WRONG);
}

/// Talks on for some minutes, transcribes that, and diarizes it again by itself, to see what it costs.
async fn long(minutes: f64) {
    let conversation = conversations::test_set().into_iter().rfind(|one| one.speakers() == SPEAKERS).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("long.wav");
    let truth = conversation.talked_on(minutes * 60.0, &file);
    let mut world = world().await;
    let client = world.keyed_client().await;
    let job = completed(&client, &file).await;
    println!("{minutes:.0} minutes:");
    let (turns, count) = found(&client, &job).await;
    judge(&truth, &turns, count);

    let before = transcript(&client, &job).await;
    let (began, spent) = (Instant::now(), world.worker(Lane::Transcribe).cpu_of_children());
    let (mut memory, mut last) = (0, 0.0);
    again((&mut world, &client), &job, |world, share, state| {
        memory = memory.max(world.worker(Lane::Transcribe).anonymous_memory_of_children());
        assert!(share >= last, "progress from {last} back to {share}");
        last = share;
        state == StageState::Done
    })
    .await;
    let cpu = world.worker(Lane::Transcribe).cpu_of_children() - spent;
    println!(
        "  {:.1} CPU seconds per hour of audio, {:.1} s in all; at most {} MiB",
        cpu * 60.0 / minutes,
        began.elapsed().as_secs_f64(),
        memory >> 20
    );
    assert!(cpu > 0.0 && memory > 1 << 20, "nothing was seen of the process that runs the models");
    assert!(memory < BOUND, "{memory} bytes");
    assert_eq!(transcript(&client, &job).await, before, "another result than the first time");

    for point in POINTS {
        again((&mut world, &client), &job, |_, share, state| state == StageState::Running && share >= point)
            .await;
        let asked = Instant::now();
        let cancel = client.request(Method::POST, &format!("/v1/jobs/{job}/cancel"));
        assert!(answer(cancel).await.status.is_success());
        // A child that is to stop is killed, and with it goes its memory.
        wait::until("the diarization to stop", STOPPED, async || {
            (world.worker(Lane::Transcribe).anonymous_memory_of_children() == 0).then_some(())
        })
        .await;
        println!("  stopped at {:.0} % within {} ms", point * 100.0, asked.elapsed().as_millis());
        assert_eq!(client.get(&format!("/v1/jobs/{job}")).await.ok()["state"], "completed");
        assert_eq!(transcript(&client, &job).await, before, "the transcript is another after a stop");
    }
}

#[tokio::test]
async fn an_hour_has_as_many_speakers_as_speak() {
    long(60.0).await;
}

/// `./test --long`
#[tokio::test]
async fn three_hours_have_as_many_speakers_as_speak() {
    if is_long_run() {
        long(180.0).await;
    }
}
