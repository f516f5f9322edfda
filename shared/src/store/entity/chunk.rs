//! Table `chunk`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chunk")]
pub(in crate::store) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(in crate::store) job_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(in crate::store) start_sample: i64,
    pub(in crate::store) end_sample: i64,
    #[sea_orm(column_type = "Text")]
    pub(in crate::store) content: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(in crate::store) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
