//! What a session may use, and how long it may last.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use steno_tests::live::{Got, Live, refusal};
use steno_tests::stream_worker::words;
use steno_tests::wait;
use steno_tests::world::{Plan, SOON};

use super::{all_are_closed, scripted};

fn error(messages: &[Value]) -> &str {
    let mut errors = messages.iter().filter_map(|message| message["code"].as_str());
    errors.next().unwrap_or_default()
}

#[tokio::test]
async fn who_may_have_no_session_is_refused_before_the_upgrade() {
    let (world, worker) = scripted(&[("STENO_ANONYMOUS_LIMITS", "on")]).await;
    let (poor, _) = world.client_of_tier("paid").await;
    let refused = refusal(&poor, "/v1/stream", &[]).await;
    assert!(!refused.refused(402).is_empty());
    assert_eq!(refused.json()["code"], "no_credits");
    // One at once, without a key.
    let mut first = Live::open(world.port()).await;
    let refused = refusal(&world.client(), "/v1/stream", &[]).await;
    assert!(!refused.refused(429).is_empty());
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    first.json(json!({"action": "stop"})).await;
    first.last().await;
    all_are_closed(&world, &worker).await;
    // Three a day, of which those without audio do not count.
    for _ in 0..3 {
        let mut live = Live::open(world.port()).await;
        live.json(json!({})).await;
        live.audio(&words(&[1])).await;
        live.json(json!({"action": "stop"})).await;
        live.last().await;
        all_are_closed(&world, &worker).await;
    }
    let refused = refusal(&world.client(), "/v1/stream", &[]).await;
    assert!(refused.refused(429).contains("of this day"), "{}", refused.body);
    all_are_closed(&world, &worker).await;
}

#[tokio::test]
async fn without_a_place_at_a_worker_there_is_no_session() {
    let world = Plan::default().lanes(&[]).start().await;
    let refused = refusal(&world.client(), "/v1/stream", &[]).await;
    assert!(refused.refused(503).contains("stream worker"));
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    let (world, worker) = scripted(&[("STENO_STREAMS", "2")]).await;
    worker.manner.refuses.store(true, Ordering::SeqCst);
    let refused = refusal(&world.client(), "/v1/stream", &[]).await;
    assert!(refused.refused(503).contains("busy"));
    assert_eq!(refused.header("retry-after"), "7");
    worker.manner.refuses.store(false, Ordering::SeqCst);
    let held = [Live::open(world.port()).await, Live::open(world.port()).await];
    let refused = refusal(&world.client(), "/v1/stream", &[]).await;
    assert!(!refused.refused(503).is_empty());
    assert_eq!(refused.json()["code"], "too_many_sessions");
    drop(held);
    wait::until("a place to be free", SOON, async || {
        (worker.told.open.load(Ordering::SeqCst) == 0).then_some(())
    })
    .await;
    Live::open(world.port()).await;
    drop(worker);
    let refused = refusal(&world.client(), "/v1/stream", &[]).await;
    assert!(refused.refused(503).contains("can be reached"), "{}", refused.body);
}

/// An open socket is none of the connections that requests need.
#[tokio::test]
async fn sessions_take_no_request_its_connection() {
    let (world, _worker) = scripted(&[("STENO_CONNECTIONS", "2")]).await;
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(Live::open(world.port()).await);
    }
    assert_eq!(world.client().get("/health/live").await.status, 200);
}

#[tokio::test]
async fn a_session_without_a_first_frame_is_closed() {
    let (world, worker) = scripted(&[("STENO_STREAM_CONFIG_TIMEOUT", "500ms")]).await;
    let mut live = Live::open(world.port()).await;
    live.ping().await;
    let (messages, code) = live.rest().await;
    assert_eq!((error(&messages), messages.len(), code), ("no_config", 1, 1008));
    all_are_closed(&world, &worker).await;
}

#[tokio::test]
async fn an_idle_session_is_finished_and_a_sign_of_life_keeps_it() {
    let (world, worker) = scripted(&[("STENO_STREAM_IDLE", "2s")]).await;
    let mut live = Live::open(world.port()).await;
    live.json(json!({})).await;
    live.audio(&words(&[1])).await;
    let kept = Instant::now();
    while kept.elapsed() < Duration::from_secs(4) {
        live.json(json!({"action": "keepalive"})).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // A ping is none.
    let pinged = tokio::time::timeout(SOON, async {
        loop {
            live.ping().await;
            if let Some(Got::Message(message)) = live.next_within(Duration::from_millis(200)).await
                && message["is_final"] == true
            {
                return message;
            }
        }
    });
    assert_eq!(pinged.await.expect("a ping keeps it")["transcript"], "w1");
    assert_eq!(live.next().await, Got::Closed(1000));
    all_are_closed(&world, &worker).await;
}

#[tokio::test]
async fn a_session_may_last_so_long() {
    let (world, worker) = scripted(&[("STENO_STREAM_MAX", "1s")]).await;
    let mut live = Live::open(world.port()).await;
    live.json(json!({})).await;
    live.audio(&words(&[1])).await;
    let (messages, code) = live.rest().await;
    assert_eq!((error(&messages), code), ("session_too_long", 1008));
    assert_eq!(messages.last().unwrap()["transcript"], "w1");
    all_are_closed(&world, &worker).await;
}

/// However fast a client sends, ten seconds are taken ahead of the time in which they are spoken.
#[tokio::test]
async fn audio_is_taken_at_its_own_pace() {
    let (world, worker) = scripted(&[]).await;
    let mut live = Live::open(world.port()).await;
    let began = Instant::now();
    live.json(json!({})).await;
    live.message().await;
    let second = vec![0; 32_000];
    let mut sent = 0;
    // What fits into the sockets on the way is sent.
    while sent < 600 && live.try_bytes(second.clone(), Duration::from_secs(1)).await {
        sent += 1;
    }
    assert!(sent < 600, "ten minutes were taken at once");
    let taken = worker.told.samples.load(Ordering::SeqCst) as f64 / 16_000.0;
    let may = began.elapsed().as_secs_f64() + 10.0 + 0.6;
    assert!((9.0..may).contains(&taken), "{taken} s were taken of {may} s");
    drop(live);
    all_are_closed(&world, &worker).await;
}

#[tokio::test]
async fn a_session_that_falls_behind_is_given_up() {
    let (world, worker) = scripted(&[]).await;
    worker.manner.is_deaf.store(true, Ordering::SeqCst);
    let mut live = Live::open(world.port()).await;
    live.json(json!({})).await;
    live.message().await;
    for _ in 0..45 {
        if !live.try_bytes(vec![0; 32_000], SOON).await {
            break;
        }
    }
    let (messages, code) = live.rest().await;
    assert_eq!((error(&messages), code), ("too_slow", 1013));
    assert_eq!(messages.last().unwrap()["is_final"], true);
    all_are_closed(&world, &worker).await;
}
