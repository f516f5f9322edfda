//! What accounts have used and reserved: a ledger that adds up, whatever is killed.
//!
//! A job's reservation is written with the job, or with the end of its intake, and becomes a charge in the
//! transaction that completes the job, or is given back in the one that ends it otherwise. A live session's is
//! written as its audio comes. The sums in `usage` change only together with the rows that explain them.

use sea_orm::ConnectionTrait;
use time::OffsetDateTime;

use super::admit::IN_FLIGHT;
use super::{Store, StoreError, Writing, column, during, unreadable};
use crate::account::{AccountId, Shortage, Tier, Unit};
use crate::id::JobId;

/// The period of the balance of credits, which does not end.
const CREDITS: &str = "credits";

/// What an account has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// What it was given, of credits.
    pub granted: u64,
    /// By completed jobs.
    pub used: u64,
    /// By jobs under way.
    pub reserved: u64,
}

/// What an account has used of everything that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The database's clock, in milliseconds since 1970.
    pub now: i64,
    /// When the day ends: 00:00 UTC.
    pub day_ends: i64,
    /// When the month ends: the first of the next, 00:00 UTC.
    pub month_ends: i64,
    /// Transcriptions of this day.
    pub day: Used,
    /// Minutes of this month.
    pub month: Used,
    /// Credits.
    pub credits: Used,
    /// Jobs that run or are waited on, and open sessions.
    pub running: u32,
    /// Jobs that wait for their turn.
    pub queued: u32,
}

impl Used {
    /// What a limit leaves.
    #[must_use]
    pub fn left_of(&self, limit: u64) -> u64 {
        limit.saturating_sub(self.used + self.reserved)
    }
}

impl Usage {
    /// The limit of a tier that leaves least for another minute, if one leaves nothing.
    #[must_use]
    pub fn shortage(&self, tier: &Tier) -> Option<Shortage> {
        let mut limits = vec![
            (Unit::Transcriptions, tier.transcriptions_per_day.map(u64::from), &self.day),
            (Unit::Minutes, tier.minutes_per_month.map(u64::from), &self.month),
        ];
        if tier.credits {
            limits.push((Unit::Credits, Some(self.credits.granted), &self.credits));
        }
        let short = |(unit, limit, used): (Unit, Option<u64>, &Used)| {
            let limit = limit?;
            let available = used.left_of(limit);
            (available == 0).then_some(Shortage { unit, required: 1, available, limit })
        };
        limits.into_iter().find_map(short)
    }
}

/// The periods that a moment lies in.
struct Periods {
    now: i64,
    day: String,
    month: String,
    day_ends: i64,
    month_ends: i64,
}

impl Periods {
    fn of(now: i64) -> Result<Self, StoreError> {
        let at = OffsetDateTime::from_unix_timestamp(now.div_euclid(1000)).map_err(unreadable)?;
        let date = at.date();
        let (year, month) = (date.year(), u8::from(date.month()));
        let tomorrow = date.next_day().ok_or_else(|| unreadable("the end of time"))?;
        let first = date.replace_day(1).map_err(unreadable)?;
        // The first of the month after: no month has 32 days.
        let next = (first + time::Duration::days(31)).replace_day(1).map_err(unreadable)?;
        let millis = |date: time::Date| date.midnight().assume_utc().unix_timestamp() * 1000;
        Ok(Self {
            now,
            day: format!("day:{year:04}-{month:02}-{:02}", date.day()),
            month: format!("month:{year:04}-{month:02}"),
            day_ends: millis(tomorrow),
            month_ends: millis(next),
        })
    }
}

/// A part of a reservation.
struct Hold {
    unit: Unit,
    period: String,
    amount: u64,
    limit: Option<u64>,
}

impl Store {
    /// What an account has used, now.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub async fn usage(&self, account: &AccountId) -> Result<Usage, StoreError> {
        let sql = format!(
            "SELECT {now} AS now, ({IN_FLIGHT}) AS running, \
             (SELECT COUNT(*) FROM job WHERE account = $1 AND state = 'queued' AND priority = 0) AS queued",
            now = self.now()
        );
        let row = self.db.query_one_raw(self.statement(sql, [account.as_str().into()])).await;
        let row = row.map_err(during("read usage"))?.ok_or_else(|| unreadable("no clock"))?;
        let periods = Periods::of(column(&row, "now")?)?;
        let sql = "SELECT period, granted, used, reserved FROM usage \
                   WHERE account = $1 AND period IN ($2, $3, $4)";
        let values =
            [account.as_str().into(), (&periods.day).into(), (&periods.month).into(), CREDITS.into()];
        let rows = self.db.query_all_raw(self.statement(sql, values)).await.map_err(during("read usage"))?;
        let mut usage = Usage {
            now: periods.now,
            day_ends: periods.day_ends,
            month_ends: periods.month_ends,
            day: Used::default(),
            month: Used::default(),
            credits: Used::default(),
            running: u32::try_from(column::<i64>(&row, "running")?).unwrap_or(u32::MAX),
            queued: u32::try_from(column::<i64>(&row, "queued")?).unwrap_or(u32::MAX),
        };
        for row in rows {
            let period: String = column(&row, "period")?;
            let used = Used {
                granted: column::<i64>(&row, "granted")?.unsigned_abs(),
                used: column::<i64>(&row, "used")?.unsigned_abs(),
                reserved: column::<i64>(&row, "reserved")?.unsigned_abs(),
            };
            match period {
                period if period == CREDITS => usage.credits = used,
                period if period == periods.day => usage.day = used,
                _ => usage.month = used,
            }
        }
        Ok(usage)
    }

    /// Adds credits to an account's balance, and says what it was given in all.
    ///
    /// # Errors
    /// If the rows cannot be written.
    pub async fn grant_credits(
        &self,
        account: &AccountId,
        credits: u32,
        note: &str,
    ) -> Result<u64, StoreError> {
        let writing = self.write("grant credits").await?;
        let id = JobId::random().to_string().replacen("job_", "grant_", 1);
        let sql = format!(
            "INSERT INTO credit_grant (id, account, amount, note, at) VALUES ($1, $2, $3, $4, {})",
            self.now()
        );
        let values = [id.into(), account.as_str().into(), i64::from(credits).into(), note.to_owned().into()];
        let written = writing.transaction.execute_raw(self.statement(sql, values)).await;
        written.map_err(during("grant credits"))?;
        let sql = "INSERT INTO usage (account, period, granted, used, reserved) VALUES ($1, $2, $3, 0, 0) \
                   ON CONFLICT (account, period) DO UPDATE SET granted = usage.granted + excluded.granted \
                   RETURNING granted";
        let values = [account.as_str().into(), CREDITS.into(), i64::from(credits).into()];
        let row = writing.transaction.query_one_raw(self.statement(sql, values)).await;
        let row = row.map_err(during("grant credits"))?.ok_or_else(|| unreadable("no balance"))?;
        let granted: i64 = column(&row, "granted")?;
        writing.commit("grant credits").await?;
        Ok(granted.unsigned_abs())
    }

    /// Reserves one of the day's transcriptions, as a job is created; the shortage if there is none left.
    pub(super) async fn reserve_transcription(
        &self,
        writing: &Writing<'_>,
        job: JobId,
        account: &AccountId,
        limits: &Tier,
    ) -> Result<Option<Shortage>, StoreError> {
        let Some(limit) = limits.transcriptions_per_day else { return Ok(None) };
        let periods = self.periods(writing).await?;
        let hold = Hold {
            unit: Unit::Transcriptions,
            period: periods.day,
            amount: 1,
            limit: Some(u64::from(limit)),
        };
        self.reserve(writing, job, account, &hold).await
    }

    /// Reserves the minutes, and the credits, of a job whose length is known; the shortage if they are not there.
    /// A job that was charged before is not charged again.
    pub(super) async fn reserve_minutes(
        &self,
        writing: &Writing<'_>,
        job: JobId,
        minutes: u64,
    ) -> Result<Option<Shortage>, StoreError> {
        if self.is_charged(writing, job).await? {
            return Ok(None);
        }
        let owner = self.statement("SELECT account, limits FROM job WHERE id = $1", [job.to_string().into()]);
        let row = writing.transaction.query_one_raw(owner).await.map_err(during("read a job"))?;
        let row = row.ok_or_else(|| unreadable("no such job"))?;
        let account = AccountId::of_row(column::<String>(&row, "account")?);
        let limits: Tier = serde_json::from_str(&column::<String>(&row, "limits")?).map_err(unreadable)?;
        let shortage = self.hold_minutes(writing, job, (&account, &limits), minutes).await?;
        if shortage.is_some() {
            self.release(writing, job).await?;
        }
        Ok(shortage)
    }

    /// Reserves minutes, and as many credits where credits are counted; the shortage if they are not there. Then some
    /// of it may be reserved all the same.
    pub(super) async fn hold_minutes(
        &self,
        writing: &Writing<'_>,
        job: JobId,
        (account, limits): (&AccountId, &Tier),
        minutes: u64,
    ) -> Result<Option<Shortage>, StoreError> {
        let mut holds = Vec::new();
        if limits.credits {
            let granted = self.granted(writing, account).await?;
            let (unit, period) = (Unit::Credits, CREDITS.to_owned());
            holds.push(Hold { unit, period, amount: minutes, limit: Some(granted) });
        }
        let period = self.periods(writing).await?.month;
        let limit = limits.minutes_per_month.map(u64::from);
        // Without a limit too: the account may want to know.
        holds.push(Hold { unit: Unit::Minutes, period, amount: minutes, limit });
        for hold in &holds {
            if let Some(shortage) = self.reserve(writing, job, account, hold).await? {
                return Ok(Some(shortage));
            }
        }
        Ok(None)
    }

    /// Whether the job was completed, and charged, before.
    pub(super) async fn is_charged(&self, writing: &Writing<'_>, job: JobId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM charge WHERE job_id = $1 LIMIT 1";
        let row = writing.transaction.query_one_raw(self.statement(sql, [job.to_string().into()])).await;
        row.map(|row| row.is_some()).map_err(during("look for a charge"))
    }

    async fn periods(&self, writing: &Writing<'_>) -> Result<Periods, StoreError> {
        let clock = self.statement(format!("SELECT {} AS now", self.now()), []);
        let row = writing.transaction.query_one_raw(clock).await.map_err(during("read the clock"))?;
        Periods::of(column(&row.ok_or_else(|| unreadable("no clock"))?, "now")?)
    }

    async fn granted(&self, writing: &Writing<'_>, account: &AccountId) -> Result<u64, StoreError> {
        let sql = "SELECT granted FROM usage WHERE account = $1 AND period = $2";
        let values = [account.as_str().into(), CREDITS.into()];
        let row = writing.transaction.query_one_raw(self.statement(sql, values)).await;
        let row = row.map_err(during("read a balance"))?;
        row.map_or(Ok(0), |row| column::<i64>(&row, "granted").map(i64::unsigned_abs))
    }

    async fn reserve(
        &self,
        writing: &Writing<'_>,
        job: JobId,
        account: &AccountId,
        hold: &Hold,
    ) -> Result<Option<Shortage>, StoreError> {
        let key = [account.as_str().into(), hold.period.clone().into()];
        let begin = "INSERT INTO usage (account, period, granted, used, reserved) VALUES ($1, $2, 0, 0, 0) \
                     ON CONFLICT (account, period) DO NOTHING";
        let begun = writing.transaction.execute_raw(self.statement(begin, key.clone())).await;
        begun.map_err(during("reserve"))?;
        let amount = hold.amount.cast_signed();
        let mut values = key.to_vec();
        values.push(amount.into());
        let within = match hold.limit {
            None => "",
            Some(limit) => {
                values.push(limit.cast_signed().into());
                "AND used + reserved + $3 <= $4"
            }
        };
        let sql =
            format!("UPDATE usage SET reserved = reserved + $3 WHERE account = $1 AND period = $2 {within}");
        let reserved = writing.transaction.execute_raw(self.statement(sql, values)).await;
        if reserved.map_err(during("reserve"))?.rows_affected() == 0 {
            return self.shortage(writing, account, hold).await.map(Some);
        }
        // On top of what the job has reserved already, if it is tried again.
        let sql = "INSERT INTO reservation (job_id, period, account, amount) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (job_id, period) DO UPDATE SET amount = reservation.amount + excluded.amount";
        let values =
            [job.to_string().into(), hold.period.clone().into(), account.as_str().into(), amount.into()];
        let written = writing.transaction.execute_raw(self.statement(sql, values)).await;
        written.map(|_| None).map_err(during("reserve"))
    }

    async fn shortage(
        &self,
        writing: &Writing<'_>,
        account: &AccountId,
        hold: &Hold,
    ) -> Result<Shortage, StoreError> {
        let sql = "SELECT used + reserved AS taken FROM usage WHERE account = $1 AND period = $2";
        let values = [account.as_str().into(), hold.period.clone().into()];
        let row = writing.transaction.query_one_raw(self.statement(sql, values)).await;
        let row = row.map_err(during("read usage"))?.ok_or_else(|| unreadable("no usage"))?;
        let (limit, taken) = (hold.limit.unwrap_or(u64::MAX), column::<i64>(&row, "taken")?.unsigned_abs());
        Ok(Shortage { unit: hold.unit, required: hold.amount, available: limit.saturating_sub(taken), limit })
    }

    /// Turns a job's reservation into a charge. A job without one was settled already.
    pub(super) async fn settle(&self, writing: &Writing<'_>, job: JobId) -> Result<(), StoreError> {
        let charge = format!(
            "INSERT INTO charge (job_id, period, account, amount, at) \
             SELECT job_id, period, account, amount, {} FROM reservation WHERE job_id = $1",
            self.now()
        );
        let charged = self.statement(charge, [job.to_string().into()]);
        writing.transaction.execute_raw(charged).await.map_err(during("charge a job"))?;
        self.end_reservation(writing, job, "used = used + $3,").await
    }

    /// Gives a job's reservation back.
    pub(super) async fn release(&self, writing: &Writing<'_>, job: JobId) -> Result<(), StoreError> {
        self.end_reservation(writing, job, "").await
    }

    async fn end_reservation(&self, writing: &Writing<'_>, job: JobId, also: &str) -> Result<(), StoreError> {
        let take = "DELETE FROM reservation WHERE job_id = $1 RETURNING account, period, amount";
        let rows = writing.transaction.query_all_raw(self.statement(take, [job.to_string().into()])).await;
        for row in rows.map_err(during("end a reservation"))? {
            let values = [
                column::<String>(&row, "account")?.into(),
                column::<String>(&row, "period")?.into(),
                column::<i64>(&row, "amount")?.into(),
            ];
            let sql = format!(
                "UPDATE usage SET {also} reserved = reserved - $3 WHERE account = $1 AND period = $2"
            );
            let changed = writing.transaction.execute_raw(self.statement(sql, values)).await;
            changed.map_err(during("end a reservation"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_end_at_midnight_utc() {
        for (now, day, month, day_ends, month_ends) in [
            (0, "day:1970-01-01", "month:1970-01", 86_400_000, 31 * 86_400_000),
            // 2024-02-29T23:59:59.999Z, a leap day.
            (1_709_251_199_999, "day:2024-02-29", "month:2024-02", 1_709_251_200_000, 1_709_251_200_000),
            // 2025-12-31T00:00:00Z.
            (1_767_139_200_000, "day:2025-12-31", "month:2025-12", 1_767_225_600_000, 1_767_225_600_000),
        ] {
            let periods = Periods::of(now).unwrap();
            assert_eq!((periods.day.as_str(), periods.month.as_str()), (day, month));
            assert_eq!((periods.day_ends, periods.month_ends), (day_ends, month_ends), "{day}");
        }
    }

    #[test]
    fn a_shortage_is_seen_before_anything_is_sent() {
        let mut usage = Usage {
            now: 0,
            day_ends: 1,
            month_ends: 1,
            day: Used { used: 2, ..Used::default() },
            month: Used { used: 599, ..Used::default() },
            credits: Used { granted: 10, used: 4, reserved: 5 },
            running: 0,
            queued: 0,
        };
        let tier = Tier {
            transcriptions_per_day: Some(3),
            minutes_per_month: Some(600),
            credits: true,
            ..Tier::default()
        };
        assert_eq!(usage.shortage(&tier), None);
        usage.credits.reserved = 6;
        let shortage = Shortage { unit: Unit::Credits, required: 1, available: 0, limit: 10 };
        assert_eq!(usage.shortage(&tier), Some(shortage));
        assert_eq!(usage.shortage(&Tier::default()), None);
    }
}
