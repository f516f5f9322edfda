//! Whose a job is, and how much its owner may use: accounts, tiers, credits.
//!
//! Belongs here: the vocabulary of limits, as data. Does not belong here: counting what was used, which is the
//! database's ([`crate::store`]), and telling a client about it, which is the API's.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::error::{Failure, FailureCode};
use crate::settings::Bytes;
use crate::time::Millis;

/// The account of everybody without a key, where they have no limits.
const ANONYMOUS: &str = "anonymous";
/// The tier of callers without a key, where they have limits.
pub const ANONYMOUS_TIER: &str = "anonymous";
/// The tier without limits: that of the first key.
pub const UNLIMITED_TIER: &str = "unlimited";
const BUILT_IN: &str = include_str!("tiers.json");

/// Who owns jobs and what they use up: the account of a key, or a caller without one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(String);

impl AccountId {
    /// A new account, `acc_` and 26 base-32 digits.
    #[must_use]
    pub fn random() -> Self {
        let digits = crate::id::JobId::random().to_string();
        Self(digits.replacen("job_", "acc_", 1))
    }

    /// Everybody without a key.
    #[must_use]
    pub fn anonymous() -> Self {
        Self(ANONYMOUS.to_owned())
    }

    /// Those without a key who call from one place. Of the place only a hash is kept, which `secret`, the
    /// server's own, keeps from being guessed.
    #[must_use]
    pub fn anonymous_at(place: &str, secret: &str) -> Self {
        let hash = Sha256::new().chain_update(secret).chain_update([0]).chain_update(place).finalize();
        Self(format!("{ANONYMOUS}:{}", crate::object::hex(&hash[..16])))
    }

    /// As the database has it.
    #[must_use]
    pub fn of_row(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As the database has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it belongs to callers without a key.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.0.strip_prefix(ANONYMOUS).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an account may use. What is absent has no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tier {
    /// Accepted transcriptions a day (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcriptions_per_day: Option<u32>,
    /// Minutes of audio a month (UTC), each file's rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes_per_month: Option<u32>,
    /// Whether each minute costs a credit of the account's balance.
    pub credits: bool,
    /// The largest file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_file: Option<Bytes>,
    /// Jobs that run, or that somebody waits on, at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
    /// Jobs that wait for their turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued: Option<u32>,
    /// Requests a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
}

/// Every tier, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiers(BTreeMap<String, Tier>);

/// The tiers cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the tiers cannot be read: {0}")]
pub struct InvalidTiers(#[from] serde_json::Error);

impl Tiers {
    /// The tiers of the contract and, replacing those of the same name, those of `text`: a JSON object of
    /// [`Tier`]s by name, such as `{"team": {"minutes_per_month": 6000, "concurrent": 10}}`.
    ///
    /// # Errors
    /// [`InvalidTiers`] with the place in the text.
    pub fn with(text: &str) -> Result<Self, InvalidTiers> {
        let mut tiers: BTreeMap<String, Tier> = serde_json::from_str(BUILT_IN)?;
        tiers.extend(serde_json::from_str::<BTreeMap<String, Tier>>(text)?);
        Ok(Self(tiers))
    }

    /// The tier of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tier> {
        self.0.get(name)
    }

    /// The names of all tiers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Credits for audio of this length: one a minute, rounded up, and at least one.
#[must_use]
pub fn credits(duration: Millis) -> u64 {
    duration.0.div_ceil(60_000).max(1)
}

/// What a limit is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Accepted transcriptions of a day.
    Transcriptions,
    /// Minutes of audio of a month.
    Minutes,
    /// Credits of the balance.
    Credits,
}

/// A limit does not leave what is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortage {
    /// Of what.
    pub unit: Unit,
    /// What is needed.
    pub required: u64,
    /// What is left.
    pub available: u64,
    /// What there is in all.
    pub limit: u64,
}

impl Shortage {
    /// Why a job of this account fails.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let Self { required, available, limit, .. } = self;
        match self.unit {
            Unit::Credits => Failure::new(
                FailureCode::NoCredits,
                format!(
                    "no credits remaining: the audio costs {required}, and the account has {available}; \
                     upgrade your plan"
                ),
            ),
            Unit::Minutes => Failure::new(
                FailureCode::QuotaExceeded,
                format!(
                    "the audio takes {required} minutes, and {available} of the {limit} of this month are left"
                ),
            ),
            Unit::Transcriptions => Failure::new(
                FailureCode::QuotaExceeded,
                format!(
                    "all {limit} transcriptions of this day are used; come back tomorrow, or use an API key"
                ),
            ),
        }
    }
}

impl Serialize for AccountId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AccountId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_tiers_are_those_of_the_contract() {
        let tiers = Tiers::with("{}").unwrap();
        let names: Vec<_> = tiers.names().collect();
        assert_eq!(names, ["anonymous", "free", "paid", "unlimited"]);
        let anonymous = tiers.get(ANONYMOUS_TIER).unwrap();
        assert_eq!((anonymous.transcriptions_per_day, anonymous.concurrent), (Some(3), Some(1)));
        assert_eq!(anonymous.max_file, Some(Bytes(100 << 20)));
        let free = tiers.get("free").unwrap();
        assert_eq!((free.minutes_per_month, free.concurrent), (Some(600), Some(2)));
        assert_eq!(free.max_file, Some(Bytes(500 << 20)));
        let paid = tiers.get("paid").unwrap();
        assert!(paid.credits && paid.concurrent == Some(5) && paid.max_file == Some(Bytes(2 << 30)));
        assert_eq!(tiers.get(UNLIMITED_TIER), Some(&Tier::default()));
    }

    #[test]
    fn a_file_adds_and_replaces_tiers_and_a_slip_in_it_is_an_error() {
        let tiers = Tiers::with(r#"{"team": {"concurrent": 9}, "free": {}}"#).unwrap();
        assert_eq!(tiers.get("team").unwrap().concurrent, Some(9));
        assert_eq!(tiers.get("free"), Some(&Tier::default()));
        assert!(tiers.get("paid").unwrap().credits);
        for slip in ["", "[]", r#"{"x": {"concurent": 1}}"#, r#"{"x": {"max_file": "much"}}"#] {
            assert!(Tiers::with(slip).is_err(), "{slip}");
        }
    }

    #[test]
    fn a_credit_is_a_minute_begun() {
        for (millis, expected) in [(0, 1), (1, 1), (60_000, 1), (60_001, 2), (7_200_000, 120)] {
            assert_eq!(credits(Millis(millis)), expected, "{millis} ms");
        }
    }

    #[test]
    fn anonymous_accounts_are_told_from_others() {
        assert!(AccountId::anonymous().is_anonymous() && AccountId::anonymous_at("x", "s").is_anonymous());
        assert_ne!(AccountId::anonymous_at("x", "s"), AccountId::anonymous_at("y", "s"));
        assert_ne!(AccountId::anonymous_at("x", "s"), AccountId::anonymous_at("x", "t"));
        assert!(!AccountId::of_row("anonymously").is_anonymous() && !AccountId::random().is_anonymous());
    }
}
