//! What is said on the socket, to the letter.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use steno_tests::live::{Got, Live, bytes_of};
use steno_tests::stream_worker::{END, utterance, words};

use super::{all_are_closed, open_sessions, scripted};

fn begins(text: &str) -> impl Fn(&Value) -> bool {
    move |message| message["text"] == text
}

#[tokio::test]
async fn a_session_goes_as_documented() {
    let (world, worker) = scripted(&[]).await;
    let mut live = Live::open(world.port()).await;
    live.json(json!({"language": "en", "model": "mini"})).await;
    let ready = live.message().await;
    let id = ready["session_id"].clone();
    assert!(id.as_str().unwrap().starts_with("job_"), "{ready}");
    assert_eq!(ready, json!({"status": "ready", "session_id": id, "model": "mini", "language": "en"}));
    live.audio(&words(&[1, 2])).await;
    live.audio(&[0; 800]).await;
    live.audio(&[END]).await;
    let language = live.message().await;
    assert_eq!(language, json!({"event": "language", "language": "en", "probability": 0.9, "seq": 1}));
    let partial = live.message().await;
    assert_eq!(partial, json!({"partial": "w1 w2", "start": 0.0, "end": 1.0, "seq": 2}));
    let said = live.message().await;
    let expected = json!({"text": "w1 w2", "partial": "", "start": 0.0, "end": 1.0, "confidence": 0.75, "words": [
        {"word": "w1", "punctuated_word": "w1", "start": 0.0, "end": 0.5, "confidence": 0.75},
        {"word": "w2", "punctuated_word": "w2", "start": 0.5, "end": 1.0, "confidence": 0.75}],
        "language": "en", "seq": 3});
    assert_eq!(said, expected);
    let event = live.message().await;
    assert_eq!(event, json!({"event": "utterance_end", "start": 0.0, "end": 1.0, "seq": 4}));
    live.audio(&words(&[3])).await;
    live.json(json!({"action": "stop"})).await;
    live.audio(&utterance(&[9])).await;
    let last = live.message().await;
    let expected = json!({"text": "w3", "partial": "", "is_final": true, "final": true, "transcript": "w1 w2 w3",
        "duration": 1.55, "language": "en", "words": [
        {"word": "w3", "punctuated_word": "w3", "start": 1.05, "end": 1.55, "confidence": 0.75}],
        "session_id": id, "usage": {"credits_used": 1}, "seq": 5});
    assert_eq!(last, expected, "what came after the stop is ignored");
    assert_eq!(live.next().await, Got::Closed(1000));
    all_are_closed(&world, &worker).await;
}

#[tokio::test]
async fn an_sdk_says_its_wishes_in_the_query_and_closes_by_itself() {
    let (world, worker) = scripted(&[]).await;
    let mut live = Live::open_at(world.port(), "/v1/stream?model=mini&language=en&token=", &[]).await;
    live.audio(&words(&[1, 2])).await;
    live.audio(&[END]).await;
    let partial = live.message().await;
    assert_eq!(partial["type"], "partial", "an SDK knows neither ready nor events: {partial}");
    assert_eq!((&partial["text"], &partial["partial"]), (&json!("w1 w2"), &json!("w1 w2")));
    let said = live.message().await;
    assert_eq!((&said["type"], &said["text"]), (&json!("transcript"), &json!("w1 w2")));
    live.text("what?").await;
    let error = live.message().await;
    assert_eq!((&error["type"], &error["text"]), (&json!("error"), &json!("")));
    live.audio(&words(&[3])).await;
    live.bytes([]).await;
    let last = live.until(|message| message["final"] == true).await;
    assert_eq!((&last["type"], &last["text"]), (&json!("transcript"), &json!("w1 w2 w3")));
    // The slot is free, and the socket left to the client, which would fail at a close.
    all_are_closed(&world, &worker).await;
    assert_eq!(live.next_within(Duration::from_secs(3)).await, None);
    live.close().await;
}

#[tokio::test]
async fn an_empty_session_has_its_last_message_and_costs_nothing() {
    let (world, worker) = scripted(&[]).await;
    for frames in
        [&["{}", r#"{"action":"stop"}"#][..], &["{}", r#"{"type":"CloseStream"}"#], &[r#"{"action":"stop"}"#]]
    {
        let mut live = Live::open(world.port()).await;
        for frame in frames {
            live.text(*frame).await;
        }
        let (last, code) = live.last().await;
        assert_eq!(
            (&last["text"], &last["transcript"], &last["duration"]),
            (&json!(""), &json!(""), &json!(0.0))
        );
        assert_eq!((&last["usage"]["credits_used"], code), (&json!(0), 1000), "{frames:?}");
    }
    let mut live = Live::open(world.port()).await;
    live.bytes([]).await;
    assert_eq!(live.message().await["final"], true);
    live.close().await;
    all_are_closed(&world, &worker).await;
}

#[tokio::test]
async fn text_frames_in_mid_session_are_answered_only_if_they_mean_nothing() {
    let (world, _worker) = scripted(&[]).await;
    let mut live = Live::open(world.port()).await;
    live.text(r#"{"action":"keepalive"}"#).await;
    live.json(json!({"punctuate": true})).await;
    assert_eq!(live.message().await["status"], "ready");
    for alive in [r#"{"action":"keepalive"}"#, r#"{"type":"KeepAlive"}"#] {
        live.text(alive).await;
    }
    for nothing in ["", "{", "[]", "7", "hello", r#"{"action":"dance"}"#, r#"{"language":"de"}"#] {
        live.text(nothing).await;
        let error = live.message().await;
        assert_eq!(error["code"], "unknown_message", "{nothing}: {error}");
        assert!(error["error"].is_string());
    }
    for (at, flush) in [(1, r#"{"action":"flush"}"#), (2, r#"{"type":"Finalize"}"#)] {
        live.audio(&words(&[at])).await;
        live.text(flush).await;
        live.until(begins(&format!("w{at}"))).await;
    }
    live.json(json!({"action": "stop"})).await;
    let (last, code) = live.last().await;
    assert_eq!((&last["transcript"], &last["text"], code), (&json!("w1 w2"), &json!(""), 1000));
}

#[tokio::test]
async fn a_bad_first_frame_is_answered_and_closed() {
    let (world, worker) = scripted(&[]).await;
    for (frame, field, code) in [
        ("", "JSON", 1003),
        ("{", "JSON", 1003),
        ("[]", "JSON", 1003),
        ("7", "JSON", 1003),
        ("hello", "JSON", 1003),
        (r#"{"language":"xx"}"#, "language", 1008),
        (r#"{"model":"gpt"}"#, "model", 1008),
        (r#"{"model":"large-v3"}"#, "large-v3", 1013),
        (r#"{"sample_rate":7999}"#, "sample_rate", 1008),
        (r#"{"sample_rate":"fast"}"#, "sample_rate", 1008),
        (r#"{"encoding":"mp3"}"#, "encoding", 1008),
        (r#"{"text_mode":["all"]}"#, "text_mode", 1008),
        (r#"{"endpointing":100}"#, "endpointing", 1008),
        (r#"{"store":"perhaps"}"#, "store", 1008),
        (r#"{"session_id":"job_x"}"#, "session_id", 1008),
        (r#"{"session_id":"job_00000000000000000000000000"}"#, "session", 1008),
    ] {
        let mut live = Live::open(world.port()).await;
        live.text(frame).await;
        let (messages, closed) = live.rest().await;
        assert_eq!((messages.len(), closed), (1, code), "{frame}: {messages:?}");
        assert!(messages[0]["error"].as_str().unwrap().contains(field), "{frame}: {messages:?}");
        assert!(messages[0]["code"].is_string());
    }
    all_are_closed(&world, &worker).await;
}

#[tokio::test]
async fn a_text_frame_that_is_no_text_ends_the_session_and_loses_nothing() {
    let (world, worker) = scripted(&[]).await;
    let mut live = Live::open(world.port()).await;
    live.json(json!({})).await;
    live.audio(&utterance(&[1, 2])).await;
    live.until(begins("w1 w2")).await;
    live.broken_text(b"{\"action\": \"\xFF\"}").await;
    let (messages, code) = live.rest().await;
    let (error, last) = (&messages[messages.len() - 2], &messages[messages.len() - 1]);
    assert_eq!(
        (&error["code"], &last["transcript"]),
        (&json!("protocol_error"), &json!("w1 w2")),
        "{messages:?}"
    );
    assert_eq!((last["is_final"].as_bool(), code), (Some(true), 1007));
    all_are_closed(&world, &worker).await;
}

#[tokio::test]
async fn a_cumulative_session_is_told_everything_each_time() {
    let (world, _worker) = scripted(&[]).await;
    let mut live = Live::open(world.port()).await;
    live.json(json!({"text_mode": "cumulative"})).await;
    live.audio(&utterance(&[1])).await;
    let first = live.until(|message| message["text"].is_string()).await;
    assert_eq!((&first["text"], &first["segment"]), (&json!("w1"), &json!("w1")));
    live.audio(&utterance(&[2])).await;
    let second = live.until(|message| message["text"].is_string()).await;
    assert_eq!((&second["text"], &second["segment"]), (&json!("w1 w2"), &json!("w2")));
    live.json(json!({"action": "stop"})).await;
    assert_eq!(live.last().await.0["text"], "w1 w2");
}

#[tokio::test]
async fn frames_of_any_length_are_the_same_audio() {
    let (world, _worker) = scripted(&[]).await;
    let bytes = bytes_of(&utterance(&[1, 2, 3]));
    for length in [1, 3, 255, 8191, bytes.len()] {
        let mut live = Live::open(world.port()).await;
        live.json(json!({})).await;
        // Of frames of a byte there would be too many.
        let (head, tail) = bytes.split_at(if length == 1 { 1001 } else { 0 });
        for frame in head.chunks(length).chain(tail.chunks(length.max(1000))) {
            live.bytes(frame).await;
        }
        live.json(json!({"action": "stop"})).await;
        let (last, _) = live.last().await;
        assert_eq!((&last["transcript"], &last["duration"]), (&json!("w1 w2 w3"), &json!(1.5)), "{length}");
    }
}

#[tokio::test]
async fn other_rates_and_encodings_have_the_same_length() {
    let (world, _worker) = scripted(&[]).await;
    for (rate, encoding, bytes) in
        [(8000, "mulaw", 8000), (48_000, "f32le", 192_000), (44_100, "pcm16", 88_200)]
    {
        let mut live = Live::open(world.port()).await;
        live.json(json!({"sample_rate": rate, "encoding": encoding})).await;
        live.bytes(vec![0; bytes]).await;
        live.json(json!({"action": "stop"})).await;
        let duration = live.last().await.0["duration"].as_f64().unwrap();
        assert!((duration - 1.0).abs() < 0.002, "{rate} {encoding}: {duration}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_refused_with_a_reason() {
    let (world, worker) = scripted(&[]).await;
    let too_long = vec![0; (3 << 20) + 1];
    for begun in [false, true] {
        let mut live = Live::open(world.port()).await;
        if begun {
            live.json(json!({})).await;
            live.audio(&words(&[1])).await;
        }
        live.bytes(too_long.clone()).await;
        let (messages, code) = live.rest().await;
        let errors: Vec<_> = messages.iter().filter(|message| message["error"].is_string()).collect();
        assert_eq!((errors.len(), code), (1, 1009), "{messages:?}");
        assert_eq!(errors[0]["code"], "frame_too_large");
        if begun {
            assert_eq!(messages.last().unwrap()["transcript"], "w1", "what was said is not lost");
        }
        let mut live = Live::open(world.port()).await;
        if begun {
            live.json(json!({})).await;
        }
        live.text("x".repeat((64 << 10) + 1)).await;
        assert_eq!(live.rest().await.1, 1009);
    }
    // A megabyte is not too long.
    let mut live = Live::open(world.port()).await;
    live.json(json!({"sample_rate": 48_000, "encoding": "f32le"})).await;
    live.bytes(vec![0; 1 << 20]).await;
    live.json(json!({"action": "stop"})).await;
    assert_eq!(live.last().await.1, 1000);
    all_are_closed(&world, &worker).await;
}

#[tokio::test]
async fn partials_and_the_rest_go_to_the_worker_as_wished() {
    let (world, worker) = scripted(&[]).await;
    let mut live = Live::open(world.port()).await;
    live.json(json!({"interim_results": false, "endpointing": 300, "prompt": "names", "language": "auto"}))
        .await;
    live.audio(&words(&[1, 2, 3])).await;
    live.json(json!({"action": "stop"})).await;
    let (messages, _) = live.rest().await;
    assert!(
        messages.iter().all(|message| message["partial"].as_str().is_none_or(str::is_empty)),
        "{messages:?}"
    );
    let (options, resumption) = worker.told.begun.lock().unwrap()[0].clone();
    assert_eq!(
        (options.endpoint_ms, options.partials, options.prompt.as_deref()),
        (300, false, Some("names"))
    );
    assert_eq!((options.model.as_str(), options.language, resumption), ("mini", None, None));
}

#[tokio::test]
async fn audio_before_ready_is_kept() {
    let (world, worker) = scripted(&[]).await;
    worker.manner.is_unready.store(true, Ordering::SeqCst);
    let mut live = Live::open(world.port()).await;
    live.json(json!({})).await;
    live.audio(&utterance(&[1, 2])).await;
    live.json(json!({"action": "stop"})).await;
    let (last, _) = live.last().await;
    assert_eq!(last["transcript"], "w1 w2");
}

#[tokio::test]
async fn a_stored_session_is_a_job_with_every_export() {
    let (world, worker) = scripted(&[]).await;
    let client = world.keyed_client().await;
    let (key, _) = world.key_of_tier("unlimited").await;
    let bearer = format!("Bearer {}", key.reveal());
    let mut live = Live::open_at(world.port(), "/v1/stream", &[("Authorization", &bearer)]).await;
    live.json(json!({"store": true})).await;
    live.audio(&utterance(&[1, 2])).await;
    live.until(begins("w1 w2")).await;
    live.audio(&words(&[3])).await;
    live.json(json!({"action": "stop"})).await;
    let (last, _) = live.last().await;
    assert_eq!(last["job_id"], last["session_id"]);
    assert_eq!((&last["text"], &last["transcript"]), (&json!("w3"), &json!("w1 w2 w3")));
    let path = format!("/v1/jobs/{}", last["job_id"].as_str().unwrap());
    assert_eq!(client.get(&path).await.status, 404, "another's");
    let own = world.client().with_key(key.reveal());
    assert_eq!(own.get(&path).await.ok()["state"], "completed");
    let transcript = own.get(&format!("{path}/transcript")).await.ok();
    assert_eq!((&transcript["text"], &transcript["model"]), (&json!("w1 w2 w3"), &json!("mini")));
    assert_eq!(transcript["segments"].as_array().unwrap().len(), 2);
    let srt = own.get(&format!("{path}/transcript?format=srt")).await;
    assert!(srt.body.contains("w1 w2"), "{}", srt.body);
    all_are_closed(&world, &worker).await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_session_as_by_a_stop() {
    let (world, worker) = scripted(&[]).await;
    let (key, _) = world.key_of_tier("unlimited").await;
    let bearer = format!("Bearer {}", key.reveal());
    let mut live = Live::open_at(world.port(), "/v1/stream", &[("Authorization", &bearer)]).await;
    live.json(json!({"store": true})).await;
    let id = live.message().await["session_id"].as_str().unwrap().to_owned();
    live.audio(&words(&[1, 2])).await;
    assert_eq!(open_sessions(&world).await, std::slice::from_ref(&id));
    drop(live);
    all_are_closed(&world, &worker).await;
    let own = world.client().with_key(key.reveal());
    assert_eq!(own.get(&format!("/v1/jobs/{id}/transcript")).await.ok()["text"], "w1 w2");
}
