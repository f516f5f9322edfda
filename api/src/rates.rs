//! How many requests a minute a caller may send.
//!
//! In this process alone: it guards the process, while quotas, which cost somebody something, are in the database.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use steno_shared::account::AccountId;

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

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<NonZeroU32, Limiter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
}
