//! The sweeper: what killed processes left in the object store and of live sessions, and audio, jobs, idempotency keys
//! and uploads past their retention.

use std::time::Duration;

use steno_shared::object::{ObjectKey, ObjectKind};
use steno_shared::store::{Retention, SESSION_LEASE};
use tokio::time::{Interval, MissedTickBehavior};

use crate::App;
use crate::error::ApiError;
use crate::{submit, uploads};

const PAGE: usize = 500;
/// After this long nobody waits for a dry run any more.
const DRY_RUN: Duration = Duration::from_secs(3600);
/// How long the same request is known to be the same.
const IDEMPOTENCY: Duration = Duration::from_secs(24 * 3600);

/// Sweeps at the start and as often as the settings say, and settles lost sessions more often than that: they keep their
/// accounts from opening others.
pub(crate) async fn run(app: App) {
    let sweep_every = app.settings.sweep_every.0.max(Duration::from_millis(100));
    let (mut sweeps, mut settlings) = (every(sweep_every), every(SESSION_LEASE / 3));
    // One that takes long does not keep the other waiting.
    let sweeping = async {
        loop {
            sweeps.tick().await;
            sweep(&app).await;
        }
    };
    let settling = async {
        loop {
            settlings.tick().await;
            tell("sessions of killed processes", lost_sessions(&app).await);
        }
    };
    tokio::join!(sweeping, settling);
}

fn every(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// One step that fails does not keep the others.
async fn sweep(app: &App) {
    tell("objects that no job names", orphans(app).await);
    tell("audio past its time", old_audio(app).await);
    tell("jobs past their time", old_jobs(app).await);
    tell("uploads past their time", uploads::sweep(app).await);
    tell("records past their time", records(app).await);
    app.rates.forget_quiet();
}

/// An error was logged where it was wrapped; the next round tries again.
fn tell(what: &str, removed: Result<usize, ApiError>) {
    let removed = removed.unwrap_or_default();
    if removed > 0 {
        tracing::info!(removed, what, "swept");
    }
}

async fn lost_sessions(app: &App) -> Result<usize, ApiError> {
    Ok(app.store.reap_sessions().await?)
}

async fn orphans(app: &App) -> Result<usize, ApiError> {
    let mut removed = app.objects.sweep().await?;
    for kind in ObjectKind::ALL {
        removed += sweep_kind(app, kind).await?;
    }
    Ok(removed)
}

async fn old_audio(app: &App) -> Result<usize, ApiError> {
    let kept = Retention { completed: app.settings.keep_audio.0, failed: app.settings.keep_failed.0 };
    let audio = app.store.forget_old_audio(kept).await?;
    for key in &audio {
        app.objects.remove(key).await?;
    }
    Ok(audio.len())
}

async fn old_jobs(app: &App) -> Result<usize, ApiError> {
    let mut old = app.store.dry_runs_finished_before(DRY_RUN).await?;
    if let Some(kept) = app.settings.keep_jobs {
        old.extend(app.store.jobs_finished_before(kept.0).await?);
    }
    for job in &old {
        // One that was just queued again stays.
        let _ = submit::remove(app, *job).await;
    }
    Ok(old.len())
}

async fn records(app: &App) -> Result<usize, ApiError> {
    app.store.forget_idempotency_keys(IDEMPOTENCY).await?;
    app.store.forget_dead_workers().await?;
    // They are not counted.
    Ok(0)
}

/// Removes the objects of a kind that no job names and that are old enough not to be in the making.
async fn sweep_kind(app: &App, kind: ObjectKind) -> Result<usize, ApiError> {
    let mut removed = 0;
    let mut after: Option<ObjectKey> = None;
    loop {
        let page = app.objects.list(kind, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(removed) };
        after = Some(last.key);
        let old = page.iter().filter(|entry| entry.age >= app.settings.sweep_age.0);
        let old: Vec<_> = old.map(|entry| entry.key).collect();
        for key in app.store.unreferenced(&old).await? {
            app.objects.remove(&key).await?;
            removed += 1;
        }
    }
}
