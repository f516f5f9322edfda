//! The database schema, one append-only migration a change: a released migration is never edited.
//!
//! Files are named `m<date>_<number>_<verb>_<noun>.rs`.

use sea_orm_migration::prelude::*;

mod m20261121_000001_create_jobs;
mod m20261121_000002_add_accounts;
mod m20261121_000003_create_webhooks;
mod m20261121_000004_add_uploads;
mod m20261121_000005_add_channels;
mod m20261121_000006_add_diarization;
mod m20261122_000007_add_live_sessions;

/// Every migration, in order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_create_jobs::Migration),
            Box::new(m20261121_000002_add_accounts::Migration),
            Box::new(m20261121_000003_create_webhooks::Migration),
            Box::new(m20261121_000004_add_uploads::Migration),
            Box::new(m20261121_000005_add_channels::Migration),
            Box::new(m20261121_000006_add_diarization::Migration),
            Box::new(m20261122_000007_add_live_sessions::Migration),
        ]
    }
}
