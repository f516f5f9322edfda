//! The ledger adds up, whoever races and whatever is killed.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sea_orm_migration::MigratorTrait;
use sea_orm_migration::sea_orm::ConnectionTrait;
use steno_migration::Migrator;
use steno_shared::account::{AccountId, Tier};
use steno_shared::id::{JobId, WorkerId};
use steno_shared::job::{Admission, Lane, NewJob, Refusal};
use steno_shared::settings::DatabaseUrl;
use steno_shared::store::Store;
use steno_tests::is_long_run;
use steno_tests::process::{Process, executable};
use steno_tests::race;
use tempfile::TempDir;
use tokio::time::MissedTickBehavior;

use crate::audit;
use crate::stores::new_job;

const RACERS: usize = 8;
/// One of the racers dies this often.
const KILL_EVERY: Duration = Duration::from_millis(50);

fn racer(folder: &Path) -> Process {
    let mut command = Command::new(executable("steno-race"));
    command.arg(folder);
    Process::start("racer", command, &folder.join("logs"))
}

/// Whether there was enough of everything that the race is about.
async fn is_enough(store: &Store) -> bool {
    let charged = audit::number(store, "SELECT COUNT(DISTINCT job_id) AS n FROM charge").await;
    let ended = "SELECT COUNT(*) AS n FROM job WHERE state IN ('failed', 'cancelled')";
    let again = "SELECT COUNT(*) AS n FROM job WHERE runs > 0";
    let sessions = "SELECT COUNT(DISTINCT job_id) AS n FROM charge c \
                    WHERE NOT EXISTS (SELECT 1 FROM stage s WHERE s.job_id = c.job_id)";
    let heard = audit::number(store, sessions).await;
    heard >= 10
        && charged >= 30
        && audit::number(store, ended).await >= 10
        && audit::number(store, again).await >= 5
}

/// Runs whatever is under way to its end.
async fn drain(store: &Store) {
    let owner = WorkerId("drain".to_owned());
    let under_way = "SELECT (SELECT COUNT(*) FROM job WHERE state IN ('queued', 'processing')) \
                     + (SELECT COUNT(*) FROM live_session) AS n";
    while audit::number(store, under_way).await > 0 {
        // No lease and no back-off is waited for.
        let hurry = "UPDATE stage SET run_at = 0, lease_until = CASE WHEN lease_until IS NULL THEN NULL ELSE 0 END; \
             UPDATE live_session SET lease_until = 0";
        store.connection().execute_unprepared(hurry).await.unwrap();
        store.reap_sessions().await.unwrap();
        for lane in Lane::ALL {
            store.reap(*lane).await.unwrap();
            while let Some((claim, _)) =
                store.claim(*lane, &owner, Duration::from_secs(60), None).await.unwrap()
            {
                assert!(race::finish(store, &claim).await.unwrap(), "{claim:?} was taken away");
            }
        }
    }
}

/// Eight processes race for the allowances of five accounts; every 50 ms one of them is killed and replaced.
#[tokio::test]
async fn the_ledger_adds_up_whatever_is_killed() {
    let folder = TempDir::with_prefix("steno-race-").unwrap();
    std::fs::create_dir(folder.path().join("logs")).unwrap();
    let store = Store::open(&DatabaseUrl::Sqlite(folder.path().join("steno.db"))).await.unwrap();
    Migrator::up(store.connection(), None).await.unwrap();
    let accounts = race::accounts();
    for account in ["paid", "tight"] {
        store.grant_credits(&AccountId::of_row(account), 30, "").await.unwrap();
    }

    let mut racers: Vec<_> = (0..RACERS).map(|_| racer(folder.path())).collect();
    let length = Duration::from_secs(if is_long_run() { 10 } else { 2 });
    let began = Instant::now();
    let mut ticks = tokio::time::interval(KILL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut kills = 0;
    // On a busy machine until enough has happened.
    while began.elapsed() < length || (began.elapsed() < length * 10 && !is_enough(&store).await) {
        ticks.tick().await;
        let next = &mut racers[kills % RACERS];
        assert!(next.ended().is_none(), "a racer has ended by itself: {}", next.log());
        next.kill();
        // No lease of a session is waited for: whatever is open may be settled by anybody.
        store.connection().execute_unprepared("UPDATE live_session SET lease_until = 0").await.unwrap();
        *next = racer(folder.path());
        kills += 1;
        audit::hold(&store).await;
        audit::hold_limits(&store, &accounts).await;
    }
    for racer in &mut racers {
        assert!(racer.ended().is_none(), "a racer has ended by itself: {}", racer.log());
    }
    drop(racers);
    audit::hold(&store).await;
    drain(&store).await;
    audit::hold(&store).await;
    audit::hold_limits(&store, &accounts).await;

    let count = async |sql| audit::number(&store, sql).await;
    let jobs = count("SELECT COUNT(*) AS n FROM job").await;
    let charged = count("SELECT COUNT(DISTINCT job_id) AS n FROM charge").await;
    let again = count("SELECT COALESCE(SUM(runs), 0) AS n FROM job").await;
    let kept = count(
        "SELECT COUNT(*) AS n FROM job j WHERE NOT EXISTS (SELECT 1 FROM stage s WHERE s.job_id = j.id)",
    );
    let settled = count(
        "SELECT COUNT(DISTINCT job_id) AS n FROM charge c WHERE NOT EXISTS (SELECT 1 FROM job j WHERE j.id = c.job_id)",
    );
    println!("{} sessions are kept; of {} the charge is left", kept.await, settled.await);
    println!("{kills} kills; {jobs} jobs, {charged} of them charged, {again} runs again");
    assert!(kills >= 20 && is_enough(&store).await, "this was no race");
    assert_eq!(count("SELECT COUNT(*) AS n FROM reservation").await, 0);
    assert_eq!(count("SELECT COUNT(*) AS n FROM usage WHERE reserved <> 0").await, 0);
}

/// 160 tries of eight connections, as of as many processes: three are admitted.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_160_anonymous_tries_at_once_three_are_admitted() {
    let folder = TempDir::with_prefix("steno-race-").unwrap();
    let url = DatabaseUrl::Sqlite(folder.path().join("steno.db"));
    let store = Store::open(&url).await.unwrap();
    Migrator::up(store.connection(), None).await.unwrap();
    let account = AccountId::anonymous_at("192.0.2.7", "secret");
    let limits = Tier { transcriptions_per_day: Some(3), ..Tier::default() };
    let mut racers = Vec::new();
    for _ in 0..RACERS {
        let store = Store::open(&url).await.unwrap();
        let new = NewJob { limits: limits.clone(), ..new_job(account.as_str()) };
        racers.push(tokio::spawn(async move {
            let mut created = 0;
            for _ in 0..20 {
                let new = NewJob { id: JobId::random(), ..new.clone() };
                match store.create_job(&new).await.unwrap() {
                    Admission::Created => created += 1,
                    Admission::Refused(Refusal::Shortage(shortage)) => assert_eq!(shortage.available, 0),
                    other => panic!("{other:?}"),
                }
            }
            created
        }));
    }
    let mut created = 0;
    for racer in racers {
        created += racer.await.unwrap();
    }
    assert_eq!(created, 3);
    assert_eq!(audit::number(&store, "SELECT COUNT(*) AS n FROM job").await, 3);
    audit::hold(&store).await;
}
