//! Ctrl-C, at every point of `steno transcribe`.

use rustix::process::{Pid, Signal, kill_process};
use steno_tests::wait;
use steno_tests::world::SOON;

use super::*;

/// Starts a transcription, waits until the server has seen a request, and interrupts.
async fn interrupted(server: &Scripted, method: &str, path: &str) -> Done {
    let desk = Desk::new();
    desk.file("talk.mp3", b"x");
    let large = std::fs::File::create(desk.path("large.wav")).unwrap();
    large.set_len(1 << 30).unwrap();
    let name = if path == "/v1/jobs" { "large.wav" } else { "talk.mp3" };
    let child = desk.command(&server.url, &["transcribe", name, "--json"]).spawn().unwrap();
    let id = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    wait::until("the request", SOON, async || server.seen(method, path).first().cloned()).await;
    kill_process(id, Signal::INT).unwrap();
    done(child).await
}

#[tokio::test]
async fn a_job_that_runs_is_cancelled() {
    let server = Scripted::start(|request, _| match request.method.as_str() {
        "GET" => Act::Answer(200, vec![], running().to_string()),
        _ => well(request, 0),
    })
    .await;
    let done = interrupted(&server, "GET", "/v1/jobs/job_1").await;
    assert_eq!(done.failed(130), "interrupted; job job_1 is cancelled");
    assert_eq!(done.document()["code"], "interrupted");
    assert_eq!(server.seen("POST", "/v1/jobs/job_1/cancel").len(), 1);
}

#[tokio::test]
async fn a_job_that_has_ended_meanwhile_is_not_deleted() {
    let server = Scripted::start(|request, before| match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/v1/jobs/job_1?wait=2") => Act::Stall,
        ("GET", "/v1/jobs/job_1") => well(request, before.max(1)),
        ("POST", "/v1/jobs/job_1/cancel") => {
            Act::Answer(409, vec![], r#"{"error": "it has ended", "code": "not_ready"}"#.to_owned())
        }
        _ => well(request, before),
    })
    .await;
    let done = interrupted(&server, "GET", "/v1/jobs/job_1").await;
    assert_eq!(done.failed(130), "interrupted; job job_1 was completed already");
    assert!(server.seen("DELETE", "/v1/jobs/job_1").is_empty());
}

#[tokio::test]
async fn an_upload_is_given_up() {
    let server = Scripted::start(|_, _| Act::Stall).await;
    let done = interrupted(&server, "POST", "/v1/jobs").await;
    assert_eq!(done.failed(130), "interrupted; the server has no job of it");
}

#[tokio::test]
async fn a_completed_job_keeps_its_transcript() {
    let server = Scripted::start(|request, before| match request.address() {
        "/v1/jobs/job_1/transcript" => Act::Stall,
        _ => well(request, before),
    })
    .await;
    let done = interrupted(&server, "GET", "/v1/jobs/job_1/transcript").await;
    assert_eq!(done.failed(130), "interrupted; `steno jobs transcript job_1` reads the transcript");
    assert!(server.seen("POST", "/v1/jobs/job_1/cancel").is_empty());
}
