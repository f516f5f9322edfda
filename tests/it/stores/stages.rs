//! Stages: who gets one, who keeps it, how it ends.

use std::collections::HashSet;
use std::time::Duration;

use steno_shared::catalog::ModelId;
use steno_shared::error::FailureCode;
use steno_shared::id::WorkerId;
use steno_shared::job::{Claim, JobState, Lane, MAX_ATTEMPTS, Priority, Progress, Setback, StageState};
use steno_shared::object::ObjectKey;
use steno_shared::store::{Beat, BranchEnd, IntakeEnd, IntakeOutput, Store};

use steno_shared::time::Millis;
use steno_tests::wait;

use super::{Fixture, state};

const LEASE: Duration = Duration::from_secs(60);
const NO_LEASE: Duration = Duration::ZERO;
/// Ten times the longest back-off in here.
const LATER: Duration = Duration::from_secs(40);

fn worker(name: &str) -> WorkerId {
    WorkerId(name.to_owned())
}

async fn claim(store: &Store, lease: Duration) -> Option<Claim> {
    store.claim(Lane::Intake, &worker("w"), lease, None).await.unwrap().map(|(claim, _)| claim)
}

fn output(claim: &Claim) -> IntakeOutput {
    IntakeOutput {
        samples: ObjectKey::samples(claim.job, claim.attempt),
        duration: Millis(5000),
        channels: 1,
        warnings: Vec::new(),
    }
}

#[tokio::test]
async fn interactive_goes_before_batch_then_the_account_with_least_running_then_the_oldest() {
    let world = Fixture::new().await;
    let batch = world.job("a", Priority::Batch).await;
    let first = world.job("a", Priority::Interactive).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let second = world.job("a", Priority::Interactive).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let other = world.job("b", Priority::Interactive).await;
    let mut order = Vec::new();
    while let Some(claim) = claim(&world.store, LEASE).await {
        order.push(claim.job);
    }
    assert_eq!(order, [first, other, second, batch]);
}

#[tokio::test]
async fn a_worker_gets_only_stages_for_models_that_it_has() {
    let world = Fixture::new().await;
    world.job("a", Priority::Batch).await;
    let intake = claim(&world.store, LEASE).await.unwrap();
    assert_eq!(world.store.finish_intake(&intake, &output(&intake)).await.unwrap(), IntakeEnd::Queued);
    let transcribe = async |models: &[&str]| {
        let models: Vec<_> = models.iter().map(|id| ModelId::from(*id)).collect();
        world.store.claim(Lane::Transcribe, &worker("w"), LEASE, Some(&models)).await.unwrap()
    };
    assert!(transcribe(&[]).await.is_none());
    assert!(transcribe(&["small", "medium"]).await.is_none());
    let (claim, job) = transcribe(&["small", "mini"]).await.unwrap();
    assert_eq!((claim.attempt, job.duration), (1, Some(Millis(5000))));
}

#[tokio::test]
async fn a_job_goes_through_its_stages_to_completed() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = world.job("a", Priority::Batch).await;
    assert_eq!(store.job(id).await.unwrap().unwrap().state, JobState::Queued);
    let intake = claim(store, LEASE).await.unwrap();
    assert_eq!(store.job(id).await.unwrap().unwrap().state, JobState::Processing);
    let progress = Progress { done: Millis(10), total: Some(Millis(20)) };
    assert_eq!(store.beat(&intake, LEASE, progress).await.unwrap(), Beat::Held);
    assert_eq!(store.stages(id).await.unwrap()[0].progress, progress);
    assert_eq!(store.finish_intake(&intake, &output(&intake)).await.unwrap(), IntakeEnd::Queued);
    assert_eq!(
        store.finish_intake(&intake, &output(&intake)).await.unwrap(),
        IntakeEnd::Lost,
        "finished twice"
    );

    let (transcribe, job) = store.claim(Lane::Transcribe, &worker("t"), LEASE, None).await.unwrap().unwrap();
    assert_eq!(job.samples, Some(ObjectKey::samples(id, 1)));
    let transcript = ObjectKey::transcript(id, transcribe.attempt);
    assert_eq!(store.finish_transcribe(&transcribe, &transcript).await.unwrap(), BranchEnd::Completed);
    let job = store.job(id).await.unwrap().unwrap();
    assert_eq!((job.state, job.transcript), (JobState::Completed, Some(transcript)));
    assert_eq!((job.upload, job.samples), (None, None));
    assert!(job.finished_at >= job.started_at && job.started_at >= Some(job.created_at));
    assert!(store.claim(Lane::Transcribe, &worker("t"), LEASE, None).await.unwrap().is_none());
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_can_write_nothing() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = world.job("a", Priority::Batch).await;
    let lost = claim(store, NO_LEASE).await.unwrap();
    let reaped = reap_one(store).await;
    assert_eq!((reaped.job, reaped.state), (id, StageState::Queued));
    let held = claim(store, LEASE).await.unwrap();
    assert_eq!(held.attempt, 2);
    assert_eq!(store.beat(&lost, LEASE, Progress::default()).await.unwrap(), Beat::Lost);
    assert_eq!(store.finish_intake(&lost, &output(&lost)).await.unwrap(), IntakeEnd::Lost);
    let setback = Setback::give_up(FailureCode::Internal, "late");
    assert_eq!(store.set_back(&lost, &setback).await.unwrap(), None);
    assert_eq!(store.beat(&held, LEASE, Progress::default()).await.unwrap(), Beat::Held);
    assert!(store.reap(Lane::Intake).await.unwrap().is_empty(), "a held lease was reaped");
}

async fn reap_one(store: &Store) -> steno_shared::store::Reaped {
    wait::until("a lease to expire", LATER, async || store.reap(Lane::Intake).await.unwrap().pop()).await
}

#[tokio::test]
async fn a_job_that_kills_its_workers_fails_after_the_last_attempt() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = world.job("a", Priority::Batch).await;
    for attempt in 1..=MAX_ATTEMPTS {
        assert_eq!(claim(store, NO_LEASE).await.unwrap().attempt, attempt);
        let expected = if attempt < MAX_ATTEMPTS { StageState::Queued } else { StageState::Failed };
        assert_eq!(reap_one(store).await.state, expected);
    }
    assert!(claim(store, LEASE).await.is_none());
    let job = store.job(id).await.unwrap().unwrap();
    assert_eq!(job.state, JobState::Failed);
    assert_eq!(job.failure.unwrap().code, FailureCode::WorkerLost);
    assert!(job.upload.is_some(), "its audio is kept for another try");
}

#[tokio::test]
async fn a_failed_attempt_is_tried_again_later_and_at_last_fails_the_job() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = world.job("a", Priority::Batch).await;
    for attempt in 1..=MAX_ATTEMPTS {
        let held = wait::until("the back-off to end", LATER, async || claim(store, LEASE).await).await;
        assert_eq!(held.attempt, attempt);
        let setback = Setback::retry(FailureCode::TimedOut, "too slow");
        let expected = if attempt < MAX_ATTEMPTS { StageState::Queued } else { StageState::Failed };
        assert_eq!(state(store.set_back(&held, &setback).await.unwrap()), Some(expected));
        assert!(claim(store, LEASE).await.is_none(), "tried again without a pause");
    }
    let failure = store.job(id).await.unwrap().unwrap().failure.unwrap();
    assert_eq!((failure.code, failure.message.as_str()), (FailureCode::TimedOut, "too slow"));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_fails_at_once_and_its_audio_is_forgotten() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = world.job("a", Priority::Batch).await;
    let held = claim(store, LEASE).await.unwrap();
    let setback = Setback::give_up(FailureCode::Undecodable, "noise");
    assert_eq!(state(store.set_back(&held, &setback).await.unwrap()), Some(StageState::Failed));
    let job = store.job(id).await.unwrap().unwrap();
    assert_eq!((job.state, job.upload), (JobState::Failed, None));
}

#[tokio::test]
async fn a_stage_handed_back_is_not_counted() {
    let world = Fixture::new().await;
    let store = &world.store;
    world.job("a", Priority::Batch).await;
    for _ in 0..5 {
        let held = claim(store, LEASE).await.unwrap();
        assert_eq!(held.attempt, 1);
        let state = state(store.set_back(&held, &Setback::HandBack).await.unwrap());
        assert_eq!(state, Some(StageState::Queued));
    }
}

#[tokio::test]
async fn a_cancelled_job_is_not_claimed_and_a_running_one_is_told() {
    let world = Fixture::new().await;
    let store = &world.store;
    let queued = world.job("a", Priority::Batch).await;
    assert!(store.cancel_job(queued).await.unwrap().is_some());
    assert!(store.cancel_job(queued).await.unwrap().is_none(), "cancelled twice");
    assert!(claim(store, LEASE).await.is_none());

    let running = world.job("a", Priority::Batch).await;
    let held = claim(store, LEASE).await.unwrap();
    assert!(store.cancel_job(running).await.unwrap().is_some());
    let job = store.job(running).await.unwrap().unwrap();
    assert_eq!((job.state, job.upload), (JobState::Cancelled, None));
    assert_eq!(store.beat(&held, LEASE, Progress::default()).await.unwrap(), Beat::Cancelled);
    assert_eq!(
        store.finish_intake(&held, &output(&held)).await.unwrap(),
        IntakeEnd::Lost,
        "a cancelled job went on"
    );
    assert_eq!(state(store.set_back(&held, &Setback::HandBack).await.unwrap()), Some(StageState::Cancelled));
    assert_eq!(store.job(running).await.unwrap().unwrap().state, JobState::Cancelled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_stage_is_claimed_exactly_once_whoever_races() {
    const JOBS: usize = 200;
    let world = Fixture::new().await;
    for _ in 0..JOBS {
        world.job("a", Priority::Batch).await;
    }
    let mut racers = Vec::new();
    for number in 0..8 {
        // A connection of its own, as another process has.
        let store = Store::open(&world.url).await.unwrap();
        racers.push(tokio::spawn(async move {
            let owner = worker(&format!("w{number}"));
            let mut claimed = Vec::new();
            while let Some((claim, _)) = store.claim(Lane::Intake, &owner, LEASE, None).await.unwrap() {
                claimed.push(claim.job);
            }
            claimed
        }));
    }
    let mut all = Vec::new();
    for racer in racers {
        all.extend(racer.await.unwrap());
    }
    assert_eq!(all.len(), JOBS);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), JOBS);
}

#[tokio::test]
async fn a_worker_runs_one_stage_at_a_time_that_is_at_its_last_attempt() {
    let world = Fixture::new().await;
    world.job("a", Priority::Batch).await;
    world.job("a", Priority::Batch).await;
    for _ in 1..MAX_ATTEMPTS {
        while claim(&world.store, NO_LEASE).await.is_some() {}
        let mut reaped = 0;
        wait::until("both leases to run out", LATER, async || {
            reaped += world.store.reap(Lane::Intake).await.unwrap().len();
            (reaped == 2).then_some(())
        })
        .await;
    }
    let fresh = world.job("a", Priority::Batch).await;
    let last = claim(&world.store, LEASE).await.unwrap();
    assert_eq!(last.attempt, MAX_ATTEMPTS);
    // The other one waits; what was never tried does not.
    assert_eq!(claim(&world.store, LEASE).await.unwrap().job, fresh);
    assert!(claim(&world.store, LEASE).await.is_none());
    assert_eq!(
        state(world.store.set_back(&last, &Setback::HandBack).await.unwrap()),
        Some(StageState::Queued)
    );
    assert_eq!(claim(&world.store, LEASE).await.unwrap().attempt, MAX_ATTEMPTS);
}
