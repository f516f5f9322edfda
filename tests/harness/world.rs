//! A whole Steno on a folder of its own: API, intake and transcribe as the processes that users run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use steno_shared::account::{AccountId, UNLIMITED_TIER};
use steno_shared::job::Lane;
use steno_shared::key::ApiKey;
use steno_shared::object::{DirStore, ObjectKind, ObjectStore};
use steno_shared::queue::Queue;
use steno_shared::settings::{DatabaseUrl, QueueUrl};
use steno_shared::store::{NewKey, Owner, Store};
use tempfile::TempDir;

use crate::client::Client;
use crate::process::{Process, executable};
use crate::wait;

/// Ten times what a start takes on a quiet machine.
const STARTED: Duration = Duration::from_secs(60);
/// Ten times what a short job takes.
pub const SOON: Duration = Duration::from_secs(60);

/// How a world is to be.
#[derive(Debug, Clone)]
pub struct Plan {
    environment: Vec<(String, String)>,
    lanes: Vec<Lane>,
}

impl Default for Plan {
    fn default() -> Self {
        // Short enough that a test need not wait long for a takeover, long enough for a busy machine.
        let environment = vec![("STENO_LEASE".to_owned(), "3s".to_owned())];
        Self { environment, lanes: vec![Lane::Intake, Lane::Transcribe] }
    }
}

impl Plan {
    /// Sets a setting, by its environment variable.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(other, _)| other != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts only these workers.
    #[must_use]
    pub fn lanes(mut self, lanes: &[Lane]) -> Self {
        self.lanes = lanes.to_vec();
        self
    }

    /// Makes the world.
    ///
    /// # Panics
    /// If a process does not start.
    pub async fn start(self) -> World {
        let folder = TempDir::with_prefix("steno-test-").unwrap();
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        let mut world = World { plan: self, folder, api: None, workers: Vec::new(), port: 0 };
        let mut migrate = world.command("steno", &["migrate"]);
        let output = migrate.output().unwrap();
        assert!(output.status.success(), "migrate: {}", String::from_utf8_lossy(&output.stderr));
        for lane in world.plan.lanes.clone() {
            world.start_worker(lane, &[]);
        }
        world.start_api(&[]).await;
        world.ready().await;
        world
    }
}

/// A running Steno. Its processes die and its folder goes when it is dropped.
#[derive(Debug)]
pub struct World {
    plan: Plan,
    // Before the folder, so that the processes are dead when it goes.
    api: Option<Process>,
    workers: Vec<(Lane, Process)>,
    port: u16,
    folder: TempDir,
}

impl World {
    /// A world as users have it.
    pub async fn start() -> Self {
        Plan::default().start().await
    }

    /// The folder of everything.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    /// A command of the product with this world's settings.
    #[must_use]
    pub fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(executable(name));
        command.args(arguments).arg("--data").arg(self.data());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STENO_")) {
            command.env_remove(name);
        }
        command.envs(self.plan.environment.iter().cloned());
        command
    }

    /// Starts the API, on the port it had before if it had one, with further settings for this once.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_api(&mut self, settings: &[(&str, &str)]) {
        let mut command = self.command("steno", &["serve", "--port", &self.port.to_string()]);
        command.envs(settings.iter().copied());
        let mut api = Process::start("api", command, &self.logs());
        self.port = wait::until("the API's address", STARTED, async || {
            assert!(api.ended().is_none(), "the API has ended: {}", api.log());
            let log = api.log();
            let address = log.split("address=127.0.0.1:").nth(1)?;
            let digits: String = address.chars().take_while(char::is_ascii_digit).collect();
            // The rest of the line may not have been written yet.
            address[digits.len()..].starts_with(char::is_whitespace).then(|| digits.parse().ok())?
        })
        .await;
        self.api = Some(api);
    }

    /// Starts another worker of a lane, with further settings for this once.
    pub fn start_worker(&mut self, lane: Lane, settings: &[(&str, &str)]) -> &mut Process {
        let mut command = self.command(lane.program(), &["--leash"]);
        command.envs(settings.iter().copied());
        let process = Process::start(lane.as_str(), command, &self.logs());
        self.workers.push((lane, process));
        let (_, process) = self.workers.last_mut().unwrap();
        process
    }

    /// Waits until everything is there.
    ///
    /// # Panics
    /// After a minute, or if a worker ends.
    pub async fn ready(&mut self) {
        let lanes = self.plan.lanes.clone();
        let store = self.store().await;
        wait::until("the workers to be registered", STARTED, async || {
            for (lane, process) in &mut self.workers {
                assert!(process.ended().is_none(), "the {lane} worker has ended: {}", process.log());
            }
            let workers = store.workers().await.unwrap();
            let registered = |lane: &Lane| workers.iter().any(|worker| worker.lane == *lane);
            lanes.iter().all(registered).then_some(())
        })
        .await;
    }

    /// The API's process.
    ///
    /// # Panics
    /// If it was killed.
    pub fn api(&mut self) -> &mut Process {
        self.api.as_mut().unwrap()
    }

    /// The last worker started in a lane.
    ///
    /// # Panics
    /// If there is none.
    pub fn worker(&mut self, lane: Lane) -> &mut Process {
        let worker = self.workers.iter_mut().rev().find(|(other, _)| *other == lane);
        &mut worker.unwrap().1
    }

    /// Wakes the first worker of a lane, which was stopped by a signal.
    ///
    /// # Panics
    /// If there is none.
    pub fn wake_first_worker(&self, lane: Lane) {
        let (_, worker) = self.workers.iter().find(|(other, _)| *other == lane).unwrap();
        worker.signal(rustix::process::Signal::CONT);
    }

    /// Kills the API, as a crash would.
    pub fn kill_api(&mut self) {
        drop(self.api.take());
    }

    /// Kills the workers of a lane, as a crash would.
    pub fn kill_workers(&mut self, lane: Lane) {
        self.workers.retain(|(other, _)| *other != lane);
    }

    /// A client without a key.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.port)
    }

    /// A client with a key, and an account without limits, of its own.
    ///
    /// # Panics
    /// If the key cannot be made.
    pub async fn keyed_client(&self) -> Client {
        self.client_of_tier(UNLIMITED_TIER).await.0
    }

    /// A client with a key, and an account of this tier, of its own.
    ///
    /// # Panics
    /// If the key cannot be made.
    pub async fn client_of_tier(&self, tier: &str) -> (Client, AccountId) {
        let (key, account) = self.key_of_tier(tier).await;
        (self.client().with_key(key.reveal()), account)
    }

    /// A key, and an account of this tier, of its own.
    ///
    /// # Panics
    /// If the key cannot be made.
    pub async fn key_of_tier(&self, tier: &str) -> (ApiKey, AccountId) {
        let key = ApiKey::random();
        let new = NewKey { label: "test".into(), owner: Owner::New(tier.into()), admin: false };
        let record = self.store().await.add_key(&key, &new).await.unwrap().unwrap();
        (key, record.account)
    }

    /// All that every process has written so far.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn written(&self) -> String {
        let logs = std::fs::read_dir(self.logs()).unwrap().map(|entry| entry.unwrap().path());
        logs.map(|log| String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned()).collect()
    }

    /// The port of the API.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The database.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub async fn store(&self) -> Store {
        Store::open(&DatabaseUrl::Sqlite(self.data().join("steno.db"))).await.unwrap()
    }

    /// The queue.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub async fn queue(&self) -> Queue {
        Queue::open(&QueueUrl::Sqlite(self.data().join("queue.db"))).await.unwrap()
    }

    /// The folder of the objects.
    #[must_use]
    pub fn objects(&self) -> PathBuf {
        self.data().join("objects")
    }

    /// The keys of all objects, and the names of staged files.
    ///
    /// # Panics
    /// If they cannot be listed.
    pub async fn object_names(&self) -> Vec<String> {
        let store = DirStore::open(&self.objects()).await.unwrap();
        let mut names = Vec::new();
        for kind in ObjectKind::ALL {
            let entries = store.list(kind, None, 10_000).await.unwrap();
            names.extend(entries.iter().map(|entry| entry.key.to_string()));
        }
        names.extend(file_names(&self.objects().join("staging")));
        names
    }

    /// Waits until no token waits in any lane.
    ///
    /// # Panics
    /// After a minute.
    pub async fn queue_is_empty(&self) {
        let queue = self.queue().await;
        wait::until("the queue to be empty", SOON, async || {
            for lane in Lane::ALL {
                if queue.waiting(*lane).await.unwrap() > 0 {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }

    /// Waits until nothing but results is left: transcripts, whose keys it returns, and who speaks in them.
    ///
    /// # Panics
    /// After a minute.
    pub async fn results_alone(&self) -> Vec<String> {
        wait::until("nothing but results to be left", SOON, async || {
            let mut names = self.object_names().await;
            names.retain(|name| !name.starts_with("diarizations/"));
            names.iter().all(|name| name.starts_with("transcripts/")).then_some(names)
        })
        .await
    }

    /// Waits until nothing is left in the store: no object, no staged file.
    ///
    /// # Panics
    /// After a minute, naming what is left.
    pub async fn objects_are_gone(&self) {
        let mut left = Vec::new();
        wait::until("the object store to be empty", SOON, async || {
            left = self.object_names().await;
            left.is_empty().then_some(())
        })
        .await;
    }
}

fn file_names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}
