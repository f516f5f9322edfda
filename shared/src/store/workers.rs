//! The worker registry: who works in which lane, with which models, on what device.
//!
//! A worker writes its row every [`BEAT`]; one that has been silent for [`ALIVE`] counts as gone.

use std::time::Duration;

use sea_orm::{ConnectionTrait, EntityTrait};
use serde::{Deserialize, Serialize};

use super::entity::worker;
use super::{Store, StoreError, during, unreadable};
use crate::catalog::ModelId;
use crate::id::WorkerId;
use crate::job::Lane;

/// How often a worker says that it lives.
pub const BEAT: Duration = Duration::from_secs(2);
/// How long a silent worker still counts.
pub const ALIVE: Duration = Duration::from_secs(10);

/// A worker's model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerModel {
    /// Its catalogue id.
    pub id: ModelId,
    /// Whether it is in memory. One that is not is loaded when a job wants it.
    pub loaded: bool,
}

/// What a worker computes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    /// The GPU's name, if there is one.
    pub gpu_name: Option<String>,
    /// The GPU's memory in MiB, 0 without one.
    pub gpu_memory_mb: u64,
}

/// A worker as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRecord {
    /// Its name.
    pub id: WorkerId,
    /// Where it works.
    pub lane: Lane,
    /// What it can transcribe with; none in lanes without models.
    pub models: Vec<WorkerModel>,
    /// What it computes on.
    pub device: Device,
    /// How many stages it runs at once.
    pub slots: u32,
    /// How many more it could run now.
    pub free: u32,
    /// Where live sessions reach it, as `host:port`; none in the other lanes.
    pub address: Option<String>,
}

impl Store {
    /// Writes a worker's row.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn register_worker(&self, record: &WorkerRecord) -> Result<(), StoreError> {
        let now = self.now();
        let sql = format!(
            "INSERT INTO worker (id, lane, models, device, slots, free, address, started_at, seen_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, {now}, {now}) \
             ON CONFLICT (id) DO UPDATE SET models = excluded.models, device = excluded.device, \
             slots = excluded.slots, free = excluded.free, address = excluded.address, seen_at = excluded.seen_at"
        );
        let values = [
            record.id.0.clone().into(),
            record.lane.as_str().into(),
            serde_json::to_string(&record.models).map_err(unreadable)?.into(),
            serde_json::to_string(&record.device).map_err(unreadable)?.into(),
            record.slots.cast_signed().into(),
            record.free.cast_signed().into(),
            record.address.clone().into(),
        ];
        let _turn = self.writer.acquire().await.map_err(unreadable)?;
        let written = self.db.execute_raw(self.statement(sql, values)).await;
        written.map(|_| ()).map_err(during("register a worker"))
    }

    /// Takes a worker's row away: it is stopping.
    ///
    /// # Errors
    /// If it cannot be removed; then it counts as gone after [`ALIVE`].
    pub async fn deregister_worker(&self, id: &WorkerId) -> Result<(), StoreError> {
        let _turn = self.writer.acquire().await.map_err(unreadable)?;
        let removed = worker::Entity::delete_by_id(id.0.clone()).exec(&self.db).await;
        removed.map(|_| ()).map_err(during("deregister a worker"))
    }

    /// The workers that are alive. One whose row cannot be understood, such as of another version, is left out.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub async fn workers(&self) -> Result<Vec<WorkerRecord>, StoreError> {
        let sql = format!("SELECT * FROM worker WHERE seen_at > {} - $1 ORDER BY started_at, id", self.now());
        let alive = self.statement(sql, [(ALIVE.as_millis() as i64).into()]);
        let rows = worker::Entity::find().from_raw_sql(alive).all(&self.db).await;
        let readable = |row: worker::Model| {
            let id = row.id.clone();
            let found = record(row);
            found.inspect_err(|error| tracing::warn!(worker = id, error = %error, "not understood")).ok()
        };
        Ok(rows.map_err(during("read the worker registry"))?.into_iter().filter_map(readable).collect())
    }

    /// Removes the rows of workers that have been silent for ten times [`ALIVE`].
    ///
    /// # Errors
    /// If they cannot be removed.
    pub async fn forget_dead_workers(&self) -> Result<(), StoreError> {
        let sql = format!("DELETE FROM worker WHERE seen_at < {} - $1", self.now());
        let _turn = self.writer.acquire().await.map_err(unreadable)?;
        let removed =
            self.db.execute_raw(self.statement(sql, [(ALIVE.as_millis() as i64 * 10).into()])).await;
        removed.map(|_| ()).map_err(during("forget dead workers"))
    }
}

fn record(row: worker::Model) -> Result<WorkerRecord, StoreError> {
    Ok(WorkerRecord {
        id: WorkerId(row.id),
        lane: row.lane.parse().map_err(unreadable)?,
        models: serde_json::from_str(&row.models).map_err(unreadable)?,
        device: serde_json::from_str(&row.device).map_err(unreadable)?,
        slots: row.slots.unsigned_abs(),
        free: row.free.unsigned_abs(),
        address: row.address,
    })
}
