//! Webhooks: made, told, signed, tried again, and kept away from inner networks.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use steno_shared::job::Lane;
use steno_tests::client::{Answer, Client, answer};
use steno_tests::world::{Plan, SOON};
use steno_tests::{clips, wait};

use crate::receiver::Receiver;

/// Everything but transcriptions. The receiver is on 127.0.0.1; the rest of the loopback is as refused as it is for
/// users.
fn plan() -> Plan {
    Plan::default()
        .lanes(&[Lane::Fetch])
        .set("STENO_ALLOW_NETWORKS", "127.0.0.1/32")
        .set("STENO_WEBHOOK_TIMEOUT", "1s")
        .set("STENO_WEBHOOK_SCHEDULE", "100ms,100ms,100ms,100ms,100ms,100ms,100ms")
}

async fn post(client: &Client, path: &str) -> Answer {
    answer(client.request(Method::POST, path)).await
}

async fn ask_for_webhook(client: &Client, url: &str) -> Answer {
    answer(client.request(Method::POST, "/v1/webhooks").json(&json!({ "url": url }))).await
}

/// Makes a webhook, and returns its path and its secret.
async fn webhook(client: &Client, url: &str) -> (String, String) {
    let made = ask_for_webhook(client, url).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let (path, webhook) = (made.header("location").to_owned(), made.json());
    assert_eq!(path, format!("/v1/webhooks/{}", webhook["id"].as_str().unwrap()));
    assert_eq!((&webhook["url"], &webhook["state"]), (&json!(url), &json!("enabled")));
    (path, webhook["secret"].as_str().unwrap().to_owned())
}

/// Sends a test delivery and returns its id.
async fn test(client: &Client, webhook: &str) -> String {
    let sent = post(client, &format!("{webhook}/test")).await;
    assert_eq!(sent.status, 202, "{}", sent.body);
    sent.json()["id"].as_str().unwrap().to_owned()
}

/// The log's entry for a delivery, once it is in a state.
async fn delivery(client: &Client, webhook: &str, id: &str, state: &str) -> Value {
    wait::until(&format!("{id} to be {state}"), SOON, async || {
        let log = client.get(&format!("{webhook}/deliveries")).await.ok();
        let delivery =
            log["deliveries"].as_array().unwrap().iter().find(|entry| entry["id"] == id).cloned()?;
        (delivery["state"] == state).then_some(delivery)
    })
    .await
}

fn statuses(delivery: &Value) -> Vec<Option<u64>> {
    delivery["attempts"].as_array().unwrap().iter().map(|attempt| attempt["status"].as_u64()).collect()
}

#[tokio::test]
async fn a_completed_job_is_told_to_its_accounts_webhook_and_to_the_one_it_names() {
    let world = Plan::default()
        .lanes(&[Lane::Fetch, Lane::Intake, Lane::Transcribe])
        .set("STENO_ALLOW_NETWORKS", "127.0.0.1")
        .start()
        .await;
    let (client, receiver) = (world.keyed_client().await, Receiver::start(0).await);
    let (path, secret) = webhook(&client, &receiver.url("/hook?token=t")).await;
    receiver.plan(&[&secret], &[]).await;
    let done = client.transcribe_file(&clips::heldout()[0].path(), &[]).await;
    assert_eq!(done.status, 200, "{}", done.body);
    let job = done.header("x-job-id").to_owned();

    let told = receiver.received(1).await.remove(0);
    assert_eq!((told.path.as_str(), told.verified_by.as_slice()), ("/hook?token=t", &[true][..]));
    assert_eq!((told.signatures, told.content_type.as_str()), (1, "application/json"));
    assert!(told.user_agent.starts_with("steno/"), "{}", told.user_agent);
    assert!(told.id.starts_with("msg_") && (told.at - told.timestamp as f64).abs() < 60.0);
    let body = told.json();
    assert_eq!((&body["type"], &body["data"]["job_id"]), (&json!("job.completed"), &json!(job)));
    assert_eq!(body["data"]["transcript"], format!("/v1/jobs/{job}/transcript"));
    assert_eq!(body["data"]["file_name"], "everyday-000.flac");
    assert!(body["data"]["duration"].as_f64().unwrap() > 1.0 && body["data"].get("error").is_none());
    assert_eq!(body["timestamp"], client.get(&format!("/v1/jobs/{job}")).await.ok()["finished_at"]);
    assert_eq!(client.get(body["data"]["transcript"].as_str().unwrap()).await.status, 200);
    let logged = delivery(&client, &path, &told.id, "delivered").await;
    assert_eq!((&logged["event"], &logged["job_id"]), (&json!("job.completed"), &json!(job)));
    assert_eq!(statuses(&logged), [Some(204)]);

    // Another account's job is none of this webhook's business; that job names an endpoint of its own.
    let other = world.keyed_client().await;
    let named = receiver.url("/named");
    let theirs = other.transcribe_file(&clips::heldout()[0].path(), &[("webhook_url", &named)]).await;
    assert_eq!(theirs.status, 200, "{}", theirs.body);
    let log = receiver.received(2).await;
    assert_eq!((log[1].path.as_str(), log[1].verified_by.as_slice()), ("/named", &[false][..]));
    let listed = other.get("/v1/webhooks").await.ok()["webhooks"][0].clone();
    assert_eq!((&listed["url"], &listed["scope"]), (&json!(named), &json!("job")));
    let shown = other.get(&format!("/v1/webhooks/{}/secret", listed["id"].as_str().unwrap())).await.ok();
    receiver.plan(&[shown["secret"].as_str().unwrap(), &secret], &[]).await;
    let again = other.transcribe_file(&clips::heldout()[0].path(), &[("webhook_url", &named)]).await;
    assert_eq!(again.status, 200);
    assert_eq!(receiver.received(3).await[2].verified_by, [true, false]);
    let id = test(&client, &path).await;
    let log = receiver.received(4).await;
    assert_eq!((log.len(), log[3].id.as_str()), (4, id.as_str()));
    assert_eq!(log[3].json()["type"], "webhook.test");
    for url in ["http://127.0.0.2/", "ftp://example.com/", "x"] {
        let refused = client.transcribe_file(&clips::heldout()[0].path(), &[("webhook_url", url)]).await;
        assert!(refused.refused(400).contains("webhook_url"), "{url}: {}", refused.body);
    }
    let keyless =
        world.client().transcribe_file(&clips::heldout()[0].path(), &[("webhook_url", &named)]).await;
    assert!(keyless.refused(401).contains("API key"));

    // The log outlives the job.
    assert_eq!(client.delete(&format!("/v1/jobs/{job}")).await.status, 204);
    assert_eq!(delivery(&client, &path, &told.id, "delivered").await["job_id"], job);
}

#[tokio::test]
async fn a_delivery_is_tried_again_through_all_that_goes_wrong() {
    let world = plan().start().await;
    let (client, receiver) = (world.keyed_client().await, Receiver::start(0).await);
    let (path, secret) = webhook(&client, &receiver.url("/")).await;
    let elsewhere = json!({ "status": 302, "headers": { "location": receiver.url("/elsewhere") } });
    let later = json!({ "status": 503, "headers": { "retry-after": "2" } });
    let answers =
        [json!({ "status": 500 }), json!({ "hang": 3 }), json!({ "reset": true }), elsewhere, later];
    receiver
        .plan(&[&secret], &[&answers[..], &[json!({ "status": 200, "bytes": 5_000_000 })]].concat())
        .await;
    let id = test(&client, &path).await;
    let log = receiver.received(6).await;
    let logged = delivery(&client, &path, &id, "delivered").await;
    assert_eq!(statuses(&logged), [Some(500), None, None, Some(302), Some(503), Some(200)]);
    let attempts = logged["attempts"].as_array().unwrap();
    for (at, said) in [
        (0, "answered 500"),
        (1, "no answer within 1 s"),
        (2, "broke off"),
        (3, "redirects are not followed"),
        (4, "answered 503"),
    ] {
        let error = attempts[at]["error"].as_str().unwrap();
        assert!(error.contains(said), "{error}");
        assert_eq!(attempts[at]["number"], at + 1);
    }
    assert!(attempts[5].get("error").is_none() && attempts[1]["elapsed_ms"].as_u64().unwrap() >= 1000);
    // One id and one body, signed anew each time; nobody went elsewhere.
    for received in &log {
        assert_eq!((received.id.as_str(), received.body.as_str()), (id.as_str(), log[0].body.as_str()));
        assert_eq!((received.path.as_str(), received.verified_by.as_slice()), ("/", &[true][..]));
    }
    assert!(log[5].timestamp > log[0].timestamp);
    assert!(log[5].at - log[4].at >= 2.0, "Retry-After is honoured");
    assert!(client.get(&path).await.ok().get("failing_since").is_none());
}

#[tokio::test]
async fn deliveries_survive_a_receiver_that_is_down_and_a_courier_that_is_killed() {
    let mut world = plan().start().await;
    let (client, receiver) = (world.keyed_client().await, Receiver::start(0).await);
    let (path, secret) = webhook(&client, &receiver.url("/")).await;
    let port = receiver.kill();
    let refused = test(&client, &path).await;
    wait::until("an attempt in vain", SOON, async || {
        let log = client.get(&format!("{path}/deliveries")).await.ok();
        let error = log["deliveries"][0]["attempts"][0]["error"].as_str()?.to_owned();
        assert!(error.contains("refused"), "{error}");
        Some(())
    })
    .await;
    assert!(client.get(&path).await.ok()["failing_since"].is_string());
    world.kill_workers(Lane::Fetch);

    // While nobody delivers, more is to be told. Then a courier dies in the middle of an attempt.
    let waiting = test(&client, &path).await;
    let receiver = Receiver::start(port).await;
    receiver.plan(&[&secret], &[json!({ "hang": 60 })]).await;
    world.start_worker(Lane::Fetch, &[("STENO_WEBHOOK_TIMEOUT", "2s")]);
    receiver.received(2).await;
    world.kill_workers(Lane::Fetch);
    receiver.plan(&[&secret], &[]).await;
    world.start_worker(Lane::Fetch, &[]);
    for id in [&refused, &waiting] {
        delivery(&client, &path, id, "delivered").await;
    }
    let log = receiver.log().await;
    assert!(log.iter().all(|received| received.verified_by == [true]));
    for id in [&refused, &waiting] {
        assert!(log.iter().filter(|received| received.id == **id).count() >= 2, "{id} in {log:?}");
    }
}

#[tokio::test]
async fn a_courier_that_is_stopped_hands_back_what_it_has() {
    let mut world = plan().set("STENO_WEBHOOK_TIMEOUT", "30s").set("STENO_LEASE", "60s").start().await;
    let (client, receiver) = (world.keyed_client().await, Receiver::start(0).await);
    let (path, secret) = webhook(&client, &receiver.url("/")).await;
    receiver.plan(&[&secret], &[json!({ "hang": 60 })]).await;
    let id = test(&client, &path).await;
    receiver.received(1).await;
    world.worker(Lane::Fetch).signal(rustix::process::Signal::TERM);
    assert!(world.worker(Lane::Fetch).end(SOON).await.success());
    receiver.plan(&[&secret], &[]).await;
    world.start_worker(Lane::Fetch, &[]);
    // Sooner than any lease runs out, and with no attempt counted for the one that was cut off.
    let logged = delivery(&client, &path, &id, "delivered").await;
    assert_eq!(statuses(&logged), [Some(204)]);
}

#[tokio::test]
async fn a_new_secret_signs_beside_the_old_one() {
    let world = plan().start().await;
    let (client, receiver) = (world.keyed_client().await, Receiver::start(0).await);
    let (path, old) = webhook(&client, &receiver.url("/")).await;
    let rotated = post(&client, &format!("{path}/rotate")).await.ok();
    let new = rotated["secret"].as_str().unwrap().to_owned();
    assert_ne!(old, new);
    let shown = client.get(&format!("{path}/secret")).await.ok();
    assert_eq!(shown, json!({ "secret": new, "previous_secret": old }));
    let stranger = steno_shared::webhook::Secret::random();
    receiver.plan(&[&old, &new, stranger.reveal()], &[]).await;
    test(&client, &path).await;
    let received = receiver.received(1).await.remove(0);
    assert_eq!((received.signatures, received.verified_by), (2, vec![true, true, false]));
    // Twice in a day: the oldest is out.
    let newest = post(&client, &format!("{path}/rotate")).await.ok()["secret"].as_str().unwrap().to_owned();
    receiver.plan(&[&old, &new, &newest], &[]).await;
    test(&client, &path).await;
    let received = receiver.received(2).await.remove(1);
    assert_eq!((received.signatures, received.verified_by), (2, vec![false, true, true]));
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_told_nothing_until_it_is_enabled() {
    let world = plan().start().await;
    let (client, receiver) = (world.keyed_client().await, Receiver::start(0).await);
    let (path, secret) = webhook(&client, &receiver.url("/")).await;
    receiver.plan(&[&secret], &[json!({ "status": 410 })]).await;
    let id = test(&client, &path).await;
    let logged = delivery(&client, &path, &id, "failed").await;
    assert_eq!(statuses(&logged), [Some(410)]);
    let disabled = client.get(&path).await.ok();
    assert_eq!(disabled["state"], "disabled");
    assert!(disabled["disabled_reason"].as_str().unwrap().contains("410"));
    for refused in [&format!("{path}/test"), &format!("/v1/deliveries/{id}/resend")] {
        assert!(post(&client, refused).await.refused(409).contains("/enable"));
    }

    assert_eq!(post(&client, &format!("{path}/enable")).await.ok()["state"], "enabled");
    receiver.plan(&[&secret], &[]).await;
    let again = post(&client, &format!("/v1/deliveries/{id}/resend")).await;
    assert_eq!(again.status, 202, "{}", again.body);
    let logged = delivery(&client, &path, &id, "delivered").await;
    assert_eq!(statuses(&logged), [Some(410), Some(204)]);
    // What was delivered can be sent again as well: the same message.
    assert_eq!(post(&client, &format!("/v1/deliveries/{id}/resend")).await.status, 202);
    let log = receiver.received(3).await;
    assert!(log.iter().all(|received| received.id == id && received.verified_by == [true]));
}

#[tokio::test]
async fn a_delivery_is_given_up_after_its_schedule_and_a_webhook_after_its_patience() {
    let world = plan().set("STENO_WEBHOOK_SCHEDULE", "50ms,50ms").start().await;
    let (client, receiver) = (world.keyed_client().await, Receiver::start(0).await);
    let (path, secret) = webhook(&client, &receiver.url("/")).await;
    receiver.plan(&[&secret], &[json!({ "status": 500 })]).await;
    let id = test(&client, &path).await;
    let logged = delivery(&client, &path, &id, "failed").await;
    assert_eq!(statuses(&logged), [Some(500); 3]);
    assert!(logged["finished_at"].is_string() && logged.get("next_at").is_none());
    assert_eq!(client.get(&path).await.ok()["state"], "enabled");

    let mut world = world;
    world.kill_workers(Lane::Fetch);
    world.start_worker(Lane::Fetch, &[("STENO_WEBHOOK_PATIENCE", "0s"), ("STENO_WEBHOOK_SCHEDULE", "1h")]);
    let id = test(&client, &path).await;
    assert_eq!(statuses(&delivery(&client, &path, &id, "failed").await), [Some(500)]);
    let disabled = client.get(&path).await.ok();
    assert_eq!(disabled["state"], "disabled");
    assert!(disabled["disabled_reason"].as_str().unwrap().contains("no delivery has succeeded"));
}

#[tokio::test]
async fn a_webhook_is_its_accounts_and_bounded() {
    let world = plan().lanes(&[]).start().await;
    let (client, other) = (world.keyed_client().await, world.keyed_client().await);
    let (path, _) = webhook(&client, "https://example.com/hook").await;
    assert!(world.client().get("/v1/webhooks").await.refused(401).contains("API key"));
    assert!(ask_for_webhook(&world.client(), "https://example.com/").await.refused(401).contains("API key"));
    let unknown = format!("/v1/webhooks/{}", steno_shared::id::WebhookId::random());
    for path in [path.as_str(), unknown.as_str(), "/v1/webhooks/x", "/v1/webhooks/job_0"] {
        for what in ["", "/secret", "/deliveries"] {
            assert_eq!(other.get(&format!("{path}{what}")).await.refused(404), "no such webhook");
        }
        for what in ["/rotate", "/enable", "/test"] {
            assert_eq!(post(&other, &format!("{path}{what}")).await.refused(404), "no such webhook");
        }
        assert_eq!(other.delete(path).await.refused(404), "no such webhook");
    }
    let id = test(&client, &path).await;
    for id in [id.as_str(), "msg_0", "x"] {
        let path = format!("/v1/deliveries/{id}/resend");
        assert_eq!(post(&other, &path).await.refused(404), "no such delivery");
    }
    assert_eq!(client.get("/v1/webhooks").await.ok()["webhooks"].as_array().unwrap().len(), 1);
    assert_eq!(other.get("/v1/webhooks").await.ok(), json!({ "webhooks": [] }));
    let listed = client.get(&path).await.ok();
    assert!(listed.get("secret").is_none() && listed["scope"] == "account", "{listed}");

    // A page at a time; and neither page nor cursor can be anything.
    let second = test(&client, &path).await;
    let page = client.get(&format!("{path}/deliveries?limit=1")).await.ok();
    assert_eq!(page["deliveries"][0]["id"], second);
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = client.get(&format!("{path}/deliveries?limit=1&cursor={cursor}")).await.ok();
    assert_eq!(page["deliveries"][0]["id"], id);
    assert!(page.get("next_cursor").is_none(), "{page}");
    for query in ["limit=0", "limit=201", "limit=-1", "limit=x", "cursor=x", "cursor="] {
        let _ = client.get(&format!("{path}/deliveries?{query}")).await.refused(400);
    }

    let same = ask_for_webhook(&client, "https://example.com/hook#part").await;
    assert!(same.refused(409).contains("already"));
    for number in 1..20 {
        webhook(&client, &format!("https://example.com/{number}")).await;
    }
    assert!(ask_for_webhook(&client, "https://example.com/20").await.refused(409).contains("at most 20"));
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.get(&path).await.refused(404), "no such webhook");
    webhook(&client, "https://example.com/20").await;
    webhook(&other, "https://example.com/20").await;
}

#[tokio::test]
async fn a_request_that_makes_no_job_makes_no_endpoint() {
    let world = plan().lanes(&[Lane::Fetch, Lane::Intake, Lane::Transcribe]).start().await;
    let client = world.keyed_client().await;
    let clip = clips::heldout()[0].path();
    let send = async |key: &str, path: &str, more: &[(&str, &str)]| {
        let url = format!("http://127.0.0.1:9/{path}");
        let fields = [&[("webhook_url", url.as_str())], more].concat();
        let form = steno_tests::client::form(&clip, &fields);
        let request = client.request(Method::POST, "/v1/jobs").header("idempotency-key", key);
        answer(request.multipart(form)).await
    };
    assert_eq!(send("dry", "dry", &[("dry_run", "true")]).await.status, 200);
    assert_eq!(client.get("/v1/webhooks").await.ok(), json!({ "webhooks": [] }));
    let made = send("one", "one", &[]).await;
    assert_eq!(made.status, 202, "{}", made.body);
    assert_eq!(send("one", "two", &[]).await.status, 422);
    let listed = client.get("/v1/webhooks").await.ok();
    let urls: Vec<_> = listed["webhooks"].as_array().unwrap().iter().map(|hook| &hook["url"]).collect();
    assert_eq!(urls, ["http://127.0.0.1:9/one"]);
}

#[tokio::test]
async fn a_job_cannot_name_an_endpoint_that_is_disabled() {
    let world = plan().lanes(&[Lane::Fetch, Lane::Intake, Lane::Transcribe]).start().await;
    let (client, receiver) = (world.keyed_client().await, Receiver::start(0).await);
    receiver.plan(&[], &[json!({ "status": 410 })]).await;
    let (clip, url) = (clips::heldout()[0].path(), receiver.url("/"));
    let send = async || client.transcribe_file(&clip, &[("webhook_url", &url)]).await;
    assert_eq!(send().await.status, 200);
    let id = wait::until("the endpoint to be disabled", SOON, async || {
        let webhook = client.get("/v1/webhooks").await.ok()["webhooks"][0].clone();
        (webhook["state"] == "disabled").then(|| webhook["id"].as_str().unwrap().to_owned())
    })
    .await;
    let refused = send().await;
    assert!(refused.refused(409).contains(&format!("/v1/webhooks/{id}/enable")), "{}", refused.body);
    assert_eq!(refused.json()["code"], "webhook_disabled");
    assert_eq!(post(&client, &format!("/v1/webhooks/{id}/enable")).await.status, 200);
    assert_eq!(send().await.status, 200);
}

#[tokio::test]
async fn bodies_that_are_no_webhook_are_refused() {
    let world = plan().lanes(&[]).start().await;
    let client = world.keyed_client().await;
    let long = format!("https://example.com/{}", "x".repeat(2048));
    for url in ["", "x", "example.com", "ftp://example.com/", "https://me:secret@example.com/", &long] {
        let refused = ask_for_webhook(&client, url).await;
        assert!(refused.refused(400).contains("URL"), "{url}: {}", refused.body);
        assert_eq!(refused.json()["code"], "invalid_field");
    }
    for body in ["", "{}", "[]", "{\"url\": 3}", "{\"url\": null}", "not JSON", "\u{0}"] {
        let request = client.request(Method::POST, "/v1/webhooks").header("content-type", "application/json");
        let _ = answer(request.body(body)).await.refused(400);
    }
}

/// Who asks the API is told at once; what only a name's resolution shows, the log tells.
#[tokio::test]
async fn inner_addresses_are_refused_in_every_spelling() {
    let world = Plan::default().lanes(&[Lane::Fetch]).start().await;
    let client = world.keyed_client().await;
    for host in INNER_HOSTS {
        let refused = ask_for_webhook(&client, &format!("http://{host}/")).await;
        assert!(refused.refused(400).contains("--allow-networks"), "{host}: {}", refused.body);
    }
    assert!(ask_for_webhook(&client, "http://example.com:25/").await.refused(400).contains("port"));
}

/// Spellings of addresses that a stranger must not reach.
pub(crate) const INNER_HOSTS: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "0177.0.0.1",
    "2130706433",
    "0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[fe80::1]",
    "[fc00::1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:db8::1]",
    "localhost",
    "LOCALHOST.",
    "a.localhost",
    "printer.local",
    "metadata.google.internal",
];

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_when_it_is_dialled() {
    // Only 127.0.0.2 is allowed, and localhost is 127.0.0.1: the name passes the API, and the resolver stops it.
    let world = plan().set("STENO_ALLOW_NETWORKS", "127.0.0.2/32").start().await;
    let (client, receiver) = (world.keyed_client().await, Receiver::start(0).await);
    let (path, _) = webhook(&client, &format!("http://localhost:{}/", receiver.port())).await;
    let id = test(&client, &path).await;
    let logged = delivery(&client, &path, &id, "failed").await;
    for attempt in logged["attempts"].as_array().unwrap() {
        assert!(attempt["error"].as_str().unwrap().contains("--allow-networks"), "{attempt}");
    }
    assert!(receiver.log().await.is_empty());
    assert!(ask_for_webhook(&client, &receiver.url("/")).await.refused(400).contains("--allow-networks"));

    // An endpoint of before, in a network that is not allowed any more.
    let mut world = plan().start().await;
    let client = world.keyed_client().await;
    let (path, _) = webhook(&client, &receiver.url("/")).await;
    world.kill_workers(Lane::Fetch);
    world.start_worker(Lane::Fetch, &[("STENO_ALLOW_NETWORKS", "127.0.0.2")]);
    let id = test(&client, &path).await;
    delivery(&client, &path, &id, "failed").await;
    assert!(receiver.log().await.is_empty());
}

/// A slow endpoint keeps a few attempts busy, not the courier.
#[tokio::test]
async fn a_slow_endpoint_does_not_hold_up_the_others() {
    let world = plan().set("STENO_WEBHOOK_TIMEOUT", "60s").start().await;
    let client = world.keyed_client().await;
    let (slow, quick) = (Receiver::start(0).await, Receiver::start(0).await);
    let (slow_path, slow_secret) = webhook(&client, &slow.url("/")).await;
    let (quick_path, quick_secret) = webhook(&client, &quick.url("/")).await;
    slow.plan(&[&slow_secret], &[json!({ "hang": 60 })]).await;
    quick.plan(&[&quick_secret], &[]).await;
    for _ in 0..40 {
        test(&client, &slow_path).await;
    }
    slow.received(4).await;
    test(&client, &quick_path).await;
    quick.received_within(1, Duration::from_secs(10)).await;
    assert_eq!(slow.log().await.len(), 4);
}
