//! Webhooks, the deliveries to them, and each attempt.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, integer, integer_null, string, string_null, text, text_null,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Webhook {
    Table,
    Id,
    Account,
    Url,
    Secret,
    PreviousSecret,
    PreviousUntil,
    Scope,
    State,
    FailingSince,
    IdleSince,
    DisabledReason,
    NamedAt,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Delivery {
    Table,
    Id,
    WebhookId,
    JobId,
    Event,
    Body,
    State,
    Attempts,
    NextAt,
    Owner,
    LeaseUntil,
    CreatedAt,
    FinishedAt,
}

#[derive(DeriveIden)]
enum DeliveryAttempt {
    Table,
    DeliveryId,
    Number,
    At,
    Status,
    Error,
    ElapsedMs,
}

#[async_trait::async_trait]
#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait's signature, which async_trait matches by its lifetimes"
)]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(webhook()).await?;
        let once = Index::create()
            .name("webhook_once")
            .table(Webhook::Table)
            .col(Webhook::Account)
            .col(Webhook::Scope)
            .col(Webhook::Url)
            .unique()
            .to_owned();
        manager.create_index(once).await?;
        manager.create_table(delivery()).await?;
        let due = Index::create()
            .name("delivery_due")
            .table(Delivery::Table)
            .col(Delivery::State)
            .col(Delivery::NextAt)
            .to_owned();
        manager.create_index(due).await?;
        let held = Index::create()
            .name("delivery_held")
            .table(Delivery::Table)
            .col(Delivery::State)
            .col(Delivery::LeaseUntil)
            .to_owned();
        manager.create_index(held).await?;
        let listed = Index::create()
            .name("delivery_listed")
            .table(Delivery::Table)
            .col(Delivery::WebhookId)
            .col(Delivery::CreatedAt)
            .to_owned();
        manager.create_index(listed).await?;
        manager.create_table(delivery_attempt()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(DeliveryAttempt::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Delivery::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Webhook::Table).to_owned()).await
    }
}

fn webhook() -> TableCreateStatement {
    Table::create()
        .table(Webhook::Table)
        .col(string(Webhook::Id).primary_key())
        .col(string(Webhook::Account))
        .col(text(Webhook::Url))
        .col(string(Webhook::Secret))
        .col(string_null(Webhook::PreviousSecret))
        .col(big_integer_null(Webhook::PreviousUntil))
        .col(string(Webhook::Scope))
        .col(string(Webhook::State))
        .col(big_integer_null(Webhook::FailingSince))
        .col(big_integer_null(Webhook::IdleSince))
        .col(text_null(Webhook::DisabledReason))
        .col(big_integer_null(Webhook::NamedAt))
        .col(big_integer(Webhook::CreatedAt))
        .to_owned()
}

/// The log outlives the job, so its id is no foreign key.
fn delivery() -> TableCreateStatement {
    Table::create()
        .table(Delivery::Table)
        .col(string(Delivery::Id).primary_key())
        .col(string(Delivery::WebhookId))
        .col(string_null(Delivery::JobId))
        .col(string(Delivery::Event))
        .col(text(Delivery::Body))
        .col(string(Delivery::State))
        .col(integer(Delivery::Attempts).default(0))
        .col(big_integer(Delivery::NextAt))
        .col(string_null(Delivery::Owner))
        .col(big_integer_null(Delivery::LeaseUntil))
        .col(big_integer(Delivery::CreatedAt))
        .col(big_integer_null(Delivery::FinishedAt))
        .foreign_key(
            ForeignKey::create()
                .from(Delivery::Table, Delivery::WebhookId)
                .to(Webhook::Table, Webhook::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn delivery_attempt() -> TableCreateStatement {
    Table::create()
        .table(DeliveryAttempt::Table)
        .col(string(DeliveryAttempt::DeliveryId))
        .col(integer(DeliveryAttempt::Number))
        .col(big_integer(DeliveryAttempt::At))
        .col(integer_null(DeliveryAttempt::Status))
        .col(text_null(DeliveryAttempt::Error))
        .col(big_integer(DeliveryAttempt::ElapsedMs))
        .primary_key(Index::create().col(DeliveryAttempt::DeliveryId).col(DeliveryAttempt::Number))
        .foreign_key(
            ForeignKey::create()
                .from(DeliveryAttempt::Table, DeliveryAttempt::DeliveryId)
                .to(Delivery::Table, Delivery::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}
