//! When a failed call is made again: what passes by itself, a few times, after the pause that the server asks for.

use std::time::Duration;

use reqwest::StatusCode;

use super::Watch;
use super::error::ClientError;

const RETRIES: u32 = 5;
/// The first pause where the server names none, doubled each time.
const PAUSE: Duration = Duration::from_millis(500);
/// Who must wait longer is better told.
const LONGEST: Duration = Duration::from_secs(60);

/// The tries that are left.
#[derive(Debug)]
pub(crate) struct Retries<'a> {
    watch: &'a dyn Watch,
    made: u32,
}

impl<'a> Retries<'a> {
    pub(crate) fn new(watch: &'a dyn Watch) -> Self {
        Self { watch, made: 0 }
    }

    /// A call has succeeded: what fails from here on is another trouble.
    pub(crate) fn succeeded(&mut self) {
        self.made = 0;
    }

    /// Waits until the call is to be made again.
    ///
    /// # Errors
    /// The error itself, if another try would not help or there were enough.
    pub(crate) async fn after(&mut self, error: ClientError) -> Result<(), ClientError> {
        let Some(pause) = self.pause(&error) else { return Err(error) };
        self.made += 1;
        self.watch.retrying(&error, pause);
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn pause(&self, error: &ClientError) -> Option<Duration> {
        let own = PAUSE * 2_u32.pow(self.made);
        let pause = match error {
            ClientError::Unreachable { .. } | ClientError::Broken { .. } => own,
            ClientError::Refused(refusal)
                if !refusal.is_final
                    && matches!(
                        refusal.status,
                        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
                    ) =>
            {
                refusal.retry_after.unwrap_or(own)
            }
            _ => return None,
        };
        (self.made < RETRIES && pause <= LONGEST).then_some(pause)
    }
}
