//! The same request, and the same file, again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use reqwest::Method;
use steno_tests::client::{Answer, Client, answer, form_of};
use steno_tests::clips::silence;
use steno_tests::world::{Plan, World};

use crate::accounts::{accepted, create, in_state};
use crate::audit;

const TASKS: u32 = 8;
const KEYS: u32 = 100;

async fn create_once(client: &Client, key: &str, mark: u32) -> Answer {
    let form = form_of(silence(1, mark), "a.wav", &[]);
    let request = client.request(Method::POST, "/v1/jobs").header("Idempotency-Key", key);
    answer(request.multipart(form)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_hundred_requests_with_a_hundred_keys_are_a_hundred_jobs() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let began = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for step in 0..KEYS {
                    // Half of the tasks go the other way, so that keys are met at once and again later.
                    let number = if task % 2 == 0 { step } else { KEYS - 1 - step };
                    answers.push((number, create_once(&client, &format!("key-{number}"), number).await));
                }
                answers
            })
        })
        .collect();
    let mut ids: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for task in tasks {
        for (number, answer) in task.await.unwrap() {
            ids.entry(number).or_default().insert(accepted(&answer));
        }
    }
    println!("{} requests with {KEYS} keys took {:.1} s", TASKS * KEYS, began.elapsed().as_secs_f64());
    assert_eq!(ids.len(), KEYS as usize);
    assert!(ids.values().all(|ids| ids.len() == 1), "two jobs of one key: {ids:?}");
    let store = world.store().await;
    assert_eq!(audit::number(&store, "SELECT COUNT(*) AS n FROM job").await, i64::from(KEYS));

    let refused = create_once(&client, "key-7", 1000).await;
    assert_eq!(refused.json()["code"], "idempotency_mismatch");
    assert!(refused.refused(422).contains("Idempotency-Key"));
    // Another account has its own keys, and the end of a job changes nothing.
    let other = world.keyed_client().await;
    let theirs = accepted(&create_once(&other, "key-7", 1000).await);
    let ours = ids[&7].first().unwrap();
    assert_ne!(&theirs, ours);
    in_state(&client, ours, "completed").await;
    assert_eq!(&accepted(&create_once(&client, "key-7", 7).await), ours);
    let uploads = world.object_names().await.iter().filter(|name| name.ends_with(&theirs)).count();
    assert!(uploads <= 1, "an upload was left behind");
    audit::hold(&store).await;
}

#[tokio::test]
async fn the_same_file_under_way_is_one_job_of_an_account() {
    let world = Plan::default().set("STENO_FAILPOINTS", "transcribe.claimed=sleep(3000)").start().await;
    let (one, other) = (world.keyed_client().await, world.keyed_client().await);
    let first = accepted(&create(&one, silence(1, 0), "a.wav").await);
    assert_eq!(accepted(&create(&one, silence(1, 0), "a.wav").await), first);
    assert_ne!(accepted(&create(&one, silence(1, 0), "another name.wav").await), first, "another name");
    assert_ne!(accepted(&create(&other, silence(1, 0), "a.wav").await), first);
    assert_ne!(accepted(&create(&one, silence(1, 1), "a.wav").await), first);
    let form = form_of(silence(1, 0), "a.wav", &[("language", "en")]);
    let otherwise = answer(one.request(Method::POST, "/v1/jobs").multipart(form)).await;
    assert_ne!(accepted(&otherwise), first, "other options");
    // Somebody who waits for it gets the same job's result, and it is charged once.
    let waited = one.transcribe(form_of(silence(1, 0), "a.wav", &[])).await;
    assert_eq!((waited.status.as_u16(), waited.header("x-job-id")), (200, first.as_str()));
    in_state(&one, &first, "completed").await;
    assert_ne!(accepted(&create(&one, silence(1, 0), "a.wav").await), first, "after its end");
    audit::hold(&world.store().await).await;
}
