//! Files of many hours: bounded memory, progress that is true, and little done twice when a worker is killed.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;
use steno_shared::job::Lane;
use steno_shared::object::{DirStore, ObjectStore};
use steno_tests::client::{Client, answer, form};
use steno_tests::world::{Plan, SOON, World};
use steno_tests::{clips, is_long_run, wait};

use crate::rows;

/// What no process may take beyond what it has after its first short job, when the model and its states are there.
const BOUND: u64 = 300 << 20;
/// The audio that may be transcribed twice because a worker was killed, in milliseconds.
const TWICE: u64 = 120_000;
/// Ten times what five minutes take, and what ten hours with a twentieth of speech take.
const LONG: Duration = Duration::from_secs(3600);
/// Of as many words as ten hours of somebody who speaks fast.
const WORDS: usize = 100_000;

/// A world that writes down what its engine is given.
fn traced() -> Plan {
    Plan::default().set("STENO_LOG", "info,steno_transcribe=debug").set("STENO_THREADS", "2")
}

async fn create(client: &Client, file: &Path) -> String {
    let form = form(file, &[("diarize", "false")]);
    let created = answer(client.request(Method::POST, "/v1/jobs").multipart(form)).await;
    assert_eq!(created.status, 202, "{}", created.body);
    created.header("x-job-id").to_owned()
}

/// The stretches of audio that an engine was given to write down, by their start, in milliseconds.
fn transcribed(log: &str) -> Vec<(u64, u64)> {
    let field = |line: &str, name: &str| -> u64 {
        let value = line.split(name).nth(1).unwrap_or_else(|| panic!("no {name} in {line}"));
        value.split_whitespace().next().unwrap().parse().unwrap()
    };
    let lines = log.lines().filter(|line| line.contains("task begun") && line.contains("work=\"text\""));
    lines.map(|line| (field(line, "audio.start_ms="), field(line, "audio.length_ms="))).collect()
}

/// How much audio both were given.
fn twice(one: &[(u64, u64)], other: &[(u64, u64)]) -> u64 {
    other
        .iter()
        .filter(|(start, _)| one.iter().any(|(same, _)| same == start))
        .map(|(_, length)| length)
        .sum()
}

/// Looks at a job again and again, and holds what is promised of its progress and memory.
#[derive(Default)]
struct Watch {
    decoded: f64,
    done: f64,
    /// The processes' memory at the beginning, if it is held to a bound: API, intake with its children, transcribe.
    baseline: Option<[u64; 3]>,
    most: [u64; 3],
}

impl Watch {
    fn memory(world: &mut World) -> [u64; 3] {
        let api = world.api().anonymous_memory();
        let intake = world.worker(Lane::Intake);
        let intake = intake.anonymous_memory() + intake.anonymous_memory_of_children();
        [api, intake, world.worker(Lane::Transcribe).anonymous_memory()]
    }

    fn bounded(world: &mut World) -> Self {
        Self { baseline: Some(Self::memory(world)), ..Self::default() }
    }

    fn look(&mut self, world: &mut World) {
        let Some(baseline) = self.baseline else { return };
        for (at, now) in Self::memory(world).into_iter().enumerate() {
            self.most[at] = self.most[at].max(now.saturating_sub(baseline[at]));
        }
        assert!(
            self.most.iter().all(|grown| *grown < BOUND),
            "API, intake, transcribe grew by {:?}",
            self.most
        );
    }

    /// Until this share of the job is transcribed, or it has ended.
    async fn until(&mut self, share: f64, world: &mut World, client: &Client, job: &str) -> Value {
        let seconds = |value: &Value| value.as_f64().unwrap_or_default();
        wait::until("the job to go on", LONG, async || {
            let job = client.get(&format!("/v1/jobs/{job}?wait=0.3")).await.ok();
            self.look(world);
            if job["state"] != "processing" {
                return (job["state"] != "queued").then_some(job);
            }
            let progress = &job["progress"];
            let (decoded, done) = (seconds(&progress["decoded_seconds"]), seconds(&progress["done_seconds"]));
            assert!(decoded >= self.decoded && done >= self.done && done <= decoded, "back to {progress}");
            (self.decoded, self.done) = (decoded, done);
            let total = seconds(&progress["total_seconds"]);
            (progress["stage"] == "transcribe" && done >= share * total).then_some(job)
        })
        .await
    }
}

#[tokio::test]
async fn a_killed_worker_costs_less_than_two_minutes_of_audio() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("five-minutes.wav");
    clips::join(&clips::heldout()[..60], 0.4, 300.0, &file);
    let mut world = traced().start().await;
    let client = world.keyed_client().await;
    let job = create(&client, &file).await;
    let mut watch = Watch::default();
    watch.until(0.5, &mut world, &client, &job).await;
    world.worker(Lane::Transcribe).kill();
    let first = transcribed(&world.worker(Lane::Transcribe).log());
    world.start_worker(Lane::Transcribe, &[]);
    let ended = watch.until(2.0, &mut world, &client, &job).await;
    assert_eq!(ended["state"], "completed");
    let second = transcribed(&world.worker(Lane::Transcribe).log());
    let (twice, all) = (twice(&first, &second), second.iter().map(|(_, length)| length).sum::<u64>());
    println!("{} s in the second attempt, {} s of them again", all / 1000, twice / 1000);
    assert!(first.len() > 8 && !second.is_empty(), "{first:?}, {second:?}");
    assert!(twice < TWICE, "{twice} ms were done twice");
    assert!(all < 150_000 + TWICE, "{all} ms were left to do");
    world.queue_is_empty().await;
}

/// An answer of a hundred thousand words, several at once.
#[tokio::test]
async fn the_text_of_ten_hours_is_answered_in_bounded_memory() {
    let mut world = World::start().await;
    let client = world.keyed_client().await;
    let clip = clips::heldout().remove(0);
    let id = client.transcribe_file(&clip.path(), &[]).await.header("x-job-id").to_owned();
    let job = world.store().await.job(id.parse().unwrap()).await.unwrap().unwrap();
    let objects = DirStore::open(&world.objects()).await.unwrap();
    let key = job.transcript.unwrap();
    let mut transcript: Value = serde_json::from_slice(&objects.read(&key, u64::MAX).await.unwrap()).unwrap();
    let segment = transcript["segments"][0].clone();
    let words = segment["words"].as_array().unwrap().len();
    transcript["segments"] = vec![segment; WORDS.div_ceil(words)].into();
    let mut writer = objects.create(&key).await.unwrap();
    writer.write(Bytes::from(transcript.to_string())).await.unwrap();
    writer.finish().await.unwrap();

    let baseline = world.api().anonymous_memory();
    for format in ["json", "srt", "vtt", "txt"] {
        let path = format!("/v1/jobs/{id}/transcript?format={format}");
        let asked: Vec<_> = (0..3).map(|_| client.get(&path)).collect();
        for answer in futures::future::join_all(asked).await {
            assert_eq!(answer.status, 200);
            if format == "json" {
                let segments = answer.json()["segments"].as_array().unwrap().len();
                assert_eq!(segments, WORDS.div_ceil(words));
            }
        }
        let grown = world.api().anonymous_memory().saturating_sub(baseline);
        println!("three answers as {format}: {} MiB more", grown >> 20);
        assert!(grown < BOUND, "{format}: {grown}");
    }
}

/// `./test --long`: ten hours, dense as somebody who speaks fast in the half before the kill.
#[tokio::test]
async fn ten_hours_take_bounded_memory_and_are_not_begun_anew() {
    if !is_long_run() {
        return;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("ten-hours.flac");
    clips::ten_hours(&file);
    let mut world = traced().start().await;
    let client = world.keyed_client().await;
    assert_eq!(client.transcribe_file(&clips::briefing().0, &[]).await.status, 200);
    let mut watch = Watch::bounded(&mut world);
    let job = create(&client, &file).await;
    watch.until(0.5, &mut world, &client, &job).await;
    world.worker(Lane::Transcribe).kill();
    let first = transcribed(&world.worker(Lane::Transcribe).log());
    rows::repeat_words(&world, &job, 50).await;
    world.start_worker(Lane::Transcribe, &[]);
    let ended = watch.until(2.0, &mut world, &client, &job).await;
    assert_eq!(ended["state"], "completed");
    let second = transcribed(&world.worker(Lane::Transcribe).log());
    let twice = twice(&first, &second);
    println!(
        "{} s again; API, intake, transcribe grew by {:?} MiB",
        twice / 1000,
        watch.most.map(|b| b >> 20)
    );
    assert!(twice < TWICE, "{twice} ms were done twice");
    for format in ["json", "srt", "vtt", "txt"] {
        let answer = client.get(&format!("/v1/jobs/{job}/transcript?format={format}")).await;
        assert_eq!(answer.status, 200);
        watch.look(&mut world);
        if format == "json" {
            let segments = answer.json()["segments"].as_array().unwrap().clone();
            let words: usize =
                segments.iter().map(|segment| segment["words"].as_array().unwrap().len()).sum();
            println!("{words} words, {} MiB", answer.body.len() >> 20);
            assert!(words > WORDS / 2, "{words} words are no dense transcript");
        }
    }
    println!("with the answers: {:?} MiB", watch.most.map(|bytes| bytes >> 20));

    // Cancelled on its way, it stops at once and leaves nothing.
    let mut watch = Watch::bounded(&mut world);
    let job = create(&client, &file).await;
    watch.until(0.02, &mut world, &client, &job).await;
    assert_eq!(client.delete(&format!("/v1/jobs/{job}")).await.ok()["state"], "cancelled");
    world.results_alone().await;
    let store = world.store().await;
    wait::until("its slot to be free", SOON, async || {
        let workers = store.workers().await.unwrap();
        workers.iter().any(|w| w.lane == Lane::Transcribe && w.free == w.slots).then_some(())
    })
    .await;
    let begun = transcribed(&world.worker(Lane::Transcribe).log()).len();
    assert_eq!(client.transcribe_file(&clips::heldout()[0].path(), &[]).await.status, 200);
    let after = transcribed(&world.worker(Lane::Transcribe).log()).len();
    assert!(after - begun <= 4, "{} tasks for one clip", after - begun);
}
