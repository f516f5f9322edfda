//! Live sessions: how many an account may have, and what they cost, however they end.

use sea_orm_migration::sea_orm::ConnectionTrait;
use steno_shared::account::{AccountId, Shortage, Tier, Unit};
use steno_shared::id::{JobId, WorkerId};
use steno_shared::job::{Admission, JobOptions, JobState, Lane, NewJob, Priority, Refusal};
use steno_shared::object::ObjectKey;
use steno_shared::store::{KeptSession, NewSession, Retried, SESSION_LEASE, SessionBeat, Store, Usage};
use steno_shared::time::Millis;

use super::{Fixture, new_job};
use crate::audit;

fn session(limits: &Tier) -> NewSession {
    NewSession {
        id: JobId::random(),
        account: AccountId::of_row("a"),
        limits: limits.clone(),
        owner: WorkerId("api".into()),
    }
}

fn kept(id: JobId, duration: Millis) -> KeptSession {
    let options = JobOptions { model: "mini".into(), ..JobOptions::default() };
    KeptSession { transcript: ObjectKey::transcript(id, 1), duration, options, request_id: "test".to_owned() }
}

async fn open(store: &Store, limits: &Tier) -> JobId {
    let new = session(limits);
    assert_eq!(store.open_session(&new).await.unwrap(), None);
    new.id
}

async fn hear(store: &Store, id: JobId, millis: u64) -> SessionBeat {
    let beat = store.hear_session(id, Millis(millis)).await.unwrap();
    audit::hold(store).await;
    beat
}

async fn close(store: &Store, id: JobId, millis: u64) -> Option<u64> {
    let charged = store.close_session(id, Millis(millis), None).await.unwrap();
    audit::hold(store).await;
    charged
}

async fn usage(store: &Store) -> Usage {
    store.usage(&AccountId::of_row("a")).await.unwrap()
}

async fn expire(store: &Store) {
    store.connection().execute_unprepared("UPDATE live_session SET lease_until = 0").await.unwrap();
}

fn all_limits() -> Tier {
    Tier {
        transcriptions_per_day: Some(3),
        minutes_per_month: Some(600),
        credits: true,
        concurrent: Some(5),
        ..Tier::default()
    }
}

/// Each minute is reserved when it begins, and charged at the end.
#[tokio::test]
async fn a_session_pays_for_the_minutes_begun() {
    let world = Fixture::new().await;
    let store = &world.store;
    store.grant_credits(&AccountId::of_row("a"), 10, "").await.unwrap();
    let id = open(store, &all_limits()).await;
    let taken = async || {
        let usage = usage(store).await;
        assert_eq!((usage.credits.reserved, usage.credits.used), (usage.month.reserved, usage.month.used));
        (usage.day.reserved, usage.month.reserved, usage.day.used, usage.month.used)
    };
    assert_eq!((hear(store, id, 0).await, taken().await), (SessionBeat::Held, (0, 0, 0, 0)));
    for (millis, minutes) in [(1, 1), (59_000, 1), (60_000, 1), (60_001, 2), (30_000, 2), (200_000, 4)] {
        assert_eq!(hear(store, id, millis).await, SessionBeat::Held);
        assert_eq!(taken().await, (1, minutes, 0, 0), "{millis} ms");
    }
    assert_eq!(usage(store).await.running, 1);
    // What came since is charged too.
    assert_eq!(close(store, id, 241_000).await, Some(5));
    assert_eq!(taken().await, (0, 0, 1, 5));
    assert_eq!(usage(store).await.running, 0);
    assert_eq!(close(store, id, 999_000).await, None, "it is charged twice");
    assert_eq!(hear(store, id, 999_000).await, SessionBeat::Lost);
    assert_eq!(store.reap_sessions().await.unwrap(), 0);
    assert_eq!(taken().await, (0, 0, 1, 5));
    assert!(store.job(id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_session_without_audio_costs_nothing_and_is_not_kept() {
    let world = Fixture::new().await;
    let store = &world.store;
    let (closed, lost) = (open(store, &Tier::default()).await, open(store, &Tier::default()).await);
    let end = store.close_session(closed, Millis(0), Some(&kept(closed, Millis(0)))).await.unwrap();
    assert_eq!(end, Some(0));
    hear(store, lost, 0).await;
    expire(store).await;
    assert_eq!(store.reap_sessions().await.unwrap(), 1);
    assert_eq!(audit::number(store, "SELECT COUNT(*) AS n FROM usage WHERE used + reserved > 0").await, 0);
    assert_eq!(audit::number(store, "SELECT COUNT(*) AS n FROM job").await, 0);
}

/// It is a job like any other, and whoever runs it again is told that its audio is gone.
#[tokio::test]
async fn a_kept_session_is_a_completed_job_that_is_charged_once() {
    let world = Fixture::new().await;
    let store = &world.store;
    let tier = Tier { transcriptions_per_day: Some(3), ..Tier::default() };
    let id = open(store, &tier).await;
    hear(store, id, 61_000).await;
    let kept = kept(id, Millis(61_500));
    assert_eq!(store.close_session(id, Millis(61_500), Some(&kept)).await.unwrap(), Some(2));
    audit::hold(store).await;
    let job = store.job(id).await.unwrap().unwrap();
    assert_eq!(
        (job.state, job.transcript, job.duration),
        (JobState::Completed, Some(kept.transcript), Some(Millis(61_500)))
    );
    assert_eq!((job.account.as_str(), &job.limits, &job.options), ("a", &tier, &kept.options));
    assert!(job.started_at == Some(job.created_at) && job.finished_at >= job.started_at);
    assert_eq!(store.close_session(id, Millis(61_500), Some(&kept)).await.unwrap(), None);
    let again = store.retry_job(id, Some(steno_shared::job::StageKind::Transcribe), &tier).await.unwrap();
    assert_eq!(again, Retried::AudioDeleted);
    assert_eq!(store.unreferenced(&[kept.transcript]).await.unwrap(), []);
    let usage = usage(store).await;
    assert_eq!((usage.day.used, usage.month.used, usage.running), (1, 2, 0));
    assert!(matches!(store.remove_job(id).await.unwrap(), steno_shared::store::Removed::Gone(_)));
    audit::hold(store).await;
}

/// The process that served it was killed: what it had received is paid for, once, whoever sees it first.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lost_session_is_settled_once_by_what_was_received() {
    let world = Fixture::new().await;
    let store = &world.store;
    let (lost, held) = (open(store, &Tier::default()).await, open(store, &Tier::default()).await);
    hear(store, lost, 130_000).await;
    hear(store, held, 10_000).await;
    assert_eq!(store.reap_sessions().await.unwrap(), 0, "a session is taken from the one that serves it");
    let sql = format!("UPDATE live_session SET lease_until = 0 WHERE id = '{lost}'");
    store.connection().execute_unprepared(&sql).await.unwrap();
    let mut reapers = Vec::new();
    for _ in 0..4 {
        // A connection of its own each, as of another process.
        let other = Store::open(&world.url).await.unwrap();
        reapers.push(tokio::spawn(async move { other.reap_sessions().await.unwrap() }));
    }
    let closing = store.close_session(lost, Millis(130_000), None).await.unwrap();
    let mut reaped = 0;
    for reaper in reapers {
        reaped += reaper.await.unwrap();
    }
    assert_eq!(reaped + usize::from(closing.is_some()), 1, "{closing:?}");
    audit::hold(store).await;
    let after = usage(store).await;
    assert_eq!((after.month.used, after.month.reserved, after.running), (3, 1, 1));
    assert_eq!(hear(store, lost, 140_000).await, SessionBeat::Lost);
    assert_eq!(hear(store, held, 20_000).await, SessionBeat::Held);
}

#[tokio::test]
async fn a_beat_renews_the_lease() {
    let world = Fixture::new().await;
    let store = &world.store;
    let left = async || {
        audit::number(
            store,
            "SELECT lease_until - CAST(unixepoch('subsec') * 1000 AS INTEGER) AS n FROM live_session",
        )
        .await
    };
    let id = open(store, &Tier::default()).await;
    let lease = SESSION_LEASE.as_millis() as i64;
    assert!((lease / 2..=lease).contains(&left().await));
    expire(store).await;
    hear(store, id, 0).await;
    assert!((lease / 2..=lease).contains(&left().await));
    // While most of it is left, nothing is written until a minute begins.
    store
        .connection()
        .execute_unprepared("UPDATE live_session SET lease_until = lease_until - 2000")
        .await
        .unwrap();
    let audio = async || audit::number(store, "SELECT audio_ms AS n FROM live_session").await;
    for (millis, written) in [(100, 100), (200, 100), (60_000, 100), (60_100, 60_100), (61_000, 60_100)] {
        assert_eq!(
            (hear(store, id, millis).await, audio().await),
            (SessionBeat::Held, written),
            "{millis} ms"
        );
    }
}

/// What was received beyond what the account has is not charged, and what was reserved stays reserved.
#[tokio::test]
async fn a_shortage_in_mid_session_leaves_what_was_reserved() {
    let world = Fixture::new().await;
    let store = &world.store;
    let account = AccountId::of_row("a");
    store.grant_credits(&account, 2, "").await.unwrap();
    let paid = Tier { credits: true, ..Tier::default() };
    let id = open(store, &paid).await;
    hear(store, id, 100_000).await;
    let shortage = Shortage { unit: Unit::Credits, required: 1, available: 0, limit: 2 };
    assert_eq!(hear(store, id, 120_001).await, SessionBeat::Short(shortage));
    assert_eq!(usage(store).await.credits.reserved, 2);
    // Whoever is given more goes on.
    store.grant_credits(&account, 1, "").await.unwrap();
    assert_eq!(hear(store, id, 121_000).await, SessionBeat::Held);
    assert!(matches!(hear(store, id, 180_001).await, SessionBeat::Short(_)));
    assert_eq!(close(store, id, 181_000).await, Some(3));
    assert_eq!((usage(store).await.credits.used, usage(store).await.credits.reserved), (3, 0));
    let refused = store.open_session(&session(&paid)).await.unwrap();
    let none = Shortage { limit: 3, ..shortage };
    assert_eq!(refused, Some(Refusal::Shortage(none)));

    // A minute without a credit is not reserved in half.
    let both = Tier { minutes_per_month: Some(3), credits: true, ..Tier::default() };
    store.grant_credits(&account, 5, "").await.unwrap();
    let refused = store.open_session(&session(&both)).await.unwrap();
    assert!(matches!(refused, Some(Refusal::Shortage(Shortage { unit: Unit::Minutes, .. }))), "{refused:?}");
    let four = Tier { minutes_per_month: Some(4), ..both };
    let id = open(store, &four).await;
    assert!(matches!(
        hear(store, id, 60_001).await,
        SessionBeat::Short(Shortage { unit: Unit::Minutes, .. })
    ));
    let usage = usage(store).await;
    assert_eq!((usage.credits.reserved, usage.month.reserved), (0, 0));
    assert_eq!(close(store, id, 60_001).await, Some(0));
}

/// The day's transcriptions count sessions with audio, however many are open without.
#[tokio::test]
async fn the_days_transcriptions_are_looked_at_before_and_taken_with_the_first_audio() {
    let world = Fixture::new().await;
    let store = &world.store;
    let tier = Tier { transcriptions_per_day: Some(1), ..Tier::default() };
    let (first, second) = (open(store, &tier).await, open(store, &tier).await);
    assert_eq!(usage(store).await.day.reserved, 0);
    assert_eq!(hear(store, first, 20).await, SessionBeat::Held);
    let shortage = Shortage { unit: Unit::Transcriptions, required: 1, available: 0, limit: 1 };
    assert_eq!(hear(store, second, 20).await, SessionBeat::Short(shortage));
    assert_eq!(hear(store, first, 90_000).await, SessionBeat::Held);
    assert_eq!(store.open_session(&session(&tier)).await.unwrap(), Some(Refusal::Shortage(shortage)));
    assert_eq!((close(store, first, 90_000).await, close(store, second, 20).await), (Some(2), Some(0)));
    let usage = usage(store).await;
    assert_eq!((usage.day.used, usage.day.reserved, usage.month.used), (1, 0, 2));
}

/// Twenty at once on five places, of connections of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_account_opens_more_sessions_than_it_may() {
    let world = Fixture::new().await;
    let tier = Tier { concurrent: Some(5), ..Tier::default() };
    let mut openers = Vec::new();
    for _ in 0..20 {
        let (store, new) = (Store::open(&world.url).await.unwrap(), session(&tier));
        openers.push(tokio::spawn(async move { store.open_session(&new).await.unwrap() }));
    }
    let mut opened = 0;
    for opener in openers {
        match opener.await.unwrap() {
            None => opened += 1,
            refused => assert_eq!(refused, Some(Refusal::Concurrent(5))),
        }
    }
    assert_eq!((opened, usage(&world.store).await.running), (5, 5));
    audit::hold(&world.store).await;
}

/// Jobs and sessions share the places of an account.
#[tokio::test]
async fn jobs_and_sessions_keep_each_other_waiting() {
    let world = Fixture::new().await;
    let store = &world.store;
    let tier = Tier { concurrent: Some(1), ..Tier::default() };
    let claim = async || {
        let lease = std::time::Duration::from_secs(60);
        store.claim(Lane::Intake, &WorkerId("w".into()), lease, None).await.unwrap()
    };
    let id = open(store, &tier).await;
    let waited_on = NewJob { limits: tier.clone(), priority: Priority::Interactive, ..new_job("a") };
    let refused = Admission::Refused(Refusal::Concurrent(1));
    assert_eq!(store.create_job(&waited_on).await.unwrap(), refused);
    let queued = NewJob { limits: tier.clone(), ..new_job("a") };
    assert_eq!(store.create_job(&queued).await.unwrap(), Admission::Created);
    assert!(claim().await.is_none(), "a job runs beside the one session that the account may have");
    // Another account is not kept waiting.
    let other = NewJob { limits: tier.clone(), ..new_job("b") };
    assert_eq!(store.create_job(&other).await.unwrap(), Admission::Created);
    assert_eq!(claim().await.unwrap().0.job, other.id);
    audit::hold(store).await;
    assert_eq!(close(store, id, 0).await, Some(0));
    assert_eq!(claim().await.unwrap().0.job, queued.id);
    assert_eq!(store.open_session(&session(&tier)).await.unwrap(), Some(Refusal::Concurrent(1)));
}
