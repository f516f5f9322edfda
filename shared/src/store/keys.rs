//! Accounts and their access keys: the keys' hashes, never the keys.

use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder};

use super::entity::account;
use super::{Store, StoreError, Writing, column, during, unreadable};
use crate::account::AccountId;
use crate::key::{ApiKey, KeyHash};

/// A key about to be kept.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What its owner calls it.
    pub label: String,
    /// Whose it is.
    pub owner: Owner,
    /// Whether it may manage keys and accounts.
    pub admin: bool,
}

/// The account of a new key.
#[derive(Debug, Clone)]
pub enum Owner {
    /// A new one, of the tier of this name.
    New(String),
    /// One that there is.
    Account(AccountId),
}

/// A key as its server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The part that may be shown.
    pub id: String,
    /// What its owner calls it.
    pub label: String,
    /// Whose it is.
    pub account: AccountId,
    /// The name of the account's tier.
    pub tier: String,
    /// Whether it may manage keys and accounts.
    pub admin: bool,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// Its name.
    pub id: AccountId,
    /// The name of its tier.
    pub tier: String,
    /// What its first key was called.
    pub label: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

const KEYS: &str = "SELECT k.id, k.hash, k.label, k.admin, k.created_at, k.revoked_at, a.id AS account, a.tier \
                    FROM access_key k JOIN account a ON a.id = k.account";

impl Store {
    /// Keeps the hash of a new key, and makes its account if it shall have a new one. None if there is no such
    /// account.
    ///
    /// # Errors
    /// If the rows cannot be written.
    pub async fn add_key(&self, key: &ApiKey, new: &NewKey) -> Result<Option<KeyRecord>, StoreError> {
        let writing = self.write("add a key").await?;
        let account = match &new.owner {
            Owner::New(tier) => self.add_account(&writing, tier, &new.label).await?,
            Owner::Account(id) => {
                let found = account::Entity::find_by_id(id.to_string()).one(&writing.transaction).await;
                if found.map_err(during("look for an account"))?.is_none() {
                    return Ok(None);
                }
                id.clone()
            }
        };
        let sql = format!(
            "INSERT INTO access_key (id, hash, label, account, admin, created_at) VALUES ($1, $2, $3, $4, $5, {})",
            self.now()
        );
        let values = [
            key.id().into(),
            key.hash().to_hex().into(),
            new.label.clone().into(),
            account.as_str().into(),
            new.admin.into(),
        ];
        let added = writing.transaction.execute_raw(self.statement(sql, values)).await;
        added.map_err(during("add a key"))?;
        writing.commit("add a key").await?;
        self.key(key).await
    }

    async fn add_account(
        &self,
        writing: &Writing<'_>,
        tier: &str,
        label: &str,
    ) -> Result<AccountId, StoreError> {
        let id = AccountId::random();
        let sql =
            format!("INSERT INTO account (id, tier, label, created_at) VALUES ($1, $2, $3, {})", self.now());
        let values = [id.as_str().into(), tier.into(), label.into()];
        let added = writing.transaction.execute_raw(self.statement(sql, values)).await;
        added.map(|_| id).map_err(during("add an account"))
    }

    /// The key, if it was issued here and not revoked.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub async fn key(&self, key: &ApiKey) -> Result<Option<KeyRecord>, StoreError> {
        let sql = format!("{KEYS} WHERE k.id = $1 AND k.revoked_at IS NULL");
        let row = self.db.query_one_raw(self.statement(sql, [key.id().into()])).await;
        let Some(row) = row.map_err(during("look up a key"))? else { return Ok(None) };
        let kept: String = column(&row, "hash")?;
        let kept = KeyHash::from_hex(&kept).ok_or_else(|| unreadable("a key's hash"))?;
        if kept.matches(&key.hash()) { record(&row).map(Some) } else { Ok(None) }
    }

    /// Every key that was issued, the oldest first.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let sql = format!("{KEYS} ORDER BY k.created_at, k.id");
        let rows = self.db.query_all_raw(self.statement(sql, [])).await.map_err(during("list keys"))?;
        rows.iter().map(record).collect()
    }

    /// Revokes a key: the next request with it is refused. False if there is none of this id. Revoking it again
    /// changes nothing.
    ///
    /// # Errors
    /// If the row cannot be written.
    pub async fn revoke_key(&self, id: &str) -> Result<bool, StoreError> {
        let writing = self.write("revoke a key").await?;
        let sql =
            format!("UPDATE access_key SET revoked_at = COALESCE(revoked_at, {}) WHERE id = $1", self.now());
        let revoked = writing.transaction.execute_raw(self.statement(sql, [id.into()])).await;
        let found = revoked.map_err(during("revoke a key"))?.rows_affected() > 0;
        writing.commit("revoke a key").await?;
        Ok(found)
    }

    /// Whether there is a key that is not revoked.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub async fn has_keys(&self) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM access_key WHERE revoked_at IS NULL LIMIT 1";
        let row = self.db.query_one_raw(self.statement(sql, [])).await;
        row.map(|row| row.is_some()).map_err(during("look for keys"))
    }

    /// Every account, the oldest first.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub async fn accounts(&self) -> Result<Vec<AccountRecord>, StoreError> {
        let rows = account::Entity::find()
            .order_by_asc(account::Column::CreatedAt)
            .order_by_asc(account::Column::Id)
            .all(&self.db)
            .await;
        Ok(rows.map_err(during("list accounts"))?.into_iter().map(account_record).collect())
    }

    /// An account, if there is one of this id.
    ///
    /// # Errors
    /// If the row cannot be read.
    pub async fn account(&self, id: &AccountId) -> Result<Option<AccountRecord>, StoreError> {
        let row = account::Entity::find_by_id(id.to_string()).one(&self.db).await;
        Ok(row.map_err(during("look for an account"))?.map(account_record))
    }

    /// Puts an account into another tier, from its next request on. False if there is no such account.
    ///
    /// # Errors
    /// If the row cannot be written.
    pub async fn set_tier(&self, account: &AccountId, tier: &str) -> Result<bool, StoreError> {
        let writing = self.write("change a tier").await?;
        let sql = "UPDATE account SET tier = $2 WHERE id = $1";
        let values = [account.as_str().into(), tier.into()];
        let changed = writing.transaction.execute_raw(self.statement(sql, values)).await;
        let found = changed.map_err(during("change a tier"))?.rows_affected() > 0;
        writing.commit("change a tier").await?;
        Ok(found)
    }

    /// A secret of the server's own, by name; `new` is kept if there is none.
    ///
    /// # Errors
    /// If the row cannot be written or read.
    pub async fn secret(&self, name: &str, new: &str) -> Result<String, StoreError> {
        let writing = self.write("keep a secret").await?;
        let keep = "INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        let kept = self.statement(keep, [name.into(), new.into()]);
        writing.transaction.execute_raw(kept).await.map_err(during("keep a secret"))?;
        let find = self.statement("SELECT value FROM secret WHERE name = $1", [name.into()]);
        let row = writing.transaction.query_one_raw(find).await.map_err(during("read a secret"))?;
        writing.commit("keep a secret").await?;
        column(&row.ok_or_else(|| unreadable("a secret that was just kept"))?, "value")
    }
}

fn record(row: &sea_orm::QueryResult) -> Result<KeyRecord, StoreError> {
    Ok(KeyRecord {
        id: column(row, "id")?,
        label: column(row, "label")?,
        account: AccountId::of_row(column::<String>(row, "account")?),
        tier: column(row, "tier")?,
        admin: column(row, "admin")?,
        created_at: column(row, "created_at")?,
        revoked_at: column(row, "revoked_at")?,
    })
}

fn account_record(row: account::Model) -> AccountRecord {
    AccountRecord {
        id: AccountId::of_row(row.id),
        tier: row.tier,
        label: row.label,
        created_at: row.created_at,
    }
}
