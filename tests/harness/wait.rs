//! Waiting for a condition, with a deadline: never a sleep for luck.

use std::time::Duration;

use tokio::time::Instant;

const LOOK: Duration = Duration::from_millis(10);

/// Looks until `condition` yields something.
///
/// # Panics
/// After `within`, naming what was waited for.
pub async fn until<T>(what: &str, within: Duration, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {within:?} in vain: {what}");
        tokio::time::sleep(LOOK).await;
    }
}
