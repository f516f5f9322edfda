//! What one caller can take of the server without sending much: open uploads, announced bytes, connections.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Response};
use sea_orm_migration::sea_orm::ConnectionTrait;
use steno_shared::job::Lane;
use steno_shared::object::{DirStore, ObjectStore};
use steno_shared::webhook::MAX_JOB_WEBHOOKS;
use steno_tests::client::{Answer, Client, answer, form};
use steno_tests::world::{Plan, SOON, World};
use steno_tests::{clips, wait};

/// The most that an upload may live, in milliseconds.
const MAX_AGE: i64 = 7 * 24 * 3_600_000;

async fn announce(client: &Client, length: u64) -> Answer {
    let request = client.request(Method::POST, "/v1/uploads").header("Tus-Resumable", "1.0.0");
    answer(request.header("Upload-Length", length)).await
}

#[tokio::test]
async fn an_anonymous_caller_begins_as_many_uploads_as_jobs_may_wait() {
    let world = Plan::default().set("STENO_ANONYMOUS_LIMITS", "on").start().await;
    for _ in 0..3 {
        assert_eq!(announce(&world.client(), 3).await.status, 201);
    }
    let refused = announce(&world.client(), 3).await;
    assert!(refused.refused(429).contains("3 unfinished uploads"), "{}", refused.body);
    assert_eq!(announce(&world.keyed_client().await, 3).await.status, 201);
}

#[tokio::test]
async fn what_open_uploads_have_announced_is_not_promised_twice() {
    let world = Plan::default().set("STENO_MAX_FILE", "1000TiB").start().await;
    let free = DirStore::open(&world.objects()).await.unwrap().free_bytes().await.unwrap().unwrap();
    // Parts and the joined file: of 40 % each, the first needs 80 % of the disk, and the second 120 % with it.
    let first = announce(&world.keyed_client().await, free / 5 * 2).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let client = world.keyed_client().await;
    assert!(announce(&client, free / 5 * 2).await.refused(503).contains("no room"));
    assert_eq!(announce(&client, 3).await.status, 201);
}

#[tokio::test]
async fn an_upload_that_never_ends_ends_after_a_week() {
    let world = World::start().await;
    let client = world.client();
    let path = announce(&client, 1000).await.header("location").to_owned();
    let store = world.store().await;
    let hour = 3_600_000;
    let age = format!("UPDATE upload SET created_at = created_at - {}", MAX_AGE - hour);
    store.connection().execute_unprepared(&age).await.unwrap();
    let began = store.upload(path.rsplit('/').next().unwrap().parse().unwrap()).await.unwrap().unwrap();
    let request = client.request(Method::PATCH, &path).header("Tus-Resumable", "1.0.0");
    let request =
        request.header("Upload-Offset", 0).header("Content-Type", "application/offset+octet-stream");
    assert_eq!(answer(request.body("x")).await.status, 204);
    let renewed = store.upload(began.id).await.unwrap().unwrap();
    assert_eq!(renewed.received, 1);
    assert!(renewed.expires_at <= began.expires_at - hour, "a byte gave it another day");
}

/// Follows a job, and keeps the connection.
async fn follow(client: &Client, job: &str) -> Response {
    client.request(Method::GET, &format!("/v1/jobs/{job}/events")).send().await.unwrap()
}

#[tokio::test]
async fn an_account_follows_so_many_jobs_at_once_and_no_more() {
    let plan = Plan::default().set("STENO_ANONYMOUS_LIMITS", "on");
    let mut world = plan.set("STENO_FAILPOINTS", "intake.claimed=sleep(600000)").start().await;
    let mut jobs = Vec::new();
    for (client, most) in [(world.client(), 10), (world.keyed_client().await, 100)] {
        let clip = form(&clips::heldout()[0].path(), &[]);
        let created = answer(client.request(Method::POST, "/v1/jobs").multipart(clip)).await;
        assert_eq!(created.status, 202, "{}", created.body);
        jobs.push((client, most, created.header("x-job-id").to_owned()));
    }
    // Nobody is left who could end them.
    world.kill_workers(Lane::Intake);
    world.kill_workers(Lane::Transcribe);
    for (client, most, job) in jobs {
        let mut streams = Vec::new();
        for _ in 0..most {
            streams.push(follow(&client, &job).await);
        }
        assert!(streams.iter().all(|stream| stream.status() == 200));
        for path in [format!("/v1/jobs/{job}/events"), format!("/v1/jobs/{job}?wait=300")] {
            let refused = client.get(&path).await;
            assert!(refused.refused(429).contains(&format!("{most} of your requests")), "{}", refused.body);
            assert!(refused.header("retry-after").parse::<u32>().is_ok());
        }
        // To look without waiting takes no place, and other accounts have their own.
        assert_eq!(client.get(&format!("/v1/jobs/{job}")).await.status, 200);
        streams.pop();
        wait::until("the place of a client that has left", SOON, async || {
            (client.get(&format!("/v1/jobs/{job}?wait=0.1")).await.status == 200).then_some(())
        })
        .await;
        // A long poll takes a place too, for as long as it waits.
        let (waiting, path_of) = (client.clone(), format!("/v1/jobs/{job}?wait=300"));
        let poll = tokio::spawn(async move {
            // Those who look for it may have the place just then.
            while waiting.get(&path_of).await.status == 429 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        wait::until("the long poll to have the place", SOON, async || {
            tokio::time::sleep(Duration::from_millis(50)).await;
            (follow(&client, &job).await.status() == 429).then_some(())
        })
        .await;
        poll.abort();
    }
}

/// The webhook cannot be had any more when the last byte comes: nothing is copied for a job that cannot be.
#[tokio::test]
async fn a_complete_upload_that_is_refused_is_not_joined() {
    let world = Plan::default().set("STENO_FAILPOINTS", "upload.joined=abort").start().await;
    let (client, account) = world.client_of_tier("free").await;
    let url = STANDARD.encode("https://example.org/hook");
    let request = client.request(Method::POST, "/v1/uploads").header("Tus-Resumable", "1.0.0");
    let request = request.header("Upload-Length", 3).header("Upload-Metadata", format!("webhook_url {url}"));
    let created = answer(request).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let store = world.store().await;
    for number in 0..MAX_JOB_WEBHOOKS {
        store.webhook_for_jobs(&account, &format!("https://example.org/{number}")).await.unwrap();
    }
    let path = created.header("location");
    let request = client.request(Method::PATCH, path).header("Tus-Resumable", "1.0.0");
    let request =
        request.header("Upload-Offset", 0).header("Content-Type", "application/offset+octet-stream");
    let refused = answer(request.body("abc")).await;
    assert_eq!(refused.json()["code"], "too_many_webhooks", "{}", refused.body);
    assert!(!world.object_names().await.iter().any(|name| name.starts_with("uploads/")));
}
