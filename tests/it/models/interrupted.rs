//! Pulls that end in the middle: killed, interrupted, or met by another.

use rustix::process::{Pid, Signal, kill_process};
use steno_tests::wait;
use steno_tests::world::SOON;

use super::*;

const HALF: usize = 700_000;

/// A pull whose server has sent half and sends no more, and its hub.
async fn half_way(content: &[u8]) -> (Hub, Shelf, Child) {
    let hub = Hub::start(content.to_vec(), |ask| Serve {
        stall: (ask.nth == 0).then_some(HALF),
        ..Serve::default()
    })
    .await;
    let shelf = Shelf::at(&hub, content);
    let child = shelf.command(&["pull", ID]).spawn().unwrap();
    wait::until("half of the file", SOON, async || {
        shelf.part().metadata().is_ok_and(|part| part.len() == HALF as u64).then_some(())
    })
    .await;
    (hub, shelf, child)
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().unwrap().cast_signed()).unwrap(), signal).unwrap();
}

#[tokio::test]
async fn a_killed_pull_goes_on_where_it_was() {
    let content = weights(2 * HALF);
    let (hub, shelf, child) = half_way(&content).await;
    signal(&child, Signal::KILL);
    assert_eq!(done(child).await.status, None);
    let state = shelf.state().await;
    assert_eq!((&state["state"], &state["partial_bytes"]), (&json!("partial"), &json!(HALF)));
    let listed = shelf.run(&["list"]).await;
    assert!(listed.ok().contains("partial (50 %)"), "{}", listed.out);
    shelf.pull().await.ok();
    shelf.holds(&content).await;
    assert_eq!(hub.asked()[1].from, Some(HALF));
}

#[tokio::test]
async fn ctrl_c_keeps_what_has_come() {
    let content = weights(2 * HALF);
    let (_hub, shelf, child) = half_way(&content).await;
    signal(&child, Signal::INT);
    let interrupted = done(child).await;
    assert_eq!(interrupted.status, Some(130), "{}", interrupted.err);
    assert!(interrupted.err.ends_with("the same command goes on there\n"), "{}", interrupted.err);
    shelf.pull().await.ok();
    shelf.holds(&content).await;
}

#[tokio::test]
async fn two_do_not_work_on_one_model() {
    let content = weights(2 * HALF);
    let (_hub, shelf, child) = half_way(&content).await;
    let own = shelf.path("own.bin");
    std::fs::write(&own, &content).unwrap();
    for arguments in [&["pull", ID][..], &["rm", ID], &["add", ID, own.to_str().unwrap()]] {
        let second = shelf.run(arguments).await;
        assert!(second.failed().ends_with("another steno is at work on tiny-test; let it finish or stop it"));
    }
    signal(&child, Signal::KILL);
    done(child).await;
    shelf.pull().await.ok();
    shelf.holds(&content).await;
}

#[tokio::test]
async fn the_manifest_is_last_and_what_is_there_without_it_is_not_downloaded_again() {
    let content = weights(100_000);
    let hub = Hub::start(content.clone(), |_| Serve::default()).await;
    let shelf = Shelf::at(&hub, &content);
    let mut command = shelf.command(&["pull", ID]);
    let aborted = done(command.env("STENO_FAILPOINTS", "models.renamed=abort").spawn().unwrap()).await;
    assert_eq!(aborted.status, None);
    assert!(shelf.model(FILE).exists() && !shelf.model("manifest.json").exists());
    assert_eq!(shelf.state().await["state"], "incomplete");
    let verified = shelf.run(&["verify", ID]).await;
    assert!(verified.failed().contains("`steno models pull tiny-test` completes it"), "{}", verified.err);
    shelf.pull().await.ok();
    shelf.holds(&content).await;
    assert_eq!(hub.asked().len(), 1);
}

#[tokio::test]
async fn another_file_in_the_place_of_the_model_is_replaced() {
    let content = weights(100_000);
    let hub = Hub::start(content.clone(), |_| Serve::default()).await;
    let shelf = Shelf::at(&hub, &content);
    std::fs::create_dir(shelf.path(ID)).unwrap();
    std::fs::write(shelf.model(FILE), "something else").unwrap();
    shelf.pull().await.ok();
    shelf.holds(&content).await;
}
