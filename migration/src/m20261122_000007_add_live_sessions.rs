//! Live sessions that are open, so that they are counted and paid for whatever is killed, and where their workers are
//! reached.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, string, string_null, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Worker {
    Table,
    Address,
}

#[derive(DeriveIden)]
enum LiveSession {
    Table,
    Id,
    Account,
    Owner,
    Limits,
    AudioMs,
    StartedAt,
    LeaseUntil,
}

#[async_trait::async_trait]
#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait's signature, which async_trait matches by its lifetimes"
)]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let address = Table::alter().table(Worker::Table).add_column(string_null(Worker::Address)).to_owned();
        manager.alter_table(address).await?;
        manager.create_table(live_session()).await?;
        let index = Index::create()
            .name("live_session_by_account")
            .table(LiveSession::Table)
            .col(LiveSession::Account)
            .to_owned();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(LiveSession::Table).to_owned()).await?;
        let address = Table::alter().table(Worker::Table).drop_column(Worker::Address).to_owned();
        manager.alter_table(address).await
    }
}

/// A row is there while its session is open: closing it turns what is reserved under its id into a charge.
fn live_session() -> TableCreateStatement {
    Table::create()
        .table(LiveSession::Table)
        .col(string(LiveSession::Id).primary_key())
        .col(string(LiveSession::Account))
        // The process that serves it, and renews its lease.
        .col(string(LiveSession::Owner))
        .col(text(LiveSession::Limits))
        // What was received of its audio.
        .col(big_integer(LiveSession::AudioMs).default(0))
        .col(big_integer(LiveSession::StartedAt))
        .col(big_integer(LiveSession::LeaseUntil))
        .to_owned()
}
