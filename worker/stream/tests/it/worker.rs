//! The worker as a process of its own, with a database.

use std::path::Path;
use std::process::Command;

use sea_orm_migration::MigratorTrait;
use steno_migration::Migrator;
use steno_shared::job::Lane;
use steno_shared::live::{FailReason, Reply, Request, SessionNumber, link};
use steno_shared::queue::Queue;
use steno_shared::settings::{DatabaseUrl, QueueUrl};
use steno_shared::store::Store;
use steno_shared::store::workers::WorkerRecord;
use steno_tests::process::Process;
use steno_tests::wait;
use tempfile::TempDir;

use crate::lab::{Api, SOON};

/// A data folder with a worker on it.
struct Site {
    worker: Process,
    store: Store,
    _folder: TempDir,
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steno-stream"));
    command.arg("--data").arg(folder).args(arguments);
    command
}

impl Site {
    async fn start(arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("logs")).unwrap();
        let store = Store::open(&DatabaseUrl::Sqlite(at("steno.db"))).await.unwrap();
        Migrator::up(store.connection(), None).await.unwrap();
        let queue = Queue::open(&QueueUrl::Sqlite(at("queue.db"))).await.unwrap();
        queue.migrate().await.unwrap();
        let mut command = command(folder.path(), arguments);
        command.arg("--leash");
        let worker = Process::start("steno-stream", command, &at("logs"));
        Self { worker, store, _folder: folder }
    }

    /// Its row, once it is as wanted.
    async fn row(&self, wanted: impl Fn(&WorkerRecord) -> bool) -> WorkerRecord {
        wait::until("the worker's row", SOON, async || {
            self.store.workers().await.unwrap().into_iter().find(|row| wanted(row))
        })
        .await
    }

    async fn api(&self) -> Api {
        let address = self.row(|_| true).await.address.unwrap();
        let secret = self.store.secret(link::SECRET, "another").await.unwrap();
        Api::connect(&address, &secret).await
    }
}

#[tokio::test]
async fn a_worker_is_found_in_the_registry_and_reached() {
    let site = Site::start(&["--sessions", "3", "--threads", "2"]).await;
    let row =
        site.row(|row| row.models.iter().any(|model| model.id.as_str() == "mini" && model.loaded)).await;
    assert_eq!((row.lane, row.slots, row.free), (Lane::Stream, 3, 3));
    let mut api = site.api().await;
    for session in 1..=3 {
        api.open(session).await;
    }
    let session = SessionNumber(4);
    api.send(&Request::Open { session }).await;
    let refused = api.word().await;
    assert!(matches!(refused, Reply::Refused { session: SessionNumber(4), .. }), "{refused:?}");
    site.row(|row| row.free == 0).await;
    api.begin(1, "").await;
    api.audio(1, 0, &[0; 16_000]).await;
    api.stop(1).await;
    assert_eq!(api.word().await, Reply::Done { session: SessionNumber(1) });
    drop(api);
    site.row(|row| row.free == 3).await;
}

#[tokio::test]
async fn a_worker_that_is_let_go_sends_its_sessions_elsewhere_and_ends() {
    let mut site = Site::start(&[]).await;
    let mut api = site.api().await;
    for session in [1, 2] {
        api.open(session).await;
    }
    api.begin(1, "").await;
    site.worker.let_go();
    let mut failed = Vec::new();
    while let Some(reply) = api.reply().await {
        match reply {
            Reply::Failed { session, reason: FailReason::Stopping, .. } => {
                failed.push(session.0);
                assert_eq!(site.store.workers().await.unwrap(), [], "the registry forgets it first");
            }
            Reply::Heard { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    failed.sort_unstable();
    assert_eq!(failed, [1, 2]);
    drop(api);
    assert!(site.worker.end(SOON).await.success());
}

#[tokio::test]
async fn sessions_without_audio_take_next_to_no_memory() {
    let site = Site::start(&[]).await;
    site.row(|row| row.models.iter().any(|model| model.loaded)).await;
    let mut api = site.api().await;
    api.open(0).await;
    let before = site.worker.anonymous_memory();
    for session in 1..=1000 {
        api.open(session).await;
    }
    let taken = site.worker.anonymous_memory().saturating_sub(before);
    assert!(taken < 16 << 20, "{taken} bytes for 1,000 sessions");
    site.row(|row| row.free > 0).await;
}

#[tokio::test]
async fn a_worker_that_no_api_could_find_does_not_start() {
    let folder = TempDir::new().unwrap();
    let output = command(folder.path(), &["--listen", "0.0.0.0:0"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("say with --advertise HOST:PORT"), "{told}");
}
