//! The sweeper: what killed processes left in the object store, and audio, jobs, idempotency keys and uploads past
//! their retention.

use std::time::Duration;

use steno_shared::object::{ObjectKey, ObjectKind};
use steno_shared::store::Retention;
use tokio::time::MissedTickBehavior;

use crate::App;
use crate::error::ApiError;
use crate::{submit, uploads};

const PAGE: usize = 500;
/// How long the same request is known to be the same.
const IDEMPOTENCY: Duration = Duration::from_secs(24 * 3600);

/// Sweeps at the start and as often as the settings say.
pub(crate) async fn run(app: App) {
    let mut ticks = tokio::time::interval(app.settings.sweep_every.0.max(Duration::from_millis(100)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // An error was logged where it was wrapped.
        let _ = sweep(&app).await;
    }
}

async fn sweep(app: &App) -> Result<(), ApiError> {
    let staged = app.objects.sweep().await?;
    let mut orphans = 0;
    for kind in ObjectKind::ALL {
        orphans += sweep_kind(app, kind).await?;
    }
    let kept = Retention { completed: app.settings.keep_audio.0, failed: app.settings.keep_failed.0 };
    let audio = app.store.forget_old_audio(kept).await?;
    for key in &audio {
        app.objects.remove(key).await?;
    }
    if let Some(kept) = app.settings.keep_jobs {
        for job in app.store.jobs_finished_before(kept.0).await? {
            submit::remove(app, job).await?;
        }
    }
    app.store.forget_idempotency_keys(IDEMPOTENCY).await?;
    app.store.forget_dead_workers().await?;
    app.rates.forget_quiet();
    let parts = uploads::sweep(app).await?;
    if staged + orphans + audio.len() + parts > 0 {
        tracing::info!(staged, orphans, audio = audio.len(), parts, "objects swept");
    }
    Ok(())
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
