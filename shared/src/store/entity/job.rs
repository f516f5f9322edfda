//! Table `job`.

use sea_orm::entity::prelude::*;

use crate::account::AccountId;
use crate::diarization::SpeakerEdits;
use crate::error::Failure;
use crate::job::Job;
use crate::store::{StoreError, unreadable};
use crate::time::Millis;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "job")]
pub(in crate::store) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(in crate::store) id: String,
    pub(in crate::store) account: String,
    pub(in crate::store) state: String,
    #[sea_orm(column_type = "Text")]
    pub(in crate::store) options: String,
    pub(in crate::store) file_name: Option<String>,
    pub(in crate::store) upload_key: Option<String>,
    pub(in crate::store) upload_bytes: i64,
    pub(in crate::store) upload_sha256: String,
    pub(in crate::store) samples_key: Option<String>,
    pub(in crate::store) transcript_key: Option<String>,
    pub(in crate::store) pending_transcript_key: Option<String>,
    pub(in crate::store) diarization_key: Option<String>,
    pub(in crate::store) pending_diarization_key: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(in crate::store) speaker_edits: Option<String>,
    pub(in crate::store) duration_ms: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub(in crate::store) warnings: String,
    pub(in crate::store) error_code: Option<String>,
    pub(in crate::store) error: Option<String>,
    pub(in crate::store) request_id: String,
    pub(in crate::store) created_at: i64,
    pub(in crate::store) started_at: Option<i64>,
    pub(in crate::store) finished_at: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(in crate::store) source_url: Option<String>,
    pub(in crate::store) webhook: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub(in crate::store) limits: String,
    pub(in crate::store) concurrent: Option<i32>,
    pub(in crate::store) priority: i32,
    pub(in crate::store) runs: i32,
    pub(in crate::store) joined: bool,
    pub(in crate::store) channels: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(in crate::store) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

fn key(text: Option<String>) -> Result<Option<crate::object::ObjectKey>, StoreError> {
    text.map(|text| text.parse().map_err(unreadable)).transpose()
}

impl TryFrom<Model> for Job {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let failure = match (row.error_code, row.error) {
            (Some(code), Some(message)) => Some(Failure::new(code.parse().map_err(unreadable)?, message)),
            _ => None,
        };
        Ok(Self {
            id: row.id.parse().map_err(unreadable)?,
            account: AccountId::of_row(row.account),
            limits: serde_json::from_str(&row.limits).map_err(unreadable)?,
            state: row.state.parse().map_err(unreadable)?,
            options: serde_json::from_str(&row.options).map_err(unreadable)?,
            file_name: row.file_name,
            source_url: row.source_url,
            upload: key(row.upload_key)?,
            samples: key(row.samples_key)?,
            transcript: key(row.transcript_key)?,
            pending_transcript: key(row.pending_transcript_key)?,
            diarization: key(row.diarization_key)?,
            pending_diarization: key(row.pending_diarization_key)?,
            speaker_edits: row
                .speaker_edits
                .map_or(Ok(SpeakerEdits::default()), |edits| serde_json::from_str(&edits))
                .map_err(unreadable)?,
            duration: row.duration_ms.map(|millis| Millis(millis.unsigned_abs())),
            channels: u16::try_from(row.channels).map_err(unreadable)?,
            warnings: serde_json::from_str(&row.warnings).map_err(unreadable)?,
            failure,
            request_id: row.request_id,
            runs: row.runs.unsigned_abs(),
            joined: row.joined,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        })
    }
}
