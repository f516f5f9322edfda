//! Deliveries from the courier's side: claim what is due, write how the attempt ended.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Value};

use super::{Store, StoreError, Writing, column, during, unreadable};
use crate::id::{DeliveryId, JobId, WebhookId, WorkerId};
use crate::webhook::{Secret, WebhookState};

/// One endpoint has at most this many attempts at once, so that a slow one does not hold up the others.
const AT_ONCE: i64 = 4;

/// A delivery that is due, and all that its attempt needs.
#[derive(Debug, Clone)]
pub struct DueDelivery {
    /// Its name.
    pub id: DeliveryId,
    /// Where it goes.
    pub webhook: WebhookId,
    /// The job that it is about.
    pub job: Option<JobId>,
    /// Which attempt this is, from 1.
    pub number: u32,
    /// The endpoint's URL.
    pub url: String,
    /// What signs: the secret, and for a while after a rotation the one before.
    pub secrets: Vec<Secret>,
    /// What is sent.
    pub body: String,
    /// Now, by the database's clock, in milliseconds since 1970.
    pub now: i64,
    /// Who claimed it.
    owner: WorkerId,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnd {
    /// The status that the endpoint answered, if it did.
    pub status: Option<u16>,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// How long it took.
    pub elapsed: Duration,
    /// What follows.
    pub next: NextStep,
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Nothing: it is delivered.
    Delivered,
    /// Another attempt after this time.
    Retry(Duration),
    /// It was the last.
    GiveUp,
    /// The endpoint says that it is gone: it is told nothing any more.
    Gone,
}

impl Store {
    /// Takes the delivery that has been due for the longest time, if one is. Whoever takes it holds a lease.
    ///
    /// # Errors
    /// If the rows cannot be read or written.
    pub async fn claim_delivery(
        &self,
        owner: &WorkerId,
        lease: Duration,
    ) -> Result<Option<DueDelivery>, StoreError> {
        let now = self.now();
        let free = format!(
            "state = 'pending' AND next_at <= {now} AND (lease_until IS NULL OR lease_until < {now}) \
             AND webhook_id NOT IN (\
               SELECT webhook_id FROM delivery WHERE state = 'pending' AND lease_until >= {now} \
               GROUP BY webhook_id HAVING COUNT(*) >= $1)"
        );
        // An idle courier looks often: a look takes no turn to write.
        let any = self.statement(format!("SELECT 1 FROM delivery WHERE {free} LIMIT 1"), [AT_ONCE.into()]);
        if self.db.query_one_raw(any).await.map_err(during("look for deliveries"))?.is_none() {
            return Ok(None);
        }
        let sql = format!(
            "UPDATE delivery SET owner = $2, lease_until = {now} + $3 WHERE id = (\
               SELECT id FROM delivery WHERE {free} ORDER BY next_at, id LIMIT 1\
             ) AND {free} RETURNING id, webhook_id, job_id, attempts, body, {now} AS now"
        );
        let writing = self.write("claim a delivery").await?;
        let values: [Value; 3] = [AT_ONCE.into(), owner.0.clone().into(), (lease.as_millis() as i64).into()];
        let row = writing.transaction.query_one_raw(self.statement(sql, values)).await;
        let Some(row) = row.map_err(during("claim a delivery"))? else { return Ok(None) };
        let webhook: String = column(&row, "webhook_id")?;
        let sql = format!(
            "SELECT url, secret, CASE WHEN previous_until > {now} THEN previous_secret END AS previous_secret \
             FROM webhook WHERE id = $1"
        );
        let endpoint = writing.transaction.query_one_raw(self.statement(sql, [webhook.clone().into()])).await;
        let endpoint = endpoint.map_err(during("read a webhook"))?;
        let endpoint = endpoint.ok_or_else(|| unreadable("a delivery without a webhook"))?;
        let secrets =
            [Some(column(&endpoint, "secret")?), column::<Option<String>>(&endpoint, "previous_secret")?];
        let secrets = secrets.into_iter().flatten();
        let job: Option<String> = column(&row, "job_id")?;
        let due = DueDelivery {
            id: column::<String>(&row, "id")?.parse().map_err(unreadable)?,
            webhook: webhook.parse().map_err(unreadable)?,
            job: job.map(|job| job.parse().map_err(unreadable)).transpose()?,
            number: column::<i32>(&row, "attempts")?.unsigned_abs() + 1,
            url: column(&endpoint, "url")?,
            secrets: secrets.map(|secret| secret.parse().map_err(unreadable)).collect::<Result<_, _>>()?,
            body: column(&row, "body")?,
            now: column(&row, "now")?,
            owner: owner.clone(),
        };
        writing.commit("claim a delivery").await?;
        Ok(Some(due))
    }

    /// Gives a claimed delivery back without an attempt: it is due again at once.
    ///
    /// # Errors
    /// If the row cannot be written: the lease runs out by itself.
    pub async fn release_delivery(&self, due: &DueDelivery) -> Result<(), StoreError> {
        let sql = "UPDATE delivery SET owner = NULL, lease_until = NULL WHERE id = $1 AND owner = $2 AND attempts = $3 - 1";
        let values = [due.id.to_string().into(), due.owner.0.clone().into(), due.number.cast_signed().into()];
        let _turn = self.writer.acquire().await.map_err(unreadable)?;
        let released = self.db.execute_raw(self.statement(sql, values)).await;
        released.map(|_| ()).map_err(during("hand a delivery back"))
    }

    /// How long until a delivery is due; none if none is pending. One that another courier holds is not due before
    /// its lease ends.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub async fn next_delivery(&self) -> Result<Option<Duration>, StoreError> {
        let now = self.now();
        let sql = format!(
            "SELECT MIN(CASE WHEN lease_until > next_at THEN lease_until ELSE next_at END) - {now} AS wait \
             FROM delivery WHERE state = 'pending'"
        );
        let row =
            self.db.query_one_raw(self.statement(sql, [])).await.map_err(during("look for deliveries"))?;
        let wait: Option<i64> = row.map_or(Ok(None), |row| column(&row, "wait"))?;
        Ok(wait.map(|wait| Duration::from_millis(wait.max(0).unsigned_abs())))
    }

    /// Writes how an attempt ended, and what that means for the delivery and its webhook, which is disabled when it
    /// is gone, or has failed for `patience`. False if the claim was lost: then nothing was written.
    ///
    /// # Errors
    /// If the rows cannot be written; then none was.
    pub async fn end_delivery_attempt(
        &self,
        due: &DueDelivery,
        end: &AttemptEnd,
        patience: Duration,
    ) -> Result<bool, StoreError> {
        let writing = self.write("end a delivery's attempt").await?;
        let now = self.now();
        let (state, wait) = match end.next {
            NextStep::Delivered => ("delivered", Duration::ZERO),
            NextStep::Retry(wait) => ("pending", wait),
            NextStep::GiveUp | NextStep::Gone => ("failed", Duration::ZERO),
        };
        let sql = format!(
            "UPDATE delivery SET state = $4, attempts = $3, next_at = {now} + $5, owner = NULL, \
             lease_until = NULL, finished_at = CASE WHEN $4 = 'pending' THEN NULL ELSE {now} END \
             WHERE id = $1 AND owner = $2 AND attempts = $3 - 1"
        );
        let values = [
            due.id.to_string().into(),
            due.owner.0.clone().into(),
            due.number.cast_signed().into(),
            state.into(),
            (wait.as_millis() as i64).into(),
        ];
        let ended = writing.transaction.execute_raw(self.statement(sql, values)).await;
        if ended.map_err(during("end a delivery's attempt"))?.rows_affected() == 0 {
            return Ok(false);
        }
        let sql = format!(
            "INSERT INTO delivery_attempt (delivery_id, number, at, status, error, elapsed_ms) \
             VALUES ($1, $2, {now}, $3, $4, $5)"
        );
        let values = [
            due.id.to_string().into(),
            due.number.cast_signed().into(),
            end.status.map(i32::from).into(),
            end.error.clone().into(),
            (end.elapsed.as_millis() as i64).into(),
        ];
        let written = writing.transaction.execute_raw(self.statement(sql, values)).await;
        written.map_err(during("write an attempt"))?;
        self.judge_webhook(&writing, due, end.next, patience).await?;
        writing.commit("end a delivery's attempt").await?;
        Ok(true)
    }

    async fn judge_webhook(
        &self,
        writing: &Writing<'_>,
        due: &DueDelivery,
        next: NextStep,
        patience: Duration,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let id: Value = due.webhook.to_string().into();
        if next == NextStep::Delivered {
            let sql = "UPDATE webhook SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL";
            let judged = writing.transaction.execute_raw(self.statement(sql, [id])).await;
            return judged.map(|_| ()).map_err(during("judge a webhook"));
        }
        // A webhook that was told nothing for so long has not failed meanwhile: this failure is the first.
        let sql = format!(
            "UPDATE webhook SET failing_since = CASE WHEN idle_since < {now} - $2 THEN {now} \
               ELSE COALESCE(failing_since, {now}) END, \
             idle_since = CASE WHEN EXISTS (SELECT 1 FROM delivery d \
               WHERE d.webhook_id = webhook.id AND d.state = 'pending') THEN NULL ELSE {now} END \
             WHERE id = $1 RETURNING failing_since, state, {now} AS now"
        );
        let values = [id.clone(), (patience.as_millis() as i64).into()];
        let row = writing.transaction.query_one_raw(self.statement(sql, values)).await;
        let Some(row) = row.map_err(during("judge a webhook"))? else { return Ok(()) };
        let disabled = column::<String>(&row, "state")? == WebhookState::Disabled.as_str();
        let failing = column::<i64>(&row, "now")? - column::<i64>(&row, "failing_since")?;
        let reason = if next == NextStep::Gone {
            "the endpoint answered 410 Gone".to_owned()
        } else if failing >= patience.as_millis() as i64 {
            format!("no delivery has succeeded for {} hours", patience.as_secs() / 3600)
        } else if disabled {
            // While this attempt ran: it was the last.
            return self.fail_waiting(writing, due.webhook).await;
        } else {
            return Ok(());
        };
        let sql = "UPDATE webhook SET state = 'disabled', disabled_reason = $2 WHERE id = $1";
        let disabled = writing.transaction.execute_raw(self.statement(sql, [id, reason.into()])).await;
        disabled.map_err(during("disable a webhook"))?;
        self.fail_waiting(writing, due.webhook).await
    }

    /// What waits would be told long after; its owner can send it again. What is being sent ends by itself.
    async fn fail_waiting(&self, writing: &Writing<'_>, webhook: WebhookId) -> Result<(), StoreError> {
        let sql = format!(
            "UPDATE delivery SET state = 'failed', finished_at = {} \
             WHERE webhook_id = $1 AND state = 'pending' AND owner IS NULL",
            self.now()
        );
        let failed = writing.transaction.execute_raw(self.statement(sql, [webhook.to_string().into()])).await;
        failed.map(|_| ()).map_err(during("end the deliveries of a webhook"))
    }
}
