//! What a diarization found out about a job, what one of two stages has found out before the other has ended, and
//! what callers made of the speakers.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{string_null, text_null};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Job {
    Table,
    DiarizationKey,
    PendingTranscriptKey,
    PendingDiarizationKey,
    SpeakerEdits,
}

#[async_trait::async_trait]
#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait's signature, which async_trait matches by its lifetimes"
)]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for column in [
            string_null(Job::DiarizationKey),
            string_null(Job::PendingTranscriptKey),
            string_null(Job::PendingDiarizationKey),
            text_null(Job::SpeakerEdits),
        ] {
            manager.alter_table(Table::alter().table(Job::Table).add_column(column).to_owned()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in [
            Job::DiarizationKey.into_iden(),
            Job::PendingTranscriptKey.into_iden(),
            Job::PendingDiarizationKey.into_iden(),
            Job::SpeakerEdits.into_iden(),
        ] {
            manager.alter_table(Table::alter().table(Job::Table).drop_column(column).to_owned()).await?;
        }
        Ok(())
    }
}
