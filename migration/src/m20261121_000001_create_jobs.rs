//! Jobs and their stages, chunks of running transcriptions, the worker registry and access keys.
//!
//! Times are milliseconds since 1970 by the database's clock. Structures that only we read are JSON text.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, integer, string, string_null, text, text_null,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Job {
    Table,
    Id,
    Account,
    State,
    Options,
    FileName,
    UploadKey,
    UploadBytes,
    UploadSha256,
    SamplesKey,
    TranscriptKey,
    DurationMs,
    Warnings,
    ErrorCode,
    Error,
    RequestId,
    CreatedAt,
    StartedAt,
    FinishedAt,
}

#[derive(DeriveIden)]
enum Stage {
    Table,
    JobId,
    Kind,
    Lane,
    State,
    Account,
    Model,
    Priority,
    Attempts,
    Cancel,
    Owner,
    LeaseUntil,
    RunAt,
    DoneMs,
    TotalMs,
    Error,
    CreatedAt,
    StartedAt,
    FinishedAt,
}

#[derive(DeriveIden)]
enum Chunk {
    Table,
    JobId,
    StartSample,
    EndSample,
    Content,
}

#[derive(DeriveIden)]
enum Worker {
    Table,
    Id,
    Lane,
    Models,
    Device,
    Slots,
    Free,
    StartedAt,
    SeenAt,
}

#[derive(DeriveIden)]
enum AccessKey {
    Table,
    Id,
    Hash,
    Label,
    CreatedAt,
    RevokedAt,
}

#[async_trait::async_trait]
#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait's signature, which async_trait matches by its lifetimes"
)]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(job()).await?;
        manager.create_table(stage()).await?;
        let by_turn = Index::create()
            .name("stage_by_turn")
            .table(Stage::Table)
            .col(Stage::Lane)
            .col(Stage::State)
            .col(Stage::Priority)
            .col(Stage::RunAt)
            .to_owned();
        manager.create_index(by_turn).await?;
        let by_state = Index::create()
            .name("job_by_state")
            .table(Job::Table)
            .col(Job::State)
            .col(Job::FinishedAt)
            .to_owned();
        manager.create_index(by_state).await?;
        manager.create_table(chunk()).await?;
        manager.create_table(worker()).await?;
        manager.create_table(access_key()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(AccessKey::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Worker::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Chunk::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Stage::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Job::Table).to_owned()).await
    }
}

fn job() -> TableCreateStatement {
    Table::create()
        .table(Job::Table)
        .col(string(Job::Id).primary_key())
        .col(string(Job::Account))
        .col(string(Job::State))
        .col(text(Job::Options))
        .col(text_null(Job::FileName))
        .col(string_null(Job::UploadKey))
        .col(big_integer(Job::UploadBytes))
        .col(string(Job::UploadSha256))
        .col(string_null(Job::SamplesKey))
        .col(string_null(Job::TranscriptKey))
        .col(big_integer_null(Job::DurationMs))
        .col(text(Job::Warnings))
        .col(string_null(Job::ErrorCode))
        .col(text_null(Job::Error))
        .col(string(Job::RequestId))
        .col(big_integer(Job::CreatedAt))
        .col(big_integer_null(Job::StartedAt))
        .col(big_integer_null(Job::FinishedAt))
        .to_owned()
}

fn stage() -> TableCreateStatement {
    Table::create()
        .table(Stage::Table)
        .col(string(Stage::JobId))
        .col(string(Stage::Kind))
        .col(string(Stage::Lane))
        .col(string(Stage::State))
        .col(string(Stage::Account))
        .col(string_null(Stage::Model))
        .col(integer(Stage::Priority))
        .col(integer(Stage::Attempts).default(0))
        .col(boolean(Stage::Cancel).default(false))
        .col(string_null(Stage::Owner))
        .col(big_integer_null(Stage::LeaseUntil))
        .col(big_integer(Stage::RunAt))
        .col(big_integer(Stage::DoneMs).default(0))
        .col(big_integer_null(Stage::TotalMs))
        .col(text_null(Stage::Error))
        .col(big_integer(Stage::CreatedAt))
        .col(big_integer_null(Stage::StartedAt))
        .col(big_integer_null(Stage::FinishedAt))
        .primary_key(Index::create().col(Stage::JobId).col(Stage::Kind))
        .foreign_key(&mut of_job(Stage::Table, Stage::JobId))
        .to_owned()
}

fn chunk() -> TableCreateStatement {
    Table::create()
        .table(Chunk::Table)
        .col(string(Chunk::JobId))
        .col(big_integer(Chunk::StartSample))
        .col(big_integer(Chunk::EndSample))
        .col(text(Chunk::Content))
        .primary_key(Index::create().col(Chunk::JobId).col(Chunk::StartSample))
        .foreign_key(&mut of_job(Chunk::Table, Chunk::JobId))
        .to_owned()
}

fn worker() -> TableCreateStatement {
    Table::create()
        .table(Worker::Table)
        .col(string(Worker::Id).primary_key())
        .col(string(Worker::Lane))
        .col(text(Worker::Models))
        .col(text(Worker::Device))
        .col(integer(Worker::Slots))
        .col(integer(Worker::Free))
        .col(big_integer(Worker::StartedAt))
        .col(big_integer(Worker::SeenAt))
        .to_owned()
}

fn access_key() -> TableCreateStatement {
    Table::create()
        .table(AccessKey::Table)
        .col(string(AccessKey::Id).primary_key())
        .col(string(AccessKey::Hash))
        .col(string(AccessKey::Label))
        .col(big_integer(AccessKey::CreatedAt))
        .col(big_integer_null(AccessKey::RevokedAt))
        .to_owned()
}

/// Rows that go with their job.
fn of_job(table: impl IntoIden + 'static, column: impl IntoIden + 'static) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(table.into_iden(), column.into_iden())
        .to(Job::Table, Job::Id)
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}
