//! What every route needs, cheap to clone.

use std::sync::Arc;

use poem::Request;
use steno_shared::account::Tiers;
use steno_shared::key::ApiKey;
use steno_shared::object::ObjectStore;
use steno_shared::outside::Networks;
use steno_shared::queue::{ChangeFeed, Queue};
use steno_shared::settings::DatabaseUrl;
use steno_shared::store::Store;
use steno_shared::{catalog, object, settings::Common};
use tokio_util::sync::CancellationToken;

use crate::error::ApiError;
use crate::live::{Links, Live};
use crate::rates::{Rates, Streams};
use crate::readiness::Readiness;
use crate::registry::Registry;
use crate::settings::ApiSettings;
use crate::uploads::Uploads;
use crate::wait::Waiters;

/// The API's view of the world.
#[derive(Debug, Clone)]
pub struct App {
    pub(crate) settings: Arc<ApiSettings>,
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) registry: Registry,
    pub(crate) waiters: Waiters,
    pub(crate) readiness: Readiness,
    pub(crate) tiers: Arc<Tiers>,
    pub(crate) rates: Rates,
    pub(crate) streams: Streams,
    /// Keeps the addresses of callers from being guessed from their hashes.
    pub(crate) address_secret: Arc<str>,
    pub(crate) uploads: Uploads,
    pub(crate) live: Live,
    /// Where URLs and webhooks may lead, beside the public internet.
    pub(crate) networks: Arc<Networks>,
    /// Cancelled when the server is being stopped.
    pub(crate) stop: CancellationToken,
}

impl App {
    /// Opens the stores that the settings name. The schema must be there.
    ///
    /// # Errors
    /// If a store cannot be opened.
    pub async fn open(common: &Common, api: &ApiSettings, stop: CancellationToken) -> anyhow::Result<Self> {
        use anyhow::Context;
        catalog::extend(&common.models())?;
        let database = common.database_url();
        let store = Store::open(&database).await.context("cannot open the database")?;
        store.check().await.context("the database has no tables yet; run `steno migrate`")?;
        let queue = Queue::open(&common.queue_url()).await.context("cannot open the queue")?;
        let objects = object::open(&common.objects_url()).await.context("cannot open the object store")?;
        let DatabaseUrl::Sqlite(path) = &database;
        let default_model = api.default_model().map_err(anyhow::Error::msg)?;
        let tiers = api.read_tiers().map_err(anyhow::Error::msg)?;
        let address_secret = store.secret("address", ApiKey::random().reveal()).await?;
        let registry = Registry::new(store.clone(), default_model);
        Ok(Self {
            tiers: Arc::new(tiers),
            rates: Rates::default(),
            streams: Streams::default(),
            address_secret: address_secret.into(),
            settings: Arc::new(api.clone()),
            registry: registry.clone(),
            waiters: Waiters::new(store.clone(), ChangeFeed::of_sqlite(path)),
            readiness: Readiness::default(),
            uploads: Uploads::default(),
            live: Live::new(Links::new(registry, store.clone()), api.streams),
            networks: Arc::new(common.allow_networks.clone()),
            store,
            queue,
            objects,
            stop,
        })
    }

    /// The one that the server put into the request.
    pub(crate) fn of(request: &Request) -> Result<Self, ApiError> {
        let missing = || ApiError::internal(&std::io::Error::other("a request without the app's state"));
        request.extensions().get::<Self>().cloned().ok_or_else(missing)
    }
}
