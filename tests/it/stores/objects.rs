//! The object store.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use steno_shared::id::JobId;
use steno_shared::object::{DirStore, ObjectError, ObjectKey, ObjectKind, ObjectStore};
use steno_tests::wait;
use steno_tests::world::SOON;

#[tokio::test]
async fn a_directory_is_an_object_store() {
    let folder = tempfile::TempDir::new().unwrap();
    suite(&DirStore::open(folder.path()).await.unwrap()).await;
    // A writer that is dropped tidies up behind whoever drops it.
    wait::until("nothing to be left of what was not finished", SOON, async || {
        (std::fs::read_dir(folder.path().join("staging")).unwrap().count() == 0).then_some(())
    })
    .await;
}

/// What every object store promises.
async fn suite(store: &dyn ObjectStore) {
    round_trips(store).await;
    unfinished_objects_do_not_exist(store).await;
    listings_are_in_order(store).await;
    store.check().await.unwrap();
    assert!(store.free_bytes().await.unwrap().is_none_or(|bytes| bytes > 0));
}

async fn put(store: &dyn ObjectStore, key: &ObjectKey, content: &[u8]) -> String {
    let mut writer = store.create(key).await.unwrap();
    for block in content.chunks(77_777) {
        writer.write(Bytes::copy_from_slice(block)).await.unwrap();
    }
    let stored = writer.finish().await.unwrap();
    assert_eq!(stored.bytes, content.len() as u64);
    stored.sha256
}

async fn round_trips(store: &dyn ObjectStore) {
    let key = ObjectKey::upload(JobId::random());
    let content: Vec<u8> = (0..1_500_000u32).flat_map(u32::to_le_bytes).collect();
    for content in [&content[..], b"abc", b""] {
        let sha256 = put(store, &key, content).await;
        assert_eq!(store.read(&key, 10_000_000).await.unwrap(), content);
        let local = store.local(&key).await.unwrap();
        assert_eq!(std::fs::read(local.path()).unwrap(), content);
        if content == b"abc" {
            // FIPS 180-2, appendix B.1.
            assert_eq!(sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        }
    }
    put(store, &key, b"12345").await;
    assert!(matches!(store.read(&key, 4).await, Err(ObjectError::TooLarge(_, 4))));
    assert_eq!(store.read(&key, 5).await.unwrap(), b"12345");

    store.remove(&key).await.unwrap();
    store.remove(&key).await.unwrap();
    assert!(matches!(store.read(&key, 5).await, Err(ObjectError::Missing(missing)) if missing == key));
    assert!(matches!(store.local(&key).await, Err(ObjectError::Missing(_))));
}

async fn unfinished_objects_do_not_exist(store: &dyn ObjectStore) {
    let key = ObjectKey::samples(JobId::random(), 1);
    let mut writer = store.create(&key).await.unwrap();
    writer.write(Bytes::from(vec![7; 3_000_000])).await.unwrap();
    assert!(matches!(store.read(&key, 9_000_000).await, Err(ObjectError::Missing(_))));
    assert_eq!(store.sweep().await.unwrap(), 0, "a living writer's object was swept");
    drop(writer);
    assert!(matches!(store.read(&key, 9_000_000).await, Err(ObjectError::Missing(_))));
    assert!(store.list(ObjectKind::Samples, None, 10).await.unwrap().is_empty());
    // The old object stays until the new one is finished.
    put(store, &key, b"old").await;
    let mut writer = store.create(&key).await.unwrap();
    writer.write(Bytes::from_static(b"new")).await.unwrap();
    assert_eq!(store.read(&key, 10).await.unwrap(), b"old");
    writer.finish().await.unwrap();
    assert_eq!(store.read(&key, 10).await.unwrap(), b"new");
    store.remove(&key).await.unwrap();
}

async fn listings_are_in_order(store: &dyn ObjectStore) {
    let mut keys = Vec::new();
    for attempt in 0..3 {
        let job = JobId::random();
        for key in [ObjectKey::upload(job), ObjectKey::samples(job, attempt), ObjectKey::samples(job, 10)] {
            put(store, &key, b"x").await;
            keys.push(key);
        }
    }
    keys.sort();
    for kind in ObjectKind::ALL {
        let expected: Vec<_> = keys.iter().filter(|key| key.kind() == kind).copied().collect();
        let mut listed = Vec::new();
        while let page = store.list(kind, listed.last(), 2).await.unwrap()
            && !page.is_empty()
        {
            assert!(page.len() <= 2);
            assert!(page.iter().all(|entry| entry.bytes == 1 && entry.age < Duration::from_secs(600)));
            listed.extend(page.iter().map(|entry| entry.key));
        }
        assert_eq!(listed, expected);
    }
    for key in &keys {
        store.remove(key).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_killed_writer_left_is_swept_and_strangers_files_are_not_listed() {
    let folder = tempfile::TempDir::new().unwrap();
    let store = DirStore::open(folder.path()).await.unwrap();
    let left: &Path = &folder.path().join("staging/staged-left");
    std::fs::write(left, "half a file").unwrap();
    std::fs::write(folder.path().join("uploads/README"), "not ours").unwrap();
    assert_eq!(store.sweep().await.unwrap(), 1);
    assert!(!left.exists());
    assert!(store.list(ObjectKind::Upload, None, 10).await.unwrap().is_empty());
}
