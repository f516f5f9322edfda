//! `steno transcribe` while the server is busy, away, or says no in the middle.

use std::time::{Duration, Instant};

use steno_tests::wait;
use steno_tests::world::SOON;

use super::*;

/// Whatever passes is tried again, as the same job: connections that break, 503, 429.
#[tokio::test]
async fn what_passes_is_tried_again_with_the_same_idempotency_key() {
    let server =
        Scripted::start(|request, before| match (request.method.as_str(), request.address(), before) {
            ("POST", _, 0) => Act::HangUp,
            ("POST", _, 1) => refusal(503, "the queue is full", vec![("retry-after", "0".to_owned())]),
            ("POST", _, 2) => refusal(429, "too fast", vec![("retry-after", "1".to_owned())]),
            ("GET", "/v1/jobs/job_1", 0) => Act::HangUp,
            ("GET", "/v1/jobs/job_1", 1) => refusal(503, "stopping", vec![("retry-after", "0".to_owned())]),
            ("GET", "/v1/jobs/job_1/transcript", 0) => Act::HangUp,
            (_, _, before) => well(request, before),
        })
        .await;
    let desk = Desk::new();
    let file = desk.file("talk.mp3", &[7; 300_000]);
    let began = Instant::now();
    let done =
        desk.run(&server.url, &["transcribe", "talk.mp3", "--model", "mini", "--diarize", "false"]).await;
    assert_eq!(done.ok(), "Good morning as txt.\n");
    assert!(began.elapsed() >= Duration::from_secs(1), "Retry-After was not honoured");
    assert!(done.err.contains("talk.mp3: the queue is full; trying again in 0 s"), "{}", done.err);
    let posts = server.seen("POST", "/v1/jobs");
    assert_eq!(posts.len(), 4);
    let key = posts[0].header("idempotency-key");
    assert!(key.len() > 20 && posts.iter().all(|post| post.header("idempotency-key") == key), "{posts:?}");
    for post in &posts[1..] {
        assert!(part(post, &file));
        assert_eq!(post.header("content-length").parse::<usize>().unwrap(), post.body.len());
        for field in ["name=\"model\"\r\n\r\nmini\r\n", "name=\"diarize\"\r\n\r\nfalse\r\n"] {
            assert!(steno_tests::scripted::find(&post.body, field.as_bytes()).is_some(), "{field}");
        }
    }
    // Two runs are two jobs.
    desk.run(&server.url, &["transcribe", "talk.mp3"]).await.ok();
    assert_ne!(server.seen("POST", "/v1/jobs").last().unwrap().header("idempotency-key"), key);
}

#[tokio::test]
async fn tries_end_after_five_more_and_long_waits_are_left_to_the_user() {
    let script = |request: &Request, _: usize| {
        let seconds = if request.header("authorization").is_empty() { "0" } else { "3600" };
        refusal(503, "no room", vec![("retry-after", seconds.to_owned())])
    };
    let server = Scripted::start(script).await;
    let desk = Desk::new();
    desk.file("talk.mp3", b"x");
    let done = desk.run(&server.url, &["transcribe", "talk.mp3"]).await;
    assert_eq!(done.failed(1), "no room");
    assert_eq!(server.seen("POST", "/v1/jobs").len(), 6);
    let done = desk.run(&server.url, &["transcribe", "talk.mp3", "--key", "k"]).await;
    assert_eq!(done.failed(1), "no room");
    assert_eq!(server.seen("POST", "/v1/jobs").len(), 7);
    // What the server calls final, or refuses for another reason, is not tried again.
    for status in [400, 401, 402, 413, 422, 500] {
        let server =
            Scripted::start(move |_, _| refusal(status, "no", vec![("retry-after", "0".to_owned())])).await;
        assert_eq!(desk.run(&server.url, &["transcribe", "talk.mp3"]).await.failed(1), "no");
        assert_eq!(server.seen("POST", "/v1/jobs").len(), 1, "{status}");
    }
}

/// A refusal that comes before the body has gone is understood, and the file is not held in memory.
#[tokio::test]
async fn an_early_refusal_of_a_large_file_is_understood() {
    let refused = json!({"error": "this API key is unknown or revoked", "code": "invalid_key"}).to_string();
    let server = Scripted::start(move |_, _| Act::Early(401, refused.clone())).await;
    let desk = Desk::new();
    let file = std::fs::File::create(desk.path("large.wav")).unwrap();
    file.set_len(3 << 30).unwrap();
    let done = desk.run(&server.url, &["transcribe", "large.wav", "--json"]).await;
    assert_eq!(done.failed(1), "this API key is unknown or revoked");
    assert_eq!(done.document()["code"], "invalid_key");
}

#[tokio::test]
async fn a_large_upload_needs_little_memory() {
    let server = Scripted::start(|_, _| Act::Swallow).await;
    let desk = Desk::new();
    let file = std::fs::File::create(desk.path("large.wav")).unwrap();
    file.set_len(3 << 30).unwrap();
    let mut child = desk.command(&server.url, &["transcribe", "large.wav"]).spawn().unwrap();
    wait::until("a gigabyte of the upload", SOON, async || (server.swallowed() > 1 << 30).then_some(()))
        .await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.split_whitespace().next().unwrap().parse().unwrap();
    assert!(kib < 100 << 10, "{kib} KiB for an upload");
    child.kill().await.unwrap();
}

#[tokio::test]
async fn a_transcript_that_breaks_off_leaves_the_file_as_it_was() {
    let server = Scripted::start(|request, before| match request.address() {
        "/v1/jobs/job_1/transcript" => Act::BreakOff("half".to_owned()),
        _ => well(request, before),
    })
    .await;
    let desk = Desk::new();
    desk.file("talk.mp3", b"x");
    let output = desk.file("talk.srt", b"the one of yesterday");
    let done = desk.run(&server.url, &["transcribe", "talk.mp3", "--output", "talk.srt"]).await;
    assert!(done.failed(1).contains("broke"), "{}", done.err);
    assert_eq!(std::fs::read(&output).unwrap(), b"the one of yesterday");
    assert_eq!(std::fs::read_dir(desk.folder.path()).unwrap().count(), 2, "something is left beside it");
}

/// What was read of a pipe cannot be sent again; before that it can.
#[tokio::test]
async fn standard_input_is_sent_once() {
    let server = Scripted::start(well).await;
    let desk = Desk::new();
    let file = desk.file("stdin", &[9; 200_000]);
    let input = std::fs::read(&file).unwrap();
    let done = desk.run_with_input(&server.url, &["transcribe", "-"], &input).await;
    assert_eq!(done.ok(), "Good morning as txt.\n");
    let post = &server.seen("POST", "/v1/jobs")[0];
    assert_eq!(post.header("transfer-encoding"), "chunked");
    assert!(part(post, &file));
    let busy = Scripted::start(|_, _| refusal(503, "busy", vec![("retry-after", "0".to_owned())])).await;
    let done = desk.run_with_input(&busy.url, &["transcribe", "-"], &input).await;
    assert_eq!(done.failed(1), "busy");
    assert_eq!(busy.seen("POST", "/v1/jobs").len(), 1);
}

#[tokio::test]
async fn a_server_that_is_none_is_named() {
    let desk = Desk::new();
    let page = Scripted::start(|_, _| Act::Answer(200, vec![], "<html>".to_owned())).await;
    assert!(
        desk.run(&page.url, &["jobs"]).await.failed(1).contains("does not answer as a Steno server does")
    );
    let moved = Scripted::start(|_, _| {
        Act::Answer(301, vec![("location", "https://elsewhere/".to_owned())], String::new())
    })
    .await;
    assert!(desk.run(&moved.url, &["usage"]).await.failed(1).contains("redirects to https://elsewhere/"));
    let proxy = Scripted::start(|_, _| Act::Answer(502, vec![], "\u{1b}[2Jbad gateway".to_owned())).await;
    let done = desk.run(&proxy.url, &["usage", "--json"]).await;
    assert_eq!(done.failed(1), "the server answered 502 Bad Gateway: [2Jbad gateway");
    assert_eq!(done.document()["code"], "http_502");
    // Nobody there: told at once by a command that only looks.
    let done = desk.run("http://127.0.0.1:1", &["jobs", "--json"]).await;
    assert!(done.failed(1).contains("cannot reach http://127.0.0.1:1/: Connection refused"), "{}", done.err);
    assert_eq!(done.document()["code"], "unreachable");
}
