//! What is kept of jobs that have ended, and for how long.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use steno_tests::client::{Client, answer, form_of};
use steno_tests::clips::silence;
use steno_tests::wait;
use steno_tests::world::{Plan, SOON, World};

use crate::accounts::{accepted, create, in_state};
use crate::audit;

fn swept_often() -> Plan {
    Plan::default().set("STENO_SWEEP_EVERY", "200ms")
}

async fn retry(client: &Client, id: &str, query: &str) -> steno_tests::client::Answer {
    answer(client.request(Method::POST, &format!("/v1/jobs/{id}/retry{query}"))).await
}

async fn objects(world: &World, kind: &str) -> usize {
    world.object_names().await.iter().filter(|name| name.starts_with(kind)).count()
}

async fn objects_go(world: &World, kind: &str) {
    wait::until(&format!("the {kind} to be gone"), SOON, async || {
        (objects(world, kind).await == 0).then_some(())
    })
    .await;
}

/// A stage of a completed job is run again for nothing while its audio is kept.
#[tokio::test]
async fn kept_audio_is_transcribed_again_for_nothing_until_it_is_deleted() {
    let world = swept_often().set("STENO_KEEP_AUDIO", "1h").start().await;
    let (client, account) = world.client_of_tier("paid").await;
    world.store().await.grant_credits(&account, 2, "test").await.unwrap();
    let id = accepted(&create(&client, silence(61, 0), "a.wav").await);
    in_state(&client, &id, "completed").await;
    let spent = json!({"granted": 2, "used": 2, "reserved": 0, "remaining": 0});
    assert_eq!(client.get("/v1/usage").await.ok()["credits"], spent);
    for _ in 0..2 {
        let again = accepted(&retry(&client, &id, "?stage=transcribe").await);
        assert_eq!(again, id);
        in_state(&client, &id, "completed").await;
        assert_eq!(client.get("/v1/usage").await.ok()["credits"], spent);
    }
    assert_eq!((objects(&world, "uploads/").await, objects(&world, "samples/").await), (1, 1));
    audit::hold(&world.store().await).await;
}

#[tokio::test]
async fn audio_is_deleted_at_once_or_after_its_time_and_the_transcript_stays() {
    let world = Plan::default().start().await;
    let client = world.keyed_client().await;
    let id = accepted(&create(&client, silence(1, 0), "a.wav").await);
    in_state(&client, &id, "completed").await;
    objects_go(&world, "uploads/").await;
    objects_go(&world, "samples/").await;
    let refused = retry(&client, &id, "?stage=transcribe").await;
    assert_eq!(refused.json()["code"], "audio_deleted");
    assert!(refused.refused(409).contains("send the file again"));

    let world = swept_often().set("STENO_KEEP_AUDIO", "4s").start().await;
    let client = world.keyed_client().await;
    let id = accepted(&create(&client, silence(1, 0), "a.wav").await);
    in_state(&client, &id, "completed").await;
    assert_eq!((objects(&world, "uploads/").await, objects(&world, "samples/").await), (1, 1));
    objects_go(&world, "uploads/").await;
    objects_go(&world, "samples/").await;
    assert_eq!(retry(&client, &id, "?stage=transcribe").await.json()["code"], "audio_deleted");
    assert_eq!(client.get(&format!("/v1/jobs/{id}/transcript")).await.status, 200);
}

#[tokio::test]
async fn the_audio_of_a_failed_job_is_kept_for_its_time() {
    let world = swept_often().set("STENO_KEEP_FAILED", "4s").start().await;
    let (client, account) = world.client_of_tier("paid").await;
    world.store().await.grant_credits(&account, 1, "test").await.unwrap();
    let id = accepted(&create(&client, silence(61, 0), "a.wav").await);
    in_state(&client, &id, "failed").await;
    assert_eq!(objects(&world, "uploads/").await, 1);
    world.objects_are_gone().await;
    assert_eq!(retry(&client, &id, "").await.json()["code"], "audio_deleted");
    assert_eq!(client.get(&format!("/v1/jobs/{id}")).await.ok()["error"]["code"], "no_credits");
}

#[tokio::test]
async fn finished_jobs_go_after_their_time_and_their_charge_stays() {
    let world = swept_often().set("STENO_KEEP_JOBS", "4s").start().await;
    // It asks more often than the tiers with limits may.
    let client = world.keyed_client().await;
    let id = accepted(&create(&client, silence(1, 0), "a.wav").await);
    in_state(&client, &id, "completed").await;
    assert_eq!(objects(&world, "transcripts/").await, 1);
    let gone = Duration::from_secs(60);
    wait::until("the job to be gone", gone, async || {
        (client.get(&format!("/v1/jobs/{id}")).await.status == 404).then_some(())
    })
    .await;
    world.objects_are_gone().await;
    assert_eq!(client.get("/v1/usage").await.ok()["minutes"]["used"], 1);
    // One that is under way is not touched.
    let done = client.transcribe(form_of(silence(1, 1), "a.wav", &[])).await;
    assert_eq!(done.status, 200, "{}", done.body);
    audit::hold(&world.store().await).await;
}
