//! This worker's row in the registry, by which APIs find it.

use std::time::Duration;

use steno_shared::store::Store;
use steno_shared::store::workers::{self, WorkerRecord};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Server;
use super::seam::Engine;

/// A database that does not answer does not hold up the end.
const PATIENCE: Duration = Duration::from_millis(500);

/// Writes the row again and again, with what is free, until `stop` is cancelled; then takes it away.
pub async fn keep<E: Engine>(
    server: &Server<E>,
    store: &Store,
    mut record: WorkerRecord,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(workers::BEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        record.models = server.models.list();
        record.free = u32::try_from(server.free()).unwrap_or(u32::MAX);
        if let Err(error) = store.register_worker(&record).await {
            tracing::warn!(error = %error, "cannot write to the registry");
        }
    }
    match tokio::time::timeout(PATIENCE, store.deregister_worker(&record.id)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(error = %error, "cannot leave the registry"),
        Err(_) => tracing::warn!("cannot leave the registry: the database does not answer"),
    }
}
