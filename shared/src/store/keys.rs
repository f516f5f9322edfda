//! Access keys: their hashes, never the keys.

use sea_orm::{ConnectionTrait, EntityTrait};

use super::entity::access_key;
use super::{Store, StoreError, during, unreadable};
use crate::key::{ApiKey, KeyHash};

impl Store {
    /// Keeps the hash of a new key.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn add_key(&self, key: &ApiKey, label: &str) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO access_key (id, hash, label, created_at) VALUES ($1, $2, $3, {})",
            self.now()
        );
        let values = [key.id().into(), key.hash().to_hex().into(), label.into()];
        let _turn = self.writer.acquire().await.map_err(unreadable)?;
        let added = self.db.execute_raw(self.statement(sql, values)).await;
        added.map(|_| ()).map_err(during("add a key"))
    }

    /// Whether this key was issued here and not revoked.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub async fn accepts_key(&self, key: &ApiKey) -> Result<bool, StoreError> {
        let row = access_key::Entity::find_by_id(key.id().to_owned()).one(&self.db).await;
        let Some(row) = row.map_err(during("look up a key"))? else { return Ok(false) };
        let kept = KeyHash::from_hex(&row.hash).ok_or_else(|| unreadable("a key's hash"))?;
        Ok(row.revoked_at.is_none() && kept.matches(&key.hash()))
    }

    /// Whether any key was ever issued.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub async fn has_keys(&self) -> Result<bool, StoreError> {
        let row = access_key::Entity::find().one(&self.db).await;
        row.map(|row| row.is_some()).map_err(during("look for keys"))
    }
}
