//! Workers, servers and clients that fail in mid-session.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use steno_shared::live::FailReason;
use steno_tests::live::Live;
use steno_tests::stream_worker::{StreamWorker, utterance, words};
use steno_tests::wait;
use steno_tests::world::SOON;

use super::{all_are_closed, open_sessions, scripted};

#[tokio::test]
async fn another_worker_takes_up_what_one_has_lost() {
    let (world, worker) = scripted(&[]).await;
    let mut live = Live::open(world.port()).await;
    live.json(json!({"language": "en"})).await;
    live.audio(&utterance(&[1, 2])).await;
    live.until(|message| message["event"] == "utterance_end").await;
    live.audio(&words(&[3, 4])).await;
    live.until(|message| message["partial"] == "w3 w4").await;
    let second = StreamWorker::start(&world).await;
    drop(worker);
    live.audio(&words(&[5])).await;
    live.json(json!({"action": "stop"})).await;
    let (messages, code) = live.rest().await;
    assert!(messages.iter().all(|message| message["error"].is_null()), "{messages:?}");
    let last = messages.last().unwrap();
    assert_eq!(
        (&last["transcript"], &last["text"], code),
        (&json!("w1 w2 w3 w4 w5"), &json!("w3 w4 w5"), 1000)
    );
    assert_eq!(last["duration"], 2.5);
    let (_, resumption) = second.told.begun.lock().unwrap()[0].clone();
    let resumption = resumption.unwrap();
    assert_eq!((resumption.at, resumption.said.as_str()), (16_000, "w1 w2"));
    all_are_closed(&world, &second).await;
}

#[tokio::test]
async fn a_link_that_breaks_is_made_again() {
    let (world, worker) = scripted(&[]).await;
    let mut live = Live::open(world.port()).await;
    live.json(json!({})).await;
    for word in 1..=6 {
        live.audio(&utterance(&[word])).await;
        live.until(|message| message["text"] == format!("w{word}")).await;
        worker.break_links();
    }
    live.json(json!({"action": "stop"})).await;
    assert_eq!(live.last().await.0["transcript"], "w1 w2 w3 w4 w5 w6");
    all_are_closed(&world, &worker).await;
}

/// What kills a worker is not handed on for ever.
#[tokio::test]
async fn a_session_that_loses_worker_after_worker_is_given_up() {
    let (world, worker) = scripted(&[]).await;
    *worker.manner.fails.lock().unwrap() = Some(FailReason::Stopping);
    let second = StreamWorker::start(&world).await;
    *second.manner.fails.lock().unwrap() = Some(FailReason::Stopping);
    let mut live = Live::open(world.port()).await;
    live.json(json!({})).await;
    live.audio(&words(&[1])).await;
    let (messages, code) = live.rest().await;
    assert!(messages.iter().any(|message| message["code"] == "internal"), "{messages:?}");
    assert_eq!((&messages.last().unwrap()["is_final"], code), (&json!(true), 1011));
}

#[tokio::test]
async fn without_another_worker_what_was_said_is_not_lost() {
    let (world, worker) = scripted(&[]).await;
    let mut live = Live::open(world.port()).await;
    live.json(json!({})).await;
    live.audio(&utterance(&[1])).await;
    live.audio(&words(&[2, 3, 3])).await;
    live.until(|message| message["partial"] == "w2 w3").await;
    worker.stop().await;
    let (messages, code) = live.rest().await;
    assert!(messages.iter().any(|message| message["code"] == "no_worker"), "{messages:?}");
    let last = messages.last().unwrap();
    assert_eq!((&last["transcript"], &last["text"], code), (&json!("w1 w2 w3"), &json!("w2 w3"), 1013));
    assert!(open_sessions(&world).await.is_empty());
}

#[tokio::test]
async fn a_worker_that_gives_up_is_told_by_its_reason() {
    let (world, worker) = scripted(&[]).await;
    for (reason, code, close) in [
        (FailReason::Busy, "busy", 1013),
        (FailReason::Internal, "internal", 1011),
        (FailReason::NoModel, "model_not_installed", 1011),
    ] {
        *worker.manner.fails.lock().unwrap() = Some(reason);
        let mut live = Live::open(world.port()).await;
        live.json(json!({})).await;
        live.message().await;
        live.audio(&words(&[1])).await;
        let (messages, closed) = live.rest().await;
        assert_eq!((&messages[0]["code"], messages.len(), closed), (&json!(code), 2, close));
        assert!(
            !messages[0]["error"].as_str().unwrap().contains("wishes"),
            "the worker's words are for the log"
        );
    }
    all_are_closed(&world, &worker).await;
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_settles() {
    let (mut world, worker) = scripted(&[]).await;
    let mut waiting = Live::open(world.port()).await;
    let mut live = Live::open(world.port()).await;
    live.json(json!({})).await;
    live.audio(&words(&[1, 2])).await;
    live.until(|message| message["partial"] == "w1 w2").await;
    world.api().signal(Signal::TERM);
    let (messages, code) = live.rest().await;
    assert_eq!((&messages[0]["code"], code), (&json!("stopping"), 1012));
    assert_eq!(messages.last().unwrap()["transcript"], "w1 w2");
    assert_eq!(waiting.rest().await.1, 1012);
    assert!(world.api().end(SOON).await.success());
    assert!(open_sessions(&world).await.is_empty());
    wait::until("the worker to be left", SOON, async || {
        (worker.told.open.load(std::sync::atomic::Ordering::SeqCst) == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_text_is_cut_off_and_pings_are_not_counted() {
    let (world, worker) = scripted(&[]).await;
    let mut live = Live::open(world.port()).await;
    live.json(json!({})).await;
    for _ in 0..5000 {
        live.ping().await;
    }
    live.audio(&words(&[1])).await;
    for _ in 0..100_000 {
        if !live.try_text(r#"{"action":"dance"}"#).await {
            break;
        }
    }
    let (messages, code) = live.rest().await;
    assert!(messages.len() <= 110, "{}", messages.len());
    assert!(messages.iter().any(|message| message["code"] == "too_many_frames"));
    assert_eq!((&messages.last().unwrap()["transcript"], code), (&json!("w1"), 1008));
    all_are_closed(&world, &worker).await;
}

#[tokio::test]
async fn a_silent_client_is_pinged() {
    let (world, _worker) = scripted(&[]).await;
    let mut live = Live::open(world.port()).await;
    live.json(json!({})).await;
    live.pinged(Duration::from_secs(200)).await;
}

/// Settled by whoever sweeps next.
#[tokio::test]
async fn the_sessions_of_a_killed_server_are_settled() {
    let (mut world, _worker) = scripted(&[("STENO_SWEEP_EVERY", "1s")]).await;
    let (key, account) = world.key_of_tier("paid").await;
    world.store().await.grant_credits(&account, 5, "test").await.unwrap();
    let path = format!("/v1/stream?token={}", key.reveal());
    let mut live = Live::open_at(world.port(), &path, &[]).await;
    live.json(json!({})).await;
    live.audio(&words(&[1, 2, 3, 4])).await;
    live.until(|message| message["partial"] == "w1 w2 w3 w4").await;
    let store = world.store().await;
    wait::until("the minute to be reserved", SOON, async || {
        (store.usage(&account).await.unwrap().credits.reserved == 1).then_some(())
    })
    .await;
    world.kill_api();
    assert_eq!(open_sessions(&world).await.len(), 1);
    world.start_api(&[]).await;
    wait::until("the session to be settled", SOON, async || {
        open_sessions(&world).await.is_empty().then_some(())
    })
    .await;
    let credits = store.usage(&account).await.unwrap().credits;
    assert_eq!((credits.used, credits.reserved), (1, 0));
}
