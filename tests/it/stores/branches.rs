//! The two stages that the samples of a job go to: the job ends with the last of them.

use std::time::Duration;

use steno_shared::account::Tier;
use steno_shared::diarization::SpeakerEdits;
use steno_shared::error::FailureCode;
use steno_shared::id::{JobId, WorkerId};
use steno_shared::job::{
    Admission, Claim, Job, JobOptions, JobState, Lane, NewJob, Setback, StageKind, StageState, TextOptions,
};
use steno_shared::object::ObjectKey;
use steno_shared::store::{BranchEnd, Retried, SetBack, Store};
use steno_tests::race;

use super::{Fixture, new_job, state};

const LEASE: Duration = Duration::from_secs(60);
const BRANCHES: [Lane; 2] = [Lane::Transcribe, Lane::Diarize];

async fn claim(store: &Store, lane: Lane) -> Option<Claim> {
    store.claim(lane, &WorkerId("w".into()), LEASE, None).await.unwrap().map(|(claim, _)| claim)
}

fn options() -> JobOptions {
    JobOptions { diarize: true, ..new_job("a").options }
}

/// A job after its intake.
async fn heard(store: &Store, options: JobOptions) -> JobId {
    let new = NewJob { options, ..new_job("a") };
    assert_eq!(store.create_job(&new).await.unwrap(), Admission::Created);
    let intake = claim(store, Lane::Intake).await.unwrap();
    assert!(race::finish(store, &intake).await.unwrap());
    new.id
}

async fn finish(store: &Store, claim: &Claim) -> BranchEnd {
    match claim.stage {
        StageKind::Diarize => {
            store.finish_diarize(claim, &ObjectKey::diarization(claim.job, claim.attempt)).await
        }
        _ => store.finish_transcribe(claim, &ObjectKey::transcript(claim.job, claim.attempt)).await,
    }
    .unwrap()
}

async fn read(store: &Store, id: JobId) -> Job {
    store.job(id).await.unwrap().unwrap()
}

fn fault() -> Setback {
    Setback::give_up(FailureCode::Internal, "a fault")
}

#[tokio::test]
async fn a_job_ends_with_the_last_of_its_branches_whichever_that_is() {
    for order in [BRANCHES, [Lane::Diarize, Lane::Transcribe]] {
        let world = Fixture::new().await;
        let store = &world.store;
        let id = heard(store, options()).await;
        let [first, last] = order.map(async |lane| claim(store, lane).await.unwrap());
        let (first, last) = (first.await, last.await);
        assert_eq!(finish(store, &first).await, BranchEnd::Waiting, "{order:?}");
        let job = read(store, id).await;
        assert_eq!((job.state, job.transcript), (JobState::Processing, None));
        assert!(job.samples.is_some() && job.objects().len() == 3, "{:?}", job.objects());
        assert!(store.unreferenced(&job.objects()).await.unwrap().is_empty());
        assert_eq!(finish(store, &last).await, BranchEnd::Completed, "{order:?}");
        assert_eq!(finish(store, &last).await, BranchEnd::Lost, "twice");
        let job = read(store, id).await;
        assert_eq!(job.state, JobState::Completed);
        assert_eq!(job.objects(), [ObjectKey::transcript(id, 1), ObjectKey::diarization(id, 1)]);
    }
}

#[tokio::test]
async fn nobody_listens_for_speakers_that_are_not_wanted_or_known() {
    let one = JobOptions { speakers: 1, ..options() };
    for options in [JobOptions { diarize: false, ..options() }, one] {
        let world = Fixture::new().await;
        heard(&world.store, options).await;
        assert_eq!(claim(&world.store, Lane::Diarize).await, None);
        let transcribe = claim(&world.store, Lane::Transcribe).await.unwrap();
        assert_eq!(finish(&world.store, &transcribe).await, BranchEnd::Completed);
    }
}

#[tokio::test]
async fn a_transcript_without_speakers_will_do_unless_the_caller_is_strict() {
    for transcribed_first in [true, false] {
        for strict in [true, false] {
            let world = Fixture::new().await;
            let store = &world.store;
            let text = TextOptions { strict, ..TextOptions::default() };
            let id = heard(store, JobOptions { text, ..options() }).await;
            let [transcribe, diarize] =
                [Lane::Transcribe, Lane::Diarize].map(async |lane| claim(store, lane).await);
            let (transcribe, diarize) = (transcribe.await.unwrap(), diarize.await.unwrap());
            if transcribed_first {
                assert_eq!(finish(store, &transcribe).await, BranchEnd::Waiting);
            }
            let end = store.set_back(&diarize, &fault()).await.unwrap().unwrap();
            assert_eq!(
                end,
                SetBack {
                    state: StageState::Failed,
                    completed: transcribed_first && !strict,
                    cancelled: false
                }
            );
            if !transcribed_first {
                let end = finish(store, &transcribe).await;
                assert_eq!(end, if strict { BranchEnd::Lost } else { BranchEnd::Completed });
            }
            let job = read(store, id).await;
            assert_eq!((job.diarization, job.pending_diarization), (None, None));
            if strict {
                assert_eq!(job.state, JobState::Failed);
                assert_eq!(job.failure.unwrap().code, FailureCode::Incomplete);
            } else {
                assert_eq!((job.state, job.transcript.is_some()), (JobState::Completed, true));
            }
        }
    }
}

#[tokio::test]
async fn a_worker_that_is_lost_at_its_last_diarization_costs_the_speakers_alone() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = heard(store, options()).await;
    let transcribe = claim(store, Lane::Transcribe).await.unwrap();
    assert_eq!(finish(store, &transcribe).await, BranchEnd::Waiting);
    for _ in 0..3 {
        store.claim(Lane::Diarize, &WorkerId("w".into()), Duration::ZERO, None).await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
        store.reap(Lane::Diarize).await.unwrap();
    }
    let job = read(store, id).await;
    assert_eq!((job.state, job.diarization), (JobState::Completed, None));
}

#[tokio::test]
async fn a_transcription_that_fails_stops_its_diarization() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = heard(store, options()).await;
    let diarize = claim(store, Lane::Diarize).await.unwrap();
    let transcribe = claim(store, Lane::Transcribe).await.unwrap();
    assert_eq!(state(store.set_back(&transcribe, &fault()).await.unwrap()), Some(StageState::Failed));
    assert_eq!(finish(store, &diarize).await, BranchEnd::Lost);
    assert_eq!(read(store, id).await.state, JobState::Failed);
    assert_eq!(
        state(store.set_back(&diarize, &Setback::HandBack).await.unwrap()),
        Some(StageState::Cancelled)
    );
    // Run again, both are done again.
    let again = store.retry_job(id, None, &Tier::default()).await.unwrap();
    assert_eq!(again, Retried::Queued(StageKind::Transcribe));
    let [first, last] = BRANCHES.map(async |lane| claim(store, lane).await.unwrap());
    let (first, last) = (first.await, last.await);
    assert_eq!(finish(store, &first).await, BranchEnd::Waiting);
    assert_eq!(finish(store, &last).await, BranchEnd::Completed);
}

#[tokio::test]
async fn a_cancelled_job_names_all_that_is_to_be_removed() {
    for lane in BRANCHES {
        let world = Fixture::new().await;
        let store = &world.store;
        let id = heard(store, options()).await;
        let first = claim(store, lane).await.unwrap();
        assert_eq!(finish(store, &first).await, BranchEnd::Waiting);
        let objects = store.cancel_job(id).await.unwrap().unwrap();
        assert_eq!(objects.len(), 3, "{objects:?}");
        let job = read(store, id).await;
        assert_eq!((job.state, job.objects()), (JobState::Cancelled, Vec::new()));
        let other = if lane == Lane::Diarize { Lane::Transcribe } else { Lane::Diarize };
        assert_eq!(claim(store, other).await, None);
    }
}

#[tokio::test]
async fn speakers_are_found_anew_without_another_transcription() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = heard(store, JobOptions { diarize: false, keep_audio: true, ..options() }).await;
    let transcribe = claim(store, Lane::Transcribe).await.unwrap();
    assert_eq!(finish(store, &transcribe).await, BranchEnd::Completed);
    let transcript = read(store, id).await.transcript;
    for ended in [false, true] {
        let again = store.retry_job(id, Some(StageKind::Diarize), &Tier::default()).await.unwrap();
        assert_eq!(again, Retried::Queued(StageKind::Diarize));
        assert_eq!(claim(store, Lane::Transcribe).await, None);
        let diarize = claim(store, Lane::Diarize).await.unwrap();
        if ended {
            assert_eq!(finish(store, &diarize).await, BranchEnd::Completed);
        } else {
            // Taken back, the transcript is what it was.
            assert_eq!(store.cancel_job(id).await.unwrap(), Some(Vec::new()));
            assert_eq!(finish(store, &diarize).await, BranchEnd::Lost);
            store.set_back(&diarize, &Setback::HandBack).await.unwrap();
        }
        let job = read(store, id).await;
        assert_eq!((job.state, job.transcript), (JobState::Completed, transcript));
        assert_eq!(job.diarization.is_some(), ended);
    }
}

#[tokio::test]
async fn a_failed_branch_does_not_make_its_job_a_cancelled_one() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = heard(store, options()).await;
    let diarize = claim(store, Lane::Diarize).await.unwrap();
    let transcribe = claim(store, Lane::Transcribe).await.unwrap();
    store.set_back(&transcribe, &fault()).await.unwrap();
    let end = store.set_back(&diarize, &Setback::HandBack).await.unwrap().unwrap();
    assert_eq!(end, SetBack { state: StageState::Cancelled, completed: false, cancelled: false });
    assert!(read(store, id).await.samples.is_some(), "for another try");

    let other = heard(store, options()).await;
    let diarize = claim(store, Lane::Diarize).await.unwrap();
    store.cancel_job(other).await.unwrap().unwrap();
    let end = store.set_back(&diarize, &Setback::HandBack).await.unwrap().unwrap();
    assert_eq!(end, SetBack { state: StageState::Cancelled, completed: false, cancelled: true });
}

#[tokio::test]
async fn another_run_replaces_nothing_until_it_is_completed() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = heard(store, JobOptions { keep_audio: true, ..options() }).await;
    for lane in BRANCHES {
        let claim = claim(store, lane).await.unwrap();
        finish(store, &claim).await;
    }
    let job = read(store, id).await;
    let edits = SpeakerEdits { names: [(1, "Anna".to_owned())].into(), ..SpeakerEdits::default() };
    assert!(store.edit_speakers(&job, &edits).await.unwrap());
    let before = read(store, id).await;
    let queued = Retried::Queued(StageKind::Intake);
    assert_eq!(store.retry_job(id, Some(StageKind::Intake), &Tier::default()).await.unwrap(), queued);
    let intake = claim(store, Lane::Intake).await.unwrap();
    assert!(race::finish(store, &intake).await.unwrap());
    let diarize = claim(store, Lane::Diarize).await.unwrap();
    assert_eq!(finish(store, &diarize).await, BranchEnd::Waiting);
    let transcribe = claim(store, Lane::Transcribe).await.unwrap();
    store.set_back(&transcribe, &fault()).await.unwrap();
    let after = read(store, id).await;
    assert_eq!((after.state, after.pending_diarization), (JobState::Completed, None));
    assert_eq!((after.diarization, &after.speaker_edits), (before.diarization, &edits));
    assert!(after.failure.is_some(), "it says why the other run failed");
}

#[tokio::test]
async fn a_diarization_that_fails_again_says_so_and_changes_nothing() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = heard(store, JobOptions { keep_audio: true, ..options() }).await;
    for lane in BRANCHES {
        let claim = claim(store, lane).await.unwrap();
        finish(store, &claim).await;
    }
    let before = read(store, id).await;
    let queued = Retried::Queued(StageKind::Diarize);
    assert_eq!(store.retry_job(id, Some(StageKind::Diarize), &Tier::default()).await.unwrap(), queued);
    let diarize = claim(store, Lane::Diarize).await.unwrap();
    store.set_back(&diarize, &fault()).await.unwrap();
    let after = read(store, id).await;
    assert_eq!((after.state, after.diarization), (JobState::Completed, before.diarization));
    assert_eq!(after.failure.unwrap().message, "a fault");
}

#[tokio::test]
async fn what_was_transcribed_is_not_transcribed_again_for_its_speakers() {
    let world = Fixture::new().await;
    let store = &world.store;
    let text = TextOptions { strict: true, ..TextOptions::default() };
    let id = heard(store, JobOptions { text, ..options() }).await;
    let transcribe = claim(store, Lane::Transcribe).await.unwrap();
    finish(store, &transcribe).await;
    let diarize = claim(store, Lane::Diarize).await.unwrap();
    store.set_back(&diarize, &fault()).await.unwrap();
    assert_eq!(read(store, id).await.state, JobState::Failed);
    let queued = Retried::Queued(StageKind::Diarize);
    assert_eq!(store.retry_job(id, None, &Tier::default()).await.unwrap(), queued);
    let diarize = claim(store, Lane::Diarize).await.unwrap();
    assert_eq!(finish(store, &diarize).await, BranchEnd::Completed);
    let job = read(store, id).await;
    assert_eq!((job.state, job.transcript.is_some()), (JobState::Completed, true));
}
