//! Who may have a session, however the key comes.

use serde_json::json;
use steno_shared::key::ApiKey;
use steno_tests::client::answer;
use steno_tests::live::{Live, refusal};

use super::{all_are_closed, scripted};

/// Every way to send a key before the upgrade: a path and headers.
fn ways(key: &str) -> Vec<(String, Vec<(&'static str, String)>)> {
    let path = || "/v1/stream".to_owned();
    let protocol = |value: String| vec![("Sec-WebSocket-Protocol", value)];
    vec![
        (path(), vec![("Authorization", format!("Bearer {key}"))]),
        (path(), protocol(format!("bearer, {key}"))),
        (path(), protocol(format!("token, {key}"))),
        (path(), protocol(format!("realtime, openai-insecure-api-key.{key}"))),
        (format!("/v1/stream?token={key}"), vec![]),
        (format!("/v1/stream?api_key={key}"), vec![]),
        (format!("/v1/stream?access_token={key}&language=en"), vec![]),
    ]
}

fn borrowed<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[tokio::test]
async fn a_key_counts_wherever_it_is_and_reaches_no_log() {
    let (world, worker) = scripted(&[("STENO_ANONYMOUS", "off"), ("STENO_LOG", "trace")]).await;
    let (key, _) = world.key_of_tier("unlimited").await;
    assert!(refusal(&world.client(), "/v1/stream", &[]).await.refused(401).contains("key"));
    for (path, headers) in ways(key.reveal()) {
        let mut live = Live::open_at(world.port(), &path, &borrowed(&headers)).await;
        let protocol = match headers.first() {
            Some(("Sec-WebSocket-Protocol", value)) => value.split(',').next().unwrap(),
            _ => "",
        };
        assert_eq!(live.header("sec-websocket-protocol"), protocol);
        live.json(json!({"action": "stop"})).await;
        assert_eq!(live.last().await.1, 1000, "{path}");
    }
    let unknown = ApiKey::random();
    for wrong in ["wrong", unknown.reveal()] {
        for (path, headers) in ways(wrong) {
            let answer = refusal(&world.client(), &path, &borrowed(&headers)).await;
            assert!(!answer.refused(401).is_empty());
            assert_eq!(answer.json()["code"], "invalid_key");
        }
    }
    let announced = refusal(&world.client(), "/v1/stream", &[("Sec-WebSocket-Protocol", "bearer")]).await;
    assert!(announced.refused(401).contains("followed by an API key"));
    all_are_closed(&world, &worker).await;
    let log = world.written();
    assert!(log.contains("/v1/stream"));
    for secret in [key.reveal(), unknown.reveal()] {
        assert!(!log.contains(secret) && !log.contains(&secret[15..]), "a key is in the log");
    }
}

#[tokio::test]
async fn a_wrong_key_is_never_taken_for_none() {
    let (world, _worker) = scripted(&[]).await;
    for (path, headers) in ways("wrong") {
        assert!(!refusal(&world.client(), &path, &borrowed(&headers)).await.refused(401).is_empty());
    }
    // The header comes before the query.
    let (key, _) = world.key_of_tier("unlimited").await;
    let header = format!("Bearer {}", key.reveal());
    Live::open_at(world.port(), "/v1/stream?token=wrong", &[("Authorization", &header)]).await;
}

#[tokio::test]
async fn a_key_in_the_wishes_is_that_of_the_session() {
    let (world, worker) = scripted(&[]).await;
    let (key, account) = world.key_of_tier("paid").await;
    world.store().await.grant_credits(&account, 5, "test").await.unwrap();
    let mut live = Live::open(world.port()).await;
    live.json(json!({"key": key.reveal()})).await;
    live.audio(&[0; 16_000]).await;
    live.json(json!({"action": "stop"})).await;
    let (last, _) = live.last().await;
    assert_eq!(last["usage"], json!({"credits_used": 1, "credits_remaining": 4}));
    for wrong in ["wrong", ApiKey::random().reveal()] {
        let mut live = Live::open(world.port()).await;
        live.json(json!({"key": wrong})).await;
        let (messages, code) = live.rest().await;
        assert_eq!((&messages[0]["code"], messages.len(), code), (&json!("invalid_key"), 1, 1008));
    }
    let (poor, _) = world.key_of_tier("paid").await;
    let mut live = Live::open(world.port()).await;
    live.json(json!({"key": poor.reveal()})).await;
    let (messages, code) = live.rest().await;
    assert_eq!((&messages[0]["code"], messages.len(), code), (&json!("no_credits"), 1, 1008));
    all_are_closed(&world, &worker).await;
}

#[tokio::test]
async fn what_is_no_websocket_is_told_so() {
    let (world, _worker) = scripted(&[]).await;
    let plain = world.client().get("/v1/stream").await;
    assert!(plain.refused(426).contains("WebSocket"));
    assert_eq!((plain.header("upgrade"), plain.header("sec-websocket-version")), ("websocket", "13"));
    let post = answer(world.client().request(reqwest::Method::POST, "/v1/stream")).await;
    assert!(!post.refused(405).is_empty());
    assert_eq!(post.header("allow"), "GET");
    let old = world.client().request(reqwest::Method::GET, "/v1/stream");
    let old = old
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "8");
    assert!(!answer(old).await.refused(426).is_empty());
    for (query, field) in
        [("language=xx", "language"), ("sample_rate=1", "sample_rate"), ("model=gpt", "model")]
    {
        let refused = refusal(&world.client(), &format!("/v1/stream?{query}"), &[]).await;
        assert!(refused.refused(400).contains(field), "{query}");
    }
}
