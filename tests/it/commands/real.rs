//! The commands against a real server, from a recording to its transcript.

use rustix::process::{Pid, Signal, kill_process};
use steno_tests::score::words;
use steno_tests::wait;
use steno_tests::world::{Plan, SOON, World};

use super::*;

/// A desk whose data folder holds a key of this world's, and the server's address.
pub(super) async fn desk(world: &World) -> (Desk, String) {
    let desk = Desk::new();
    let key = world.command("steno", &["keys", "create", "--tier", "unlimited", "--quiet"]).output().unwrap();
    std::fs::create_dir(desk.path("data")).unwrap();
    desk.file("data/key", &key.stdout);
    (desk, format!("http://127.0.0.1:{}", world.port()))
}

fn clip(desk: &Desk) -> String {
    std::fs::copy(clips::heldout()[0].path(), desk.path("talk.flac")).unwrap();
    "talk.flac".to_owned()
}

#[tokio::test]
async fn a_recording_becomes_a_transcript_and_its_job_is_at_hand() {
    let world = World::start().await;
    let (desk, server) = desk(&world).await;
    let file = clip(&desk);
    let text = desk.run(&server, &["transcribe", &file]).await;
    assert!(words(text.ok()).len() > 3, "{}", text.out);
    let json = desk.run(&server, &["transcribe", &file, "--json", "--diarize", "false"]).await;
    json.ok();
    assert_eq!(words(json.document()["text"].as_str().unwrap()), words(&text.out));
    desk.run(&server, &["transcribe", &file, "-o", "talk.srt"]).await.ok();
    assert!(std::fs::read_to_string(desk.path("talk.srt")).unwrap().contains(" --> "));
    let input = std::fs::read(desk.path(&file)).unwrap();
    let piped = desk.run_with_input(&server, &["transcribe", "-"], &input).await;
    assert_eq!(piped.ok(), text.out);

    let jobs = desk.run(&server, &["jobs", "--json"]).await.document()["jobs"].clone();
    let names: Vec<_> =
        jobs.as_array().unwrap().iter().map(|job| job["file_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["stdin", "talk.flac", "talk.flac", "talk.flac"]);
    let table = desk.run(&server, &["jobs", "--state", "completed", "--limit", "3"]).await;
    assert_eq!(table.ok().lines().count(), 4, "{}", table.out);
    assert!(table.err.contains("steno jobs --cursor "), "{}", table.err);
    let id = jobs[0]["id"].as_str().unwrap();
    assert!(desk.run(&server, &["jobs", "show", id]).await.ok().contains("completed"));
    let vtt = desk.run(&server, &["jobs", "transcript", id, "--format", "vtt"]).await;
    assert!(vtt.ok().starts_with("WEBVTT"), "{}", vtt.out);
    assert!(desk.run(&server, &["jobs", "cancel", id]).await.failed(1).contains("was completed already"));
    desk.run(&server, &["jobs", "delete", id]).await.ok();
    assert_eq!(desk.run(&server, &["jobs", "show", id]).await.failed(1), "no such job");
    let usage = desk.run(&server, &["usage"]).await;
    assert!(usage.ok().contains("unlimited"), "{}", usage.out);
    assert_eq!(desk.run(&server, &["usage", "--json"]).await.document()["tier"], "unlimited");
}

#[tokio::test]
async fn the_servers_sentences_reach_the_user() {
    let world = World::start().await;
    let (desk, server) = desk(&world).await;
    desk.file("page.mp3", b"%PDF-1.7 not audio at all, however it is named");
    let done = desk.run(&server, &["transcribe", "page.mp3", "--json"]).await;
    assert!(done.failed(1).contains("not audio or video"), "{}", done.err);
    assert_eq!(done.document()["code"], "unsupported_format");
    let file = clip(&desk);
    let done = desk.run(&server, &["transcribe", &file, "--model", "huge"]).await;
    assert!(done.failed(1).contains("unknown model \"huge\""), "{}", done.err);
    let done = desk.run(&server, &["transcribe", &file, "--language", "klingon"]).await;
    assert!(done.failed(1).contains("unknown language"), "{}", done.err);
    let wrong = steno_shared::key::ApiKey::random();
    for (key, sentence) in [("stn_typo", "malformed"), (wrong.reveal(), "unknown or revoked")] {
        for arguments in [&["transcribe", &file][..], &["jobs"], &["usage"]] {
            let child = desk.command(&server, arguments).env("STENO_KEY", key).spawn().unwrap();
            assert!(super::done(child).await.failed(1).contains(sentence), "{arguments:?}");
        }
    }
    let unknown = steno_shared::id::JobId::random().to_string();
    for action in ["show", "cancel", "delete", "retry", "transcript"] {
        assert_eq!(desk.run(&server, &["jobs", action, &unknown]).await.failed(1), "no such job");
    }
    assert!(desk.run(&server, &["jobs", "--state", "lost"]).await.failed(1).contains("state"));
    assert!(desk.run(&server, &["jobs", "--cursor", "nonsense"]).await.failed(1).contains("cursor"));
}

/// Ctrl-C while it is transcribed: the job is cancelled, and can be run again.
#[tokio::test]
async fn ctrl_c_cancels_the_job_at_the_server() {
    let world = Plan::default().set("STENO_FAILPOINTS", "transcribe.chunk=sleep(300)").start().await;
    let (desk, server) = desk(&world).await;
    clips::join(&clips::heldout()[..20], 0.5, 300.0, &desk.path("long.wav"));
    let child = desk.command(&server, &["transcribe", "long.wav"]).spawn().unwrap();
    let id = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    let job = wait::until("the job to run", SOON, async || {
        let jobs = desk.run(&server, &["jobs", "--state", "processing", "--json"]).await.document();
        let job = &jobs["jobs"][0];
        (job["progress"]["stage"] == "transcribe").then(|| job["id"].as_str().unwrap().to_owned())
    })
    .await;
    kill_process(id, Signal::INT).unwrap();
    assert_eq!(super::done(child).await.failed(130), format!("interrupted; job {job} is cancelled"));
    assert_eq!(desk.run(&server, &["jobs", "show", &job, "--json"]).await.document()["state"], "cancelled");
    desk.run(&server, &["jobs", "delete", &job]).await.ok();
}
