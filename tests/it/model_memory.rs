//! Models in memory: within a budget, unloaded when idle, and a damaged one fails its own jobs alone.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use steno_shared::catalog;
use steno_shared::catalog::manifest::{InstalledFile, Manifest};
use steno_shared::job::Lane;
use steno_tests::client::{Client, answer, form};
use steno_tests::world::{Plan, SOON, World};
use steno_tests::{clips, wait};

/// Ten times what a file of some minutes takes.
const LONG: Duration = Duration::from_secs(600);

/// The file of a model.
fn file_of(world: &World, id: &str) -> PathBuf {
    catalog::model(id).unwrap().path(&world.data().join("models"))
}

/// Puts a file in the place of a model's, with a manifest that says so.
fn put(world: &World, id: &str, bytes: &[u8]) {
    let path = file_of(world, id);
    let folder = path.parent().unwrap();
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let file = InstalledFile {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        bytes: bytes.len() as u64,
        sha256: String::new(),
        verified: false,
        source: "test".to_owned(),
    };
    let manifest = Manifest::new(id.into(), vec![file], "2026-11-21T00:00:00Z".to_owned());
    manifest.write(folder).unwrap();
}

/// Installs a model: the miniature one under another name, or what `change` makes of it.
async fn install(world: &World, id: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(file_of(world, "mini")).unwrap();
    change(&mut bytes);
    put(world, id, &bytes);
    wait::until("the model to be offered", SOON, async || {
        let models = world.client().get("/v1/models").await.ok();
        models["models"].as_array().unwrap().iter().any(|model| model["id"] == id).then_some(())
    })
    .await;
}

/// The models that the registry calls loaded.
async fn loaded(world: &World) -> Vec<String> {
    let workers = world.store().await.workers().await.unwrap();
    let models = workers.into_iter().flat_map(|worker| worker.models);
    models.filter(|model| model.loaded).map(|model| model.id.to_string()).collect()
}

async fn create(client: &Client, file: &std::path::Path, model: &str) -> String {
    let form = form(file, &[("model", model), ("language", "en"), ("diarize", "false")]);
    let created = answer(client.request(Method::POST, "/v1/jobs").multipart(form)).await;
    assert_eq!(created.status, 202, "{}", created.body);
    created.header("x-job-id").to_owned()
}

async fn ended(client: &Client, id: &str) -> Value {
    wait::until("the job's end", LONG, async || {
        let job = client.get(&format!("/v1/jobs/{id}?wait=20")).await.ok();
        ["completed", "failed", "cancelled"].contains(&job["state"].as_str().unwrap()).then_some(job)
    })
    .await
}

/// There is room for one model: the second waits until the job of the first has ended.
#[tokio::test]
async fn a_model_is_not_evicted_in_the_middle_of_a_job() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("two-minutes.wav");
    clips::join(&clips::heldout()[..40], 0.4, 120.0, &file);
    let mut world = Plan::default().set("STENO_MODEL_MEMORY", "1MiB").start().await;
    install(&world, "small", |_| ()).await;
    let client = world.keyed_client().await;
    let long = create(&client, &file, "mini").await;
    wait::until("the first job's chunks", LONG, async || {
        let job = client.get(&format!("/v1/jobs/{long}")).await.ok();
        let done = job["progress"]["done_seconds"].as_f64().unwrap_or_default();
        (done > 0.0).then_some(())
    })
    .await;
    let short = create(&client, &clips::heldout()[0].path(), "small").await;
    for id in [&long, &short] {
        assert_eq!(ended(&client, id).await["state"], "completed");
    }
    let log = world.worker(Lane::Transcribe).log();
    let line = |parts: &[&str]| {
        let found = log.lines().position(|line| parts.iter().all(|part| line.contains(part)));
        found.unwrap_or_else(|| panic!("no line with {parts:?}"))
    };
    let steps = [
        line(&["model loaded", "model=mini"]),
        line(&["stage started", &short]),
        line(&["stage ended", &long]),
        line(&["model loaded", "model=small"]),
        line(&["stage ended", &short]),
    ];
    assert!(steps.is_sorted(), "{steps:?}");
    assert!(line(&["model unloaded", "model=mini"]) < steps[3], "two models were in memory at once");
    wait::until("the registry to say so", SOON, async || (loaded(&world).await == ["small"]).then_some(()))
        .await;
}

#[tokio::test]
async fn an_idle_model_gives_its_memory_back_and_is_loaded_again() {
    let mut world = Plan::default().set("STENO_MODEL_IDLE", "2s").start().await;
    let clip = clips::heldout().remove(0);
    let client = world.keyed_client().await;
    for _ in 0..2 {
        assert_eq!(client.transcribe_file(&clip.path(), &[]).await.status, 200);
        let before = world.worker(Lane::Transcribe).anonymous_memory();
        wait::until("the model to be unloaded", SOON, async || loaded(&world).await.is_empty().then_some(()))
            .await;
        let after = wait::until("its memory to be free", SOON, async || {
            let after = world.worker(Lane::Transcribe).anonymous_memory();
            (after + (20 << 20) < before).then_some(after)
        })
        .await;
        println!("{} MiB with the model, {} MiB without", before >> 20, after >> 20);
    }
}

#[tokio::test]
async fn a_damaged_model_fails_its_own_jobs_and_not_the_worker() {
    let mut world = World::start().await;
    install(&world, "small", |bytes| bytes.truncate(bytes.len() / 2)).await;
    install(&world, "medium", Vec::clear).await;
    install(&world, "large-v3", |bytes| bytes.fill(b'x')).await;
    let client = world.keyed_client().await;
    let clip = clips::heldout().remove(0);
    let mut jobs = Vec::new();
    for model in ["small", "medium", "large-v3"] {
        jobs.push((model, create(&client, &clip.path(), model).await));
    }
    for (model, id) in jobs {
        let job = ended(&client, &id).await;
        assert_eq!(job["state"], "failed", "{job}");
        let said = job["error"]["message"].as_str().unwrap();
        assert!(said.contains(model) && said.contains("damaged"), "{job}");
    }
    assert!(world.worker(Lane::Transcribe).ended().is_none());
    assert_eq!(client.transcribe_file(&clip.path(), &[("model", "mini")]).await.status, 200);
    // A file that is mended is used without a restart.
    let whole = std::fs::read(file_of(&world, "mini")).unwrap();
    put(&world, "small", &whole);
    let mended = client.transcribe_file(&clip.path(), &[("model", "small")]).await.ok();
    assert_eq!(mended["model"], "small");
}
