//! How many requests a minute a caller may send, and how many may wait at once.
//!
//! In this process alone: it guards the process, while quotas, which cost somebody something, are in the database.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use steno_shared::account::{AccountId, Tier};

use crate::auth::Caller;
use crate::error::{ApiError, Cause};

/// Requests of an account that may follow jobs, or wait for them, at once: each keeps a connection.
const MAX_STREAMS: u32 = 100;
/// Those of a caller without a key who has limits.
const MAX_ANONYMOUS_STREAMS: u32 = 10;

type Limiter = Arc<DefaultKeyedRateLimiter<String>>;

/// The requests of the last minute, cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rates(Arc<Mutex<HashMap<NonZeroU32, Limiter>>>);

impl Rates {
    /// Counts a request of an account that may send `per_minute`, all at once if it likes.
    ///
    /// # Errors
    /// The seconds to wait.
    pub(crate) fn count(&self, account: &AccountId, per_minute: Option<u32>) -> Result<(), u64> {
        let Some(per_minute) = per_minute.and_then(NonZeroU32::new) else { return Ok(()) };
        let limiter = self.limiter(per_minute);
        limiter.check_key(&account.to_string()).map_err(|refused| {
            let wait = refused.wait_time_from(DefaultClock::default().now());
            // Rounded up: a client that comes back then is served.
            wait.as_millis().div_ceil(1000).max(1) as u64
        })
    }

    /// Forgets callers who have been quiet.
    pub(crate) fn forget_quiet(&self) {
        let limiters: Vec<Limiter> = self.lock().values().cloned().collect();
        for limiter in limiters {
            limiter.retain_recent();
        }
    }

    fn limiter(&self, per_minute: NonZeroU32) -> Limiter {
        let new = || Arc::new(RateLimiter::keyed(Quota::per_minute(per_minute)));
        Arc::clone(self.lock().entry(per_minute).or_insert_with(new))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NonZeroU32, Limiter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The requests that follow jobs, or wait for them, by account; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<AccountId, u32>>>);

/// One of them, for as long as the value lives.
#[derive(Debug)]
pub(crate) struct Stream(Streams, AccountId);

impl Streams {
    /// Counts one more of the caller's, unless there are as many as may be.
    pub(crate) fn open(&self, caller: &Caller) -> Result<Stream, ApiError> {
        let has_limits = caller.limits != Tier::default();
        let most = if caller.is_anonymous() && has_limits { MAX_ANONYMOUS_STREAMS } else { MAX_STREAMS };
        self.add(caller.account(), most).ok_or_else(|| {
            let message = format!(
                "{most} of your requests follow jobs or wait for them already, as many as may at once; end one, or \
                 ask without waiting"
            );
            ApiError::new(Cause::RateLimited, message)
        })
    }

    fn add(&self, account: &AccountId, most: u32) -> Option<Stream> {
        let mut streams = self.lock();
        let open = streams.entry(account.clone()).or_default();
        if *open >= most {
            return None;
        }
        *open += 1;
        Some(Stream(self.clone(), account.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let Self(streams, account) = self;
        let mut streams = streams.lock();
        if let Some(open) = streams.get_mut(account) {
            *open -= 1;
            if *open == 0 {
                streams.remove(account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_has_its_minute() {
        let rates = Rates::default();
        let (one, other) = (AccountId::of_row("one"), AccountId::of_row("other"));
        for _ in 0..3 {
            assert_eq!(rates.count(&one, Some(3)), Ok(()));
        }
        let wait = rates.count(&one, Some(3)).unwrap_err();
        assert!((1..=20).contains(&wait), "{wait} s for a third of a minute");
        assert_eq!(rates.count(&other, Some(3)), Ok(()));
        assert_eq!(rates.count(&one, None), Ok(()));
        rates.forget_quiet();
        assert!(rates.count(&one, Some(3)).is_err(), "a caller who is not quiet was forgotten");
    }

    #[test]
    fn what_has_ended_is_not_counted() {
        let (streams, one) = (Streams::default(), AccountId::of_row("one"));
        let first = streams.add(&one, 2).unwrap();
        let _second = streams.add(&one, 2).unwrap();
        assert!(streams.add(&one, 2).is_none());
        let other = streams.add(&AccountId::of_row("other"), 2).unwrap();
        drop((first, other));
        let _third = streams.add(&one, 2).unwrap();
        assert_eq!(streams.lock().len(), 1, "accounts without streams are kept");
    }
}
