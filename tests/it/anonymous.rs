//! Callers without a key, within the limits of their tier: counted by where they call from.

use reqwest::Method;
use steno_tests::client::{Answer, Client, answer, form_of};
use steno_tests::clips::silence;
use steno_tests::wait;
use steno_tests::world::{Plan, SOON, World};
use tempfile::TempDir;

use crate::accounts::{accepted, create};
use crate::audit;

fn limited() -> Plan {
    Plan::default().set("STENO_ANONYMOUS_LIMITS", "on")
}

/// Seconds to the end of the day, by the database's clock.
async fn seconds_left(world: &World) -> i64 {
    let sql = "SELECT 86400 - unixepoch() % 86400 AS n";
    audit::number(&world.store().await, sql).await
}

async fn count(client: &Client, from: Option<&str>) -> (u64, u64) {
    let mut request = client.request(Method::GET, "/v1/usage");
    if let Some(from) = from {
        request = request.header("X-Forwarded-For", from);
    }
    let usage = answer(request).await.ok();
    assert_eq!(usage["tier"], "anonymous");
    let count = |name: &str| usage["transcriptions"][name].as_u64().unwrap();
    (count("used"), count("reserved"))
}

async fn send(client: &Client, mark: u32, from: &str) -> Answer {
    let form = form_of(silence(1, mark), "a.wav", &[]);
    let request = client.request(Method::POST, "/v1/jobs").header("X-Forwarded-For", from);
    answer(request.multipart(form)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_160_tries_at_once_three_are_admitted() {
    let folder = TempDir::new().unwrap();
    let tiers = folder.path().join("tiers.json");
    // The day's three alone, so that nothing else can be what refuses the rest.
    std::fs::write(&tiers, r#"{"anonymous": {"transcriptions_per_day": 3}}"#).unwrap();
    let world = limited().set("STENO_TIERS", tiers.to_str().unwrap()).start().await;
    let racers: Vec<_> = (0..8)
        .map(|racer| {
            let client = world.client();
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for number in 0..20 {
                    answers.push(create(&client, silence(1, racer * 100 + number), "a.wav").await);
                }
                answers
            })
        })
        .collect();
    let mut admitted = 0;
    for racer in racers {
        for answer in racer.await.unwrap() {
            if answer.status == 202 {
                admitted += 1;
                continue;
            }
            assert!(answer.refused(429).contains("all 3 transcriptions of this day"), "{}", answer.body);
            let wait: i64 = answer.header("retry-after").parse().unwrap();
            let left = seconds_left(&world).await;
            assert!((1..=left + 60).contains(&wait) && wait <= 86_400, "{wait} s of {left} s");
            assert_eq!(answer.header("ratelimit-policy"), "\"day\";q=3;w=86400");
            assert!(answer.header("ratelimit").starts_with("\"day\";r=0;t="), "{:?}", answer.headers);
            assert_eq!(answer.json()["code"], "quota_exceeded");
        }
    }
    assert_eq!(admitted, 3);
    assert_eq!(audit::number(&world.store().await, "SELECT COUNT(*) AS n FROM job").await, 3);
    audit::hold(&world.store().await).await;
}

#[tokio::test]
async fn refused_failed_and_cancelled_ones_do_not_count() {
    let world = limited().set("STENO_FAILPOINTS", "transcribe.claimed=sleep(60000)@held").start().await;
    let client = world.client();
    let undecodable = client.transcribe(form_of(b"no media at all".to_vec(), "a.wav", &[])).await;
    assert!(!undecodable.refused(400).is_empty());
    assert_eq!(count(&client, None).await, (0, 0));
    let held = accepted(&create(&client, silence(1, 0), "held.wav").await);
    assert_eq!(count(&client, None).await, (0, 1));
    assert_eq!(client.delete(&format!("/v1/jobs/{held}")).await.status, 200);
    assert_eq!(count(&client, None).await, (0, 0));
    let empty = client.transcribe(form_of(Vec::new(), "a.wav", &[])).await;
    assert!(!empty.refused(400).is_empty());
    let no_model = form_of(silence(1, 1), "a.wav", &[("model", "none-such")]);
    assert!(!client.transcribe(no_model).await.refused(400).is_empty());
    for number in 0..3 {
        let done = client.transcribe(form_of(silence(1, 2 + number), "a.wav", &[])).await;
        assert_eq!(done.status, 200, "{}", done.body);
        assert_eq!(count(&client, None).await, (u64::from(number) + 1, 0));
    }
    let refused = client.transcribe(form_of(silence(1, 9), "a.wav", &[])).await;
    assert!(refused.refused(429).contains("use an API key"), "{}", refused.body);
    // A key is another account.
    let keyed = world.keyed_client().await.transcribe(form_of(silence(1, 9), "a.wav", &[])).await;
    assert_eq!(keyed.status, 200);
    audit::hold(&world.store().await).await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_place_has_its_own_count() {
    let world = limited().set("STENO_TRUSTED_PROXIES", "127.0.0.1").start().await;
    let client = world.client();
    let taken = async |from: &str| {
        let (used, reserved) = count(&client, Some(from)).await;
        used + reserved
    };
    for (mark, from) in ["192.0.2.1", "192.0.2.1", "192.0.2.1"].into_iter().enumerate() {
        accepted(&send(&client, mark as u32, from).await);
    }
    assert_eq!((taken("192.0.2.1").await, taken("192.0.2.2").await), (3, 0));
    assert!(!send(&client, 3, "192.0.2.1").await.refused(429).is_empty());
    // What the caller itself has written, to the left, is nobody's word.
    assert!(!send(&client, 4, "198.51.100.9, 192.0.2.1").await.refused(429).is_empty());
    accepted(&send(&client, 5, "192.0.2.2").await);
    accepted(&send(&client, 6, "2001:db8:1:2::1").await);
    accepted(&send(&client, 7, "2001:db8:1:2:ffff::9").await);
    assert_eq!((taken("2001:db8:1:2:3::3").await, taken("2001:db8:1:3::1").await), (2, 0));
    assert_eq!(count(&client, None).await, (0, 0), "the proxy itself");
    // Of the addresses nothing is kept or logged.
    let written = world.written();
    let rows = audit::rows(&world.store().await, "SELECT account AS a FROM job").await;
    let accounts: Vec<String> = rows.iter().map(|row| row.try_get("", "a").unwrap()).collect();
    for address in ["192.0.2.1", "2001:db8:1:2"] {
        assert!(!written.contains(address) && !accounts.iter().any(|account| account.contains(address)));
    }
    wait::until("the jobs to end", SOON, async || {
        let under_way = "SELECT COUNT(*) AS n FROM job WHERE state IN ('queued', 'processing')";
        (audit::number(&world.store().await, under_way).await == 0).then_some(())
    })
    .await;
    audit::hold(&world.store().await).await;
}

#[tokio::test]
async fn without_trusted_proxies_what_is_forwarded_counts_for_nothing() {
    let world = limited().start().await;
    let client = world.client();
    for mark in 0..3 {
        accepted(&send(&client, mark, &format!("192.0.2.{mark}")).await);
    }
    assert!(!send(&client, 4, "192.0.2.77").await.refused(429).is_empty());
    let (used, reserved) = count(&client, Some("192.0.2.78")).await;
    assert_eq!(used + reserved, 3);
}
