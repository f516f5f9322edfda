//! A worker's process: settings, logs, stores, the signals and the leash that stop it.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use steno_shared::job;
use steno_shared::queue::Queue;
use steno_shared::settings::{Common, Span};
use steno_shared::store::Store;
use steno_shared::{catalog, failpoint, object, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::lane::{self, LaneOptions};
use crate::stage::{Resources, StageRunner};

/// The settings of every worker.
#[derive(Debug, Clone, clap::Args)]
pub struct WorkerSettings {
    /// The settings of every executable.
    #[command(flatten)]
    pub common: Common,

    /// How long a worker that says nothing keeps a stage before another takes it over
    #[arg(long, env = "STENO_LEASE", value_name = "TIME", default_value = "15s")]
    pub lease: Span,

    /// How long running stages may go on after the signal to stop, before they are handed back
    #[arg(long, env = "STENO_GRACE", value_name = "TIME", default_value = "2s")]
    pub grace: Span,

    /// Stop when standard input ends: the parent holds the other end
    #[arg(long, hide = true)]
    pub leash: bool,
}

/// A lane that a worker serves.
#[derive(Debug)]
pub struct Serving {
    /// Which one.
    pub lane: job::Lane,
    /// How many of its stages run at once.
    pub slots: usize,
    /// What runs them.
    pub runner: Arc<dyn StageRunner>,
}

/// Runs a worker of one lane to its end: starts logging, opens the stores, and runs the lane until a signal or the
/// leash says stop.
///
/// # Errors
/// If the settings cannot work or a store cannot be opened.
pub fn run<F>(settings: &WorkerSettings, lane: job::Lane, slots: usize, runner: F) -> anyhow::Result<()>
where
    F: AsyncFnOnce(&Resources) -> anyhow::Result<Arc<dyn StageRunner>>,
{
    let one =
        async |resources: &Resources| Ok(vec![Serving { lane, slots, runner: runner(resources).await? }]);
    run_lanes(settings, one)
}

/// Runs a worker of several lanes to its end, as [`run`] does.
///
/// # Errors
/// If the settings cannot work or a store cannot be opened.
pub fn run_lanes<F>(settings: &WorkerSettings, lanes: F) -> anyhow::Result<()>
where
    F: AsyncFnOnce(&Resources) -> anyhow::Result<Vec<Serving>>,
{
    run_until_stopped(settings, async |resources, stop| {
        let lanes = lanes(&resources).await?.into_iter().map(|Serving { lane, slots, runner }| {
            let (lease, grace) = (settings.lease.0, settings.grace.0);
            let options = LaneOptions { lane, slots: slots.max(1), lease, grace };
            lane::run(options, resources.clone(), runner, stop.clone())
        });
        futures::future::join_all(lanes).await;
        Ok(())
    })
}

/// Runs a worker's process to its end: starts logging, opens the stores, and gives them to `work`, with the token that a
/// signal or the leash cancels.
///
/// # Errors
/// If the settings cannot work, a store cannot be opened, or `work` fails.
pub fn run_until_stopped<F>(settings: &WorkerSettings, work: F) -> anyhow::Result<()>
where
    F: AsyncFnOnce(Resources, CancellationToken) -> anyhow::Result<()>,
{
    let common = &settings.common;
    telemetry::init(common).context("the log filter (--log) cannot be read")?;
    failpoint::arm().map_err(anyhow::Error::msg)?;
    common.check().map_err(anyhow::Error::msg)?;
    catalog::extend(&common.models())?;
    let stop = CancellationToken::new();
    if settings.leash {
        stop_when_stdin_ends(stop.clone());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        stop_at_signals(stop.clone())?;
        work(open(common).await?, stop).await
    })?;
    // Blocking threads may be in the middle of a computation that nobody waits for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(())
}

async fn open(common: &Common) -> anyhow::Result<Resources> {
    let store = Store::open(&common.database_url()).await.context("cannot open the database")?;
    store.check().await.context("the database has no tables yet; run `steno migrate`")?;
    let queue = Queue::open(&common.queue_url()).await.context("cannot open the queue")?;
    queue.check().await.context("the queue has no tables yet; run `steno migrate`")?;
    let objects = object::open(&common.objects_url()).await.context("cannot open the object store")?;
    Ok(Resources { store, objects, queue })
}

fn stop_at_signals(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}

/// Holds even when the parent is killed: the kernel closes its end.
fn stop_when_stdin_ends(stop: CancellationToken) {
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = [0; 64];
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        stop.cancel();
    });
}
