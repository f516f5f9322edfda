//! From the catalogue to a transcript: a model is pulled while Steno runs, and the next request is served by it.

use steno_shared::job::Lane;
use steno_tests::clips;
use steno_tests::wait;
use steno_tests::world::{SOON, World};

use super::*;

#[tokio::test]
async fn a_model_pulled_while_steno_runs_transcribes() {
    let mut world = World::start().await;
    let models = world.data().join("models");
    let content = std::fs::read(models.join("mini/mini-whisper-q8_0.bin")).unwrap();
    let hub = Hub::start(content.clone(), |_| Serve::default()).await;
    let catalogue = json!([entry(&file(&content, &[hub.url("/weights.bin")]))]);
    std::fs::write(models.join("catalog.json"), catalogue.to_string()).unwrap();
    // The catalogue is read at the start.
    world.kill_api();
    world.kill_workers(Lane::Transcribe);
    world.start_worker(Lane::Transcribe, &[]);
    world.start_api(&[]).await;
    world.ready().await;

    let clip = clips::heldout()[0].path();
    let refused = world.client().transcribe_file(&clip, &[("model", ID)]).await.refused(503);
    assert!(refused.contains("its operator can run `steno models pull tiny-test`"), "{refused}");
    let mut pull = world.command("steno", &["models", "pull", ID]);
    let pulled = tokio::task::spawn_blocking(move || pull.output().unwrap()).await.unwrap();
    assert!(pulled.status.success(), "{}", String::from_utf8_lossy(&pulled.stderr));
    wait::until("the worker to see the model", SOON, async || {
        let listed = world.client().get("/v1/models").await.ok();
        listed["models"].as_array().unwrap().iter().any(|model| model["id"] == ID).then_some(())
    })
    .await;
    let transcript = world.client().transcribe_file(&clip, &[("model", ID)]).await.ok();
    assert_eq!(transcript["model"], ID);
    assert!(!transcript["text"].as_str().unwrap().is_empty());

    let mut remove = world.command("steno", &["models", "rm", ID]);
    assert!(remove.output().unwrap().status.success());
    wait::until("the worker to miss the model", SOON, async || {
        let listed = world.client().get("/v1/models").await.ok();
        listed["models"].as_array().unwrap().iter().all(|model| model["id"] != ID).then_some(())
    })
    .await;
}
