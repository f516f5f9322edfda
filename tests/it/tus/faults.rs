//! The API dies or is stopped at each step of an upload.

use rustix::process::Signal;
use steno_tests::client::Client;
use steno_tests::process::Process;
use steno_tests::score::Score;
use steno_tests::wait;
use steno_tests::world::{Plan, SOON, World};

use super::client::{
    append, clip, create, half_a_patch, job, media, offset, parts, patching, read_to_end, received, sha256,
    transcript,
};
use crate::rows;

/// What must hold in the end: one job with the bytes that were sent, its text, and nothing else.
async fn ends_well(world: &World, client: &Client, path: &str) {
    let id = job(client, path).await;
    let said = transcript(client, &id, SOON).await;
    assert!(Score::of(&clip().text, &said).percent() < 50.0, "{said}");
    assert_eq!(rows::upload_sha256(world, &id).await, sha256(&media()));
    assert_eq!(rows::jobs(world).await, std::slice::from_ref(&id));
    world.queue_is_empty().await;
    assert_eq!(world.results_alone().await, [format!("transcripts/{id}.1")]);
}

#[tokio::test]
async fn the_api_may_die_at_any_step_of_an_upload() {
    let media = media();
    for (step, kept) in [
        ("upload.received", false),
        ("upload.stored", false),
        ("upload.complete", true),
        ("upload.joined", true),
        ("upload.created", true),
    ] {
        let mut world =
            Plan::default().set("STENO_SWEEP_AGE", "2s").set("STENO_SWEEP_EVERY", "500ms").start().await;
        let client = world.client();
        let path = create(&client, media.len(), &[("filename", "clip.flac")]).await;
        append(&client, &path, 0, &media[..1000]).await;
        world.kill_api();
        world.start_api(&[("STENO_FAILPOINTS", &format!("{step}=abort"))]).await;
        let sent = patching(&client, &path, 1000, &media[1000..]).send().await;
        assert!(sent.is_err(), "{step}: an answer from a dead API");
        world.api().end(SOON).await;
        world.start_api(&[]).await;
        if !kept {
            assert_eq!(offset(&client, &path).await, 1000, "{step}");
            wait::until("what was not counted to be swept", SOON, async || {
                (parts(&world).await.len() == 1).then_some(())
            })
            .await;
            append(&client, &path, 1000, &media[1000..]).await;
        }
        // Of a complete one the job is made though no client comes again.
        ends_well(&world, &client, &path).await;
    }
}

#[tokio::test]
async fn the_api_may_be_killed_while_bytes_arrive() {
    let mut world =
        Plan::default().set("STENO_SWEEP_AGE", "2s").set("STENO_SWEEP_EVERY", "500ms").start().await;
    let (client, media) = (world.client(), media());
    let path = create(&client, media.len(), &[]).await;
    for at in [0, 1000, 2000] {
        let hanging = half_a_patch(&world, &path, (at, media.len() - at), &media[at..at + 3000]).await;
        wait::until("a part to be begun", SOON, async || {
            let staged = std::fs::read_dir(world.objects().join("staging")).unwrap().count();
            (staged > 0).then_some(())
        })
        .await;
        world.kill_api();
        drop(hanging);
        world.start_api(&[]).await;
        // Of the request that was cut off nothing is kept, of those before everything.
        assert_eq!(offset(&client, &path).await, at);
        append(&client, &path, at, &media[at..at + 1000]).await;
    }
    wait::until("what the dead have left to be swept", SOON, async || {
        (parts(&world).await.len() == 3).then_some(())
    })
    .await;
    append(&client, &path, 3000, &media[3000..]).await;
    ends_well(&world, &client, &path).await;
}

#[tokio::test]
async fn an_api_told_to_stop_keeps_what_has_arrived() {
    let mut world = Plan::default().start().await;
    let (client, media) = (world.client(), media());
    let path = create(&client, media.len(), &[]).await;
    let mut sending = half_a_patch(&world, &path, (0, media.len()), &media[..3000]).await;
    wait::until("a part to be begun", SOON, async || {
        let staged = std::fs::read_dir(world.objects().join("staging")).unwrap().count();
        (staged > 0).then_some(())
    })
    .await;
    world.api().signal(Signal::TERM);
    let told = read_to_end(&mut sending).await;
    assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("what has arrived is kept"), "{told}");
    assert!(world.api().end(SOON).await.success());
    world.start_api(&[]).await;
    let at = offset(&client, &path).await;
    assert!((1..=3000).contains(&at), "{at}");
    append(&client, &path, at, &media[at..]).await;
    ends_well(&world, &client, &path).await;
}

/// The client is gone before its job is made; the job is made all the same.
#[tokio::test]
async fn a_client_that_leaves_after_its_last_byte_has_a_job() {
    let world = Plan::default().set("STENO_FAILPOINTS", "upload.complete=sleep(500)").start().await;
    let (client, media) = (world.client(), media());
    let path = create(&client, media.len(), &[("filename", "clip.flac")]).await;
    drop(half_a_patch(&world, &path, (0, media.len()), &media).await);
    // To ask earlier would take the upload from the request.
    wait::until("the last byte to be counted", SOON, async || {
        (received(&world, &path).await == media.len()).then_some(())
    })
    .await;
    ends_well(&world, &client, &path).await;
}

/// One process has joined the parts when another one makes the job: the object that the job needs stays.
#[tokio::test]
async fn two_processes_may_finish_the_same_upload() {
    for keyed in [false, true] {
        let mut world = Plan::default().set("STENO_FAILPOINTS", "intake.claimed=sleep(3000)").start().await;
        world.kill_api();
        world.start_api(&[("STENO_FAILPOINTS", "upload.joined=sleep(2500)")]).await;
        let client = if keyed { world.keyed_client().await } else { world.client() };
        let media = media();
        let path = create(&client, media.len(), &[]).await;
        let last = tokio::spawn(patching(&client, &path, 0, &media).send());
        wait::until("the parts to be joined", SOON, async || {
            let names = world.object_names().await;
            names.iter().any(|name| name.starts_with("uploads/")).then_some(())
        })
        .await;
        let mut command = world.command("steno", &["serve", "--port", "0"]);
        command.env("STENO_FAILPOINTS", "");
        let _second = Process::start("second-api", command, &world.data().join("../logs"));
        wait::until("the other process to make the job", SOON, async || {
            (!rows::jobs(&world).await.is_empty()).then_some(())
        })
        .await;
        let last = last.await.unwrap().unwrap();
        assert_eq!(last.status(), 204);
        let id = last.headers()["x-job-id"].to_str().unwrap().to_owned();
        assert_eq!(path, format!("/v1/uploads/{id}"));
        ends_well(&world, &client, &path).await;
    }
}
