//! The lane beside transcription: one attempt at finding out who spoke when.

use std::time::Duration;

use async_trait::async_trait;
use steno_runtime::{Outcome, StageRunner, Work};
use steno_shared::error::FailureCode;
use steno_shared::job::{Job, Setback};

/// Runs diarizations.
#[derive(Debug)]
pub struct Speakers;

#[async_trait]
impl StageRunner for Speakers {
    async fn run(&self, _: Work) -> Result<Outcome, Setback> {
        Err(Setback::give_up(FailureCode::Internal, "the speakers could not be told apart"))
    }

    fn time_limit(&self, _: &Job) -> Duration {
        Duration::from_secs(3600)
    }
}
