//! Live transcription, over WebSocket.

mod auth;
mod browser;
mod documented;
mod faults;
mod limits;
mod page;
mod protocol;
mod real;
mod resume;
mod sdk;

use sea_orm_migration::sea_orm::{ConnectionTrait, Statement};
use steno_tests::stream_worker::StreamWorker;
use steno_tests::wait;
use steno_tests::world::{Plan, SOON, World};

/// An API alone with a scripted worker.
async fn scripted(settings: &[(&str, &str)]) -> (World, StreamWorker) {
    let plan = settings.iter().fold(Plan::default().lanes(&[]), |plan, (name, value)| plan.set(name, value));
    let world = plan.start().await;
    let worker = StreamWorker::start(&world).await;
    (world, worker)
}

/// The ids of the sessions that the database counts as open.
async fn open_sessions(world: &World) -> Vec<String> {
    let store = world.store().await;
    let connection = store.connection();
    let statement =
        Statement::from_string(connection.get_database_backend(), "SELECT id FROM live_session ORDER BY id");
    let rows = connection.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get("", "id").unwrap()).collect()
}

/// Waits until no session is open, in the database and at the worker.
async fn all_are_closed(world: &World, worker: &StreamWorker) {
    wait::until("all sessions to be settled", SOON, async || {
        let open = worker.told.open.load(std::sync::atomic::Ordering::SeqCst);
        (open == 0 && open_sessions(world).await.is_empty()).then_some(())
    })
    .await;
}
