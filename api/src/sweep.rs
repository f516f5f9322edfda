//! The sweeper: what killed processes left in the object store, and audio past its retention.

use std::time::Duration;

use steno_shared::object::{ObjectKey, ObjectKind};

use crate::App;
use crate::error::ApiError;

const PERIOD: Duration = Duration::from_secs(600);
const PAGE: usize = 500;

/// Sweeps at the start and every ten minutes.
pub(crate) async fn run(app: App) {
    let mut ticks = tokio::time::interval(PERIOD);
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
    let audio = app.store.forget_failed_audio(app.settings.keep_failed.0).await?;
    for key in &audio {
        app.objects.remove(key).await?;
    }
    app.store.forget_dead_workers().await?;
    if staged + orphans + audio.len() > 0 {
        tracing::info!(staged, orphans, audio = audio.len(), "objects swept");
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
