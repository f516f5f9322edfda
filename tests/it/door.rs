//! Where the server listens, and who must be let in for that.

use std::process::Command;

use steno_shared::key::ApiKey;
use steno_shared::store::{NewKey, Owner};
use steno_tests::process::Process;
use steno_tests::wait;
use steno_tests::world::{Plan, SOON, World};
use tempfile::TempDir;

fn serve(world: &World, arguments: &[&str]) -> Command {
    world.command("steno", &[&["serve"], arguments].concat())
}

/// What it says as it refuses to start.
fn refusal(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "it has started");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn starts(command: Command) {
    let logs = TempDir::new().unwrap();
    let mut process = Process::start("serve", command, logs.path());
    wait::until("the server to listen", SOON, async || {
        assert!(process.ended().is_none(), "it has ended: {}", process.log());
        process.log().contains("listening").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_public_address_needs_a_key_or_the_wish_to_serve_everybody() {
    let world = Plan::default().lanes(&[]).start().await;
    for bind in ["0.0.0.0:0", "[::]:0"] {
        for rest in [&[][..], &["--anonymous", "auto"], &["--anonymous", "off"]] {
            let told = refusal(serve(&world, &[&["--bind", bind], rest].concat()));
            assert!(told.contains("steno keys create --tier unlimited --data "), "{bind} {rest:?}: {told}");
            assert!(told.contains("--anonymous on"), "{told}");
        }
    }
    let mut by_variable = serve(&world, &[]);
    by_variable.env("STENO_BIND", "0.0.0.0:0");
    assert!(refusal(by_variable).contains("steno keys create"));
    starts(serve(&world, &["--bind", "0.0.0.0:0", "--anonymous", "on"])).await;

    let key = ApiKey::random();
    let new = NewKey { label: "test".into(), owner: Owner::New("free".into()), admin: false };
    let store = world.store().await;
    store.add_key(&key, &new).await.unwrap();
    starts(serve(&world, &["--bind", "0.0.0.0:0"])).await;
    // A key that opens nothing any more is none.
    assert!(store.revoke_key(key.id()).await.unwrap());
    assert!(refusal(serve(&world, &["--bind", "0.0.0.0:0"])).contains("steno keys create"));
}

#[tokio::test]
async fn a_tiers_file_that_cannot_be_read_stops_the_start() {
    let world = Plan::default().lanes(&[]).start().await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("tiers.json");
    let path = file.to_str().unwrap();
    let told = refusal(serve(&world, &["--port", "0", "--tiers", path]));
    assert!(told.contains("--tiers") && told.contains(path), "no such file: {told}");
    for (text, part) in [
        ("", "EOF"),
        ("[]", "map"),
        (r#"{"team": {"concurent": 3}}"#, "concurent"),
        (r#"{"team": {"max_file": "much"}}"#, "much"),
        (r#"{"team": {"minutes_per_month": -1}}"#, "-1"),
    ] {
        std::fs::write(&file, text).unwrap();
        let told = refusal(serve(&world, &["--port", "0", "--tiers", path]));
        assert!(told.contains(path) && told.contains(part), "{text}: {told}");
    }
}
