//! What a job takes from its account when it is run again, taken back, or waited on late.

use std::time::Duration;

use steno_shared::account::{AccountId, Tier};
use steno_shared::error::FailureCode;
use steno_shared::id::{JobId, WorkerId};
use steno_shared::job::{
    Admission, Claim, JobOptions, JobState, Lane, NewJob, Priority, Refusal, Setback, Source, StageKind,
    StageState, Upload,
};
use steno_shared::object::ObjectKey;
use steno_shared::store::{Retried, Store};
use steno_tests::race;

use super::{Fixture, new_job, state};
use crate::audit;

const LEASE: Duration = Duration::from_secs(60);

fn three_a_day() -> Tier {
    Tier { transcriptions_per_day: Some(3), ..Tier::default() }
}

async fn create(store: &Store, new: NewJob) -> JobId {
    assert_eq!(store.create_job(&new).await.unwrap(), Admission::Created);
    new.id
}

async fn claim(store: &Store, lane: Lane) -> Claim {
    store.claim(lane, &WorkerId("w".into()), LEASE, None).await.unwrap().unwrap().0
}

async fn complete(store: &Store) {
    for lane in [Lane::Intake, Lane::Transcribe] {
        let claim = claim(store, lane).await;
        assert!(race::finish(store, &claim).await.unwrap());
    }
}

async fn fail(store: &Store, lane: Lane) {
    let claim = claim(store, lane).await;
    let setback = Setback::give_up(FailureCode::Internal, "a fault");
    assert_eq!(state(store.set_back(&claim, &setback).await.unwrap()), Some(StageState::Failed));
}

/// A file with this content, for an account of this tier.
fn file(sha256: &str, limits: &Tier) -> NewJob {
    let new = new_job("a");
    let upload = Upload { key: ObjectKey::upload(new.id), bytes: 1, sha256: sha256.to_owned() };
    NewJob { limits: limits.clone(), source: Source::Upload(upload), ..new }
}

#[tokio::test]
async fn a_charged_job_that_is_run_again_twice_is_charged_once() {
    let world = Fixture::new().await;
    let store = &world.store;
    let options = JobOptions { keep_audio: true, ..new_job("a").options };
    let id = create(store, NewJob { options, limits: three_a_day(), ..new_job("a") }).await;
    complete(store).await;
    let again = Some(StageKind::Transcribe);
    assert_eq!(
        store.retry_job(id, again, &three_a_day()).await.unwrap(),
        Retried::Queued(StageKind::Transcribe)
    );
    fail(store, Lane::Transcribe).await;
    // It has its transcript all the same.
    assert_eq!(store.job(id).await.unwrap().unwrap().state, JobState::Completed);
    assert_eq!(store.retry_job(id, None, &three_a_day()).await.unwrap(), Retried::Completed);
    let queued = Retried::Queued(StageKind::Transcribe);
    assert_eq!(store.retry_job(id, again, &three_a_day()).await.unwrap(), queued);
    assert_eq!(store.usage(&AccountId::of_row("a")).await.unwrap().day.reserved, 0);
    let claim = claim(store, Lane::Transcribe).await;
    assert!(race::finish(store, &claim).await.unwrap());
    assert_eq!(store.job(id).await.unwrap().unwrap().state, JobState::Completed);
    assert_eq!(store.usage(&AccountId::of_row("a")).await.unwrap().day.used, 1);
    audit::hold(store).await;
}

#[tokio::test]
async fn a_dry_run_takes_nothing_when_it_is_tried_again() {
    let world = Fixture::new().await;
    let store = &world.store;
    let options = JobOptions { dry_run: true, ..new_job("a").options };
    let id = create(store, NewJob { options, limits: three_a_day(), ..new_job("a") }).await;
    fail(store, Lane::Intake).await;
    assert_eq!(store.retry_job(id, None, &three_a_day()).await.unwrap(), Retried::Queued(StageKind::Intake));
    let claim = claim(store, Lane::Intake).await;
    assert!(race::finish(store, &claim).await.unwrap());
    assert_eq!(store.job(id).await.unwrap().unwrap().state, JobState::Completed);
    let usage = store.usage(&AccountId::of_row("a")).await.unwrap();
    assert_eq!((usage.day.reserved, usage.day.used), (0, 0));
    audit::hold(store).await;
}

/// Its worker may hold the old claim, which would be the same as that of the new attempt.
#[tokio::test]
async fn a_cancelled_job_is_run_again_when_its_worker_has_let_go() {
    let world = Fixture::new().await;
    let store = &world.store;
    let source = Source::Url("https://media.example/a.wav".to_owned());
    let id = create(store, NewJob { source, ..new_job("a") }).await;
    let old = claim(store, Lane::Fetch).await;
    assert!(store.cancel_job(id).await.unwrap().is_some());
    assert_eq!(store.retry_job(id, None, &Tier::default()).await.unwrap(), Retried::Held);
    let let_go = state(store.set_back(&old, &Setback::HandBack).await.unwrap());
    assert_eq!(let_go, Some(StageState::Cancelled));
    assert_eq!(store.retry_job(id, None, &Tier::default()).await.unwrap(), Retried::Queued(StageKind::Fetch));
}

/// What is at the URL by the time of another run need not be what was paid for.
#[tokio::test]
async fn what_was_paid_for_is_not_fetched_again() {
    let world = Fixture::new().await;
    let store = &world.store;
    let source = Source::Url("https://media.example/a.wav".to_owned());
    let id = create(store, NewJob { source, ..new_job("a") }).await;
    let fetch = claim(store, Lane::Fetch).await;
    assert!(race::finish(store, &fetch).await.unwrap());
    complete(store).await;
    assert_eq!(store.job(id).await.unwrap().unwrap().state, JobState::Completed);
    for stage in [StageKind::Fetch, StageKind::Intake, StageKind::Transcribe] {
        let again = store.retry_job(id, Some(stage), &Tier::default()).await.unwrap();
        assert_eq!(again, Retried::AudioDeleted, "{stage}");
    }
}

/// A new run that is cancelled takes nothing from a job that was completed.
#[tokio::test]
async fn a_completed_job_stays_so_when_another_run_is_cancelled() {
    let world = Fixture::new().await;
    let store = &world.store;
    let options = JobOptions { keep_audio: true, ..new_job("a").options };
    let id = create(store, NewJob { options, ..new_job("a") }).await;
    complete(store).await;
    let before = store.job(id).await.unwrap().unwrap();
    let again = Some(StageKind::Transcribe);
    assert!(matches!(store.retry_job(id, again, &Tier::default()).await.unwrap(), Retried::Queued(_)));
    assert!(store.cancel_job(id).await.unwrap().is_some());
    let after = store.job(id).await.unwrap().unwrap();
    assert_eq!(after.state, JobState::Completed);
    assert_eq!(
        (after.transcript, after.samples, after.upload),
        (before.transcript, before.samples, before.upload)
    );
    assert!(after.samples.is_some());
    audit::hold(store).await;
}

/// An account's limits are those of the tier it is in by now, and its queue has an end for retries too.
#[tokio::test]
async fn a_job_is_run_again_within_the_limits_of_today() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = create(store, new_job("a")).await;
    fail(store, Lane::Intake).await;
    world.job("a", Priority::Batch).await;
    let today = Tier { queued: Some(1), concurrent: Some(7), ..Tier::default() };
    assert_eq!(store.retry_job(id, None, &today).await.unwrap(), Retried::TooMany(1));
    let today = Tier { queued: Some(2), ..today };
    assert_eq!(store.retry_job(id, None, &today).await.unwrap(), Retried::Queued(StageKind::Intake));
    assert_eq!(store.job(id).await.unwrap().unwrap().limits, today);
}

/// A queued job that somebody begins to wait for is in flight from then on.
#[tokio::test]
async fn nobody_waits_for_a_queued_job_when_as_many_run_as_may() {
    let world = Fixture::new().await;
    let store = &world.store;
    let limits = Tier { concurrent: Some(1), ..Tier::default() };
    let running = create(store, file("running", &limits)).await;
    claim(store, Lane::Intake).await;
    let queued = create(store, file("queued", &limits)).await;
    let waited_on = |sha256: &str| NewJob { priority: Priority::Interactive, ..file(sha256, &limits) };
    let refused = store.create_job(&waited_on("queued")).await.unwrap();
    assert_eq!(refused, Admission::Refused(Refusal::Concurrent(1)));
    // One that runs takes no more room by being waited on.
    assert_eq!(store.create_job(&waited_on("running")).await.unwrap(), Admission::Existing(running));
    let none = store.claim(Lane::Intake, &WorkerId("w".into()), LEASE, None).await.unwrap();
    assert!(none.is_none(), "a second job of an account that may have one");
    assert!(store.cancel_job(running).await.unwrap().is_some());
    assert_eq!(store.create_job(&waited_on("queued")).await.unwrap(), Admission::Existing(queued));
    assert_eq!(claim(store, Lane::Intake).await.job, queued);
}

/// The first of them to be answered removes its job, which must not be that of the others.
#[tokio::test]
async fn dry_runs_of_the_same_file_are_jobs_of_their_own() {
    let world = Fixture::new().await;
    let dry = || {
        let new = file("same", &Tier::default());
        NewJob { options: JobOptions { dry_run: true, ..new.options.clone() }, ..new }
    };
    create(&world.store, dry()).await;
    create(&world.store, dry()).await;
}
