//! Resumable uploads: fenced, counted, expired.

use std::time::Duration;

use steno_shared::account::AccountId;
use steno_shared::id::JobId;
use steno_shared::job::Priority;
use steno_shared::object::ObjectKey;
use steno_shared::store::NewUpload;

use super::Fixture;

const LIFE: Duration = Duration::from_secs(3600);

fn new(account: &str, length: u64) -> NewUpload {
    NewUpload {
        id: JobId::random(),
        account: AccountId::of_row(account),
        length,
        tier: "free".to_owned(),
        metadata: "filename YQ==".to_owned(),
        request_id: "test".to_owned(),
    }
}

async fn create(world: &Fixture, length: u64) -> JobId {
    let new = new("a", length);
    assert!(world.store.create_upload(&new, LIFE, 100).await.unwrap().is_some());
    new.id
}

#[tokio::test]
async fn of_two_writers_at_one_place_the_second_is_refused() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = create(&world, 10).await;
    let (one, other) =
        (store.begin_part(id, 0, LIFE).await.unwrap(), store.begin_part(id, 0, LIFE).await.unwrap());
    assert_eq!((one, other), (Some(1), Some(2)), "a number was given twice");
    assert!(store.add_part(&ObjectKey::part(id, 2), 0, 4, LIFE).await.unwrap());
    assert!(!store.add_part(&ObjectKey::part(id, 1), 0, 4, LIFE).await.unwrap());
    assert_eq!(store.begin_part(id, 0, LIFE).await.unwrap(), None);
    assert_eq!(store.begin_part(id, 4, LIFE).await.unwrap(), Some(3));
    assert!(!store.add_part(&ObjectKey::part(id, 3), 4, 7, LIFE).await.unwrap(), "longer than announced");
    assert!(store.complete_uploads().await.unwrap().is_empty());
    assert!(store.add_part(&ObjectKey::part(id, 3), 4, 6, LIFE).await.unwrap());
    let upload = store.upload(id).await.unwrap().unwrap();
    assert!(upload.is_complete() && !upload.expired && upload.job.is_none());
    assert_eq!((upload.length, upload.metadata.as_str()), (10, "filename YQ=="));
    assert_eq!((upload.account.as_str(), upload.tier.as_str()), ("a", "free"));
    assert_eq!(store.complete_uploads().await.unwrap(), [id]);
    assert_eq!(store.upload_parts(id).await.unwrap(), [ObjectKey::part(id, 2), ObjectKey::part(id, 3)]);
}

#[tokio::test]
async fn what_an_upload_names_is_not_swept_until_it_is_finished() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = create(&world, 4).await;
    assert_eq!(store.begin_part(id, 0, LIFE).await.unwrap(), Some(1));
    assert!(store.add_part(&ObjectKey::part(id, 1), 0, 4, LIFE).await.unwrap());
    let keys = [ObjectKey::part(id, 1), ObjectKey::part(id, 2), ObjectKey::upload(id)];
    let stranger = ObjectKey::part(JobId::random(), 1);
    let asked = [&keys[..], &[stranger]].concat();
    assert_eq!(store.unreferenced(&asked).await.unwrap(), [keys[1], stranger]);

    let job = world.job("a", Priority::Batch).await;
    assert_eq!(store.finish_upload(id, job).await.unwrap(), [keys[0]]);
    assert!(store.finish_upload(id, job).await.unwrap().is_empty());
    assert_eq!(store.unreferenced(&asked).await.unwrap(), asked);
    assert_eq!(store.upload(id).await.unwrap().unwrap().job, Some(job));
    assert!(store.complete_uploads().await.unwrap().is_empty());
    assert_eq!(store.begin_part(id, 4, LIFE).await.unwrap(), None);
    assert!(!store.add_part(&ObjectKey::part(id, 2), 4, 0, LIFE).await.unwrap());
}

#[tokio::test]
async fn unfinished_uploads_are_counted_by_account() {
    let world = Fixture::new().await;
    let store = &world.store;
    let id = create(&world, 1).await;
    create(&world, 1).await;
    let refused = async |account| store.create_upload(&new(account, 1), LIFE, 2).await.unwrap().is_none();
    assert!(refused("a").await);
    assert!(!refused("b").await);
    store.finish_upload(id, id).await.unwrap();
    assert!(!refused("a").await);
    assert!(refused("a").await);
}

#[tokio::test]
async fn an_upload_lives_as_long_as_bytes_come() {
    let world = Fixture::new().await;
    let store = &world.store;
    let (dying, living) = (create(&world, 9).await, create(&world, 9).await);
    for id in [dying, living] {
        assert_eq!(store.begin_part(id, 0, LIFE).await.unwrap(), Some(1));
        assert!(store.add_part(&ObjectKey::part(id, 1), 0, 4, LIFE).await.unwrap());
    }
    assert!(store.remove_expired_uploads().await.unwrap().is_empty());
    let before = store.upload(living).await.unwrap().unwrap().expires_at;
    assert_eq!(store.begin_part(living, 4, LIFE * 2).await.unwrap(), Some(2));
    assert!(store.upload(living).await.unwrap().unwrap().expires_at > before);
    assert_eq!(store.begin_part(dying, 4, Duration::ZERO).await.unwrap(), Some(2));
    assert!(store.upload(dying).await.unwrap().unwrap().expired);
    assert_eq!(store.begin_part(dying, 4, LIFE).await.unwrap(), None);
    assert_eq!(store.remove_expired_uploads().await.unwrap(), [ObjectKey::part(dying, 1)]);
    assert!(store.upload(dying).await.unwrap().is_none());
    assert!(!store.add_part(&ObjectKey::part(dying, 2), 4, 1, LIFE).await.unwrap());
    assert_eq!(store.remove_upload(living).await.unwrap(), [ObjectKey::part(living, 1)]);
    assert!(store.remove_upload(living).await.unwrap().is_empty());
}
