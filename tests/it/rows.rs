//! What the tests read from the tables themselves, since no API lists it yet.

use sea_orm_migration::sea_orm::{ConnectionTrait, Statement};
use steno_tests::world::World;

/// The ids of all jobs, the oldest first.
pub(crate) async fn jobs(world: &World) -> Vec<String> {
    let store = world.store().await;
    let connection = store.connection();
    let statement =
        Statement::from_string(connection.get_database_backend(), "SELECT id FROM job ORDER BY created_at");
    let rows = connection.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get("", "id").unwrap()).collect()
}

/// The SHA-256 of what a job was made of.
pub(crate) async fn upload_sha256(world: &World, job: &str) -> String {
    let store = world.store().await;
    let connection = store.connection();
    let statement = Statement::from_sql_and_values(
        connection.get_database_backend(),
        "SELECT upload_sha256 FROM job WHERE id = $1",
        [job.into()],
    );
    let row = connection.query_one_raw(statement).await.unwrap();
    row.unwrap().try_get("", "upload_sha256").unwrap()
}

/// Whether the database and the queue can be written, so that no stopped process holds them.
pub(crate) async fn are_writable(world: &World) -> bool {
    let store = world.store().await;
    let connection = store.connection();
    let begun = connection.execute_unprepared("BEGIN IMMEDIATE; ROLLBACK").await;
    begun.is_ok()
}
