//! The worker as a process of its own, with a database, a queue and an object store.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sea_orm_migration::MigratorTrait;
use steno_migration::Migrator;
use steno_shared::account::{AccountId, Tier};
use steno_shared::error::FailureCode;
use steno_shared::id::JobId;
use steno_shared::job::{Job, JobOptions, JobState, Lane, NewJob, Priority, Source, Upload};
use steno_shared::object::{DirStore, ObjectKey, ObjectKind, ObjectStore};
use steno_shared::queue::Queue;
use steno_shared::settings::{DatabaseUrl, QueueUrl};
use steno_shared::store::Store;
use steno_shared::transcript::WarningCode;

use crate::limits::is_running;
use crate::media::{cut, encode, ffmpeg, put};
use crate::signal::compare;

/// A data folder with a worker on it.
struct Site {
    store: Store,
    queue: Queue,
    objects: DirStore,
    worker: Child,
    folder: tempfile::TempDir,
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}

async fn site(failpoints: &str) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let store = Store::open(&DatabaseUrl::Sqlite(at("steno.db"))).await.unwrap();
    Migrator::up(store.connection(), None).await.unwrap();
    let queue = Queue::open(&QueueUrl::Sqlite(at("queue.db"))).await.unwrap();
    queue.migrate().await.unwrap();
    let objects = DirStore::open(&at("objects")).await.unwrap();
    let worker = Command::new(env!("CARGO_BIN_EXE_steno-intake"))
        .arg("--data")
        .arg(folder.path())
        .args(["--max-duration=1h", "--slots=2"])
        .env("STENO_FAILPOINTS", failpoints)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    Site { store, queue, objects, worker, folder }
}

impl Site {
    async fn submit(&self, path: &Path) -> JobId {
        let id = JobId::random();
        let key = ObjectKey::upload(id);
        let mut writer = self.objects.create(&key).await.unwrap();
        writer.write(std::fs::read(path).unwrap().into()).await.unwrap();
        let stored = writer.finish().await.unwrap();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let job = NewJob {
            id,
            account: AccountId::anonymous(),
            limits: Tier::default(),
            priority: Priority::Interactive,
            options: JobOptions::default(),
            file_name: name,
            source: Source::Upload(Upload { key, bytes: stored.bytes, sha256: stored.sha256 }),
            request_id: "test".into(),
            webhook: None,
            idempotency: None,
        };
        self.store.create_job(&job).await.unwrap();
        self.queue.wake(Lane::Intake, id).await.unwrap();
        id
    }

    /// The job, once it is like this.
    async fn job(&self, id: JobId, is_so: impl Fn(&Job) -> bool) -> Job {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let job = self.store.job(id).await.unwrap().unwrap();
            if is_so(&job) {
                return job;
            }
            assert!(Instant::now() < deadline, "{job:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits for the decoder of a job to be there, or to be gone.
    async fn decoder(&self, id: JobId, wanted: bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while is_running(&ObjectKey::upload(id).to_string()) != wanted {
            assert!(Instant::now() < deadline, "the decoder is there: {}", !wanted);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Longer than a pipe holds: its decoder waits for the worker to read on.
fn long_file() -> std::path::PathBuf {
    ffmpeg("long.flac", "-f lavfi -i anoisesrc=r=48000:d=60 -c:a flac")
}

#[tokio::test]
async fn uploads_become_samples_with_their_length_and_warnings() {
    let site = site("").await;
    let whole = site.submit(&encode("worker.opus", "-c:a libopus -b:a 96k -ac 2")).await;
    let part = site.submit(&cut(&encode("worker.flac", ""), 60)).await;
    let none = site.submit(&put("worker.pdf", b"%PDF-1.7\n")).await;

    let job = site.job(whole, |job| job.samples.is_some()).await;
    assert_eq!((job.duration.unwrap().0, job.warnings.len()), (6437, 0));
    let bytes = site.objects.read(&job.samples.unwrap(), u64::MAX).await.unwrap();
    let samples: Vec<i16> =
        bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    assert!(compare(&samples).worst_ms() < 1.0);

    let job = site.job(part, |job| job.samples.is_some()).await;
    assert_eq!(job.warnings[0].code, WarningCode::TruncatedMedia);

    let job = site.job(none, |job| job.state == JobState::Failed).await;
    let failure = job.failure.unwrap();
    assert_eq!(failure.code, FailureCode::UnsupportedFormat);
    assert_eq!(failure.message, "the file is a PDF document, not audio or video");
    assert!(site.objects.local(&ObjectKey::upload(none)).await.is_err());
}

#[tokio::test]
async fn a_cancelled_job_leaves_no_decoder_and_no_samples() {
    let site = site("intake.decode=sleep(600000)@long").await;
    let id = site.submit(&long_file()).await;
    site.decoder(id, true).await;
    assert!(site.store.cancel_job(id).await.unwrap().is_some());
    site.decoder(id, false).await;
    let left = site.objects.list(ObjectKind::Samples, None, 10).await.unwrap();
    let staged = std::fs::read_dir(site.folder.path().join("objects/staging")).unwrap().count();
    assert_eq!((left.len(), staged), (0, 0));
}

#[tokio::test]
async fn a_killed_worker_takes_its_decoders_with_it() {
    let mut site = site("intake.decode=sleep(600000)@long").await;
    let id = site.submit(&long_file()).await;
    site.decoder(id, true).await;
    site.worker.kill().unwrap();
    site.worker.wait().unwrap();
    site.decoder(id, false).await;
}
