//! `GET /v1/usage`: what the caller has used, and what is left.

use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use steno_shared::store::Used;
use steno_shared::time::rfc3339;

use super::Tag;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::state::App;

#[derive(Debug)]
pub(crate) struct Routes;

/// What an account has used, and what is left.
#[derive(Debug, Object)]
#[oai(rename = "Usage")]
struct UsageDocument {
    /// The name of the account's tier.
    tier: String,
    /// Minutes of audio of this month, each file's rounded up.
    minutes: CountDocument,
    /// Transcriptions of this day; absent without a limit on them.
    #[oai(skip_serializing_if_is_none)]
    transcriptions: Option<CountDocument>,
    /// The balance; absent unless the tier is paid by credits.
    #[oai(skip_serializing_if_is_none)]
    credits: Option<BalanceDocument>,
    /// Jobs that run or are waited on.
    concurrent: ConcurrentDocument,
    /// The largest file that is accepted.
    max_file_bytes: u64,
}

/// What is counted over a day or a month (UTC).
#[derive(Debug, Object)]
#[oai(rename = "UsageCount")]
struct CountDocument {
    /// By completed jobs.
    used: u64,
    /// By jobs under way.
    reserved: u64,
    /// How much there is; absent without a limit.
    #[oai(skip_serializing_if_is_none)]
    limit: Option<u64>,
    /// How much of it is left.
    #[oai(skip_serializing_if_is_none)]
    remaining: Option<u64>,
    /// When the count begins anew.
    resets_at: String,
}

/// A balance of credits.
#[derive(Debug, Object)]
#[oai(rename = "UsageBalance")]
struct BalanceDocument {
    /// What the account was given.
    granted: u64,
    /// By completed jobs.
    used: u64,
    /// By jobs under way.
    reserved: u64,
    /// What is left.
    remaining: u64,
}

/// Jobs at once.
#[derive(Debug, Object)]
#[oai(rename = "UsageConcurrent")]
struct ConcurrentDocument {
    /// Jobs that run or are waited on.
    running: u32,
    /// Jobs that wait for their turn.
    queued: u32,
    /// How many may run; absent without a limit.
    #[oai(skip_serializing_if_is_none)]
    limit: Option<u32>,
}

fn count(used: &Used, limit: Option<u32>, ends: i64) -> CountDocument {
    let limit = limit.map(u64::from);
    CountDocument {
        used: used.used,
        reserved: used.reserved,
        limit,
        remaining: limit.map(|limit| used.left_of(limit)),
        resets_at: rfc3339(ends),
    }
}

#[OpenApi]
impl Routes {
    /// Read what you have used, and what is left.
    #[oai(path = "/v1/usage", method = "get", operation_id = "get_usage", tag = "Tag::Account")]
    async fn get(&self, caller: Caller, app: Data<&App>) -> Result<Json<UsageDocument>, ApiError> {
        let usage = app.store.usage(caller.account()).await?;
        let limits = &caller.limits;
        let per_day = limits.transcriptions_per_day;
        let balance = || BalanceDocument {
            granted: usage.credits.granted,
            used: usage.credits.used,
            reserved: usage.credits.reserved,
            remaining: usage.credits.left_of(usage.credits.granted),
        };
        Ok(Json(UsageDocument {
            tier: caller.tier.clone(),
            minutes: count(&usage.month, limits.minutes_per_month, usage.month_ends),
            transcriptions: per_day.map(|limit| count(&usage.day, Some(limit), usage.day_ends)),
            credits: limits.credits.then(balance),
            concurrent: ConcurrentDocument {
                running: usage.running,
                queued: usage.queued,
                limit: limits.concurrent,
            },
            max_file_bytes: caller.max_file(&app),
        }))
    }
}
