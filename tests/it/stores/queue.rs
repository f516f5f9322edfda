//! The queue, and noticing changes across connections.

use std::time::Duration;

use steno_shared::id::JobId;
use steno_shared::job::Lane;
use steno_shared::queue::{ChangeFeed, Queue};
use steno_shared::settings::QueueUrl;

/// Ten times what a change takes to be seen on a busy machine.
const SEEN: Duration = Duration::from_secs(5);

async fn queue(folder: &std::path::Path) -> Queue {
    let queue = Queue::open(&QueueUrl::Sqlite(folder.join("queue.db"))).await.unwrap();
    queue.migrate().await.unwrap();
    queue
}

#[tokio::test]
async fn tokens_wait_in_the_lane_they_were_pushed_to() {
    let folder = tempfile::TempDir::new().unwrap();
    let queue = queue(folder.path()).await;
    queue.check().await.unwrap();
    for _ in 0..3 {
        queue.wake(Lane::Intake, JobId::random()).await.unwrap();
    }
    assert_eq!(queue.waiting(Lane::Intake).await.unwrap(), 3);
    assert_eq!(queue.waiting(Lane::Transcribe).await.unwrap(), 0);
    assert_eq!(queue.trim().await.unwrap(), 0, "a token that waits was trimmed");
}

#[tokio::test]
async fn a_queue_without_tables_is_found_out() {
    let folder = tempfile::TempDir::new().unwrap();
    let queue = Queue::open(&QueueUrl::Sqlite(folder.path().join("queue.db"))).await.unwrap();
    assert!(queue.check().await.is_err());
}

#[tokio::test]
async fn a_change_by_another_connection_is_seen() {
    let folder = tempfile::TempDir::new().unwrap();
    let queue = queue(folder.path()).await;
    let feed = ChangeFeed::of_sqlite(&folder.path().join("queue.db"));
    // The first look of the feed counts as a change.
    let mut changes = feed.subscribe();
    tokio::time::timeout(SEEN, changes.changed()).await.expect("there was no first look").unwrap();
    for _ in 0..3 {
        let mut changes = feed.subscribe();
        changes.mark_unchanged();
        queue.wake(Lane::Intake, JobId::random()).await.unwrap();
        tokio::time::timeout(SEEN, changes.changed()).await.expect("the change was not seen").unwrap();
    }
}
