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

/// Makes each chunk of a job that is done have every word so many times over.
pub(crate) async fn repeat_words(world: &World, job: &str, times: usize) {
    let store = world.store().await;
    let connection = store.connection();
    let backend = connection.get_database_backend();
    let all = Statement::from_sql_and_values(
        backend,
        "SELECT start_sample, content FROM chunk WHERE job_id = $1",
        [job.into()],
    );
    for row in connection.query_all_raw(all).await.unwrap() {
        let (start, content): (i64, String) =
            (row.try_get("", "start_sample").unwrap(), row.try_get("", "content").unwrap());
        let mut content: serde_json::Value = serde_json::from_str(&content).unwrap();
        for segment in content["segments"].as_array_mut().unwrap() {
            repeat_words_of(segment, times);
        }
        let update = Statement::from_sql_and_values(
            backend,
            "UPDATE chunk SET content = $1 WHERE job_id = $2 AND start_sample = $3",
            [content.to_string().into(), job.into(), start.into()],
        );
        connection.execute_raw(update).await.unwrap();
    }
}

/// Makes a stored segment have every word so many times over.
pub(crate) fn repeat_words_of(segment: &mut serde_json::Value, times: usize) {
    let words = segment["words"].as_array().unwrap();
    let many = words.iter().flat_map(|word| std::iter::repeat_n(word.clone(), times)).collect();
    segment["words"] = serde_json::Value::Array(many);
    segment["text"] = vec![segment["text"].as_str().unwrap(); times].join(" ").into();
}
