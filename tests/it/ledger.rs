//! The ledger adds up, whoever races and whatever is killed.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sea_orm_migration::MigratorTrait;
use sea_orm_migration::sea_orm::ConnectionTrait;
use steno_migration::Migrator;
use steno_shared::account::AccountId;
use steno_shared::id::WorkerId;
use steno_shared::job::Lane;
use steno_shared::settings::DatabaseUrl;
use steno_shared::store::Store;
use steno_tests::is_long_run;
use steno_tests::process::{Process, executable};
use steno_tests::race;
use tempfile::TempDir;
use tokio::time::MissedTickBehavior;

use crate::audit;

const RACERS: usize = 8;
/// One of the racers dies this often.
const KILL_EVERY: Duration = Duration::from_millis(50);

fn racer(folder: &Path) -> Process {
    let mut command = Command::new(executable("steno-race"));
    command.arg(folder);
    Process::start("racer", command, &folder.join("logs"))
}

/// Runs whatever is under way to its end.
async fn drain(store: &Store) {
    let owner = WorkerId("drain".to_owned());
    let under_way = "SELECT COUNT(*) AS n FROM job WHERE state IN ('queued', 'processing')";
    while audit::number(store, under_way).await > 0 {
        // No lease and no back-off is waited for.
        let hurry =
            "UPDATE stage SET run_at = 0, lease_until = CASE WHEN lease_until IS NULL THEN NULL ELSE 0 END";
        store.connection().execute_unprepared(hurry).await.unwrap();
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
    while began.elapsed() < length {
        ticks.tick().await;
        let next = &mut racers[kills % RACERS];
        assert!(next.ended().is_none(), "a racer has ended by itself: {}", next.log());
        next.kill();
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
    println!("{kills} kills; {jobs} jobs, {charged} of them charged, {again} runs again");
    assert!(kills >= 15 && jobs > 100 && charged > 20 && again > 10, "this was no race");
    assert_eq!(count("SELECT COUNT(*) AS n FROM reservation").await, 0);
    assert_eq!(count("SELECT COUNT(*) AS n FROM usage WHERE reserved <> 0").await, 0);
}
