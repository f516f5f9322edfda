//! Deliveries from the account's side: the outbox that a job's end writes, the log, another try.

use std::time::Duration;

use sea_orm::{ConnectionTrait, QueryResult};
use serde_json::{Map, Value as Json, json};

use super::{Store, StoreError, Writing, column, during, unreadable};
use crate::account::{self, AccountId};
use crate::id::{DeliveryId, JobId, WebhookId};
use crate::job::JobState;
use crate::time::{Millis, rfc3339};
use crate::webhook::{Delivery, DeliveryAttempt, Event, KEPT};

/// An endpoint that was named with a job is forgotten so long after that, if no job came of it.
const UNUSED: Duration = Duration::from_secs(60 * 60);
/// Texts of clients and failures are cut to this many characters, so that a body stays far below the 20 kB of
/// the scheme.
const MAX_TEXT: usize = 300;

/// What became of the wish for another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resent {
    /// It is tried at once.
    Queued,
    /// Its webhook is disabled: enable that first.
    Disabled,
    /// The account has no such delivery.
    Missing,
}

impl Store {
    /// Writes what webhooks are told of a job that has just reached a final state, in the transaction that ends
    /// it: so nothing is told of a job that did not end, and nothing is forgotten of one that did.
    pub(super) async fn announce(&self, writing: &Writing<'_>, job: JobId) -> Result<(), StoreError> {
        let sql = "SELECT w.id AS id FROM job j JOIN webhook w ON w.account = j.account \
                   WHERE j.id = $1 AND w.state = 'enabled' AND (w.scope = 'account' OR w.id = j.webhook)";
        let rows = writing.transaction.query_all_raw(self.statement(sql, [job.to_string().into()])).await;
        let rows = rows.map_err(during("look for webhooks"))?;
        if rows.is_empty() {
            return Ok(());
        }
        let sql =
            "SELECT state, file_name, duration_ms, error_code, error, finished_at FROM job WHERE id = $1";
        let ended = writing.transaction.query_one_raw(self.statement(sql, [job.to_string().into()])).await;
        let Some(ended) = ended.map_err(during("read a job"))? else { return Ok(()) };
        let Some((event, body)) = message(job, &ended)? else { return Ok(()) };
        for row in rows {
            let webhook: WebhookId = column::<String>(&row, "id")?.parse().map_err(unreadable)?;
            self.post(writing, webhook, &Letter { job: Some(job), event, body: &body }).await?;
        }
        Ok(())
    }

    /// Writes a delivery that says nothing, for trying a webhook out. None if the account has no such webhook, or
    /// it is disabled.
    ///
    /// # Errors
    /// If the rows cannot be read or written.
    pub async fn test_webhook(
        &self,
        account: &AccountId,
        id: WebhookId,
    ) -> Result<Option<DeliveryId>, StoreError> {
        let writing = self.write("test a webhook").await?;
        let sql = format!(
            "SELECT {} AS now FROM webhook WHERE account = $1 AND id = $2 AND state = 'enabled'",
            self.now()
        );
        let statement = self.statement(sql, [account.as_str().into(), id.to_string().into()]);
        let row = writing.transaction.query_one_raw(statement).await.map_err(during("read a webhook"))?;
        let Some(row) = row else { return Ok(None) };
        let body = envelope(Event::Test, column(&row, "now")?, &Map::new());
        let delivery =
            self.post(&writing, id, &Letter { job: None, event: Event::Test, body: &body }).await?;
        writing.commit("test a webhook").await?;
        Ok(Some(delivery))
    }

    async fn post(
        &self,
        writing: &Writing<'_>,
        webhook: WebhookId,
        letter: &Letter<'_>,
    ) -> Result<DeliveryId, StoreError> {
        let id = DeliveryId::random();
        let now = self.now();
        let sql = format!(
            "INSERT INTO delivery (id, webhook_id, job_id, event, body, state, attempts, next_at, created_at) \
             VALUES ($1, $2, $3, $4, $5, 'pending', 0, {now}, {now})"
        );
        let values = [
            id.to_string().into(),
            webhook.to_string().into(),
            letter.job.map(|job| job.to_string()).into(),
            letter.event.as_str().into(),
            letter.body.into(),
        ];
        let posted = writing.transaction.execute_raw(self.statement(sql, values)).await;
        posted.map(|_| id).map_err(during("write a delivery"))
    }

    /// Up to `limit` deliveries of a webhook with their attempts, the newest first, those before `before` only.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn deliveries(
        &self,
        webhook: WebhookId,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut values = vec![webhook.to_string().into(), i64::from(limit).into()];
        let mut earlier = "";
        if let Some(before) = before {
            values.push(before.to_string().into());
            earlier = "AND (created_at, id) < (SELECT created_at, id FROM delivery WHERE id = $3)";
        }
        let sql =
            format!("{SELECT} WHERE webhook_id = $1 {earlier} ORDER BY created_at DESC, id DESC LIMIT $2");
        let rows =
            self.db.query_all_raw(self.statement(sql, values)).await.map_err(during("list deliveries"))?;
        let mut deliveries = Vec::with_capacity(rows.len());
        for row in &rows {
            let attempts = self.attempts(&column::<String>(row, "id")?).await?;
            deliveries.push(read_delivery(row, attempts)?);
        }
        Ok(deliveries)
    }

    /// One delivery of an account, with its attempts.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn delivery(
        &self,
        account: &AccountId,
        id: DeliveryId,
    ) -> Result<Option<Delivery>, StoreError> {
        let sql =
            format!("{SELECT} WHERE id = $1 AND webhook_id IN (SELECT id FROM webhook WHERE account = $2)");
        let row = self
            .db
            .query_one_raw(self.statement(sql, [id.to_string().into(), account.as_str().into()]))
            .await;
        let Some(row) = row.map_err(during("read a delivery"))? else { return Ok(None) };
        let attempts = self.attempts(&id.to_string()).await?;
        read_delivery(&row, attempts).map(Some)
    }

    async fn attempts(&self, id: &str) -> Result<Vec<DeliveryAttempt>, StoreError> {
        let sql = "SELECT number, at, status, error, elapsed_ms FROM delivery_attempt \
                   WHERE delivery_id = $1 ORDER BY number";
        let rows = self.db.query_all_raw(self.statement(sql, [id.into()])).await;
        rows.map_err(during("read attempts"))?.iter().map(read_attempt).collect()
    }

    /// Tries a delivery again at once, whatever became of it. Its id stays, its attempts are counted on.
    ///
    /// # Errors
    /// If the rows cannot be read or written.
    pub async fn resend(&self, account: &AccountId, id: DeliveryId) -> Result<Resent, StoreError> {
        let writing = self.write("send a delivery again").await?;
        let sql = "SELECT w.state AS state FROM delivery d JOIN webhook w ON w.id = d.webhook_id \
                   WHERE d.id = $1 AND w.account = $2";
        let statement = self.statement(sql, [id.to_string().into(), account.as_str().into()]);
        let row = writing.transaction.query_one_raw(statement).await.map_err(during("read a delivery"))?;
        let Some(row) = row else { return Ok(Resent::Missing) };
        if column::<String>(&row, "state")? != "enabled" {
            return Ok(Resent::Disabled);
        }
        let sql = format!(
            "UPDATE delivery SET state = 'pending', next_at = {}, finished_at = NULL WHERE id = $1",
            self.now()
        );
        let queued = writing.transaction.execute_raw(self.statement(sql, [id.to_string().into()])).await;
        queued.map_err(during("send a delivery again"))?;
        writing.commit("send a delivery again").await?;
        Ok(Resent::Queued)
    }

    /// Forgets deliveries of 30 days ago; and endpoints that were named with jobs, an hour after they were named
    /// last, if they have neither a delivery nor an unfinished job. Says how many deliveries were forgotten.
    ///
    /// # Errors
    /// If the rows cannot be removed.
    pub async fn sweep_deliveries(&self) -> Result<u64, StoreError> {
        let now = self.now();
        let writing = self.write("forget old deliveries").await?;
        let sql = format!("DELETE FROM delivery WHERE created_at < {now} - $1");
        let kept = (KEPT.as_millis() as i64).into();
        let swept = writing.transaction.execute_raw(self.statement(sql, [kept])).await;
        let swept = swept.map_err(during("forget old deliveries"))?.rows_affected();
        let sql = format!(
            "DELETE FROM webhook WHERE scope = 'job' AND COALESCE(named_at, created_at) < {now} - $1 \
             AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.webhook_id = webhook.id) \
             AND NOT EXISTS (SELECT 1 FROM job j WHERE j.webhook = webhook.id \
               AND j.state IN ('queued', 'processing'))"
        );
        let unused =
            writing.transaction.execute_raw(self.statement(sql, [(UNUSED.as_millis() as i64).into()])).await;
        unused.map_err(during("forget unused webhooks"))?;
        writing.commit("forget old deliveries").await?;
        Ok(swept)
    }
}

/// A message before it is written.
struct Letter<'a> {
    job: Option<JobId>,
    event: Event,
    body: &'a str,
}

const SELECT: &str =
    "SELECT id, webhook_id, job_id, event, state, next_at, created_at, finished_at FROM delivery";

/// What is told of a job's end; none of a job that has not ended.
fn message(job: JobId, row: &QueryResult) -> Result<Option<(Event, String)>, StoreError> {
    let state: JobState = column::<String>(row, "state")?.parse().map_err(unreadable)?;
    let event = match state {
        JobState::Completed => Event::JobCompleted,
        JobState::Failed => Event::JobFailed,
        JobState::Cancelled => Event::JobCancelled,
        JobState::Queued | JobState::Processing => return Ok(None),
    };
    let mut told = Map::new();
    told.insert("job_id".to_owned(), job.to_string().into());
    if let Some(name) = column::<Option<String>>(row, "file_name")? {
        told.insert("file_name".to_owned(), short(&name).into());
    }
    if let Some(millis) = column::<Option<i64>>(row, "duration_ms")? {
        let duration = Millis(millis.unsigned_abs());
        told.insert("duration".to_owned(), duration.as_seconds().into());
        if state == JobState::Completed {
            told.insert("credits".to_owned(), account::credits(duration).into());
        }
    }
    if let (Some(code), Some(message)) =
        (column::<Option<String>>(row, "error_code")?, column::<Option<String>>(row, "error")?)
    {
        told.insert("error".to_owned(), json!({ "code": code, "message": short(&message) }));
    }
    if state == JobState::Completed {
        told.insert("transcript".to_owned(), format!("/v1/jobs/{job}/transcript").into());
    }
    let at: Option<i64> = column(row, "finished_at")?;
    Ok(Some((event, envelope(event, at.unwrap_or_default(), &told))))
}

fn envelope(event: Event, at: i64, told: &Map<String, Json>) -> String {
    json!({ "type": event.as_str(), "timestamp": rfc3339(at), "data": told }).to_string()
}

fn short(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

fn read_delivery(row: &QueryResult, attempts: Vec<DeliveryAttempt>) -> Result<Delivery, StoreError> {
    let job: Option<String> = column(row, "job_id")?;
    let finished_at: Option<i64> = column(row, "finished_at")?;
    let next_at: i64 = column(row, "next_at")?;
    Ok(Delivery {
        id: column::<String>(row, "id")?.parse().map_err(unreadable)?,
        webhook: column::<String>(row, "webhook_id")?.parse().map_err(unreadable)?,
        job: job.map(|job| job.parse().map_err(unreadable)).transpose()?,
        event: column::<String>(row, "event")?.parse().map_err(unreadable)?,
        state: column::<String>(row, "state")?.parse().map_err(unreadable)?,
        next_at: finished_at.is_none().then_some(next_at),
        created_at: column(row, "created_at")?,
        finished_at,
        attempts,
    })
}

fn read_attempt(row: &QueryResult) -> Result<DeliveryAttempt, StoreError> {
    let status: Option<i32> = column(row, "status")?;
    let elapsed: i64 = column(row, "elapsed_ms")?;
    Ok(DeliveryAttempt {
        number: column::<i32>(row, "number")?.unsigned_abs(),
        at: column(row, "at")?,
        status: status.and_then(|status| u16::try_from(status).ok()),
        error: column(row, "error")?,
        elapsed: Duration::from_millis(elapsed.unsigned_abs()),
    })
}
