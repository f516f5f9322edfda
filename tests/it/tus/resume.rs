//! Connections that break, hang and overtake each other.

use std::time::Duration;

use reqwest::Method;
use steno_tests::client::answer;
use steno_tests::wait;
use steno_tests::world::{Plan, SOON, World};

use super::client::{
    append, create, half_a_patch, head, job, media, offset, parts, patch, patching, read_to_end, received,
    request, sha256,
};
use crate::rows;

/// Bytes that are all different, so that a shift or a hole shows.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 7u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test]
async fn each_byte_that_arrives_before_a_break_is_kept() {
    let world = World::start().await;
    let client = world.client();
    let noise = noise(2_000_000);
    let path = create(&client, noise.len(), &[]).await;
    let mut at = 0;
    for bytes in [0, 1, 2, 999, 65_536, 300_001, 700_000, 1] {
        let announced = noise.len() - at;
        drop(half_a_patch(&world, &path, (at, announced), &noise[at..at + bytes]).await);
        at += bytes;
        wait::until("the bytes to be kept", SOON, async || {
            (received(&world, &path).await == at).then_some(())
        })
        .await;
    }
    let last = append(&client, &path, at, &noise[at..]).await;
    let id = last.header("x-job-id");
    assert_eq!(rows::upload_sha256(&world, id).await, sha256(&noise));
    assert!(parts(&world).await.is_empty());
}

#[tokio::test]
async fn nothing_is_kept_of_a_broken_request_with_a_checksum() {
    let world = World::start().await;
    let client = world.client();
    let path = create(&client, 1_000_000, &[]).await;
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n\
         Upload-Checksum: sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=\r\n\
         Content-Type: application/offset+octet-stream\r\nContent-Length: 900000\r\n\r\n"
    );
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", world.port())).await.unwrap();
    let bytes = [head.as_bytes(), &[7; 500_000]].concat();
    tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes).await.unwrap();
    staged(&world, 250_000).await;
    drop(stream);
    world.objects_are_gone().await;
    assert_eq!(offset(&client, &path).await, 0);
}

/// A connection may be dead for long before the server knows. The client that comes again is not kept waiting.
#[tokio::test]
async fn a_newer_request_takes_over_from_one_that_hangs() {
    let world = World::start().await;
    let client = world.client();
    let noise = noise(1_500_000);
    let path = create(&client, noise.len(), &[]).await;
    let mut hanging = half_a_patch(&world, &path, (0, noise.len()), &noise[..400_000]).await;
    staged(&world, 250_000).await;
    let at = offset(&client, &path).await;
    assert!((250_000..=400_000).contains(&at), "{at}");
    let told = read_to_end(&mut hanging).await;
    assert!(told.starts_with("HTTP/1.1 409 ") && told.contains("taken_over"), "{told}");

    // A PATCH that knows where to go on need not ask first.
    let mut hanging = half_a_patch(&world, &path, (at, noise.len() - at), &noise[at..at + 300_000]).await;
    staged(&world, 250_000).await;
    let refused = patch(&client, &path, at, &noise[at..]).await;
    assert!(refused.refused(409).contains("go on from there"));
    let told = read_to_end(&mut hanging).await;
    assert!(told.starts_with("HTTP/1.1 409 "), "{told}");
    let at = offset(&client, &path).await;
    let last = append(&client, &path, at, &noise[at..]).await;
    assert_eq!(rows::upload_sha256(&world, last.header("x-job-id")).await, sha256(&noise));
}

/// Waits until so much has been written of the object that is being received.
async fn staged(world: &World, bytes: u64) {
    wait::until("the bytes to be staged", SOON, async || {
        let entries = std::fs::read_dir(world.objects().join("staging")).unwrap();
        let lengths = entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()));
        (lengths.sum::<u64>() >= bytes).then_some(())
    })
    .await;
}

#[tokio::test]
async fn of_two_that_send_the_same_bytes_at_once_one_counts() {
    let world = World::start().await;
    let client = world.client();
    let noise = noise(600_000);
    let path = create(&client, noise.len(), &[]).await;
    let mut at = 0;
    while at < noise.len() {
        let end = (at + 100_000).min(noise.len());
        let sent: Vec<_> = (0..4).map(|_| answer(patching(&client, &path, at, &noise[at..end]))).collect();
        for answered in futures::future::join_all(sent).await {
            // The last may be told that all is there already.
            assert!([204, 409, 413].contains(&answered.status.as_u16()), "{}", answered.body);
        }
        at = offset(&client, &path).await;
    }
    let id = job(&client, &path).await;
    assert_eq!(rows::upload_sha256(&world, &id).await, sha256(&noise));
    assert_eq!(rows::jobs(&world).await.len(), 1);
    // The job is told of before the parts are removed.
    wait::until("the parts to be removed", SOON, async || parts(&world).await.is_empty().then_some(())).await;
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() {
    let world = World::start().await;
    let client = world.client();
    let path = create(&client, 1_000_000, &[]).await;
    append(&client, &path, 0, &[1; 1000]).await;
    // Another request is still sending.
    let mut sending = half_a_patch(&world, &path, (1000, 900_000), &[2; 500_000]).await;
    staged(&world, 250_000).await;
    assert_eq!(answer(request(&client, Method::DELETE, &path)).await.status, 204);
    assert!(read_to_end(&mut sending).await.starts_with("HTTP/1.1 409 "));
    assert_eq!(head(&client, &path).await.status, 404);
    assert_eq!(patch(&client, &path, 1000, b"x").await.status, 404);
    assert_eq!(answer(request(&client, Method::DELETE, &path)).await.status, 404);
    world.objects_are_gone().await;
    assert!(rows::jobs(&world).await.is_empty());
}

#[tokio::test]
async fn an_upload_without_bytes_expires() {
    let mut world = Plan::default().set("STENO_UPLOAD_EXPIRY", "2s").start().await;
    let client = world.client();
    let path = create(&client, media().len(), &[]).await;
    // Each byte gives it another two seconds.
    for at in 0..6 {
        append(&client, &path, at, b"x").await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    wait::until("the upload to expire", SOON, async || {
        (head(&client, &path).await.status == 410).then_some(())
    })
    .await;
    let refused = patch(&client, &path, 6, b"x").await;
    assert!(refused.refused(410).contains("expired"));
    assert_eq!(parts(&world).await.len(), 6);
    // The sweeper comes at the start and every ten minutes.
    world.kill_api();
    world.start_api(&[]).await;
    world.objects_are_gone().await;
    assert_eq!(head(&client, &path).await.status, 404);
}

#[tokio::test]
async fn a_body_that_stops_is_kept_and_answered_408() {
    let world = Plan::default().set("STENO_BODY_TIMEOUT", "1s").start().await;
    let client = world.client();
    let path = create(&client, 1_000_000, &[]).await;
    let mut stalled = half_a_patch(&world, &path, (0, 900_000), &[3; 5000]).await;
    let told = read_to_end(&mut stalled).await;
    assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
    assert_eq!(offset(&client, &path).await, 5000);
}
