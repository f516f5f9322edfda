//! How many uploads, how large, on how much disk.

use reqwest::Method;
use steno_tests::client::answer;
use steno_tests::world::Plan;

use super::client::{append, create, half_a_patch, metadata, offset, received, request};

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
    let mut world = Plan::default().set("STENO_SWEEP_AGE", "0s").start().await;
    let client = world.client();
    let path = create(&client, 3 * PART, &[]).await;
    let hanging = half_a_patch(&world, &path, (0, 3 * PART), &vec![0; PART + PART / 2]).await;
    steno_tests::wait::until("the first part to be counted", steno_tests::world::SOON, async || {
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
