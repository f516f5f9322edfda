//! The links to the stream workers: one to each, opened when it is first needed, shared by all sessions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use steno_shared::catalog::ModelId;
use steno_shared::key::ApiKey;
use steno_shared::live::link::SECRET;
use steno_shared::store::Store;
use tokio::time::timeout;

use super::link::{Link, Place};
use crate::registry::Registry;

/// For a worker on the same network to accept a connection and a session.
const ANSWER: Duration = Duration::from_secs(5);
/// How long a client shall wait that found no worker.
const NO_WORKER_RETRY: u64 = 5;
/// How often a session without a worker looks for one.
const LOOK: Duration = Duration::from_millis(250);

/// A worker that is being stopped has left the registry by then, and its successor may have its address.
const GONE: Duration = Duration::from_secs(2);

type Kept = Arc<tokio::sync::Mutex<Option<Link>>>;

/// The links, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Links(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    store: Store,
    links: Mutex<HashMap<String, Kept>>,
}

/// What a session needs of a worker.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// It must have this model.
    pub(super) model: Option<ModelId>,
    /// It must not be this one, which is being stopped.
    pub(super) not: Option<String>,
}

/// No worker has a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// All of them have too much to do.
    Busy {
        /// When it is worth trying again, in seconds.
        retry_after_s: u64,
    },
    /// There is none, or none can be reached.
    NoWorker,
}

impl NoPlace {
    /// When it is worth trying again, in seconds.
    pub(super) fn retry_after(self) -> u64 {
        match self {
            Self::Busy { retry_after_s } => retry_after_s.clamp(1, 3600),
            Self::NoWorker => NO_WORKER_RETRY,
        }
    }
}

impl Links {
    /// None yet.
    pub(crate) fn new(registry: Registry, store: Store) -> Self {
        Self(Arc::new(Inner { registry, store, links: Mutex::default() }))
    }

    /// A place at a worker that can be reached now: that with the most room.
    pub(super) async fn open(&self, wanted: &Wanted) -> Result<Place, NoPlace> {
        let mut refused: Option<u64> = None;
        for address in self.candidates(wanted).await {
            match timeout(ANSWER, self.open_at(&address)).await {
                Ok(Ok(Ok(place))) => return Ok(place),
                Ok(Ok(Err(retry_after_s))) => {
                    refused = Some(refused.map_or(retry_after_s, |least| least.min(retry_after_s)));
                }
                Ok(Err(error)) => {
                    tracing::warn!(address, error = %error, "a stream worker cannot be reached");
                }
                Err(_) => tracing::warn!(address, "a stream worker does not answer"),
            }
        }
        Err(refused.map_or(NoPlace::NoWorker, |retry_after_s| NoPlace::Busy { retry_after_s }))
    }

    /// The same, trying again until there is one or the time is over.
    pub(super) async fn seek(self, mut wanted: Wanted, within: Duration) -> Result<Place, NoPlace> {
        let began = tokio::time::Instant::now();
        let deadline = began + within;
        loop {
            if began.elapsed() > GONE {
                // Whoever answers at that address now is another one.
                wanted.not = None;
            }
            let found = self.open(&wanted).await;
            if found.is_ok() || tokio::time::Instant::now() + LOOK > deadline {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn candidates(&self, wanted: &Wanted) -> Vec<String> {
        let workers = match self.0.registry.workers().await {
            Ok(workers) => workers,
            Err(error) => {
                tracing::error!(error = %error, "the stream workers cannot be looked up");
                return Vec::new();
            }
        };
        let mut able: Vec<_> = workers
            .stream_workers()
            .filter(|worker| worker.address != wanted.not)
            .filter(|worker| wanted.model.as_ref().is_none_or(|id| worker.models.iter().any(|m| m.id == *id)))
            .collect();
        able.sort_by_key(|worker| std::cmp::Reverse(worker.free));
        able.into_iter().filter_map(|worker| worker.address.clone()).collect()
    }

    /// A place, or when to try again.
    async fn open_at(&self, address: &str) -> std::io::Result<Result<Place, u64>> {
        let kept = {
            let mut links = self.0.links.lock().unwrap_or_else(PoisonError::into_inner);
            // Those of workers that are gone.
            links.retain(|other, kept| {
                let lives = kept.try_lock().map(|link| link.as_ref().is_some_and(Link::is_alive));
                // One that somebody looks after just now is not judged.
                other == address || lives.unwrap_or(true)
            });
            Arc::clone(links.entry(address.to_owned()).or_default())
        };
        let link = {
            let mut kept = kept.lock().await;
            match kept.as_ref().filter(|link| link.is_alive()) {
                Some(link) => link.clone(),
                None => {
                    *kept = None;
                    let secret = self.0.store.secret(SECRET, ApiKey::random().reveal()).await;
                    let secret = secret.map_err(std::io::Error::other)?;
                    let link = Link::connect(address, secret, self.0.registry.clone()).await?;
                    tracing::info!(address, "linked to a stream worker");
                    kept.insert(link).clone()
                }
            }
        };
        link.open().await
    }
}
