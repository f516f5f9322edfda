//! The models in memory, with a loader that only counts.

use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::engine::{ChunkOptions, ChunkText, EngineError, StopFlag, Transcriber, TranscriberModel};
use steno_shared::catalog::manifest::{InstalledFile, Manifest};
use steno_shared::catalog::{self, Model, ModelId};
use steno_shared::language::Language;
use steno_tests::wait;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{Limits, LoadError, Loaded, ModelLoader, Models};

const SOON: Duration = Duration::from_secs(60);
const SIZE: u64 = 1000;

/// What is in memory, in bytes.
#[derive(Debug, Default)]
struct Memory {
    bytes: AtomicI64,
    most: AtomicI64,
    states: AtomicI64,
    opened: AtomicUsize,
}

/// Memory in use: gives it back when dropped.
#[derive(Debug)]
struct Weights(Arc<Memory>);

impl Drop for Weights {
    fn drop(&mut self) {
        self.0.bytes.fetch_sub(SIZE as i64, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct FakeModel(Arc<Weights>);

#[derive(Debug)]
struct FakeState(Arc<Weights>);

impl TranscriberModel for FakeModel {
    fn open(&self) -> Result<Box<dyn Transcriber>, EngineError> {
        self.0.0.states.fetch_add(1, Ordering::SeqCst);
        self.0.0.opened.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(FakeState(Arc::clone(&self.0))))
    }
}

impl Drop for FakeState {
    fn drop(&mut self) {
        self.0.0.states.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Transcriber for FakeState {
    fn detect_language(&mut self, _: &[f32], _: &StopFlag) -> Result<(Language, f64), EngineError> {
        Err(EngineError::Stopped)
    }

    fn transcribe(&mut self, _: &[f32], _: &ChunkOptions, _: &StopFlag) -> Result<ChunkText, EngineError> {
        Ok(ChunkText::default())
    }
}

/// Loads nothing, and keeps a record of it.
#[derive(Debug, Default)]
struct FakeLoader {
    memory: Arc<Memory>,
    loads: Mutex<Vec<String>>,
    /// What of the next loads goes wrong.
    failures: AtomicUsize,
}

impl ModelLoader for FakeLoader {
    fn load(&self, path: &Path, entry: &Model) -> Result<Arc<dyn TranscriberModel>, EngineError> {
        assert!(path.is_file());
        self.loads.lock().unwrap().push(entry.id.to_string());
        // Long enough for others to come in the meantime.
        std::thread::sleep(Duration::from_millis(20));
        if self.failures.load(Ordering::SeqCst) > 0 {
            self.failures.fetch_sub(1, Ordering::SeqCst);
            return Err(EngineError::Load("on purpose".into()));
        }
        let bytes = self.memory.bytes.fetch_add(SIZE as i64, Ordering::SeqCst) + SIZE as i64;
        self.memory.most.fetch_max(bytes, Ordering::SeqCst);
        Ok(Arc::new(FakeModel(Arc::new(Weights(Arc::clone(&self.memory))))))
    }
}

/// Models of equal size, and what becomes of them.
struct Lab {
    models: Arc<Models>,
    loader: Arc<FakeLoader>,
    _folder: TempDir,
}

impl Lab {
    /// With memory for so many models at once.
    fn new(room: u64, idle: Option<Duration>) -> Self {
        let folder = TempDir::new().unwrap();
        for id in ["small", "medium", "large-v3"] {
            let entry = catalog::model(id).unwrap();
            let path = entry.path(folder.path());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::File::create(path).unwrap().set_len(SIZE).unwrap();
            let file = InstalledFile {
                name: entry.file().to_owned(),
                bytes: SIZE,
                sha256: String::new(),
                verified: false,
                source: "test".to_owned(),
            };
            let manifest = Manifest::new(entry.id.clone(), vec![file], "2026-11-21T00:00:00Z".to_owned());
            manifest.write(&entry.folder(folder.path())).unwrap();
        }
        let loader = Arc::<FakeLoader>::default();
        let limits = Limits { memory: room * SIZE, idle, states: 0 };
        let models = Models::new(folder.path().to_owned(), Arc::clone(&loader) as Arc<dyn ModelLoader>);
        let models = models.within(limits);
        Self { models: Arc::new(models), loader, _folder: folder }
    }

    async fn get(&self, id: &str) -> Arc<Loaded> {
        tokio::time::timeout(SOON, self.models.get(&id.into())).await.unwrap().unwrap()
    }

    /// Asks for a model in the background.
    fn ask(&self, id: &str) -> JoinHandle<Result<Arc<Loaded>, LoadError>> {
        let (models, id) = (Arc::clone(&self.models), ModelId::from(id));
        tokio::spawn(async move { models.get(&id).await })
    }

    fn loads(&self) -> Vec<String> {
        self.loader.loads.lock().unwrap().clone()
    }

    /// The models that the registry is told are in memory.
    fn in_memory(&self) -> Vec<String> {
        let loaded = self.models.list().into_iter().filter(|model| model.loaded);
        loaded.map(|model| model.id.to_string()).collect()
    }

    fn bytes(&self) -> i64 {
        self.loader.memory.bytes.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn who_comes_while_a_model_is_being_loaded_waits_for_the_same() {
    let lab = Lab::new(3, None);
    let asked: Vec<_> = (0..20).map(|_| lab.ask("small")).collect();
    for asked in asked {
        assert_eq!(asked.await.unwrap().unwrap().id.as_str(), "small");
    }
    assert_eq!(lab.loads(), ["small"]);
    assert!(matches!(lab.models.get(&"mini".into()).await, Err(LoadError::NotInstalled(_))));
    assert!(matches!(lab.models.get(&"../x".into()).await, Err(LoadError::NotInstalled(_))));
}

#[tokio::test]
async fn a_load_goes_on_when_those_who_asked_have_left() {
    let lab = Lab::new(1, None);
    let asked = lab.ask("small");
    wait::until("the load", SOON, async || (!lab.loads().is_empty()).then_some(())).await;
    asked.abort();
    lab.get("small").await;
    assert_eq!(lab.loads(), ["small"]);
}

#[tokio::test]
async fn a_failed_load_fails_those_who_waited_and_the_next_tries_again() {
    let lab = Lab::new(1, None);
    lab.loader.failures.store(1, Ordering::SeqCst);
    let asked: Vec<_> = (0..3).map(|_| lab.ask("small")).collect();
    for asked in asked {
        assert!(matches!(asked.await.unwrap(), Err(LoadError::Engine(EngineError::Load(_)))));
    }
    assert_eq!((lab.in_memory().len(), lab.loads().len()), (0, 1));
    lab.get("small").await;
    assert_eq!(lab.in_memory(), ["small"]);
}

#[tokio::test]
async fn the_least_recently_used_makes_room() {
    let lab = Lab::new(2, None);
    for id in ["small", "medium", "small", "large-v3"] {
        drop(lab.get(id).await);
    }
    assert_eq!(lab.in_memory(), ["large-v3", "small"]);
    drop(lab.get("medium").await);
    assert_eq!(lab.in_memory(), ["large-v3", "medium"]);
    assert_eq!(lab.loader.memory.most.load(Ordering::SeqCst), 2 * SIZE as i64);
}

#[tokio::test]
async fn a_model_in_use_stays_and_others_wait_for_its_room() {
    let lab = Lab::new(1, None);
    let held = lab.get("small").await;
    let state = held.state().unwrap();
    let waiting = lab.ask("medium");
    wait::until("somebody to wait", SOON, async || {
        (!lab.models.at_hand().contains(&"medium".into())).then_some(())
    })
    .await;
    // Others get what is in memory all the same, and more of them.
    drop(lab.get("small").await);
    assert_eq!((lab.loads(), lab.in_memory()), (vec!["small".to_owned()], vec!["small".to_owned()]));
    assert!(!waiting.is_finished());
    held.give_back(state);
    drop(held);
    let medium = waiting.await.unwrap().unwrap();
    assert_eq!(lab.in_memory(), ["medium"]);
    assert_eq!(lab.loader.memory.most.load(Ordering::SeqCst), SIZE as i64, "two were in memory at once");
    assert!(lab.models.at_hand().contains(&"medium".into()));
    drop(medium);
}

#[tokio::test]
async fn who_leaves_while_waiting_keeps_nobody_back() {
    let lab = Lab::new(1, None);
    let held = lab.get("small").await;
    let waiting = lab.ask("medium");
    wait::until("somebody to wait", SOON, async || {
        (!lab.models.at_hand().contains(&"medium".into())).then_some(())
    })
    .await;
    waiting.abort();
    assert!(waiting.await.is_err());
    assert!(lab.models.at_hand().contains(&"medium".into()));
    drop(held);
    assert_eq!(lab.loads(), ["small"]);
}

#[tokio::test]
async fn a_model_too_large_for_the_room_is_loaded_when_there_is_no_other() {
    let lab = Lab::new(0, None);
    let held = lab.get("small").await;
    let waiting = lab.ask("medium");
    wait::until("somebody to wait", SOON, async || {
        (!lab.models.at_hand().contains(&"medium".into())).then_some(())
    })
    .await;
    drop(held);
    assert_eq!(waiting.await.unwrap().unwrap().id.as_str(), "medium");
    assert_eq!((lab.in_memory(), lab.bytes()), (vec!["medium".to_owned()], SIZE as i64));
}

#[tokio::test]
async fn what_nobody_uses_is_unloaded_with_its_states_and_loaded_again_on_demand() {
    let lab = Lab::new(2, Some(Duration::from_millis(200)));
    let models = Arc::clone(&lab.models);
    let unloading = tokio::spawn(async move { models.unload_idle().await });
    let (held, idle) = (lab.get("medium").await, lab.get("small").await);
    let states = [idle.state().unwrap(), idle.state().unwrap()];
    for state in states {
        idle.give_back(state);
    }
    // The next task takes what the one before has opened.
    idle.give_back(idle.state().unwrap());
    assert_eq!(lab.loader.memory.opened.load(Ordering::SeqCst), 2);
    drop(idle);
    wait::until("the idle model to go", SOON, async || (lab.in_memory() == ["medium"]).then_some(())).await;
    wait::until("its memory to be free", SOON, async || (lab.bytes() == SIZE as i64).then_some(())).await;
    assert_eq!(lab.loader.memory.states.load(Ordering::SeqCst), 0);
    drop(lab.get("small").await);
    assert_eq!(lab.loads(), ["medium", "small", "small"]);
    drop(held);
    wait::until("all to go", SOON, async || (lab.bytes() == 0).then_some(())).await;
    unloading.abort();
}

#[tokio::test]
async fn who_finds_no_room_gives_up_in_the_end() {
    let lab = Lab::new(1, None);
    let _held = lab.get("small").await;
    let found = lab.models.get_within(&"medium".into(), Duration::from_millis(50)).await;
    let error = found.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("--model-memory"), "{error}");
    assert_eq!(error, LoadError::NoRoom("medium".into()));
    assert!(lab.models.at_hand().contains(&"medium".into()));
}
