//! Live sessions that are open: counted with the jobs of their account, and paid for by the minute begun.
//!
//! A session's row holds a lease, which the process that serves it renews. What its audio has begun is reserved under
//! its id as it comes, and becomes a charge when it is closed, or, after its process was killed, when its lease has run
//! out.

use std::time::Duration;

use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::{Store, StoreError, Writing, column, during, unreadable};
use crate::account::{AccountId, Shortage, Tier, credits};
use crate::id::{JobId, WorkerId};
use crate::job::{JobOptions, JobState, Priority, Refusal};
use crate::object::ObjectKey;
use crate::time::Millis;

/// How long a session of which nothing is heard counts as open.
pub const SESSION_LEASE: Duration = Duration::from_secs(15);

/// A session about to be opened.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its name, and that of the job it may become.
    pub id: JobId,
    /// Whose it is.
    pub account: AccountId,
    /// What the account may use.
    pub limits: Tier,
    /// The process that serves it.
    pub owner: WorkerId,
}

/// What the database says to a session that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionBeat {
    /// Go on: the lease is renewed, and what has begun is reserved.
    Held,
    /// The account cannot pay for what has begun. What was reserved before stays so; the session is to be closed.
    Short(Shortage),
    /// It was closed, or its lease ran out and it is settled: stop.
    Lost,
}

/// What is kept of a session, as a completed job of the same id.
#[derive(Debug, Clone)]
pub struct KeptSession {
    /// Where its transcript is.
    pub transcript: ObjectKey,
    /// The length of its audio.
    pub duration: Millis,
    /// How it was transcribed.
    pub options: JobOptions,
    /// The request that opened it.
    pub request_id: String,
}

/// An open session's row.
struct Row {
    id: JobId,
    account: AccountId,
    limits: Tier,
    audio: Millis,
    started_at: i64,
}

/// The columns of a [`Row`].
const COLUMNS: &str = "account, limits, audio_ms, started_at";

/// The minutes that session $1 has reserved, in all months: it may last from one into the next.
const RESERVED: &str = "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS n FROM reservation \
     WHERE job_id = $1 AND period LIKE 'month:%'";

/// What a session has without being asked to write.
struct Look {
    /// In milliseconds; less than none once it ran out.
    lease_left: i64,
    /// In minutes.
    reserved: u64,
}

/// The minutes that audio of this length has begun.
fn begun(audio: Millis) -> u64 {
    if audio.0 == 0 { 0 } else { credits(audio) }
}

impl Row {
    fn read(id: JobId, row: &QueryResult) -> Result<Self, StoreError> {
        Ok(Self {
            id,
            account: AccountId::of_row(column::<String>(row, "account")?),
            limits: serde_json::from_str(&column::<String>(row, "limits")?).map_err(unreadable)?,
            audio: Millis(column::<i64>(row, "audio_ms")?.unsigned_abs()),
            started_at: column(row, "started_at")?,
        })
    }
}

impl Store {
    /// Opens a session, or says why its account may not have one. Nothing is reserved yet: that comes with its audio.
    ///
    /// # Errors
    /// If the rows cannot be read or written; then it is not open.
    pub async fn open_session(&self, new: &NewSession) -> Result<Option<Refusal>, StoreError> {
        if let Some(shortage) = self.usage(&new.account).await?.shortage(&new.limits) {
            return Ok(Some(Refusal::Shortage(shortage)));
        }
        let writing = self.write("open a session").await?;
        if let Some(limit) = new.limits.concurrent
            && self.in_flight(&writing, &new.account).await? >= i64::from(limit)
        {
            return Ok(Some(Refusal::Concurrent(limit)));
        }
        let now = self.now();
        let sql = format!(
            "INSERT INTO live_session (id, account, owner, limits, audio_ms, started_at, lease_until) \
             VALUES ($1, $2, $3, $4, 0, {now}, {now} + $5)"
        );
        let values = [
            new.id.to_string().into(),
            new.account.as_str().into(),
            new.owner.0.clone().into(),
            serde_json::to_string(&new.limits).map_err(unreadable)?.into(),
            lease(),
        ];
        let opened = writing.transaction.execute_raw(self.statement(sql, values)).await;
        opened.map_err(during("open a session"))?;
        writing.commit("open a session").await?;
        Ok(None)
    }

    /// Renews a session's lease, and reserves what its audio, of this length by now, has begun: with the first of it
    /// one of the day's transcriptions, and each minute, with its credit. Audio never becomes less. While neither is due,
    /// nothing is written: it may be called every second.
    ///
    /// # Errors
    /// If the rows cannot be written: the lease may run out.
    pub async fn hear_session(&self, id: JobId, audio: Millis) -> Result<SessionBeat, StoreError> {
        match self.look(id).await? {
            None => return Ok(SessionBeat::Lost),
            Some(look)
                if look.lease_left > SESSION_LEASE.as_millis() as i64 / 2
                    && begun(audio) <= look.reserved =>
            {
                return Ok(SessionBeat::Held);
            }
            Some(_) => {}
        }
        let writing = self.write("hear a session").await?;
        let Some(session) = self.renew(&writing, id, audio).await? else { return Ok(SessionBeat::Lost) };
        let Some(shortage) = self.reserve_begun(&writing, &session).await? else {
            writing.commit("hear a session").await?;
            return Ok(SessionBeat::Held);
        };
        // With the transaction goes what it could reserve of the minute; what was received is written down all the same.
        writing.roll_back("hear a session").await?;
        let writing = self.write("hear a session").await?;
        let held = self.renew(&writing, id, audio).await?.is_some();
        writing.commit("hear a session").await?;
        Ok(if held { SessionBeat::Short(shortage) } else { SessionBeat::Lost })
    }

    /// Closes a session, whose audio has this length: what is reserved becomes its charge. The minutes that it was
    /// charged, each a credit where credits are counted; none if it was closed before, and then nothing is written.
    /// With `kept`, it becomes a completed job, unless nothing of it was charged.
    ///
    /// # Errors
    /// If the rows cannot be written: it is settled when its lease has run out.
    pub async fn close_session(
        &self,
        id: JobId,
        audio: Millis,
        kept: Option<&KeptSession>,
    ) -> Result<Option<u64>, StoreError> {
        // Whatever cannot be paid for any more is not charged.
        if self.hear_session(id, audio).await? == SessionBeat::Lost {
            return Ok(None);
        }
        let writing = self.write("close a session").await?;
        let sql = format!("DELETE FROM live_session WHERE id = $1 RETURNING {COLUMNS}");
        let row = writing.transaction.query_one_raw(self.statement(sql, [id.to_string().into()])).await;
        let Some(row) = row.map_err(during("close a session"))? else { return Ok(None) };
        let minutes = self.reserved_minutes(&writing, id).await?;
        self.settle(&writing, id).await?;
        if let Some(kept) = kept.filter(|_| minutes > 0) {
            self.keep(&writing, &Row::read(id, &row)?, kept).await?;
            self.announce(&writing, id).await?;
        }
        writing.commit("close a session").await?;
        Ok(Some(minutes))
    }

    /// Settles the sessions whose lease ran out: their processes were killed. How many there were.
    ///
    /// # Errors
    /// If the rows cannot be read or written.
    pub async fn reap_sessions(&self) -> Result<usize, StoreError> {
        let expired = format!("lease_until < {}", self.now());
        // An idle look takes no turn to write.
        let any = self.statement(format!("SELECT 1 FROM live_session WHERE {expired} LIMIT 1"), []);
        if self.db.query_one_raw(any).await.map_err(during("look for lost sessions"))?.is_none() {
            return Ok(0);
        }
        let writing = self.write("settle lost sessions").await?;
        let sql = format!("DELETE FROM live_session WHERE {expired} RETURNING id");
        let rows = writing.transaction.query_all_raw(self.statement(sql, [])).await;
        let rows = rows.map_err(during("settle lost sessions"))?;
        for row in &rows {
            self.settle(&writing, column::<String>(row, "id")?.parse().map_err(unreadable)?).await?;
        }
        writing.commit("settle lost sessions").await?;
        Ok(rows.len())
    }

    async fn look(&self, id: JobId) -> Result<Option<Look>, StoreError> {
        let sql = format!(
            "SELECT lease_until - {} AS lease_left, ({RESERVED}) AS n FROM live_session WHERE id = $1",
            self.now()
        );
        let row = self.db.query_one_raw(self.statement(sql, [id.to_string().into()])).await;
        let look = |row: QueryResult| {
            let reserved = column::<i64>(&row, "n")?.unsigned_abs();
            Ok(Look { lease_left: column(&row, "lease_left")?, reserved })
        };
        row.map_err(during("look at a session"))?.map(look).transpose()
    }

    async fn renew(
        &self,
        writing: &Writing<'_>,
        id: JobId,
        audio: Millis,
    ) -> Result<Option<Row>, StoreError> {
        let sql = format!(
            "UPDATE live_session SET lease_until = {} + $2, \
             audio_ms = CASE WHEN audio_ms > $3 THEN audio_ms ELSE $3 END WHERE id = $1 RETURNING {COLUMNS}",
            self.now()
        );
        let values = [id.to_string().into(), lease(), audio.0.cast_signed().into()];
        let row = writing.transaction.query_one_raw(self.statement(sql, values)).await;
        row.map_err(during("hear a session"))?.map(|row| Row::read(id, &row)).transpose()
    }

    /// Reserves what has begun and is not reserved yet; the shortage if something of it is not there. Then the
    /// transaction is to be rolled back.
    async fn reserve_begun(
        &self,
        writing: &Writing<'_>,
        session: &Row,
    ) -> Result<Option<Shortage>, StoreError> {
        let Row { id, account, limits, audio, .. } = session;
        let (begun, reserved) = (begun(*audio), self.reserved_minutes(writing, *id).await?);
        if begun <= reserved {
            return Ok(None);
        }
        if reserved == 0
            && let Some(shortage) = self.reserve_transcription(writing, *id, account, limits).await?
        {
            return Ok(Some(shortage));
        }
        self.hold_minutes(writing, *id, (account, limits), begun - reserved).await
    }

    async fn reserved_minutes(&self, writing: &Writing<'_>, id: JobId) -> Result<u64, StoreError> {
        let reserved = self.statement(RESERVED, [id.to_string().into()]);
        let row = writing.transaction.query_one_raw(reserved).await;
        let row = row.map_err(during("read a reservation"))?.ok_or_else(|| unreadable("no sum"))?;
        column::<i64>(&row, "n").map(i64::unsigned_abs)
    }

    /// Makes a session that has just been closed a completed job.
    async fn keep(&self, writing: &Writing<'_>, session: &Row, kept: &KeptSession) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO job (id, account, state, options, upload_bytes, upload_sha256, transcript_key, \
             duration_ms, request_id, limits, concurrent, priority, warnings, created_at, started_at, finished_at) \
             VALUES ($1, $2, $3, $4, 0, '', $5, $6, $7, $8, $9, $10, '[]', $11, $11, {})",
            self.now()
        );
        let values: [Value; 11] = [
            session.id.to_string().into(),
            session.account.as_str().into(),
            JobState::Completed.as_str().into(),
            serde_json::to_string(&kept.options).map_err(unreadable)?.into(),
            kept.transcript.to_string().into(),
            kept.duration.0.cast_signed().into(),
            kept.request_id.clone().into(),
            serde_json::to_string(&session.limits).map_err(unreadable)?.into(),
            session.limits.concurrent.map(u32::cast_signed).into(),
            Priority::Batch.rank().into(),
            session.started_at.into(),
        ];
        let kept = writing.transaction.execute_raw(self.statement(sql, values)).await;
        kept.map(|_| ()).map_err(during("keep a session"))
    }
}

fn lease() -> Value {
    (SESSION_LEASE.as_millis() as i64).into()
}
