//! Resumable uploads: what was announced, what has arrived, and the job in the end.
//!
//! An upload goes on only from where it stands: every change of `received` is fenced by its old value, so that
//! of two writers at one place the second is refused.

use std::collections::HashSet;
use std::time::Duration;

use sea_orm::{ConnectionTrait, QueryResult};

use super::{Store, StoreError, Writing, column, during, unreadable};
use crate::account::AccountId;
use crate::id::JobId;
use crate::object::ObjectKey;

/// However often bytes come, an upload lives no longer than this, or than one life where that is longer.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An upload about to be created.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// Its name, and that of the job that will be.
    pub id: JobId,
    /// Whose it is.
    pub account: AccountId,
    /// The tier whose limits its job has.
    pub tier: String,
    /// Its bytes in all.
    pub length: u64,
    /// What the client said of it, as it said it.
    pub metadata: String,
    /// The request that made it.
    pub request_id: String,
}

/// An upload as the database has it.
#[derive(Debug, Clone)]
pub struct UploadRecord {
    /// Its name.
    pub id: JobId,
    /// Whose it is.
    pub account: AccountId,
    /// The tier whose limits its job has.
    pub tier: String,
    /// Its bytes in all.
    pub length: u64,
    /// The bytes that have arrived, from the beginning.
    pub received: u64,
    /// What the client said of it, as it said it.
    pub metadata: String,
    /// The request that made it.
    pub request_id: String,
    /// The job that was made of it.
    pub job: Option<JobId>,
    /// When it is removed, in milliseconds since 1970.
    pub expires_at: i64,
    /// Whether that time has come.
    pub expired: bool,
}

impl UploadRecord {
    /// Whether every byte has arrived.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.received == self.length
    }
}

impl Store {
    /// Creates an upload that lives for `life`, unless its account has `limit` unfinished ones already; when it
    /// expires.
    ///
    /// # Errors
    /// If the row cannot be written.
    pub async fn create_upload(
        &self,
        new: &NewUpload,
        life: Duration,
        limit: u32,
    ) -> Result<Option<i64>, StoreError> {
        let writing = self.write("create an upload").await?;
        let now = self.now();
        let count = format!(
            "SELECT COUNT(*) AS n FROM upload WHERE account = $1 AND expires_at > {now} AND job_id IS NULL"
        );
        let count = self.statement(count, [new.account.as_str().into()]);
        let row = writing.transaction.query_one_raw(count).await.map_err(during("count uploads"))?;
        let unfinished: i64 = column(&row.ok_or_else(|| unreadable("no count"))?, "n")?;
        if unfinished >= i64::from(limit) {
            return Ok(None);
        }
        let insert = self.statement(
            format!(
                "INSERT INTO upload (id, account, tier, length, metadata, request_id, created_at, expires_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, {now}, {now} + $7) RETURNING expires_at"
            ),
            [
                new.id.to_string().into(),
                new.account.as_str().into(),
                new.tier.clone().into(),
                new.length.cast_signed().into(),
                new.metadata.clone().into(),
                new.request_id.clone().into(),
                millis(life).into(),
            ],
        );
        let row = writing.transaction.query_one_raw(insert).await.map_err(during("create an upload"))?;
        let expires_at = column(&row.ok_or_else(|| unreadable("no upload"))?, "expires_at")?;
        writing.commit("create an upload").await?;
        Ok(Some(expires_at))
    }

    /// One upload.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn upload(&self, id: JobId) -> Result<Option<UploadRecord>, StoreError> {
        let sql = format!("SELECT *, expires_at <= {} AS expired FROM upload WHERE id = $1", self.now());
        let row = self.db.query_one_raw(self.statement(sql, [id.to_string().into()])).await;
        row.map_err(during("read an upload"))?.as_ref().map(record).transpose()
    }

    /// The bytes that all unfinished uploads have announced and that have not arrived yet.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub async fn announced_bytes(&self) -> Result<u64, StoreError> {
        let sql = format!(
            "SELECT CAST(COALESCE(SUM(length - received), 0) AS BIGINT) AS n FROM upload \
             WHERE job_id IS NULL AND expires_at > {}",
            self.now()
        );
        let row = self.db.query_one_raw(self.statement(sql, [])).await.map_err(during("sum up uploads"))?;
        column::<i64>(&row.ok_or_else(|| unreadable("no sum"))?, "n").map(i64::unsigned_abs)
    }

    /// The number for a part that begins at `offset`; the upload lives for another `life`. None if the upload
    /// does not stand there, has ended, or is none.
    ///
    /// # Errors
    /// If the row cannot be written.
    pub async fn begin_part(
        &self,
        id: JobId,
        offset: u64,
        life: Duration,
    ) -> Result<Option<u32>, StoreError> {
        let sql = format!(
            "UPDATE upload SET parts = parts + 1, expires_at = {} \
             WHERE id = $1 AND received = $2 AND job_id IS NULL AND expires_at > {} RETURNING parts",
            self.renewed(life),
            self.now()
        );
        let values = [id.to_string().into(), offset.cast_signed().into()];
        let _turn = self.writer.acquire().await.map_err(unreadable)?;
        let row = self.db.query_one_raw(self.statement(sql, values)).await;
        let row = row.map_err(during("begin a part"))?;
        row.map(|row| column::<i32>(&row, "parts").map(i32::unsigned_abs)).transpose()
    }

    /// Adds a stored part of `bytes` bytes at `offset`; the upload lives for another `life`. False if the upload
    /// does not stand there any more, or the part would make it too long: then the part's object is the caller's
    /// to remove.
    ///
    /// # Errors
    /// If the rows cannot be written.
    pub async fn add_part(
        &self,
        part: &ObjectKey,
        offset: u64,
        bytes: u64,
        life: Duration,
    ) -> Result<bool, StoreError> {
        let writing = self.write("add a part").await?;
        let (id, bytes) = (part.job().to_string(), bytes.cast_signed());
        let advance = self.statement(
            format!(
                "UPDATE upload SET received = received + $3, expires_at = {} \
                 WHERE id = $1 AND received = $2 AND job_id IS NULL AND length >= $2 + $3",
                self.renewed(life)
            ),
            [id.clone().into(), offset.cast_signed().into(), bytes.into()],
        );
        let advanced = writing.transaction.execute_raw(advance).await.map_err(during("advance an upload"))?;
        if advanced.rows_affected() == 0 {
            return Ok(false);
        }
        let insert = self.statement(
            "INSERT INTO upload_part (upload_id, number, bytes) VALUES ($1, $2, $3)",
            [id.into(), part.number().cast_signed().into(), bytes.into()],
        );
        writing.transaction.execute_raw(insert).await.map_err(during("add a part"))?;
        writing.commit("add a part").await?;
        Ok(true)
    }

    /// The parts of an upload, in the order of their bytes.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn upload_parts(&self, id: JobId) -> Result<Vec<ObjectKey>, StoreError> {
        self.parts_of(&self.db, id).await
    }

    /// Notes the job that was made of an upload, and returns its parts, which are the caller's to remove.
    ///
    /// # Errors
    /// If the rows cannot be written.
    pub async fn finish_upload(&self, id: JobId, job: JobId) -> Result<Vec<ObjectKey>, StoreError> {
        let writing = self.write("finish an upload").await?;
        let parts = self.parts_of(&writing.transaction, id).await?;
        for (sql, values) in [
            ("UPDATE upload SET job_id = $2 WHERE id = $1", vec![id.to_string(), job.to_string()]),
            ("DELETE FROM upload_part WHERE upload_id = $1", vec![id.to_string()]),
        ] {
            let statement = self.statement(sql, values.into_iter().map(Into::into));
            writing.transaction.execute_raw(statement).await.map_err(during("finish an upload"))?;
        }
        writing.commit("finish an upload").await?;
        Ok(parts)
    }

    /// Removes an upload, and returns its parts, which are the caller's to remove.
    ///
    /// # Errors
    /// If the rows cannot be written.
    pub async fn remove_upload(&self, id: JobId) -> Result<Vec<ObjectKey>, StoreError> {
        let writing = self.write("remove an upload").await?;
        let parts = self.parts_of(&writing.transaction, id).await?;
        self.delete_upload(&writing, id).await?;
        writing.commit("remove an upload").await?;
        Ok(parts)
    }

    /// Removes the uploads that have expired, and returns their parts, which are the caller's to remove.
    ///
    /// # Errors
    /// If the rows cannot be written.
    pub async fn remove_expired_uploads(&self) -> Result<Vec<ObjectKey>, StoreError> {
        let writing = self.write("remove expired uploads").await?;
        let sql = format!("SELECT id FROM upload WHERE expires_at <= {}", self.now());
        let rows = writing.transaction.query_all_raw(self.statement(sql, [])).await;
        let mut parts = Vec::new();
        for id in ids(&rows.map_err(during("look for expired uploads"))?)? {
            parts.extend(self.parts_of(&writing.transaction, id).await?);
            self.delete_upload(&writing, id).await?;
        }
        writing.commit("remove expired uploads").await?;
        Ok(parts)
    }

    /// The uploads that are complete and of which no job was made yet.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn complete_uploads(&self) -> Result<Vec<JobId>, StoreError> {
        let sql = format!(
            "SELECT id FROM upload WHERE received = length AND job_id IS NULL AND expires_at > {}",
            self.now()
        );
        let rows = self.db.query_all_raw(self.statement(sql, [])).await;
        ids(&rows.map_err(during("look for complete uploads"))?)
    }

    /// The keys that the unfinished uploads among `ids` name: their parts, and the object that they are joined in.
    pub(super) async fn named_by_uploads(&self, ids: &HashSet<String>) -> Result<Vec<String>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let placeholders: Vec<_> = (1..=ids.len()).map(|number| format!("${number}")).collect();
        let sql = format!(
            "SELECT upload.id AS id, upload_part.number AS number FROM upload \
             LEFT JOIN upload_part ON upload_part.upload_id = upload.id \
             WHERE upload.job_id IS NULL AND upload.id IN ({})",
            placeholders.join(", ")
        );
        let rows = self.db.query_all_raw(self.statement(sql, ids.iter().map(|id| id.as_str().into()))).await;
        let mut named = Vec::new();
        for row in rows.map_err(during("read uploads"))? {
            let id: JobId = column::<String>(&row, "id")?.parse().map_err(unreadable)?;
            named.push(ObjectKey::upload(id).to_string());
            let number: Option<i32> = column(&row, "number")?;
            named.extend(number.map(|number| ObjectKey::part(id, number.unsigned_abs()).to_string()));
        }
        Ok(named)
    }

    /// When an upload expires to which something was added now, in SQL.
    fn renewed(&self, life: Duration) -> String {
        let (renewed, last) = (
            format!("{} + {}", self.now(), millis(life)),
            format!("created_at + {}", millis(life.max(MAX_AGE))),
        );
        format!("CASE WHEN {last} < {renewed} THEN {last} ELSE {renewed} END")
    }

    async fn delete_upload(&self, writing: &Writing<'_>, id: JobId) -> Result<(), StoreError> {
        let delete = self.statement("DELETE FROM upload WHERE id = $1", [id.to_string().into()]);
        let deleted = writing.transaction.execute_raw(delete).await;
        deleted.map(|_| ()).map_err(during("remove an upload"))
    }

    async fn parts_of(
        &self,
        connection: &impl ConnectionTrait,
        id: JobId,
    ) -> Result<Vec<ObjectKey>, StoreError> {
        let sql = "SELECT number FROM upload_part WHERE upload_id = $1 ORDER BY number";
        let rows = connection.query_all_raw(self.statement(sql, [id.to_string().into()])).await;
        let key = |row: &QueryResult| {
            column::<i32>(row, "number").map(|number| ObjectKey::part(id, number.unsigned_abs()))
        };
        rows.map_err(during("read parts"))?.iter().map(key).collect()
    }
}

fn millis(span: Duration) -> i64 {
    span.as_millis() as i64
}

fn ids(rows: &[QueryResult]) -> Result<Vec<JobId>, StoreError> {
    rows.iter().map(|row| column::<String>(row, "id")?.parse().map_err(unreadable)).collect()
}

fn record(row: &QueryResult) -> Result<UploadRecord, StoreError> {
    let job: Option<String> = column(row, "job_id")?;
    Ok(UploadRecord {
        id: column::<String>(row, "id")?.parse().map_err(unreadable)?,
        account: AccountId::of_row(column::<String>(row, "account")?),
        tier: column(row, "tier")?,
        length: column::<i64>(row, "length")?.unsigned_abs(),
        received: column::<i64>(row, "received")?.unsigned_abs(),
        metadata: column(row, "metadata")?,
        request_id: column(row, "request_id")?,
        job: job.map(|job| job.parse().map_err(unreadable)).transpose()?,
        expires_at: column(row, "expires_at")?,
        expired: column(row, "expired")?,
    })
}
