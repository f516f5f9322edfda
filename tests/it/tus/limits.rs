//! How many uploads, how large, on how much disk.

use reqwest::Method;
use steno_tests::client::answer;
use steno_tests::world::{Plan, SOON, World};
use steno_tests::{clips, wait};

use super::client::{
    append, create, half_a_patch, head, job, media, metadata, offset, parts, patch, received, request,
    transcript,
};
use crate::rows;

#[tokio::test]
async fn an_account_may_begin_a_hundred() {
    let world = Plan::default().start().await;
    let (client, other) = (world.keyed_client().await, world.keyed_client().await);
    let mut paths = Vec::new();
    for _ in 0..100 {
        paths.push(create(&client, 3, &[]).await);
    }
    let post = || request(&client, Method::POST, "/v1/uploads").header("Upload-Length", 3);
    let refused = answer(post()).await;
    assert!(refused.refused(429).contains("100 unfinished uploads"), "{}", refused.body);
    assert_eq!(refused.json()["code"], "too_many_uploads");
    assert!(refused.header("retry-after").parse::<u32>().is_ok());
    create(&other, 3, &[]).await;
    // One that is finished, or given up, makes room.
    append(&client, &paths[0], 0, b"abc").await;
    assert_eq!(answer(post()).await.status, 201);
    assert_eq!(answer(post()).await.status, 429);
    answer(request(&client, Method::DELETE, &paths[1])).await;
    assert_eq!(answer(post()).await.status, 201);
}

#[tokio::test]
async fn what_the_disk_cannot_hold_is_refused_at_once() {
    let world = Plan::default().set("STENO_MAX_FILE", "1000TiB").start().await;
    let post = request(&world.client(), Method::POST, "/v1/uploads").header("Upload-Length", 900u64 << 40);
    let refused = answer(post.header("Upload-Metadata", metadata(&[]))).await;
    assert!(refused.refused(503).contains("no room"), "{}", refused.body);
    assert_eq!(refused.json()["code"], "out_of_space");
    assert!(refused.header("retry-after").parse::<u32>().is_ok());
}

/// A long request is stored in parts, so that a crash costs the last one only.
#[tokio::test]
async fn a_long_request_is_kept_up_to_its_last_part() {
    const PART: usize = 64 << 20;
    let mut world =
        Plan::default().set("STENO_SWEEP_AGE", "2s").set("STENO_SWEEP_EVERY", "500ms").start().await;
    let client = world.client();
    let path = create(&client, 3 * PART, &[]).await;
    let hanging = half_a_patch(&world, &path, (0, 3 * PART), &vec![0; PART + PART / 2]).await;
    wait::until("the first part to be counted", SOON, async || {
        (received(&world, &path).await >= PART).then_some(())
    })
    .await;
    world.kill_api();
    drop(hanging);
    world.start_api(&[]).await;
    let at = offset(&client, &path).await;
    assert!((PART..PART + (1 << 20)).contains(&at), "{at}");
    append(&client, &path, at, &[0; 10]).await;
}

#[tokio::test]
async fn a_tier_has_its_largest_file() {
    let world = World::start().await;
    let (client, _) = world.client_of_tier("free").await;
    let post =
        |length: u64| answer(request(&client, Method::POST, "/v1/uploads").header("Upload-Length", length));
    assert_eq!(post(500 << 20).await.status, 201);
    let refused = post((500 << 20) + 1).await;
    assert!(refused.refused(413).contains("larger than 500MiB"), "{}", refused.body);
}

#[tokio::test]
async fn the_same_bytes_twice_are_one_job() {
    let world = Plan::default().set("STENO_FAILPOINTS", "intake.claimed=sleep(2000)").start().await;
    let (client, media) = (world.keyed_client().await, media());
    let mut jobs = Vec::new();
    for _ in 0..2 {
        let path = create(&client, media.len(), &[]).await;
        let last = append(&client, &path, 0, &media).await;
        assert_eq!(job(&client, &path).await, last.header("x-job-id"));
        jobs.push(last.header("x-job-id").to_owned());
    }
    assert_eq!(jobs[0], jobs[1]);
    transcript(&client, &jobs[0], SOON).await;
    assert_eq!(rows::jobs(&world).await, [jobs[0].clone()]);
    assert_eq!(world.results_alone().await, [format!("transcripts/{}.1", jobs[0])]);
}

/// The bytes are all there, but the account has as many jobs in the queue as it may.
#[tokio::test]
async fn a_job_that_is_refused_at_the_last_byte_is_made_later() {
    let folder = tempfile::TempDir::new().unwrap();
    let tiers = folder.path().join("tiers.json");
    std::fs::write(&tiers, r#"{"narrow": {"queued": 2}}"#).unwrap();
    let world = Plan::default()
        .set("STENO_TIERS", tiers.to_str().unwrap())
        .set("STENO_INTAKE_SLOTS", "1")
        .set("STENO_FAILPOINTS", "intake.claimed=sleep(2500)")
        .start()
        .await;
    let (client, _) = world.client_of_tier("narrow").await;
    let clips: Vec<_> =
        clips::heldout().iter().take(4).map(|clip| std::fs::read(clip.path()).unwrap()).collect();
    // As many may be open as may wait: two.
    let path = create(&client, clips[0].len(), &[]).await;
    let first = append(&client, &path, 0, &clips[0]).await;
    wait::until("the first to be claimed", SOON, async || {
        let read = client.get(first.header("location")).await.ok();
        (read["state"] == "processing").then_some(())
    })
    .await;
    let path = create(&client, clips[1].len(), &[]).await;
    append(&client, &path, 0, &clips[1]).await;
    let (path, last) =
        (create(&client, clips[2].len(), &[]).await, create(&client, clips[3].len(), &[]).await);
    append(&client, &path, 0, &clips[2]).await;
    let refused = patch(&client, &last, 0, &clips[3]).await;
    assert!(refused.refused(429).contains("wait already"), "{}", refused.body);
    let standing = head(&client, &last).await;
    assert_eq!(standing.header("upload-offset"), clips[3].len().to_string());
    assert_eq!(standing.header("x-job-id"), "");
    // Nobody need come again.
    let id = job(&client, &last).await;
    transcript(&client, &id, SOON).await;
    assert!(parts(&world).await.is_empty());
}
