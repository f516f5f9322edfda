//! Jobs, chunks, the registry, keys, retention.

use std::time::Duration;

use steno_shared::account::AccountId;
use steno_shared::catalog::ModelId;
use steno_shared::error::FailureCode;
use steno_shared::id::{JobId, WorkerId};
use steno_shared::job::{JobState, Lane, Priority, Setback};
use steno_shared::key::ApiKey;
use steno_shared::object::ObjectKey;
use steno_shared::store::workers::{Device, WorkerModel, WorkerRecord};
use steno_shared::store::{ChunkRecord, NewKey, Owner, Removed, Retention};

use super::Fixture;

const LEASE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn only_a_finished_job_is_removed_and_with_all_that_hangs_on_it() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = world.job("a", Priority::Batch).await;
    assert!(matches!(store.remove_job(id).await.unwrap(), Removed::Active));
    assert!(store.cancel_job(id).await.unwrap().is_some());
    assert_eq!(store.settled(&[id]).await.unwrap(), [(id, Some(JobState::Cancelled))]);
    assert!(matches!(store.remove_job(id).await.unwrap(), Removed::Gone(job) if job.id == id));
    assert!(matches!(store.remove_job(id).await.unwrap(), Removed::Missing));
    assert!(store.job(id).await.unwrap().is_none());
    assert!(store.stages(id).await.unwrap().is_empty());
    assert_eq!(store.settled(&[id]).await.unwrap(), [(id, None)]);
}

#[tokio::test]
async fn chunks_are_kept_in_order_replaced_and_go_with_their_job() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = world.job("a", Priority::Batch).await;
    let record =
        |start: u64, content: &str| ChunkRecord { start, end: start + 10, content: content.to_owned() };
    for chunk in [record(20, "c"), record(0, "a"), record(10, "x"), record(10, "b")] {
        store.put_chunk(id, chunk).await.unwrap();
    }
    assert_eq!(store.chunks(id).await.unwrap(), [record(0, "a"), record(10, "b"), record(20, "c")]);
    let nobody = JobId::random();
    store.put_chunk(nobody, record(0, "a")).await.unwrap();
    assert!(store.chunks(nobody).await.unwrap().is_empty(), "a chunk without a job");
    store.cancel_job(id).await.unwrap();
    store.put_chunk(id, record(30, "late")).await.unwrap();
    assert!(store.chunks(id).await.unwrap().is_empty(), "chunks of a job that has ended");
}

#[tokio::test]
async fn the_queue_is_counted_up_to_its_limit() {
    let world = Fixture::new().await;
    for _ in 0..3 {
        world.job("a", Priority::Batch).await;
    }
    assert!(world.store.queue_is_full(3).await.unwrap());
    assert!(!world.store.queue_is_full(4).await.unwrap());
}

#[tokio::test]
async fn the_registry_lists_workers_until_they_leave() {
    let world = Fixture::new().await;
    let store = &world.store;
    let mut record = WorkerRecord {
        id: WorkerId("t1".to_owned()),
        lane: Lane::Transcribe,
        models: vec![WorkerModel { id: ModelId::from("mini"), loaded: false }],
        device: Device { gpu_name: Some("a GPU".to_owned()), gpu_memory_mb: 8188 },
        slots: 4,
        free: 4,
        address: None,
    };
    store.register_worker(&record).await.unwrap();
    record.free = 1;
    record.models[0].loaded = true;
    store.register_worker(&record).await.unwrap();
    assert_eq!(store.workers().await.unwrap(), std::slice::from_ref(&record));
    store.forget_dead_workers().await.unwrap();
    assert_eq!(store.workers().await.unwrap().len(), 1);
    store.deregister_worker(&record.id).await.unwrap();
    assert!(store.workers().await.unwrap().is_empty());
}

#[tokio::test]
async fn only_issued_keys_are_accepted() {
    let world = Fixture::new().await;
    let store = &world.store;
    assert!(!store.has_keys().await.unwrap());
    let (issued, other) = (ApiKey::random(), ApiKey::random());
    let new = NewKey { label: "test".into(), owner: Owner::New("free".into()), admin: false };
    let record = store.add_key(&issued, &new).await.unwrap().unwrap();
    assert_eq!((record.tier.as_str(), record.admin, record.id.as_str()), ("free", false, issued.id()));
    assert!(store.has_keys().await.unwrap());
    assert_eq!(store.key(&issued).await.unwrap(), Some(record.clone()));
    assert_eq!(store.key(&other).await.unwrap(), None);

    // Another key of the same account, which outlives the first.
    let of_account = |account: &AccountId| NewKey { owner: Owner::Account(account.clone()), ..new.clone() };
    let second = store.add_key(&other, &of_account(&record.account)).await.unwrap().unwrap();
    assert_eq!(second.account, record.account);
    assert!(store.set_tier(&record.account, "paid").await.unwrap());
    assert!(store.revoke_key(issued.id()).await.unwrap() && store.revoke_key(issued.id()).await.unwrap());
    assert_eq!(store.key(&issued).await.unwrap(), None);
    assert_eq!(store.key(&other).await.unwrap().unwrap().tier, "paid");
    assert_eq!(store.keys().await.unwrap().len(), 2);
    assert_eq!(store.accounts().await.unwrap().len(), 1);

    assert!(!store.revoke_key("0000000000").await.unwrap());
    let nobody = AccountId::random();
    assert!(!store.set_tier(&nobody, "paid").await.unwrap());
    assert_eq!(store.add_key(&ApiKey::random(), &of_account(&nobody)).await.unwrap(), None);
    assert!(store.revoke_key(other.id()).await.unwrap());
    assert!(!store.has_keys().await.unwrap());
}

#[tokio::test]
async fn the_sweeper_is_told_what_no_job_names() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = world.job("a", Priority::Batch).await;
    let stranger = ObjectKey::upload(JobId::random());
    let attempt = ObjectKey::samples(id, 1);
    let keys = [ObjectKey::upload(id), stranger, attempt];
    assert_eq!(store.unreferenced(&keys).await.unwrap(), [stranger, attempt]);
    assert!(store.unreferenced(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_audio_of_a_failed_job_is_forgotten_after_its_time() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = world.job("a", Priority::Batch).await;
    let worker = WorkerId("w".to_owned());
    let (claim, _) = store.claim(Lane::Intake, &worker, LEASE, None).await.unwrap().unwrap();
    store.set_back(&claim, &Setback::give_up(FailureCode::Internal, "x")).await.unwrap();
    let kept = |failed| Retention { completed: Duration::ZERO, failed };
    assert!(store.forget_old_audio(kept(Duration::from_secs(3600))).await.unwrap().is_empty());
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(store.forget_old_audio(kept(Duration::ZERO)).await.unwrap(), [ObjectKey::upload(id)]);
    assert!(store.forget_old_audio(kept(Duration::ZERO)).await.unwrap().is_empty());
    assert_eq!(store.job(id).await.unwrap().unwrap().upload, None);
}
