//! Webhooks: endpoints of an account that are told when a job ends, by the scheme of
//! <https://www.standardwebhooks.com>.
//!
//! A *webhook* is the endpoint, a *delivery* one message to it, an *attempt* one try to deliver it. A delivery
//! is written in the transaction that ends the job, and its body is fixed from then on.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::id::{DeliveryId, JobId, WebhookId};
use crate::job::{UnknownSpelling, spelled};

/// How many webhooks an account may have for all its jobs.
pub const MAX_WEBHOOKS: u32 = 20;
/// How many endpoints an account may have that were named with a job.
pub const MAX_JOB_WEBHOOKS: u32 = 100;
/// How long the secret before the last rotation still signs.
pub const ROTATION: Duration = Duration::from_secs(24 * 60 * 60);
/// How long deliveries are listed.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const SECRET_PREFIX: &str = "whsec_";
const SECRET_BYTES: usize = 32;

spelled! {
    /// What a webhook is told of.
    WebhookScope {
        /// All jobs of its account.
        Account = "account",
        /// The jobs that name it.
        Job = "job",
    }
}

spelled! {
    /// Whether a webhook is told anything.
    WebhookState {
        /// It is.
        Enabled = "enabled",
        /// It failed for too long, or said that it is gone: it is not, until its owner enables it again.
        Disabled = "disabled",
    }
}

spelled! {
    /// Where a delivery stands.
    DeliveryState {
        /// It will be tried, or is being tried.
        Pending = "pending",
        /// Its endpoint answered with success.
        Delivered = "delivered",
        /// It is not tried any more.
        Failed = "failed",
    }
}

spelled! {
    /// What a delivery says.
    Event {
        /// A job's transcript can be read.
        JobCompleted = "job.completed",
        /// A job failed for good.
        JobFailed = "job.failed",
        /// A job was cancelled.
        JobCancelled = "job.cancelled",
        /// Nothing: its owner tries the webhook out.
        Test = "webhook.test",
    }
}

/// What signs deliveries: `whsec_` and the base 64 of 32 random bytes. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new secret from the operating system's random numbers.
    #[must_use]
    pub fn random() -> Self {
        let bytes: [u8; SECRET_BYTES] = rand::random();
        Self(format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes)))
    }

    /// The whole of it, for its owner and for signing.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The text is no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a webhook's secret")]
pub struct InvalidSecret;

impl FromStr for Secret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(SECRET_PREFIX).ok_or(InvalidSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| InvalidSecret)?;
        if bytes.len() == SECRET_BYTES { Ok(Self(text.to_owned())) } else { Err(InvalidSecret) }
    }
}

/// An endpoint as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its name.
    pub id: WebhookId,
    /// Whose it is.
    pub account: AccountId,
    /// Where it is, as [`crate::outside::OutsideUrl`] writes it.
    pub url: String,
    /// What signs deliveries to it.
    pub secret: Secret,
    /// The secret before, as long as it still signs too.
    pub previous_secret: Option<Secret>,
    /// What it is told of.
    pub scope: WebhookScope,
    /// Whether it is told anything.
    pub state: WebhookState,
    /// Since when no delivery has succeeded, if the last one failed.
    pub failing_since: Option<i64>,
    /// Why it is disabled.
    pub disabled_reason: Option<String>,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

/// A message as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its name, which receivers tell repetitions by.
    pub id: DeliveryId,
    /// Where it goes.
    pub webhook: WebhookId,
    /// The job that it is about, which may have been deleted since.
    pub job: Option<JobId>,
    /// What it says.
    pub event: Event,
    /// Where it stands.
    pub state: DeliveryState,
    /// When it is tried next, while it is pending.
    pub next_at: Option<i64>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// When it was delivered or given up.
    pub finished_at: Option<i64>,
    /// Its attempts, the first one first.
    pub attempts: Vec<DeliveryAttempt>,
}

/// One try to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryAttempt {
    /// From 1.
    pub number: u32,
    /// When it ended, in milliseconds since 1970.
    pub at: i64,
    /// The status that the endpoint answered, if it did.
    pub status: Option<u16>,
    /// Why it failed.
    pub error: Option<String>,
    /// How long it took.
    pub elapsed: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_back_and_does_not_show_itself() {
        let secret = Secret::random();
        assert_eq!(secret.reveal().len(), 50);
        assert_eq!(secret.reveal().parse(), Ok(secret.clone()));
        assert_ne!(secret, Secret::random());
        assert_eq!(format!("{secret:?}"), "Secret");
        for text in ["", "whsec_", "whsec_AAAA", "whsec_!", &secret.reveal()[6..]] {
            assert_eq!(text.parse::<Secret>(), Err(InvalidSecret), "{text}");
        }
    }
}
