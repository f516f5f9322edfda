//! Resumable uploads and the parts that have arrived of them.
//!
//! `received` is the sum of the bytes of an upload's parts. `parts` counts the parts that were begun, so that no
//! two are ever given the same number; those that were stored have a row in `upload_part`. `job_id` is set once
//! there is a job; the parts are gone by then. `metadata` is what the client said, as the protocol writes it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, integer, string, string_null, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Upload {
    Table,
    Id,
    Account,
    Tier,
    Length,
    Received,
    Parts,
    Metadata,
    RequestId,
    JobId,
    CreatedAt,
    ExpiresAt,
}

#[derive(DeriveIden)]
enum UploadPart {
    Table,
    UploadId,
    Number,
    Bytes,
}

#[async_trait::async_trait]
#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait's signature, which async_trait matches by its lifetimes"
)]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(upload()).await?;
        let by_account = Index::create()
            .name("upload_by_account")
            .table(Upload::Table)
            .col(Upload::Account)
            .col(Upload::ExpiresAt)
            .to_owned();
        manager.create_index(by_account).await?;
        manager.create_table(upload_part()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(UploadPart::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Upload::Table).to_owned()).await
    }
}

fn upload() -> TableCreateStatement {
    Table::create()
        .table(Upload::Table)
        .col(string(Upload::Id).primary_key())
        .col(string(Upload::Account))
        .col(string(Upload::Tier))
        .col(big_integer(Upload::Length))
        .col(big_integer(Upload::Received).default(0))
        .col(integer(Upload::Parts).default(0))
        .col(text(Upload::Metadata))
        .col(string(Upload::RequestId))
        .col(string_null(Upload::JobId))
        .col(big_integer(Upload::CreatedAt))
        .col(big_integer(Upload::ExpiresAt))
        .to_owned()
}

fn upload_part() -> TableCreateStatement {
    let mut of_upload = ForeignKey::create()
        .from(UploadPart::Table, UploadPart::UploadId)
        .to(Upload::Table, Upload::Id)
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned();
    Table::create()
        .table(UploadPart::Table)
        .col(string(UploadPart::UploadId))
        .col(integer(UploadPart::Number))
        .col(big_integer(UploadPart::Bytes))
        .primary_key(Index::create().col(UploadPart::UploadId).col(UploadPart::Number))
        .foreign_key(&mut of_upload)
        .to_owned()
}
