//! `steno listen`, against real servers and what is none.

use rustix::process::{Pid, Signal, kill_process};
use steno_shared::job::Lane;
use steno_tests::score::{Score, words};
use steno_tests::wait;
use steno_tests::world::{Plan, SOON, World};

use tokio::io::{AsyncBufReadExt, BufReader};

use super::real::desk;
use super::*;

async fn world() -> World {
    Plan::default().lanes(&[Lane::Stream]).start().await
}

/// Samples of a clip, half a second of silence after them, and what is said.
fn spoken() -> (Vec<u8>, String) {
    let clip = &clips::heldout()[0];
    let samples = clips::samples(&clip.path());
    let silence = std::iter::repeat_n(0, 8_000);
    (samples.into_iter().chain(silence).flat_map(i16::to_le_bytes).collect(), clip.text.clone())
}

fn is_said(said: &str, heard: &str) {
    let score = Score::of(said, heard);
    assert!(score.percent() < 30.0, "{heard:?} for {said:?}");
}

#[tokio::test]
async fn a_file_or_a_pipe_becomes_text() {
    let world = world().await;
    let (desk, server) = desk(&world).await;
    let (samples, said) = spoken();
    desk.file("talk.pcm", &samples);
    clips::write_wav(&samples, &desk.path("talk.wav"));
    let file = desk.run(&server, &["listen", "talk.pcm"]).await;
    is_said(&said, file.ok());
    let piped = desk.run_with_input(&server, &["listen", "--language", "en"], &samples).await;
    is_said(&said, piped.ok());
    // What the file says of itself counts.
    let wav =
        desk.run(&server, &["listen", "talk.wav", "--sample-rate", "8000", "--encoding", "mulaw"]).await;
    assert_eq!(words(wav.ok()), words(&file.out));

    // Longer than what is sent ahead of the clock, so that some of it is heard while it is spoken.
    clips::write_wav(&samples.repeat(12 * 32_000 / samples.len() + 2), &desk.path("talks.wav"));
    let said = [said.as_str()].repeat(12 * 32_000 / samples.len() + 2).join(" ");
    let json = desk.run(&server, &["listen", "talks.wav", "--json", "--store", "--partials", "on"]).await;
    let lines: Vec<Value> = json.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["status"], "ready");
    assert!(lines.iter().any(|line| line["partial"].as_str().is_some_and(|partial| !partial.is_empty())));
    let last = lines.last().unwrap();
    assert_eq!((&last["is_final"], &last["final"]), (&json!(true), &json!(true)));
    is_said(&said, last["transcript"].as_str().unwrap());
    let id = last["job_id"].as_str().unwrap();
    assert!(json.err.contains(&format!("steno jobs transcript {id}")), "{}", json.err);
    let kept = desk.run(&server, &["jobs", "transcript", id]).await;
    assert_eq!(words(kept.ok()), words(last["transcript"].as_str().unwrap()));
}

#[tokio::test]
async fn without_speech_there_is_no_text() {
    let world = world().await;
    let (desk, server) = desk(&world).await;
    let done = desk.run_with_input(&server, &["listen"], &[0; 64_000]).await;
    assert_eq!(done.ok(), "");
    assert!(done.err.contains("no speech in 0:02 of audio"), "{}", done.err);
    assert_eq!(desk.run_with_input(&server, &["listen"], b"").await.failed(1), "standard input is empty");
}

/// The microphone stays open: Ctrl-C ends the session, and the rest of the text is there.
#[tokio::test]
async fn ctrl_c_ends_the_session_and_prints_the_rest() {
    let world = world().await;
    let (desk, server) = desk(&world).await;
    let (samples, said) = spoken();
    let arguments = ["listen", "--json", "--partials", "on"];
    let mut child = desk.command(&server, &arguments).stdin(Stdio::piped()).spawn().unwrap();
    let id = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    let mut microphone = child.stdin.take().unwrap();
    microphone.write_all(&samples).await.unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = Value::Null;
    while let Some(line) = tokio::time::timeout(SOON, lines.next_line()).await.unwrap().unwrap() {
        last = serde_json::from_str(&line).unwrap();
        if last["is_final"].is_null() && last["text"].is_string() {
            kill_process(id, Signal::INT).unwrap();
        }
    }
    is_said(&said, last["transcript"].as_str().unwrap());
    done(child).await.ok();
    drop(microphone);
}

#[tokio::test]
async fn a_server_that_refuses_or_is_none_is_named() {
    let world = world().await;
    let (desk, server) = desk(&world).await;
    let (samples, _) = spoken();
    desk.file("talk.pcm", &samples);
    desk.file("talk.flac", b"fLaC and more than twelve bytes");
    for (arguments, sentence) in [
        (&["listen", "talk.pcm", "--model", "huge"][..], "unknown model"),
        (&["listen", "talk.pcm", "--language", "klingon"], "unknown language"),
        (&["listen", "talk.flac"], "talk.flac is FLAC"),
        (&["listen", "nowhere.pcm"], "cannot read nowhere.pcm"),
        (&["listen", "talk.pcm", "--server", "http://127.0.0.1:1"], "cannot reach"),
    ] {
        assert!(desk.run(&server, arguments).await.failed(1).contains(sentence), "{arguments:?}");
    }
    for (arguments, sentence) in [
        (&["listen", "--sample-rate", "96000"][..], "8000..=48000"),
        (&["listen", "--encoding", "opus"], "s16le, f32le or mulaw"),
        (&["listen", "--endpointing", "5"], "200..=3000"),
    ] {
        let done = desk.run(&server, arguments).await;
        assert!(done.status == 2 && done.err.contains(sentence), "{}", done.err);
    }
    for (key, sentence) in
        [("stn_typo", "malformed"), (steno_shared::key::ApiKey::random().reveal(), "unknown or revoked")]
    {
        let mut command = desk.command(&server, &["listen", "talk.pcm", "--json"]);
        let done = super::done(command.env("STENO_KEY", key).spawn().unwrap()).await;
        assert!(done.failed(1).contains(sentence), "{}", done.err);
        assert!(done.document()["code"].is_string());
    }
    let other = Scripted::start(|_, _| Act::Answer(200, vec![], "hello".to_owned())).await;
    let done = desk.run(&other.url, &["listen", "talk.pcm"]).await;
    assert!(done.failed(1).contains("does not answer as a Steno server does"), "{}", done.err);
}

/// The API is killed in mid-session and does not come back: that is an error, but not at once.
#[tokio::test]
async fn a_server_that_is_killed_is_an_error_after_the_time_to_come_back() {
    let mut world = world().await;
    let (desk, server) = desk(&world).await;
    let (samples, _) = spoken();
    let mut child = desk.command(&server, &["listen", "--json"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut microphone = child.stdin.take().unwrap();
    microphone.write_all(&samples).await.unwrap();
    let store = world.store().await;
    wait::until("audio to be received", SOON, async || {
        let sql = "SELECT COUNT(*) AS n FROM live_session WHERE audio_ms > 0";
        (crate::audit::number(&store, sql).await > 0).then_some(())
    })
    .await;
    world.kill_api();
    let done = done(child).await;
    assert!(done.failed(1).contains("the session is lost"), "{}", done.err);
    assert!(done.err.contains("connecting again"), "{}", done.err);
    let last: Value = serde_json::from_str(done.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["code"], "connection_broken");
    drop(microphone);
    // What it had received is paid for, once the API is there again.
    world.start_api(&[]).await;
    wait::until("the session to be settled", SOON, async || {
        (crate::audit::number(&store, "SELECT COUNT(*) AS n FROM live_session").await == 0).then_some(())
    })
    .await;
    crate::audit::hold(&store).await;
    assert!(crate::audit::number(&store, "SELECT COUNT(*) AS n FROM charge").await > 0);
}
