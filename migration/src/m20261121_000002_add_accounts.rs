//! Accounts with tiers, what they used and reserved, idempotency keys; jobs made of a URL.
//!
//! `usage` holds sums that `reservation`, `charge` and `credit_grant` explain: for an account and a period,
//! `reserved` is the sum of its reservations, `used` of its charges, `granted` of its grants. A period is
//! `day:2026-11-21`, `month:2026-11` or `credits`.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, boolean, integer, integer_null, string, string_null, text, text_null,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Account {
    Table,
    Id,
    Tier,
    Label,
    CreatedAt,
}

#[derive(DeriveIden)]
enum AccessKey {
    Table,
    Account,
    Admin,
}

#[derive(DeriveIden)]
enum Job {
    Table,
    Id,
    Account,
    State,
    CreatedAt,
    SourceUrl,
    Webhook,
    Limits,
    Concurrent,
    Priority,
    Runs,
    Joined,
}

#[derive(DeriveIden)]
enum Usage {
    Table,
    Account,
    Period,
    Granted,
    Used,
    Reserved,
}

#[derive(DeriveIden)]
enum Reservation {
    Table,
    JobId,
    Period,
    Account,
    Amount,
}

#[derive(DeriveIden)]
enum Charge {
    Table,
    JobId,
    Period,
    Account,
    Amount,
    At,
}

#[derive(DeriveIden)]
enum CreditGrant {
    Table,
    Id,
    Account,
    Amount,
    Note,
    At,
}

#[derive(DeriveIden)]
enum Idempotency {
    Table,
    Account,
    Key,
    Digest,
    JobId,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Secret {
    Table,
    Name,
    Value,
}

#[async_trait::async_trait]
#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait's signature, which async_trait matches by its lifetimes"
)]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [account(), usage(), reservation(), charge(), credit_grant(), idempotency(), secret()] {
            manager.create_table(table).await?;
        }
        for column in [
            text_null(Job::SourceUrl),
            string_null(Job::Webhook),
            text(Job::Limits).default("{}").to_owned(),
            integer_null(Job::Concurrent),
            integer(Job::Priority).default(0).to_owned(),
            integer(Job::Runs).default(0).to_owned(),
            boolean(Job::Joined).default(false).to_owned(),
        ] {
            manager.alter_table(Table::alter().table(Job::Table).add_column(column).to_owned()).await?;
        }
        for column in [string_null(AccessKey::Account), boolean(AccessKey::Admin).default(false).to_owned()] {
            let added = Table::alter().table(AccessKey::Table).add_column(column).to_owned();
            manager.alter_table(added).await?;
        }
        for index in [
            Index::create()
                .name("job_by_account")
                .table(Job::Table)
                .col(Job::Account)
                .col(Job::CreatedAt)
                .col(Job::Id)
                .to_owned(),
            Index::create()
                .name("job_in_flight")
                .table(Job::Table)
                .col(Job::State)
                .col(Job::Account)
                .col(Job::Priority)
                .to_owned(),
            Index::create()
                .name("reservation_by_account")
                .table(Reservation::Table)
                .col(Reservation::Account)
                .to_owned(),
            Index::create().name("charge_by_account").table(Charge::Table).col(Charge::Account).to_owned(),
        ] {
            manager.create_index(index).await?;
        }
        // Each key from before has an account of its own, named like it, without limits.
        let db = manager.get_connection();
        db.execute_unprepared(
            "INSERT INTO account (id, tier, label, created_at) \
             SELECT id, 'unlimited', label, created_at FROM access_key",
        )
        .await?;
        db.execute_unprepared("UPDATE access_key SET account = id").await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for index in ["job_by_account", "job_in_flight"] {
            manager.drop_index(Index::drop().name(index).table(Job::Table).to_owned()).await?;
        }
        for column in [
            Job::SourceUrl,
            Job::Webhook,
            Job::Limits,
            Job::Concurrent,
            Job::Priority,
            Job::Runs,
            Job::Joined,
        ] {
            manager.alter_table(Table::alter().table(Job::Table).drop_column(column).to_owned()).await?;
        }
        for column in [AccessKey::Account, AccessKey::Admin] {
            let dropped = Table::alter().table(AccessKey::Table).drop_column(column).to_owned();
            manager.alter_table(dropped).await?;
        }
        manager.drop_table(Table::drop().table(Secret::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Idempotency::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(CreditGrant::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Charge::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Reservation::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Usage::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Account::Table).to_owned()).await
    }
}

fn account() -> TableCreateStatement {
    Table::create()
        .table(Account::Table)
        .col(string(Account::Id).primary_key())
        .col(string(Account::Tier))
        .col(string(Account::Label))
        .col(big_integer(Account::CreatedAt))
        .to_owned()
}

fn usage() -> TableCreateStatement {
    Table::create()
        .table(Usage::Table)
        .col(string(Usage::Account))
        .col(string(Usage::Period))
        .col(big_integer(Usage::Granted).default(0))
        .col(big_integer(Usage::Used).default(0))
        .col(big_integer(Usage::Reserved).default(0))
        .primary_key(Index::create().col(Usage::Account).col(Usage::Period))
        .to_owned()
}

/// What a job that is under way will use.
fn reservation() -> TableCreateStatement {
    Table::create()
        .table(Reservation::Table)
        .col(string(Reservation::JobId))
        .col(string(Reservation::Period))
        .col(string(Reservation::Account))
        .col(big_integer(Reservation::Amount))
        .primary_key(Index::create().col(Reservation::JobId).col(Reservation::Period))
        .to_owned()
}

/// What a job has used. It outlives the job, and its key makes a second one impossible.
fn charge() -> TableCreateStatement {
    Table::create()
        .table(Charge::Table)
        .col(string(Charge::JobId))
        .col(string(Charge::Period))
        .col(string(Charge::Account))
        .col(big_integer(Charge::Amount))
        .col(big_integer(Charge::At))
        .primary_key(Index::create().col(Charge::JobId).col(Charge::Period))
        .to_owned()
}

fn credit_grant() -> TableCreateStatement {
    Table::create()
        .table(CreditGrant::Table)
        .col(string(CreditGrant::Id).primary_key())
        .col(string(CreditGrant::Account))
        .col(big_integer(CreditGrant::Amount))
        .col(text(CreditGrant::Note))
        .col(big_integer(CreditGrant::At))
        .to_owned()
}

fn idempotency() -> TableCreateStatement {
    Table::create()
        .table(Idempotency::Table)
        .col(string(Idempotency::Account))
        .col(string(Idempotency::Key))
        .col(string(Idempotency::Digest))
        .col(string(Idempotency::JobId))
        .col(big_integer(Idempotency::CreatedAt))
        .primary_key(Index::create().col(Idempotency::Account).col(Idempotency::Key))
        .foreign_key(
            ForeignKey::create()
                .from(Idempotency::Table, Idempotency::JobId)
                .to(Job::Table, Job::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

/// Secrets of the server's own, such as the key of the hashes of addresses.
fn secret() -> TableCreateStatement {
    Table::create()
        .table(Secret::Table)
        .col(string(Secret::Name).primary_key())
        .col(string(Secret::Value))
        .to_owned()
}
