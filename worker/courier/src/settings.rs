//! The settings of this worker alone. The doc comment of a field is its documentation.

use steno_runtime::process::WorkerSettings;
use steno_shared::settings::Span;

use crate::schedule::Schedule;

/// The settings of the courier.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// The settings of every worker.
    #[command(flatten)]
    pub worker: WorkerSettings,

    /// How many URLs are downloaded at once
    #[arg(long, env = "STENO_FETCH_SLOTS", value_name = "NUMBER", default_value_t = 8)]
    pub slots: usize,

    /// How long the download of one URL may take
    #[arg(long, env = "STENO_FETCH_TIMEOUT", value_name = "TIME", default_value = "1h")]
    pub fetch_timeout: Span,

    /// Time without a byte after which a download is given up
    #[arg(long, env = "STENO_FETCH_STALL", value_name = "TIME", default_value = "30s")]
    pub fetch_stall: Span,

    /// How long a webhook's endpoint may take to answer
    #[arg(long, env = "STENO_WEBHOOK_TIMEOUT", value_name = "TIME", default_value = "15s")]
    pub webhook_timeout: Span,

    /// Waits between the attempts of a delivery, separated by commas; the first attempt is at once
    #[arg(
        long,
        env = "STENO_WEBHOOK_SCHEDULE",
        value_name = "TIMES",
        default_value = "5s,5m,30m,2h,5h,10h,14h,20h,24h"
    )]
    pub webhook_schedule: Schedule,

    /// How long a webhook may fail before it is disabled
    #[arg(long, env = "STENO_WEBHOOK_PATIENCE", value_name = "TIME", default_value = "5days")]
    pub webhook_patience: Span,
}
