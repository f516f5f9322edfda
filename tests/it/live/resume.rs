//! Clients that lose their connection and come back.

use serde_json::json;
use steno_tests::live::Live;
use steno_tests::stream_worker::{utterance, words};
use steno_tests::world::World;

use super::{all_are_closed, open_sessions, scripted};

/// A session with one final text, whose client has lost it half a word later.
async fn broken_off(world: &World) -> String {
    let mut live = Live::open(world.port()).await;
    live.json(json!({"resume": true})).await;
    let id = live.message().await["session_id"].as_str().unwrap().to_owned();
    live.audio(&utterance(&[1])).await;
    live.until(|message| message["event"] == "utterance_end").await;
    live.audio(&words(&[2])).await;
    // Half a sample.
    live.bytes([7]).await;
    id
}

#[tokio::test]
async fn a_client_that_comes_back_goes_on_where_it_was() {
    let (world, worker) = scripted(&[("STENO_ANONYMOUS_LIMITS", "on")]).await;
    let id = broken_off(&world).await;
    let mut live = Live::open(world.port()).await;
    live.json(json!({"session_id": id, "last_seq": 1})).await;
    let ready = live.message().await;
    assert_eq!((&ready["status"], &ready["session_id"]), (&json!("ready"), &json!(id)));
    assert_eq!(ready["received_samples"], 8001 + 8000);
    let said = live.message().await;
    assert_eq!((&said["text"], &said["seq"]), (&json!("w1"), &json!(2)), "it has the first message");
    assert_eq!(live.message().await["event"], "utterance_end");
    live.audio(&utterance(&[3])).await;
    live.json(json!({"action": "stop"})).await;
    let (last, code) = live.last().await;
    assert_eq!((&last["transcript"], &last["session_id"], code), (&json!("w1 w2 w3"), &json!(id), 1000));
    assert_eq!(last["usage"]["credits_used"], 1, "one session, one price");
    all_are_closed(&world, &worker).await;
}

#[tokio::test]
async fn nobody_else_comes_back_and_nothing_twice() {
    let (world, worker) = scripted(&[]).await;
    let id = broken_off(&world).await;
    let (key, _) = world.key_of_tier("unlimited").await;
    let bearer = format!("Bearer {}", key.reveal());
    let mut other = Live::open_at(world.port(), "/v1/stream", &[("Authorization", &bearer)]).await;
    other.json(json!({"session_id": id})).await;
    let (messages, code) = other.rest().await;
    assert_eq!((&messages[0]["code"], messages.len(), code), (&json!("not_found"), 1, 1008));
    let mut live = Live::open(world.port()).await;
    live.json(json!({"session_id": id, "last_seq": 99})).await;
    assert_eq!(live.message().await["status"], "ready");
    // Who comes back again takes it from whoever has it.
    let mut again = Live::open(world.port()).await;
    again.json(json!({"session_id": id, "last_seq": 99})).await;
    assert_eq!(again.message().await["status"], "ready");
    assert_eq!(live.rest().await, (Vec::new(), 1000));
    again.json(json!({"action": "stop"})).await;
    assert_eq!(again.last().await.0["transcript"], "w1 w2");
    let mut late = Live::open(world.port()).await;
    late.json(json!({"session_id": id})).await;
    assert_eq!(late.rest().await.1, 1008, "it has ended");
    all_are_closed(&world, &worker).await;
}

#[tokio::test]
async fn a_session_waits_for_its_client_so_long_and_only_if_it_wished() {
    let (world, worker) = scripted(&[("STENO_STREAM_RESUME", "1s")]).await;
    let id = broken_off(&world).await;
    all_are_closed(&world, &worker).await;
    let mut late = Live::open(world.port()).await;
    late.json(json!({"session_id": id})).await;
    let (messages, code) = late.rest().await;
    assert_eq!((&messages[0]["code"], code), (&json!("not_found"), 1008));
    let mut live = Live::open(world.port()).await;
    live.json(json!({})).await;
    let id = live.message().await["session_id"].clone();
    assert_eq!(open_sessions(&world).await.len(), 1);
    drop(live);
    all_are_closed(&world, &worker).await;
    let mut late = Live::open(world.port()).await;
    late.json(json!({"session_id": id})).await;
    assert_eq!(late.rest().await.1, 1008);
}

/// The last message is for whoever missed it, too.
#[tokio::test]
async fn a_client_that_lost_its_connection_at_the_end_is_told_the_end() {
    let (world, worker) = scripted(&[]).await;
    let mut live = Live::open(world.port()).await;
    live.json(json!({"resume": true})).await;
    let id = live.message().await["session_id"].clone();
    live.audio(&words(&[1, 2])).await;
    live.json(json!({"action": "stop"})).await;
    drop(live);
    all_are_closed(&world, &worker).await;
    let mut back = Live::open(world.port()).await;
    back.json(json!({"session_id": id})).await;
    let (last, code) = back.last().await;
    assert_eq!((&last["transcript"], code), (&json!("w1 w2"), 1000));
}
