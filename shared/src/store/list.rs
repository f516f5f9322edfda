//! Lists of jobs, and their place in the queue.

use std::fmt;
use std::str::FromStr;

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::entity::job;
use super::{Store, StoreError, column, during};
use crate::account::AccountId;
use crate::id::JobId;
use crate::job::{Job, JobState, Lane};

/// A place in a list of jobs: after this job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    created_at: i64,
    id: JobId,
}

/// The text is no place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct InvalidCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.created_at, self.id)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (created_at, id) = text.split_once('.').ok_or(InvalidCursor)?;
        Ok(Self {
            created_at: created_at.parse().map_err(|_| InvalidCursor)?,
            id: id.parse().map_err(|_| InvalidCursor)?,
        })
    }
}

/// Which jobs are listed.
#[derive(Debug, Clone)]
pub struct JobFilter {
    /// Whose.
    pub account: AccountId,
    /// In which states; none = in any.
    pub states: Vec<JobState>,
    /// Only those after this place.
    pub after: Option<Cursor>,
    /// How many at most.
    pub limit: u32,
}

/// A part of a list of jobs, the newest first.
#[derive(Debug, Clone)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Where the next part begins, if there is more.
    pub next: Option<Cursor>,
}

impl Store {
    /// The jobs of an account, the newest first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn jobs(&self, filter: &JobFilter) -> Result<JobPage, StoreError> {
        let mut query = job::Entity::find().filter(job::Column::Account.eq(filter.account.as_str()));
        if !filter.states.is_empty() {
            let states = filter.states.iter().map(|state| state.as_str());
            query = query.filter(job::Column::State.is_in(states));
        }
        if let Some(after) = filter.after {
            let same = Condition::all()
                .add(job::Column::CreatedAt.eq(after.created_at))
                .add(job::Column::Id.lt(after.id.to_string()));
            query = query.filter(Condition::any().add(job::Column::CreatedAt.lt(after.created_at)).add(same));
        }
        let limit = filter.limit as usize;
        // One more than asked for tells whether there is more.
        let rows = query
            .order_by_desc(job::Column::CreatedAt)
            .order_by_desc(job::Column::Id)
            .limit(u64::from(filter.limit) + 1)
            .all(&self.db)
            .await
            .map_err(during("list jobs"))?;
        let more = rows.len() > limit;
        let jobs = rows.into_iter().take(limit).map(Job::try_from).collect::<Result<Vec<_>, StoreError>>()?;
        let last = jobs.last().filter(|_| more);
        let next = last.map(|job| Cursor { created_at: job.created_at, id: job.id });
        Ok(JobPage { jobs, next })
    }

    /// How many stages of a lane stand before a job's queued stage, by priority and age. Fairness between
    /// accounts may let the job go earlier, never later than that many.
    ///
    /// # Errors
    /// If they cannot be counted.
    pub async fn ahead_of(&self, job: JobId, lane: Lane) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT (SELECT COUNT(*) FROM stage o WHERE o.lane = $2 AND o.state = 'queued' \
                   AND (o.priority > s.priority OR (o.priority = s.priority \
                     AND (o.created_at < s.created_at \
                       OR (o.created_at = s.created_at AND o.job_id < s.job_id))))) AS ahead \
                   FROM stage s WHERE s.job_id = $1 AND s.lane = $2 AND s.state = 'queued'";
        let values = [job.to_string().into(), lane.as_str().into()];
        let row = self.db.query_one_raw(self.statement(sql, values)).await;
        let row = row.map_err(during("count the queue"))?;
        row.map(|row| column::<i64>(&row, "ahead").map(i64::unsigned_abs)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_others_are_refused() {
        let cursor = Cursor { created_at: 1_700_000_000_000, id: JobId::random() };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", ".", "1", "x.job_00000000000000000000000000", "1.job_", "' OR 1=1"] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text}");
        }
    }
}
