//! A value that is looked up again when it is too old, however many ask for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// The last look, cheap to clone. Those who ask at once wait for one look.
#[derive(Debug, Clone)]
pub(crate) struct Fresh<T> {
    for_how_long: Duration,
    last: Arc<Mutex<Last<T>>>,
}

type Last<T> = Option<(Instant, T)>;

impl<T: Clone> Fresh<T> {
    /// A value that may be as old as `for_how_long`.
    pub(crate) fn new(for_how_long: Duration) -> Self {
        Self { for_how_long, last: Arc::default() }
    }

    /// The value, looked up if it is too old.
    ///
    /// # Errors
    /// Those of `look`; then the next who asks looks again.
    pub(crate) async fn get<E>(&self, look: impl AsyncFnOnce() -> Result<T, E>) -> Result<T, E> {
        let mut last = self.last.lock().await;
        if let Some((_, value)) = last.as_ref().filter(|(at, _)| at.elapsed() < self.for_how_long) {
            return Ok(value.clone());
        }
        let value = look().await?;
        *last = Some((Instant::now(), value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_fresh_value_is_not_looked_up_again_and_an_error_is_not_kept() {
        let looks = Cell::new(0);
        let look = async || {
            looks.set(looks.get() + 1);
            if looks.get() == 1 { Err("no") } else { Ok(looks.get()) }
        };
        let fresh = Fresh::new(Duration::from_secs(3600));
        assert_eq!(fresh.get(look).await, Err("no"));
        assert_eq!(fresh.get(look).await, Ok(2));
        assert_eq!(fresh.get(look).await, Ok(2));
        let stale = Fresh::new(Duration::ZERO);
        assert_eq!(stale.get(look).await, Ok(3));
        assert_eq!(stale.get(look).await, Ok(4));
    }
}
