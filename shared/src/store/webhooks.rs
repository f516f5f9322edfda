//! Webhooks: make, read, rotate, enable, remove.

use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::{Store, StoreError, Writing, column, during, unreadable};
use crate::account::AccountId;
use crate::id::WebhookId;
use crate::webhook::{MAX_JOB_WEBHOOKS, MAX_WEBHOOKS, ROTATION, Secret, Webhook, WebhookScope};

/// What became of the wish for a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewWebhook {
    /// It is made.
    Made(Webhook),
    /// There is one of this account with this URL and scope already.
    Exists(WebhookId),
    /// The account has as many as it may have.
    TooMany,
}

impl Store {
    /// Makes a webhook for all jobs of an account.
    ///
    /// # Errors
    /// If the rows cannot be read or written.
    pub async fn create_webhook(&self, account: &AccountId, url: &str) -> Result<NewWebhook, StoreError> {
        self.make_webhook(account, url, WebhookScope::Account).await
    }

    /// The webhook of an account for jobs that name this URL: the one there is, or a new one. None if the account
    /// has as many as it may have.
    ///
    /// # Errors
    /// If the rows cannot be read or written.
    pub async fn webhook_for_jobs(
        &self,
        account: &AccountId,
        url: &str,
    ) -> Result<Option<WebhookId>, StoreError> {
        Ok(match self.make_webhook(account, url, WebhookScope::Job).await? {
            NewWebhook::Made(webhook) => Some(webhook.id),
            NewWebhook::Exists(id) => Some(id),
            NewWebhook::TooMany => None,
        })
    }

    async fn make_webhook(
        &self,
        account: &AccountId,
        url: &str,
        scope: WebhookScope,
    ) -> Result<NewWebhook, StoreError> {
        let writing = self.write("make a webhook").await?;
        // One that is named again is not about to be forgotten.
        let same = self.statement(
            format!(
                "UPDATE webhook SET named_at = {} WHERE account = $1 AND scope = $2 AND url = $3 RETURNING id",
                self.now()
            ),
            [account.as_str().into(), scope.as_str().into(), url.into()],
        );
        let row = writing.transaction.query_one_raw(same).await.map_err(during("look for a webhook"))?;
        if let Some(row) = row {
            let id = id_of(&row)?;
            writing.commit("name a webhook").await?;
            return Ok(NewWebhook::Exists(id));
        }
        let limit = match scope {
            WebhookScope::Account => MAX_WEBHOOKS,
            WebhookScope::Job => MAX_JOB_WEBHOOKS,
        };
        let count = self.statement(
            "SELECT COUNT(*) AS webhooks FROM webhook WHERE account = $1 AND scope = $2",
            [account.as_str().into(), scope.as_str().into()],
        );
        let row = writing.transaction.query_one_raw(count).await.map_err(during("count webhooks"))?;
        let webhooks: i64 = row.map_or(Ok(0), |row| column(&row, "webhooks"))?;
        if webhooks >= i64::from(limit) {
            return Ok(NewWebhook::TooMany);
        }
        let id = WebhookId::random();
        let sql = format!(
            "INSERT INTO webhook (id, account, url, secret, scope, state, created_at) \
             VALUES ($1, $2, $3, $4, $5, 'enabled', {})",
            self.now()
        );
        let values = [
            id.to_string().into(),
            account.as_str().into(),
            url.into(),
            Secret::random().reveal().into(),
            scope.as_str().into(),
        ];
        let made = writing.transaction.execute_raw(self.statement(sql, values)).await;
        made.map_err(during("make a webhook"))?;
        let made = self.webhook_in(&writing, account, id).await?;
        writing.commit("make a webhook").await?;
        made.map(NewWebhook::Made).ok_or_else(|| unreadable("a webhook that is not there"))
    }

    /// The webhooks of an account, the oldest first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn webhooks(&self, account: &AccountId) -> Result<Vec<Webhook>, StoreError> {
        let sql = format!("{} WHERE account = $1 ORDER BY created_at, id", self.select_webhook());
        let rows = self.db.query_all_raw(self.statement(sql, [account.as_str().into()])).await;
        rows.map_err(during("list webhooks"))?.iter().map(read_webhook).collect()
    }

    /// One webhook of an account.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn webhook(&self, account: &AccountId, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let row = self.db.query_one_raw(self.one_webhook(account, id)).await;
        row.map_err(during("read a webhook"))?.as_ref().map(read_webhook).transpose()
    }

    async fn webhook_in(
        &self,
        writing: &Writing<'_>,
        account: &AccountId,
        id: WebhookId,
    ) -> Result<Option<Webhook>, StoreError> {
        let row = writing.transaction.query_one_raw(self.one_webhook(account, id)).await;
        row.map_err(during("read a webhook"))?.as_ref().map(read_webhook).transpose()
    }

    /// Removes a webhook with its deliveries. False if the account has none of this name.
    ///
    /// # Errors
    /// If the rows cannot be removed.
    pub async fn remove_webhook(&self, account: &AccountId, id: WebhookId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM webhook WHERE account = $1 AND id = $2";
        let statement = self.statement(sql, [account.as_str().into(), id.to_string().into()]);
        let _turn = self.writer.acquire().await.map_err(unreadable)?;
        let removed = self.db.execute_raw(statement).await.map_err(during("remove a webhook"))?;
        Ok(removed.rows_affected() > 0)
    }

    /// Gives a webhook a new secret. The one before signs too, for another [`ROTATION`].
    ///
    /// # Errors
    /// If the row cannot be written.
    pub async fn rotate_secret(
        &self,
        account: &AccountId,
        id: WebhookId,
    ) -> Result<Option<Webhook>, StoreError> {
        let change = format!("previous_secret = secret, previous_until = {} + $3, secret = $4", self.now());
        let values = [(ROTATION.as_millis() as i64).into(), Secret::random().reveal().into()];
        self.change_webhook(account, id, &change, values).await
    }

    /// Lets a webhook be told again.
    ///
    /// # Errors
    /// If the row cannot be written.
    pub async fn enable_webhook(
        &self,
        account: &AccountId,
        id: WebhookId,
    ) -> Result<Option<Webhook>, StoreError> {
        let change = "state = 'enabled', failing_since = NULL, disabled_reason = NULL";
        self.change_webhook(account, id, change, []).await
    }

    async fn change_webhook(
        &self,
        account: &AccountId,
        id: WebhookId,
        change: &str,
        more: impl IntoIterator<Item = Value>,
    ) -> Result<Option<Webhook>, StoreError> {
        let writing = self.write("change a webhook").await?;
        let sql = format!("UPDATE webhook SET {change} WHERE account = $1 AND id = $2");
        let values: Vec<Value> =
            [account.as_str().into(), id.to_string().into()].into_iter().chain(more).collect();
        let changed = writing.transaction.execute_raw(self.statement(sql, values)).await;
        changed.map_err(during("change a webhook"))?;
        let webhook = self.webhook_in(&writing, account, id).await?;
        writing.commit("change a webhook").await?;
        Ok(webhook)
    }

    fn one_webhook(&self, account: &AccountId, id: WebhookId) -> sea_orm::Statement {
        let sql = format!("{} WHERE account = $1 AND id = $2", self.select_webhook());
        self.statement(sql, [account.as_str().into(), id.to_string().into()])
    }

    /// A secret that has had its time is not read any more.
    fn select_webhook(&self) -> String {
        format!(
            "SELECT id, account, url, secret, \
             CASE WHEN previous_until > {} THEN previous_secret END AS previous_secret, \
             scope, state, failing_since, disabled_reason, created_at FROM webhook",
            self.now()
        )
    }
}

fn id_of(row: &QueryResult) -> Result<WebhookId, StoreError> {
    column::<String>(row, "id")?.parse().map_err(unreadable)
}

fn read_webhook(row: &QueryResult) -> Result<Webhook, StoreError> {
    let previous: Option<String> = column(row, "previous_secret")?;
    Ok(Webhook {
        id: id_of(row)?,
        account: AccountId::of_row(column::<String>(row, "account")?),
        url: column(row, "url")?,
        secret: column::<String>(row, "secret")?.parse().map_err(unreadable)?,
        previous_secret: previous.map(|secret| secret.parse().map_err(unreadable)).transpose()?,
        scope: column::<String>(row, "scope")?.parse().map_err(unreadable)?,
        state: column::<String>(row, "state")?.parse().map_err(unreadable)?,
        failing_since: column(row, "failing_since")?,
        disabled_reason: column(row, "disabled_reason")?,
        created_at: column(row, "created_at")?,
    })
}
