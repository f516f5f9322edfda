//! What each account may do, over HTTP with real workers: who is refused what, when, and what is left of it.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use steno_shared::account::AccountId;
use steno_shared::job::Lane;
use steno_tests::client::{Answer, Client, answer, form_of};
use steno_tests::clips::silence;
use steno_tests::wait;
use steno_tests::world::{Plan, SOON, World};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::audit;

/// Holds the transcription of a file of this name for a minute.
const HOLD: &str = "transcribe.claimed=sleep(60000)@held";

/// Tiers that are used up by a few small files.
const TIERS: &str = r#"{
    "small": {"max_file": "100KiB"},
    "minute": {"minutes_per_month": 1},
    "three": {"minutes_per_month": 3},
    "one": {"concurrent": 1, "queued": 2},
    "slow": {"requests_per_minute": 3}
}"#;

/// A plan with [`TIERS`], and the folder of their file.
fn plan() -> (Plan, TempDir) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("tiers.json");
    std::fs::write(&file, TIERS).unwrap();
    (Plan::default().set("STENO_TIERS", file.to_str().unwrap()), folder)
}

/// Sends a file as a job.
pub(crate) async fn create(client: &Client, bytes: Vec<u8>, name: &str) -> Answer {
    answer(client.request(Method::POST, "/v1/jobs").multipart(form_of(bytes, name, &[]))).await
}

/// The id of a job that was accepted.
pub(crate) fn accepted(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// The job, once it is in this state.
pub(crate) async fn in_state(client: &Client, id: &str, state: &str) -> Value {
    wait::until(&format!("{id} to be {state}"), SOON, async || {
        // Not more often than a tier's requests a minute allow.
        let job = client.get(&format!("/v1/jobs/{id}?wait=0.1")).await.ok();
        (job["state"] == state).then_some(job)
    })
    .await
}

async fn transcribe(client: &Client, bytes: Vec<u8>) -> Answer {
    client.transcribe(form_of(bytes, "a.wav", &[])).await
}

async fn grant(world: &World, account: &AccountId, credits: u32) {
    world.store().await.grant_credits(account, credits, "test").await.unwrap();
}

fn seconds(answer: &Answer) -> i64 {
    answer.header("retry-after").parse().unwrap_or_else(|_| panic!("no Retry-After: {:?}", answer.headers))
}

#[tokio::test]
async fn a_bad_key_is_never_taken_for_none() {
    let world = Plan::default().lanes(&[]).start().await;
    let (key, _) = world.key_of_tier("free").await;
    let good = world.client().with_key(key.reveal());
    assert_eq!(good.get("/v1/usage").await.status, 200);
    assert_eq!(world.client().get("/v1/usage").await.status, 200);
    let header =
        |value: String| world.client().request(Method::GET, "/v1/usage").header("Authorization", value);
    let revealed = key.reveal();
    for value in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer nonsense".to_owned(),
        revealed.to_owned(),
        format!("Basic {revealed}"),
        format!("Bearer {revealed} {revealed}"),
        format!("Bearer {}", &revealed[..52]),
        format!("Bearer {revealed}0"),
        format!("Bearer {}", revealed.to_uppercase()),
        format!("Bearer {}", steno_shared::key::ApiKey::random().reveal()),
    ] {
        let refused = answer(header(value)).await;
        assert_eq!(refused.json()["code"], "invalid_key", "{}", refused.body);
        assert!(!refused.refused(401).is_empty());
        assert_eq!(refused.header("www-authenticate"), "Bearer");
        assert!(!refused.body.contains(&revealed[15..47]), "{}", refused.body);
    }
    assert_eq!(answer(header(format!("bearer  {revealed}"))).await.status, 200);
    assert!(world.client().get("/v1/jobs").await.refused(401).contains("Bearer KEY"));
    assert!(world.store().await.revoke_key(key.id()).await.unwrap());
    assert!(good.get("/v1/usage").await.refused(401).contains("revoked"));
}

#[tokio::test]
async fn without_anonymous_callers_a_key_is_needed() {
    let world = Plan::default().lanes(&[]).set("STENO_ANONYMOUS", "off").start().await;
    for path in ["/v1/usage", "/v1/jobs", "/v1/jobs/job_00000000000000000000000000"] {
        assert!(world.client().get(path).await.refused(401).contains("API key"), "{path}");
    }
    assert!(!transcribe(&world.client(), silence(1, 0)).await.refused(401).is_empty());
    assert_eq!(world.client().get("/health").await.json()["status"], "unavailable");
    assert_eq!(world.keyed_client().await.get("/v1/usage").await.status, 200);
}

#[tokio::test]
async fn a_tier_that_the_server_does_not_define_opens_nothing() {
    let world = Plan::default().lanes(&[]).start().await;
    let (client, _) = world.client_of_tier("gone").await;
    for refused in [client.get("/v1/usage").await, transcribe(&client, silence(1, 0)).await] {
        assert_eq!(refused.json()["code"], "forbidden");
        assert!(refused.refused(403).contains("\"gone\""));
    }
}

/// Without credits nothing is uploaded; with too few, the length decides, and nothing is left.
#[tokio::test]
async fn what_is_not_paid_for_is_not_transcribed() {
    let world = World::start().await;
    let (key, account) = world.key_of_tier("paid").await;
    let client = world.client().with_key(key.reveal());
    let mut stream = TcpStream::connect(("127.0.0.1", world.port())).await.unwrap();
    let head = format!(
        "POST /v1/transcribe HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nExpect: 100-continue\r\n\
         Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\n",
        key.reveal()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = String::new();
    let read = tokio::time::timeout(SOON, stream.read_to_string(&mut told)).await;
    read.expect("the server waits for the body").unwrap();
    assert!(told.starts_with("HTTP/1.1 402") && told.contains("no_credits"), "{told}");

    grant(&world, &account, 1).await;
    let refused = transcribe(&client, silence(61, 0)).await;
    assert!(refused.refused(402).contains("upgrade your plan"));
    let body = refused.json();
    assert_eq!((&body["required"], &body["available"]), (&json!(2), &json!(1)), "{body}");
    assert_eq!(refused.header("x-should-retry"), "false");
    assert_eq!(refused.header("x-credits-remaining"), "1");
    world.objects_are_gone().await;
    let balance = json!({"granted": 1, "used": 0, "reserved": 0, "remaining": 1});
    assert_eq!(client.get("/v1/usage").await.ok()["credits"], balance);
    assert_eq!(client.get("/v1/jobs").await.ok()["jobs"], json!([]));

    let paid = transcribe(&client, silence(60, 0)).await;
    assert_eq!(paid.ok()["usage"], json!({"credits_used": 1, "credits_remaining": 0}));
    assert_eq!((paid.header("x-credits-used"), paid.header("x-credits-remaining")), ("1", "0"));
    let refused = transcribe(&client, silence(1, 0)).await;
    assert_eq!((&refused.json()["required"], &refused.json()["available"]), (&json!(1), &json!(0)));
    assert!(!refused.refused(402).is_empty());
    audit::hold(&world.store().await).await;
}

/// A job that failed for want of credits is welcome when they are there, and charged once.
#[tokio::test]
async fn a_failed_job_that_is_run_again_is_charged_once() {
    let world = World::start().await;
    let (client, account) = world.client_of_tier("paid").await;
    grant(&world, &account, 1).await;
    let id = accepted(&create(&client, silence(61, 0), "a.wav").await);
    let failed = in_state(&client, &id, "failed").await;
    assert_eq!(failed["error"]["code"], "no_credits", "{failed}");
    let retry = || answer(client.request(Method::POST, &format!("/v1/jobs/{id}/retry")));
    assert_eq!(retry().await.status, 202, "intake says what it costs");
    in_state(&client, &id, "failed").await;
    grant(&world, &account, 2).await;
    assert_eq!(retry().await.status, 202);
    in_state(&client, &id, "completed").await;
    assert!(retry().await.refused(409).contains("completed"));
    let balance = json!({"granted": 3, "used": 2, "reserved": 0, "remaining": 1});
    assert_eq!(client.get("/v1/usage").await.ok()["credits"], balance);
    audit::hold(&world.store().await).await;
}

#[tokio::test]
async fn a_tiers_largest_file_is_inclusive() {
    let (plan, _tiers) = plan();
    let world = plan.start().await;
    let (client, _) = world.client_of_tier("small").await;
    let mut file = silence(4, 0);
    file.truncate(100 << 10);
    assert_eq!(transcribe(&client, file.clone()).await.status, 200, "exactly 100 KiB");
    assert_eq!(client.get("/v1/usage").await.ok()["max_file_bytes"], 100 << 10);
    let before = world.results_alone().await;
    file.push(0);
    for refused in [transcribe(&client, file.clone()).await, create(&client, file.clone(), "a.wav").await] {
        assert_eq!(
            (refused.json()["code"].as_str(), refused.header("x-should-retry")),
            (Some("file_too_large"), "false")
        );
        assert!(!refused.refused(413).is_empty());
    }
    assert_eq!(world.results_alone().await, before);
    assert_eq!(transcribe(&world.keyed_client().await, file).await.status, 200, "the limit of another tier");
}

#[tokio::test]
async fn a_months_minutes_are_used_up_until_the_first_of_the_next() {
    let (plan, _tiers) = plan();
    let world = plan.start().await;
    let (client, account) = world.client_of_tier("three").await;
    let first = transcribe(&client, silence(61, 0)).await;
    assert_eq!(first.ok()["usage"], json!({"credits_used": 2, "credits_remaining": 1}));
    assert!(first.header("ratelimit").starts_with("\"month\";r=1;t="), "{:?}", first.headers);
    assert_eq!(first.header("ratelimit-policy"), "\"month\";q=3;w=2592000");
    // After intake: two minutes are not there, one is.
    let too_long = transcribe(&client, silence(61, 1)).await;
    assert!(too_long.refused(429).contains("takes 2 minutes, and 1 of the 3"), "{}", too_long.body);
    assert_eq!(transcribe(&client, silence(1, 2)).await.status, 200);
    // Before it: nothing is left.
    let used_up = transcribe(&client, silence(1, 3)).await;
    for refused in [&too_long, &used_up] {
        assert_eq!(refused.json()["code"], "quota_exceeded");
        assert_eq!(refused.header("x-should-retry"), "false");
        assert!(refused.header("ratelimit").starts_with("\"month\";r="), "{:?}", refused.headers);
        let usage = world.store().await.usage(&account).await.unwrap();
        let left = (usage.month_ends - usage.now) / 1000;
        assert!((left..left + 60).contains(&seconds(refused)), "{left} s, not {}", seconds(refused));
    }
    let minutes = client.get("/v1/usage").await.ok()["minutes"].clone();
    assert_eq!(
        (&minutes["used"], &minutes["reserved"], &minutes["remaining"]),
        (&json!(3), &json!(0), &json!(0))
    );
    assert!(minutes["resets_at"].as_str().unwrap().ends_with("-01T00:00:00Z"), "{minutes}");
    audit::hold(&world.store().await).await;
}

/// One that runs: a second one that somebody would wait on is refused, one that nobody waits on has its turn
/// later, and there is an end to the queue.
#[tokio::test]
async fn more_than_may_run_at_once_wait_or_are_refused() {
    let (plan, _tiers) = plan();
    let world = plan.set("STENO_FAILPOINTS", HOLD).start().await;
    let (client, _) = world.client_of_tier("one").await;
    let running = accepted(&create(&client, silence(1, 0), "held.wav").await);
    in_state(&client, &running, "processing").await;
    let refused = transcribe(&client, silence(1, 1)).await;
    assert_eq!(refused.json()["code"], "too_many_jobs");
    assert!(refused.refused(429).contains("POST /v1/jobs"), "{}", refused.body);
    assert!(seconds(&refused) > 0);
    let first = accepted(&create(&client, silence(1, 2), "a.wav").await);
    let second = accepted(&create(&client, silence(1, 3), "b.wav").await);
    let full = create(&client, silence(1, 4), "c.wav").await;
    assert_eq!(full.json()["code"], "too_many_jobs");
    assert!(full.refused(429).contains("2 of your jobs wait already"), "{}", full.body);
    assert!(seconds(&full) > 0);
    let usage = client.get("/v1/usage").await.ok();
    assert_eq!(usage["concurrent"], json!({"running": 1, "queued": 2, "limit": 1}));
    // Another account has its own.
    let other = world.client_of_tier("one").await.0;
    assert_eq!(transcribe(&other, silence(1, 5)).await.status, 200);
    assert_eq!(client.delete(&format!("/v1/jobs/{running}")).await.status, 200);
    for id in [first, second] {
        in_state(&client, &id, "completed").await;
    }
    assert_eq!(transcribe(&client, silence(1, 6)).await.status, 200);
}

#[tokio::test]
async fn a_paid_account_has_five_jobs_at_once_and_never_more() {
    const JOBS: u32 = 20;
    let world = Plan::default().set("STENO_FAILPOINTS", "transcribe.claimed=sleep(300)").start().await;
    let (client, account) = world.client_of_tier("paid").await;
    grant(&world, &account, JOBS).await;
    let store = world.store().await;
    let sampled = async {
        let most = "SELECT COUNT(*) AS n FROM job WHERE state = 'processing'";
        let ended = "SELECT COUNT(*) AS n FROM job WHERE state = 'completed'";
        let (mut seen, mut samples) = (0, 0);
        wait::until("every job to be completed", SOON * 2, async || {
            seen = seen.max(audit::number(&store, most).await);
            samples += 1;
            audit::hold(&store).await;
            (audit::number(&store, ended).await == i64::from(JOBS)).then_some(())
        })
        .await;
        (seen, samples)
    };
    let created = async {
        for number in 0..JOBS {
            accepted(&create(&client, silence(1, number), "a.wav").await);
        }
    };
    let ((seen, samples), ()) = tokio::join!(sampled, created);
    println!("{JOBS} jobs of a paid account: at most {seen} at once in {samples} samples");
    assert_eq!(seen, 5);
    assert_eq!(client.get("/v1/usage").await.ok()["credits"]["used"], JOBS);
}

#[tokio::test]
async fn a_caller_who_asks_too_often_is_told_when_to_come_back() {
    let (plan, _tiers) = plan();
    let world = plan.lanes(&[]).start().await;
    let (client, _) = world.client_of_tier("slow").await;
    for _ in 0..3 {
        assert_eq!(client.get("/v1/usage").await.status, 200);
    }
    let refused = client.get("/v1/usage").await;
    assert_eq!(refused.json()["code"], "rate_limited");
    assert!(refused.refused(429).contains("too many requests"));
    assert!((1..=20).contains(&seconds(&refused)), "{}", seconds(&refused));
    assert_eq!(world.client_of_tier("slow").await.0.get("/v1/usage").await.status, 200);
}

/// Through success, failure and cancellation.
#[tokio::test]
async fn usage_adds_up() {
    let world = Plan::default().set("STENO_FAILPOINTS", HOLD).start().await;
    let (client, account) = world.client_of_tier("free").await;
    let minutes = async |client: &Client| {
        let usage = client.get("/v1/usage").await.ok();
        (usage["minutes"]["used"].as_u64().unwrap(), usage["minutes"]["reserved"].as_u64().unwrap())
    };
    assert_eq!(minutes(&client).await, (0, 0));
    assert_eq!(transcribe(&client, silence(61, 0)).await.status, 200);
    assert_eq!(minutes(&client).await, (2, 0));
    assert!(!transcribe(&client, b"no media at all".to_vec()).await.refused(400).is_empty());
    let held = accepted(&create(&client, silence(121, 1), "held.wav").await);
    wait::until("its minutes to be reserved", SOON, async || {
        (minutes(&client).await == (2, 3)).then_some(())
    })
    .await;
    let estimate = client.transcribe(form_of(silence(61, 2), "a.wav", &[("dry_run", "true")])).await.ok();
    assert_eq!((&estimate["credits"], &estimate["credits_remaining"]), (&json!(2), &json!(595)));
    assert_eq!(client.delete(&format!("/v1/jobs/{held}")).await.status, 200);
    assert_eq!(minutes(&client).await, (2, 0));
    let usage = client.get("/v1/usage").await.ok();
    assert_eq!((&usage["tier"], &usage["minutes"]["remaining"]), (&json!("free"), &json!(598)));
    // What was used stays used when its job is deleted.
    let jobs = client.get("/v1/jobs?state=completed").await.ok();
    let id = jobs["jobs"][0]["id"].as_str().unwrap();
    assert_eq!(client.delete(&format!("/v1/jobs/{id}")).await.status, 204);
    assert_eq!(minutes(&client).await, (2, 0));
    let store = world.store().await;
    audit::hold(&store).await;
    assert_eq!(store.usage(&account).await.unwrap().credits.used, 0);
}

/// A worker that is killed holding a job gives nothing away: the next one settles it, once.
#[tokio::test]
async fn a_job_whose_worker_is_killed_is_charged_once() {
    let mut world = Plan::default().set("STENO_FAILPOINTS", "transcribe.stored=abort").start().await;
    let (client, account) = world.client_of_tier("paid").await;
    grant(&world, &account, 5).await;
    let id = accepted(&create(&client, silence(1, 0), "a.wav").await);
    let status = world.worker(Lane::Transcribe).end(Duration::from_secs(60)).await;
    assert!(!status.success());
    audit::hold(&world.store().await).await;
    world.start_worker(Lane::Transcribe, &[("STENO_FAILPOINTS", "")]);
    in_state(&client, &id, "completed").await;
    let balance = json!({"granted": 5, "used": 1, "reserved": 0, "remaining": 4});
    assert_eq!(client.get("/v1/usage").await.ok()["credits"], balance);
    audit::hold(&world.store().await).await;
}

/// A job that one request was given and another one joined is not the second one's to remove.
#[tokio::test]
async fn a_joined_job_that_is_refused_stays_for_who_made_it() {
    let world = Plan::default().set("STENO_FAILPOINTS", "intake.claimed=sleep(1500)").start().await;
    let client = world.keyed_client().await;
    let words = || form_of(b"no media, only words, again and again ".repeat(40), "a.wav", &[]);
    let made = answer(client.request(Method::POST, "/v1/jobs").multipart(words())).await;
    assert_eq!(made.status, 202, "{}", made.body);
    let id = made.header("x-job-id").to_owned();
    let joined = client.transcribe(words()).await;
    assert_eq!(joined.json()["code"], "unsupported_format", "{}", joined.body);
    assert_eq!(joined.json()["job_id"], id);
    assert_eq!(client.get(&format!("/v1/jobs/{id}")).await.ok()["state"], "failed");
}
