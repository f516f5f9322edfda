//! Issuing keys and granting credits: what the command line and the admin API share.

use steno_shared::account::{AccountId, Tiers};
use steno_shared::key::ApiKey;
use steno_shared::store::{KeyRecord, NewKey, Owner, Store, StoreError, Used};

const MAX_LABEL: usize = 200;

/// The key that is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// The name of its account's tier. None only for an account that there is.
    pub(crate) tier: Option<String>,
    /// The account; a new one if `None`.
    pub(crate) account: Option<AccountId>,
    /// What its owner calls it.
    pub(crate) label: String,
    /// Whether it may manage keys and accounts.
    pub(crate) admin: bool,
    /// What is added to the account's balance.
    pub(crate) credits: Option<u32>,
}

/// A key that was just made: the only moment at which it is known whole.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    /// The key, to be shown once.
    pub(crate) key: ApiKey,
    /// What the database keeps.
    pub(crate) record: KeyRecord,
}

/// A key that is not issued, or credits that are not granted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotIssued {
    /// Neither a tier nor an account.
    #[error("a new account needs a tier: {0}")]
    NoTier(String),
    /// No such tier.
    #[error("there is no tier {tier:?}; there are: {tiers}; others are in the server's --tiers FILE")]
    UnknownTier {
        /// The name that was given.
        tier: String,
        /// Those that there are.
        tiers: String,
    },
    /// No such account.
    #[error("there is no account {0:?}")]
    UnknownAccount(String),
    /// The account has another tier.
    #[error("the account {account} is of the tier {tier:?}; a key does not change that")]
    OtherTier {
        /// The account.
        account: AccountId,
        /// Its tier.
        tier: String,
    },
    /// No credits at all.
    #[error("credits must be at least 1")]
    NoCredits,
    /// What a label cannot be.
    #[error("a label is at most {MAX_LABEL} characters, without line breaks")]
    InvalidLabel,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Wanted {
    /// Issues the key.
    ///
    /// # Errors
    /// If the tier or the account is none, or the rows cannot be written.
    pub(crate) async fn issue(&self, store: &Store, tiers: &Tiers) -> Result<Issued, NotIssued> {
        if self.label.chars().count() > MAX_LABEL || self.label.chars().any(char::is_control) {
            return Err(NotIssued::InvalidLabel);
        }
        if self.credits == Some(0) {
            return Err(NotIssued::NoCredits);
        }
        let key = ApiKey::random();
        let new =
            NewKey { label: self.label.clone(), owner: self.owner(store, tiers).await?, admin: self.admin };
        let unknown =
            || NotIssued::UnknownAccount(self.account.as_ref().map_or_else(String::new, ToString::to_string));
        let record = store.add_key(&key, &new).await?.ok_or_else(unknown)?;
        if let Some(credits) = self.credits {
            store.grant_credits(&record.account, credits, &format!("with key {}", record.id)).await?;
        }
        Ok(Issued { key, record })
    }

    async fn owner(&self, store: &Store, tiers: &Tiers) -> Result<Owner, NotIssued> {
        let tier = self.tier.as_deref().map(|tier| known_tier(tiers, tier)).transpose()?;
        let Some(id) = &self.account else {
            let missing = || NotIssued::NoTier(names(tiers));
            return Ok(Owner::New(tier.ok_or_else(missing)?.to_owned()));
        };
        let account = store.account(id).await?.ok_or_else(|| NotIssued::UnknownAccount(id.to_string()))?;
        if tier.is_some_and(|tier| tier != account.tier) {
            return Err(NotIssued::OtherTier { account: account.id, tier: account.tier });
        }
        Ok(Owner::Account(account.id))
    }
}

/// The tier of this name.
///
/// # Errors
/// With the names that there are.
pub(crate) fn known_tier<'a>(tiers: &Tiers, tier: &'a str) -> Result<&'a str, NotIssued> {
    let unknown = || NotIssued::UnknownTier { tier: tier.to_owned(), tiers: names(tiers) };
    tiers.get(tier).map(|_| tier).ok_or_else(unknown)
}

fn names(tiers: &Tiers) -> String {
    tiers.names().collect::<Vec<_>>().join(", ")
}

/// Adds credits to an account's balance, and says what that is now.
///
/// # Errors
/// If there is no such account, or the rows cannot be written.
pub(crate) async fn grant(
    store: &Store,
    account: &AccountId,
    credits: u32,
    note: &str,
) -> Result<Used, NotIssued> {
    if credits == 0 {
        return Err(NotIssued::NoCredits);
    }
    if store.account(account).await?.is_none() {
        return Err(NotIssued::UnknownAccount(account.to_string()));
    }
    store.grant_credits(account, credits, note).await?;
    Ok(store.usage(account).await?.credits)
}
