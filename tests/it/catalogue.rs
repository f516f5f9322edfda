//! Models, languages, health.

use std::process::Command;

use steno_shared::job::Lane;
use steno_tests::process::executable;
use steno_tests::world::{Plan, World};

#[tokio::test]
async fn models_are_those_installed_and_the_catalogue_with_all() {
    let world = World::start().await;
    let models = world.client().get("/v1/models").await.ok();
    let models = models["models"].as_array().unwrap();
    assert_eq!(models.len(), 1);
    assert_eq!(models[0]["id"], "mini");
    assert_eq!(models[0]["installed"], true);
    for field in ["name", "speed", "description"] {
        assert!(models[0][field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
    }
    assert!(models[0]["description"].as_str().unwrap().contains("no use on human speech"));
    let all = world.client().get("/v1/models?all=true").await.ok();
    let installed = |id: &str| {
        all["models"]
            .as_array()
            .unwrap()
            .iter()
            .find(|model| model["id"] == id)
            .map(|m| m["installed"].clone())
    };
    for id in ["large-v3-turbo", "large-v3", "medium", "small"] {
        assert_eq!(installed(id), Some(false.into()), "{id}");
    }
    assert_eq!(installed("mini"), Some(true.into()));
}

#[tokio::test]
async fn languages_are_whispers_hundred() {
    let world = Plan::default().lanes(&[]).start().await;
    let languages = world.client().get("/v1/languages").await.ok();
    let languages = languages["languages"].as_array().unwrap();
    assert_eq!(languages.len(), 100);
    assert_eq!(languages[0], serde_json::json!({"code": "en", "name": "english"}));
    assert!(languages.contains(&serde_json::json!({"code": "jv", "name": "javanese"})));
}

#[tokio::test]
async fn health_is_ok_when_every_lane_has_a_worker() {
    let mut world = World::start().await;
    assert_eq!(world.client().get("/health").await.ok()["status"], "ok");
    assert_eq!(world.client().get("/health/ready").await.ok()["ready"], true);
    world.kill_workers(Lane::Intake);
    steno_tests::wait::until("the dead worker to be missed", steno_tests::world::SOON, async || {
        (world.client().get("/health/ready").await.status == 503).then_some(())
    })
    .await;
    assert_eq!(world.client().get("/health").await.ok()["status"], "unavailable");
}

#[test]
fn a_server_without_tables_says_what_to_run() {
    let empty = tempfile::TempDir::new().unwrap();
    for (program, arguments) in
        [("steno", &["serve", "--port", "0"][..]), ("steno-intake", &[]), ("steno-transcribe", &[])]
    {
        let mut command = Command::new(executable(program));
        let output = command.args(arguments).arg("--data").arg(empty.path()).output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("steno migrate"), "{program}: {said}");
    }
}
