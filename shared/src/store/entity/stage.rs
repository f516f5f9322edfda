//! Table `stage`.

use sea_orm::entity::prelude::*;

use crate::job::{Progress, Stage};
use crate::store::{StoreError, unreadable};
use crate::time::Millis;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stage")]
pub(in crate::store) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(in crate::store) job_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(in crate::store) kind: String,
    pub(in crate::store) lane: String,
    pub(in crate::store) state: String,
    pub(in crate::store) account: String,
    pub(in crate::store) model: Option<String>,
    pub(in crate::store) priority: i32,
    pub(in crate::store) attempts: i32,
    pub(in crate::store) cancel: bool,
    pub(in crate::store) owner: Option<String>,
    pub(in crate::store) lease_until: Option<i64>,
    pub(in crate::store) run_at: i64,
    pub(in crate::store) done_ms: i64,
    pub(in crate::store) total_ms: Option<i64>,
    pub(in crate::store) error: Option<String>,
    pub(in crate::store) created_at: i64,
    pub(in crate::store) started_at: Option<i64>,
    pub(in crate::store) finished_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(in crate::store) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Stage {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            kind: row.kind.parse().map_err(unreadable)?,
            state: row.state.parse().map_err(unreadable)?,
            attempts: row.attempts.unsigned_abs(),
            progress: Progress {
                done: Millis(row.done_ms.unsigned_abs()),
                total: row.total_ms.map(|millis| Millis(millis.unsigned_abs())),
            },
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        })
    }
}
