//! The official clients, which we did not write, unchanged but for the address of the server; and the program that
//! docs/live.md shows.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use steno_shared::job::Lane;
use steno_tests::clips;
use steno_tests::score::Score;
use steno_tests::world::{Plan, World};

const WER_PERCENT: f64 = 25.0;
const PAUSE: usize = 16_000;

async fn world() -> World {
    let plan = Plan::default().set("STENO_MODEL_ALIASES", "large-v3-turbo=mini");
    plan.lanes(&[Lane::Intake, Lane::Transcribe, Lane::Stream]).start().await
}

/// Three sentences, as `talk.wav` and as the samples alone in `talk.raw`, and what is said.
fn talk(folder: &Path) -> String {
    let (mut samples, mut said) = (Vec::new(), Vec::new());
    for clip in clips::heldout().into_iter().filter(|clip| !clip.heldout).take(3) {
        samples.extend(clips::samples(&clip.path()));
        samples.resize(samples.len() + PAUSE, 0);
        said.push(clip.text);
    }
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    clips::write_wav(&bytes, &folder.join("talk.wav"));
    std::fs::write(folder.join("talk.raw"), bytes).unwrap();
    said.join(" ")
}

/// What a program of the tests prints that is given the server, a key and the samples.
async fn printed(world: &World, mut command: Command, folder: &Path) -> Value {
    let (key, _) = world.key_of_tier("unlimited").await;
    command
        .arg(format!("http://127.0.0.1:{}", world.port()))
        .arg(key.reveal())
        .arg(folder.join("talk.raw"))
        .env("NO_PROXY", "127.0.0.1");
    if command.get_program() != "node" {
        command.arg(folder.join("talk.wav"));
    }
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Something that a script installs.
fn installed(path: &str, script: &str) -> PathBuf {
    let path = clips::root().join(path);
    assert!(path.exists(), "{} is missing; run: {script}", path.display());
    path
}

/// The Python client, with this version of websocket-client.
async fn python(world: &World, version: &str, folder: &Path) -> Value {
    let mut command = Command::new(installed("target/python/bin/python", "scripts/python.sh"));
    command.arg(clips::root().join("tests/python/stream_sttai.py"));
    if version == "1.8.0" {
        command.env("PYTHONPATH", installed("target/python/older", "scripts/python.sh"));
    }
    let printed = printed(world, command, folder).await;
    assert_eq!(printed["websocket_client"], version);
    printed
}

fn is_right(said: &str, heard: &Value) {
    let heard = heard.as_str().unwrap();
    let score = Score::of(said, heard);
    assert!(score.percent() < WER_PERCENT, "{:.1} % wrong: {heard:?} instead of {said:?}", score.percent());
}

/// The last message has the whole text, and those before it, which both kinds are of, are its beginning.
fn agree(said: &str, partials: &[Value], transcripts: &[Value]) {
    assert!(partials.iter().any(|message| message["text"] != ""), "no partial has a text: {partials:?}");
    let (last, finals) = transcripts.split_last().unwrap();
    assert_eq!(last["final"], true);
    assert!(finals.iter().all(|message| message["final"] != true), "{finals:?}");
    is_right(said, &last["text"]);
    let finals: Vec<_> = finals.iter().map(|message| message["text"].as_str().unwrap()).collect();
    let whole = last["text"].as_str().unwrap();
    assert!(!finals.is_empty() && whole.starts_with(&finals.join(" ")), "{finals:?}, and {whole:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_streams_and_transcribes() {
    let world = world().await;
    let folder = tempfile::TempDir::new().unwrap();
    let said = talk(folder.path());
    // At once: each waits half a minute for the server to close the connection, which it does not.
    let (older, newer) =
        tokio::join!(python(&world, "1.8.0", folder.path()), python(&world, "1.9.0", folder.path()));
    for printed in [older, newer] {
        let messages = printed["messages"].as_array().unwrap();
        let (partials, transcripts): (Vec<_>, Vec<_>) =
            messages.iter().cloned().partition(|message| message["type"] == "partial");
        assert!(transcripts.iter().all(|message| message["type"] == "transcript"), "{transcripts:?}");
        assert_eq!(messages.last(), Some(&printed["result"]));
        agree(&said, &partials, &transcripts);
        is_right(&said, &printed["transcribed"]["text"]);
    }
    assert!(!world.written().contains("token="), "a key of a query was written down");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_client_streams() {
    let world = world().await;
    let folder = tempfile::TempDir::new().unwrap();
    let said = talk(folder.path());
    let mut command = Command::new("node");
    command
        .current_dir(installed("target/node", "scripts/node.sh"))
        .arg(clips::root().join("tests/node/stream_sttai.js"));
    let printed = printed(&world, command, folder.path()).await;
    let of = |kind: &str| printed[kind].as_array().unwrap().clone();
    assert_eq!(printed["message"], serde_json::json!([]), "messages that are neither partial nor transcript");
    agree(&said, &of("partial"), &of("transcript"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_of_the_documentation_works() {
    let world = world().await;
    let folder = tempfile::TempDir::new().unwrap();
    let said = talk(folder.path());
    std::fs::rename(folder.path().join("talk.raw"), folder.path().join("talk.pcm")).unwrap();
    let program = super::documented::program("python", world.port());
    let mut command = Command::new(installed("target/python/bin/python", "scripts/python.sh"));
    command.args(["-c", &program]).current_dir(folder.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    is_right(&said, &Value::from(String::from_utf8(output.stdout).unwrap()));
}
