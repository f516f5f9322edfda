//! What does not work at the moment, in words.

use std::convert::Infallible;
use std::time::Duration;

use steno_shared::job::Lane;

use crate::fresh::Fresh;
use crate::state::App;

/// However often balancers ask, the stores are looked at once in this time.
const FRESH: Duration = Duration::from_secs(1);

/// The last look at the stores, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Readiness(Fresh<Vec<String>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Fresh::new(FRESH))
    }
}

impl Readiness {
    /// The parts that do not work, with what mends them. None while the server is as it should be.
    pub(crate) async fn problems(&self, app: &App) -> Vec<String> {
        let Ok(mut problems) = self.0.get(async || Ok::<_, Infallible>(look(app).await)).await;
        if app.stop.is_cancelled() {
            problems.insert(0, "the server is being stopped".to_owned());
        }
        problems
    }
}

async fn look(app: &App) -> Vec<String> {
    let mut problems = Vec::new();
    if let Err(error) = app.store.check().await {
        tracing::warn!(error = %error, "the database does not answer");
        problems.push("the database does not answer".to_owned());
    }
    if let Err(error) = app.queue.check().await {
        tracing::warn!(error = %error, "the queue does not answer");
        problems.push("the queue does not answer".to_owned());
    }
    if let Err(error) = app.objects.check().await {
        tracing::warn!(error = %error, "the object store cannot be written");
        problems.push("the object store cannot be written; is its disk full?".to_owned());
    }
    let Ok(workers) = app.registry.workers().await else {
        problems.push("the registry of workers cannot be read".to_owned());
        return problems;
    };
    for lane in Lane::NEEDED.iter().filter(|lane| !workers.has(**lane)) {
        problems.push(format!("no {lane} worker is running; start {}", lane.program()));
    }
    if workers.has(Lane::Transcribe) && workers.models().is_empty() {
        problems.push("no model is installed; `steno models pull small` installs one".to_owned());
    }
    problems
}
