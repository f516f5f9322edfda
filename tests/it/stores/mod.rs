//! The suites that every implementation of a store passes.

mod accounts;
mod branches;
mod jobs;
mod objects;
mod queue;
mod sessions;
mod stages;
mod uploads;
mod webhooks;

use sea_orm_migration::MigratorTrait;
use steno_migration::Migrator;
use steno_shared::account::{AccountId, Tier};
use steno_shared::catalog::ModelId;
use steno_shared::id::JobId;
use steno_shared::job::{Admission, JobOptions, NewJob, Priority, Source, StageState, Upload};
use steno_shared::object::ObjectKey;
use steno_shared::settings::DatabaseUrl;
use steno_shared::store::{SetBack, Store};
use tempfile::TempDir;

/// A database with its tables, in a folder that goes with it.
struct Fixture {
    store: Store,
    url: DatabaseUrl,
    _folder: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("steno.db"));
        let store = Store::open(&url).await.unwrap();
        Migrator::up(store.connection(), None).await.unwrap();
        Self { store, url, _folder: folder }
    }

    /// Creates a job of an account without limits and returns its id.
    async fn job(&self, account: &str, priority: Priority) -> JobId {
        let new = NewJob { priority, ..new_job(account) };
        assert_eq!(self.store.create_job(&new).await.unwrap(), Admission::Created);
        new.id
    }
}

/// Where a stage stands after a setback that left its job as it was.
fn state(end: Option<SetBack>) -> Option<StageState> {
    assert!(end.is_none_or(|end| !end.completed), "the job is completed");
    end.map(|end| end.state)
}

/// A job about to be created, for an account without limits.
pub(crate) fn new_job(account: &str) -> NewJob {
    let id = JobId::random();
    NewJob {
        id,
        account: AccountId::of_row(account),
        limits: Tier::default(),
        priority: Priority::Batch,
        options: JobOptions { model: ModelId::from("mini"), ..JobOptions::default() },
        file_name: Some("a.wav".to_owned()),
        source: Source::Upload(Upload { key: ObjectKey::upload(id), bytes: 1, sha256: String::new() }),
        request_id: "test".to_owned(),
        webhook: None,
        idempotency: None,
    }
}
