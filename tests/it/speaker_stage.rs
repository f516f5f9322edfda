//! The stage that finds out who spoke when: what its failure costs, and running it again by itself.

use reqwest::Method;
use serde_json::{Value, json};
use steno_shared::job::{Lane, StageKind, StageState};
use steno_tests::client::{Client, answer, form};
use steno_tests::clips;
use steno_tests::wait;
use steno_tests::world::{Plan, SOON, World};

fn clip() -> std::path::PathBuf {
    clips::heldout()[0].path()
}

fn codes(transcript: &Value) -> Vec<&str> {
    transcript["warnings"].as_array().unwrap().iter().map(|w| w["code"].as_str().unwrap()).collect()
}

/// A completed job that keeps its audio.
async fn completed(client: &Client, fields: &[(&str, &str)]) -> String {
    let sent = client.request(Method::POST, "/v1/jobs?wait=600").multipart(form(&clip(), fields));
    let job = answer(sent).await.json();
    let id = job["id"].as_str().unwrap_or_else(|| panic!("{job}")).to_owned();
    ended(client, &id).await;
    id
}

async fn ended(client: &Client, id: &str) -> Value {
    wait::until("the job to end", SOON, async || {
        let job = client.get(&format!("/v1/jobs/{id}")).await.ok();
        (job["state"] == "completed").then_some(job)
    })
    .await
}

async fn again(client: &Client, id: &str) {
    let path = format!("/v1/jobs/{id}/retry?stage=diarize");
    assert_eq!(answer(client.request(Method::POST, &path)).await.status, 202);
}

async fn transcript(client: &Client, id: &str) -> Value {
    client.get(&format!("/v1/jobs/{id}/transcript")).await.ok()
}

#[tokio::test]
async fn an_engine_that_dies_costs_the_speakers_alone_unless_the_caller_is_strict() {
    let world = Plan::default().set("STENO_FAILPOINTS", "diarizer.chunk=abort").start().await;
    let client = world.client();
    let lenient = client.transcribe_file(&clip(), &[]).await.ok();
    assert_eq!(codes(&lenient), ["diarization_failed"], "{lenient}");
    assert_eq!((&lenient["speakers"], &lenient["segments"][0]["speaker"]), (&json!([]), &Value::Null));
    assert!(!lenient["text"].as_str().unwrap().is_empty());
    let strict = client.transcribe_file(&clip(), &[("strict", "true")]).await;
    let sentence = strict.refused(422);
    assert!(sentence.contains("the speakers could not be told apart"), "{sentence}");
    assert_eq!(strict.json()["code"], "incomplete");
    for fields in [[("diarize", "false")], [("speakers", "1")]] {
        let unasked = client.transcribe_file(&clip(), &fields).await.ok();
        assert_eq!(codes(&unasked), Vec::<&str>::new(), "{unasked}");
    }
    world.queue_is_empty().await;
}

#[tokio::test]
async fn speakers_are_found_later_on_without_another_transcription() {
    let mut world = Plan::default().set("STENO_KEEP_AUDIO", "1h").start().await;
    let client = world.keyed_client().await;
    let id = completed(&client, &[("diarize", "false")]).await;
    let before = transcript(&client, &id).await;
    assert_eq!(before["speakers"], json!([]));
    again(&client, &id).await;
    ended(&client, &id).await;
    let after = transcript(&client, &id).await;
    assert_eq!((&after["text"], &after["speakers"]), (&before["text"], &json!(["Speaker 1"])));
    let stages = world.store().await.stages(id.parse().unwrap()).await.unwrap();
    let transcribe = stages.iter().find(|stage| stage.kind == StageKind::Transcribe).unwrap();
    assert_eq!((transcribe.attempts, transcribe.state), (1, StageState::Done));

    // One that hangs is taken back at once, and the transcript is what it was.
    world.kill_workers(Lane::Transcribe);
    world.start_worker(Lane::Transcribe, &[("STENO_FAILPOINTS", "diarizer.chunk=sleep(600000)")]);
    again(&client, &id).await;
    wait::until("the stage to run", SOON, async || {
        let stages = world.store().await.stages(id.parse().unwrap()).await.unwrap();
        stages.iter().any(|s| s.kind == StageKind::Diarize && s.state == StageState::Running).then_some(())
    })
    .await;
    client.request(Method::POST, &format!("/v1/jobs/{id}/cancel")).send().await.unwrap();
    assert_eq!(client.get(&format!("/v1/jobs/{id}")).await.ok()["state"], "completed");
    assert_eq!(transcript(&client, &id).await, after);
    wait::until("the stage to let go", SOON, async || {
        let stages = world.store().await.stages(id.parse().unwrap()).await.unwrap();
        stages.iter().all(|stage| stage.state != StageState::Running).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_diarization_cannot_be_asked_for_where_there_is_nothing_to_listen_to() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let id = completed(&client, &[]).await;
    let path = format!("/v1/jobs/{id}/retry?stage=diarize");
    let sentence = answer(client.request(Method::POST, &path)).await.refused(409);
    assert!(sentence.contains("deleted"), "{sentence}");
}
