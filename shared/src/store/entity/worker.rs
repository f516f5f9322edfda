//! Table `worker`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "worker")]
pub(in crate::store) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(in crate::store) id: String,
    pub(in crate::store) lane: String,
    #[sea_orm(column_type = "Text")]
    pub(in crate::store) models: String,
    #[sea_orm(column_type = "Text")]
    pub(in crate::store) device: String,
    pub(in crate::store) slots: i32,
    pub(in crate::store) free: i32,
    pub(in crate::store) address: Option<String>,
    pub(in crate::store) started_at: i64,
    pub(in crate::store) seen_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(in crate::store) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
