//! `/v1/jobs` as a background queue: create, list, wait, follow, run again, price.

use std::collections::HashSet;
use std::time::Duration;

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use steno_shared::job::{Lane, MAX_ATTEMPTS};
use steno_tests::client::{Answer, Client, answer, form, form_of};
use steno_tests::world::{Plan, SOON, World};
use steno_tests::{clips, wait};

/// Sends a clip of the held-out set as a job.
async fn create(client: &Client, clip: usize, fields: &[(&str, &str)]) -> Answer {
    let form = form(&clips::heldout()[clip].path(), fields);
    answer(client.request(Method::POST, "/v1/jobs").multipart(form)).await
}

/// The id of a job that was accepted.
fn accepted(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.body);
    let job = answer.json();
    let id = job["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("x-job-id"), id);
    assert_eq!(answer.header("location"), format!("/v1/jobs/{id}"));
    id
}

/// The job at its end, by long polls.
async fn ended(client: &Client, id: &str) -> Value {
    wait::until("the job's end", SOON, async || {
        let job = client.get(&format!("/v1/jobs/{id}?wait=20")).await.ok();
        ["completed", "failed", "cancelled"].contains(&job["state"].as_str().unwrap()).then_some(job)
    })
    .await
}

#[tokio::test]
async fn a_job_is_created_waited_for_and_read() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let created = create(&client, 0, &[("language", "en"), ("diarize", "no")]).await;
    let id = accepted(&created);
    assert!(["queued", "processing"].contains(&created.json()["state"].as_str().unwrap()));
    let job = ended(&client, &id).await;
    assert_eq!(job["state"], "completed", "{job}");
    assert_eq!(
        (&job["credits"], &job["language"], &job["diarize"]),
        (&json!(1), &json!("en"), &json!(false))
    );
    let transcript = client.get(&format!("/v1/jobs/{id}/transcript")).await;
    assert_eq!(transcript.ok()["usage"], json!({"credits_used": 1}));
    assert_eq!(transcript.header("x-credits-used"), "1");
    // It waits no longer for what has ended already.
    assert_eq!(client.get(&format!("/v1/jobs/{id}?wait=300")).await.ok(), job);
    for wait in ["soon", "-1", "NaN", "1e300"] {
        let refused = client.get(&format!("/v1/jobs/{id}?wait={wait}")).await;
        assert!(refused.status == 200 || refused.refused(400).contains("wait"), "{wait}");
    }
    world.queue_is_empty().await;
}

#[tokio::test]
async fn a_request_for_a_job_is_refused_with_its_reason_and_leaves_nothing() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let send = |content_type: &'static str, body: &'static str| {
        answer(client.request(Method::POST, "/v1/jobs").header("content-type", content_type).body(body))
    };
    for (content_type, body, says) in [
        ("application/json", "{", "JSON object"),
        ("application/json", "[]", "JSON object"),
        ("application/json", "{}", "url"),
        ("application/json", r#"{"url": 7}"#, "http"),
        ("application/json", r#"{"url": ["https://a.example/x"]}"#, "must be a text"),
        ("application/json", r#"{"url": "ftp://a.example/x"}"#, "http or https"),
        ("application/json", r#"{"url": "https://a.example/x", "speakers": 99}"#, "speakers"),
        ("application/json", r#"{"url": "https://a.example/x", "keywords": ["a", 7]}"#, "list of texts"),
        ("application/json", r#"{"url": "https://a.example/x", "temperature": 7}"#, "temperature"),
        ("text/plain", "hello", "form"),
    ] {
        let refused = send(content_type, body).await.refused(400);
        assert!(refused.contains(says), "{body}: {refused}");
    }
    let both = form_of(vec![1; 100], "a.wav", &[("url", "https://a.example/x")]);
    let both = answer(client.request(Method::POST, "/v1/jobs").multipart(both)).await;
    assert!(both.refused(400).contains("not both"));
    let key = "k".repeat(256);
    let clip = form(&clips::heldout()[0].path(), &[]);
    let long = client.request(Method::POST, "/v1/jobs").header("Idempotency-Key", key).multipart(clip);
    assert!(answer(long).await.refused(400).contains("Idempotency-Key"));
    // Of what is no media, the job tells: it was accepted before anybody looked.
    let text = form_of(b"just some words, often enough".repeat(100), "a.txt", &[]);
    let id = accepted(&answer(client.request(Method::POST, "/v1/jobs").multipart(text)).await);
    let job = ended(&client, &id).await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("failed"), &json!("unsupported_format")));
    assert!(client.get(&format!("/v1/jobs/{id}/transcript")).await.refused(409).contains("failed"));
    world.objects_are_gone().await;
}

#[tokio::test]
async fn jobs_are_listed_page_by_page_to_their_account_alone() {
    let world = World::start().await;
    let (client, other) = (world.keyed_client().await, world.keyed_client().await);
    let mut ids = Vec::new();
    for clip in 0..5 {
        ids.push(accepted(&create(&client, clip, &[]).await));
    }
    for id in &ids {
        ended(&client, id).await;
    }
    let mut listed = Vec::new();
    let mut path = "/v1/jobs?limit=2&state=completed,failed".to_owned();
    for _ in 0..3 {
        let page = client.get(&path).await.ok();
        listed.extend(
            page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/jobs?limit=2&state=completed,failed&cursor={cursor}");
    }
    ids.reverse();
    assert_eq!(listed, ids);
    assert_eq!(client.get("/v1/jobs?state=queued").await.ok()["jobs"], json!([]));
    assert_eq!(other.get("/v1/jobs").await.ok(), json!({"jobs": []}));
    assert!(world.client().get("/v1/jobs").await.refused(401).contains("API key"));
    for query in ["state=lost", "limit=0", "limit=many", "cursor=1", "cursor='%20OR%201=1"] {
        assert!(!client.get(&format!("/v1/jobs?{query}")).await.refused(400).is_empty());
    }
}

/// An event of a stream: its id, its name, its data.
type Event = (usize, String, Value);

/// Reads events to the stream's end, or until `enough`.
async fn follow(client: &Client, id: &str, after: usize, enough: impl Fn(&[Event]) -> bool) -> Vec<Event> {
    let request = client.request(Method::GET, &format!("/v1/jobs/{id}/events"));
    let response = request.header("Last-Event-ID", after.to_string()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (mut stream, mut text, mut events) = (response.bytes_stream(), String::new(), Vec::new());
    let read = async {
        while let Some(chunk) = stream.next().await {
            text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
            while let Some((event, rest)) = text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                if let Some(data) = field("data: ") {
                    let id = field("id: ").unwrap().parse().unwrap();
                    events.push((
                        id,
                        field("event: ").unwrap().to_owned(),
                        serde_json::from_str(data).unwrap(),
                    ));
                }
                text = rest.to_owned();
            }
            if enough(&events) {
                break;
            }
        }
    };
    tokio::time::timeout(SOON * 5, read).await.expect("the events do not end");
    events
}

/// A file of ten minutes: progress by both ways is true and never goes back, and its text is there long before
/// the end.
#[tokio::test]
async fn a_long_job_is_followed_and_its_text_read_as_it_comes() {
    let world = Plan::default().set("STENO_FAILPOINTS", "transcribe.chunk=sleep(20)").start().await;
    let client = world.keyed_client().await;
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("long.wav");
    clips::join(&clips::heldout()[..30], 0.5, 600.0, &file);
    let id = accepted(&answer(client.request(Method::POST, "/v1/jobs").multipart(form(&file, &[]))).await);

    let polling = {
        let (client, id) = (client.clone(), id.clone());
        tokio::spawn(async move {
            let mut seen = Vec::new();
            loop {
                let job = client.get(&format!("/v1/jobs/{id}?wait=0.5")).await.ok();
                let last = job["state"] == "completed";
                seen.push(job);
                if last {
                    return seen;
                }
            }
        })
    };
    // The connection breaks after a while, and the client goes on where it stopped.
    let segments = |events: &[Event]| events.iter().filter(|(_, name, _)| name == "segment").count();
    let mut events = follow(&client, &id, 0, |events| segments(events) >= 5).await;
    let first = segments(&events);
    events.extend(follow(&client, &id, first, |_| false).await);

    let (_, name, end) = events.last().unwrap();
    assert_eq!((name.as_str(), &end["state"]), ("end", &json!("completed")));
    assert_eq!(events.iter().filter(|(_, name, _)| name == "end").count(), 1);
    let told: Vec<_> =
        events.iter().filter(|(_, name, _)| name == "segment").map(|(_, _, data)| data).collect();
    let transcript = client.get(&format!("/v1/jobs/{id}/transcript")).await.ok();
    let whole: Vec<_> = transcript["segments"].as_array().unwrap().iter().collect();
    // On the way it is not known yet who speaks, and so where segments are cut for that.
    let words = |segments: &[&Value]| -> Vec<Value> {
        let words = segments.iter().flat_map(|segment| segment["words"].as_array().unwrap().clone());
        words.map(|word| json!([word["punctuated_word"], word["start"], word["end"]])).collect()
    };
    assert_eq!(words(&told), words(&whole), "the segments on the way are not those of the transcript");
    let (_, _, speakers) = events.iter().find(|(_, name, _)| name == "speakers").unwrap();
    assert_eq!(*speakers, client.get(&format!("/v1/jobs/{id}/speakers")).await.ok());
    let before_the_end = events.iter().position(|(_, name, _)| name == "end").unwrap();
    let running = |(_, name, data): &&Event| name == "progress" && data["state"] == "processing";
    let last_running = events.iter().rposition(|event| running(&event)).unwrap();
    let early = segments(&events[..last_running]);
    assert!(early * 2 > told.len(), "{early} of {} segments before the end at {before_the_end}", told.len());

    let progress: Vec<_> =
        events.iter().filter(|(_, name, _)| name == "progress").map(|(_, _, job)| job.clone()).collect();
    for jobs in [progress, polling.await.unwrap()] {
        let mut seen = HashSet::new();
        let mut earlier = (0.0, 0.0);
        for job in jobs.iter().filter(|job| job["progress"].is_object()) {
            let number = |name: &str| job["progress"][name].as_f64().unwrap_or_default();
            let (decoded, done) = (number("decoded_seconds"), number("done_seconds"));
            assert!(decoded >= earlier.0 && done >= earlier.1, "{earlier:?} before {job}");
            if let Some(total) = job["progress"]["total_seconds"].as_f64() {
                assert!(done <= total && decoded <= total, "{job}");
            }
            earlier = (decoded, done);
            seen.insert(done.to_bits());
        }
        assert!(seen.len() >= 5, "{} different amounts of progress", seen.len());
    }
}

#[tokio::test]
async fn the_place_in_the_queue_is_told() {
    let world = Plan::default()
        .set("STENO_FAILPOINTS", "transcribe.claimed=sleep(20000)#1")
        .set("STENO_TRANSCRIBE_SLOTS", "1")
        .set("STENO_LEASE", "30s")
        .start()
        .await;
    let client = world.keyed_client().await;
    let mut ids = Vec::new();
    for clip in 0..3 {
        ids.push(accepted(&create(&client, clip, &[]).await));
    }
    wait::until("the last to be second in the queue", SOON, async || {
        let job = client.get(&format!("/v1/jobs/{}", ids[2])).await.ok();
        (job["progress"]["stage"] == "transcribe" && job["queue_position"] == 2).then_some(())
    })
    .await;
    for id in &ids {
        assert_eq!(ended(&client, id).await["state"], "completed");
    }
}

#[tokio::test]
async fn a_failed_job_is_run_again_and_charged_once() {
    let mut world = World::start().await;
    world.kill_workers(Lane::Transcribe);
    let (client, account) = world.client_of_tier("free").await;
    let store = world.store().await;
    world.start_worker(Lane::Transcribe, &[("STENO_FAILPOINTS", "transcribe.claimed=abort")]);
    world.ready().await;
    let id = accepted(&create(&client, 0, &[]).await);
    // Each worker dies of it, until the attempts are used up, and the next one finds that out.
    for attempt in 1..=MAX_ATTEMPTS {
        world.worker(Lane::Transcribe).end(SOON).await;
        let abort = [("STENO_FAILPOINTS", "transcribe.claimed=abort")];
        world.start_worker(Lane::Transcribe, if attempt < MAX_ATTEMPTS { &abort } else { &[] });
    }
    let job = ended(&client, &id).await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("failed"), &json!("worker_lost")));
    let usage = store.usage(&account).await.unwrap();
    assert_eq!((usage.month.used, usage.month.reserved), (0, 0));

    let again = retry(&client, &id, "").await;
    assert_eq!(accepted_again(&again), id);
    // Decoding was done before: it goes on from there.
    assert_eq!(again.json()["progress"]["stage"], "transcribe");
    assert_eq!(ended(&client, &id).await["state"], "completed");
    let usage = store.usage(&account).await.unwrap();
    assert_eq!((usage.month.used, usage.month.reserved), (1, 0));
    assert_eq!(client.get(&format!("/v1/jobs/{id}/transcript")).await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_run_again_is_told() {
    let world = Plan::default()
        .set("STENO_FAILPOINTS", "transcribe.claimed=sleep(30000)")
        .set("STENO_LEASE", "60s")
        .start()
        .await;
    let client = world.keyed_client().await;
    let id = accepted(&create(&client, 0, &[]).await);
    assert!(retry(&client, &id, "").await.refused(409).contains("not ended"));
    let cancel =
        async |id: &str| answer(client.request(Method::POST, &format!("/v1/jobs/{id}/cancel"))).await;
    assert_eq!(cancel(&id).await.ok()["state"], "cancelled");
    assert!(cancel(&id).await.refused(409).contains("ended already"));
    // The audio of a cancelled job is gone.
    assert_eq!(retry(&client, &id, "").await.json()["code"], "audio_deleted");
    let nobody = retry(&client, "job_00000000000000000000000000", "").await;
    assert_eq!(nobody.refused(404), "no such job");
    assert!(retry(&client, &id, "?stage=guess").await.refused(400).contains("the stages are"));
    assert_eq!(retry(&world.keyed_client().await, &id, "").await.refused(404), "no such job");
}

async fn retry(client: &Client, id: &str, query: &str) -> Answer {
    answer(client.request(Method::POST, &format!("/v1/jobs/{id}/retry{query}"))).await
}

#[tokio::test]
async fn a_stage_of_a_completed_job_is_run_again_for_nothing() {
    let world = Plan::default().set("STENO_KEEP_AUDIO", "1h").start().await;
    let client = world.keyed_client().await;
    let id = accepted(&create(&client, 0, &[]).await);
    ended(&client, &id).await;
    let used = client.get("/v1/usage").await.ok()["minutes"].clone();
    assert_eq!((&used["used"], &used["reserved"]), (&json!(1), &json!(0)));
    let text = client.get(&format!("/v1/jobs/{id}/transcript")).await.ok()["text"].clone();
    assert!(retry(&client, &id, "").await.refused(409).contains("stage=transcribe"));
    for stage in ["transcribe", "intake"] {
        assert_eq!(accepted_again(&retry(&client, &id, &format!("?stage={stage}")).await), id);
        // The transcript stays readable until there is a new one.
        assert!(!client.get(&format!("/v1/jobs/{id}/transcript")).await.ok()["text"].is_null());
        assert_eq!(ended(&client, &id).await["state"], "completed");
        assert!(!client.get(&format!("/v1/jobs/{id}/transcript")).await.ok()["text"].is_null());
    }
    assert!(text.as_str().is_some_and(|text| !text.is_empty()));
    assert_eq!(client.get("/v1/usage").await.ok()["minutes"], used);
    assert_eq!(client.delete(&format!("/v1/jobs/{id}")).await.status, 204);
}

fn accepted_again(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_dry_run_says_what_it_would_cost_and_leaves_nothing() {
    let world = World::start().await;
    let (poor, account) = world.client_of_tier("paid").await;
    world.store().await.grant_credits(&account, 2, "test").await.unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("long.wav");
    clips::join(&clips::heldout()[..10], 0.5, 130.0, &file);
    let seconds = f64::from(u32::try_from(clips::samples(&file).len()).unwrap()) / 16_000.0;
    for path in ["/v1/jobs", "/v1/transcribe"] {
        let form = form(&file, &[("dry_run", "true")]);
        let estimate = answer(poor.request(Method::POST, path).multipart(form)).await;
        let document = estimate.ok();
        assert!((document["duration"].as_f64().unwrap() - seconds).abs() < 0.01, "{document}");
        assert_eq!(document["credits"].as_f64(), Some((seconds / 60.0).ceil()), "{path}");
        assert_eq!((&document["credits_remaining"], &document["sufficient"]), (&json!(2), &json!(false)));
        assert_eq!(document["model"], "mini");
        assert_eq!(estimate.header("x-credits-remaining"), "2");
    }
    assert_eq!(poor.get("/v1/jobs").await.ok(), json!({"jobs": []}));
    let usage = poor.get("/v1/usage").await.ok();
    assert_eq!(usage["credits"], json!({"granted": 2, "used": 0, "reserved": 0, "remaining": 2}));
    let text = form_of(b"no media at all, just words ".repeat(50), "a.txt", &[("dry_run", "1")]);
    let refused = answer(poor.request(Method::POST, "/v1/jobs").multipart(text)).await;
    assert_eq!(refused.json()["code"], "unsupported_format");
    world.objects_are_gone().await;
    world.queue_is_empty().await;
}

#[tokio::test]
async fn one_key_of_a_request_is_one_job() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let send = |clip: usize, key: &'static str, path: &'static str| {
        let (client, form) = (client.clone(), form(&clips::heldout()[clip].path(), &[]));
        async move {
            let request = client.request(Method::POST, path).header("Idempotency-Key", key);
            answer(request.multipart(form)).await
        }
    };
    let first = accepted(&send(0, "once", "/v1/jobs").await);
    assert_eq!(accepted(&send(0, "once", "/v1/jobs").await), first);
    let waited = send(0, "once", "/v1/transcribe").await;
    assert_eq!((waited.status.as_u16(), waited.header("x-job-id")), (200, first.as_str()));
    assert_eq!(send(1, "once", "/v1/jobs").await.refused(422).split(' ').next(), Some("this"));
    assert_ne!(accepted(&send(0, "another", "/v1/jobs").await), first);
    tokio::time::timeout(Duration::from_secs(60), world.queue_is_empty()).await.unwrap();
}
