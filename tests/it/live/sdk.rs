//! The official Python client, which we did not write, unchanged but for the address of the server.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use steno_shared::job::Lane;
use steno_tests::clips;
use steno_tests::score::Score;
use steno_tests::world::{Plan, World};

const WER_PERCENT: f64 = 25.0;
const PAUSE: usize = 16_000;

/// What `tests/python/stream_sttai.py` prints, with this version of websocket-client.
async fn stream(world: &World, version: &str, file: &Path) -> Value {
    let environment = clips::root().join("target/python");
    let python = environment.join("bin/python");
    assert!(python.is_file(), "{} is missing; run: scripts/python.sh", python.display());
    let (key, _) = world.key_of_tier("unlimited").await;
    let samples = file.with_extension(version);
    let raw: Vec<u8> = clips::samples(file).iter().flat_map(|sample| sample.to_le_bytes()).collect();
    std::fs::write(&samples, raw).unwrap();
    let mut command = Command::new(python);
    command
        .arg(clips::root().join("tests/python/stream_sttai.py"))
        .arg(format!("http://127.0.0.1:{}", world.port()))
        .arg(key.reveal())
        .args([&samples, file])
        .env("NO_PROXY", "127.0.0.1");
    if version == "1.8.0" {
        command.env("PYTHONPATH", environment.join("older"));
    }
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["websocket_client"], version);
    printed
}

fn is_right(said: &str, heard: &Value) {
    let heard = heard.as_str().unwrap();
    let score = Score::of(said, heard);
    assert!(score.percent() < WER_PERCENT, "{heard:?} instead of {said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_client_streams_and_transcribes() {
    let plan = Plan::default().set("STENO_MODEL_ALIASES", "large-v3-turbo=mini");
    let world = plan.lanes(&[Lane::Intake, Lane::Transcribe, Lane::Stream]).start().await;
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("talk.wav");
    let (mut samples, mut said) = (Vec::new(), Vec::new());
    for clip in clips::heldout().into_iter().filter(|clip| !clip.heldout).take(3) {
        samples.extend(clips::samples(&clip.path()));
        samples.resize(samples.len() + PAUSE, 0);
        said.push(clip.text);
    }
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    clips::write_wav(&bytes, &file);
    let said = said.join(" ");

    // At once: each waits half a minute for the server to close the connection, which it does not.
    let (older, newer) = tokio::join!(stream(&world, "1.8.0", &file), stream(&world, "1.9.0", &file));
    for printed in [older, newer] {
        is_right(&said, &printed["result"]["text"]);
        is_right(&said, &printed["transcribed"]["text"]);
        assert_eq!(printed["result"]["final"], true);
        let messages = printed["messages"].as_array().unwrap();
        let of = |kind: &'static str| messages.iter().filter(move |message| message["type"] == kind);
        assert_eq!(of("partial").count() + of("transcript").count(), messages.len(), "{messages:?}");
        assert!(of("partial").any(|message| message["text"] != ""), "no partial has a text: {messages:?}");
        assert_eq!(messages.iter().filter(|message| message["final"] == true).count(), 1);
        assert_eq!(messages.last(), Some(&printed["result"]));
        let finals = of("transcript").filter(|message| message["final"] != true);
        let finals: Vec<_> = finals.map(|message| message["text"].as_str().unwrap()).collect();
        let whole = printed["result"]["text"].as_str().unwrap();
        assert!(!finals.is_empty() && whole.starts_with(&finals.join(" ")), "{finals:?}, and {whole:?}");
    }
    assert!(!world.written().contains("token="), "a key of a query was written down");
}
