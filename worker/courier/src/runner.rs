//! The stage that fetches what a job's URL names, and the webhooks delivered beside it.

use std::time::Duration;

use async_trait::async_trait;
use steno_runtime::{Outcome, Resources, StageRunner, Work};
use steno_shared::error::FailureCode;
use steno_shared::job::{Job, Setback, Upload};
use steno_shared::object::ObjectKey;
use steno_shared::outside::{OutsideUrl, RefusedUrl};
use steno_shared::queue::ChangeFeed;
use steno_shared::settings::DatabaseUrl;
use steno_shared::store::FetchOutput;
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::deliver::{Deliverer, Terms};
use crate::dial::Dialer;
use crate::download::{Fetched, Limits, Place, download};
use crate::send::Sender;

/// For what is not downloading.
const MARGIN: Duration = Duration::from_secs(60);

/// Fetches and delivers.
#[derive(Debug)]
pub struct Courier {
    dialer: Dialer,
    settings: Settings,
}

impl Courier {
    /// A courier with these settings.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let dialer = Dialer::new(&settings.worker.common.allow_networks)?;
        Ok(Self { dialer, settings: settings.clone() })
    }

    async fn fetch(&self, work: &Work) -> Result<FetchOutput, Setback> {
        let job = &work.job;
        let Some(text) = &job.source_url else {
            return Err(Setback::give_up(FailureCode::Internal, "the job has no URL"));
        };
        let refused = |refused: RefusedUrl| Setback::give_up(FailureCode::UrlRefused, refused.to_string());
        let url: OutsideUrl = text.parse().map_err(refused)?;
        let limits = Limits {
            bytes: job.limits.max_file.map_or(u64::MAX, |limit| limit.0),
            stall: self.settings.fetch_stall.0,
            total: self.settings.fetch_timeout.0,
        };
        let key = ObjectKey::fetched(job.id, work.number());
        let place = Place { objects: &*work.resources.objects, key };
        tracing::info!(url = %url, "fetching");
        let Fetched { stored, file_name } = download(&self.dialer, &url, limits, place).await?;
        tracing::info!(bytes = stored.bytes, "fetched");
        let upload = Upload { key, bytes: stored.bytes, sha256: stored.sha256 };
        Ok(FetchOutput { upload, file_name })
    }
}

#[async_trait]
impl StageRunner for Courier {
    async fn run(&self, work: Work) -> Result<Outcome, Setback> {
        tokio::select! {
            fetched = self.fetch(&work) => fetched.map(Outcome::Fetch),
            () = work.stop.cancelled() => Err(Setback::HandBack),
        }
    }

    fn time_limit(&self, _: &Job) -> Duration {
        self.settings.fetch_timeout.0 + MARGIN
    }

    async fn beside(&self, resources: Resources, stop: CancellationToken) {
        let sender = Sender {
            dialer: self.dialer.clone(),
            schedule: self.settings.webhook_schedule.clone(),
            timeout: self.settings.webhook_timeout.0,
        };
        let DatabaseUrl::Sqlite(path) = self.settings.worker.common.database_url();
        let changes = ChangeFeed::of_sqlite(&path).subscribe();
        let terms = Terms {
            lease: self.settings.webhook_timeout.0 + self.settings.worker.lease.0,
            patience: self.settings.webhook_patience.0,
        };
        let deliverer = Deliverer::new(resources.store, sender, terms);
        deliverer.run(changes, stop).await;
    }
}
