//! Jobs made of a URL: fetched, refused, tried again.

use futures::future::join_all;
use reqwest::multipart::Form;
use steno_shared::job::Lane;
use steno_tests::client::{Answer, Client};
use steno_tests::clips;
use steno_tests::wait;
use steno_tests::world::{Plan, SOON, World};

use crate::origin::Origin;
use crate::webhooks::INNER_HOSTS;

/// A world in which 127.0.0.2 is other people's, and the rest of the loopback is ours.
fn plan() -> Plan {
    Plan::default()
        .lanes(Lane::LED)
        .set("STENO_ALLOW_NETWORKS", "127.0.0.2/32")
        .set("STENO_FETCH_STALL", "1s")
        .set("STENO_FETCH_TIMEOUT", "5s")
}

const OTHERS: [u8; 4] = [127, 0, 0, 2];
const OURS: [u8; 4] = [127, 0, 0, 1];

async fn transcribe(client: &Client, url: &str) -> Answer {
    client.transcribe(Form::new().text("url", url.to_owned())).await
}

async fn code_of(client: &Client, url: &str) -> String {
    let answer = transcribe(client, url).await;
    assert!(!answer.status.is_success(), "{url}: {}", answer.body);
    answer.json()["code"].as_str().unwrap().to_owned()
}

fn courier_log(world: &mut World) -> String {
    world.worker(Lane::Fetch).log()
}

#[tokio::test]
async fn what_a_url_names_is_transcribed_like_an_upload() {
    let mut world = plan().start().await;
    let (client, origin) = (world.keyed_client().await, Origin::start(OTHERS).await);
    let uploaded = client.transcribe_file(&clips::heldout()[0].path(), &[]).await.ok();
    for (path, name) in [
        ("/talks/A%20clip.flac?token=s3cret#t=3", "A clip.flac"),
        ("/named?token=s3cret", "Talk.flac"),
        ("/hops/4?token=s3cret", "clip.flac"),
        ("/unavailable-once", "unavailable-once"),
        ("/broken-once", "broken-once"),
        ("/stalled-once", "stalled-once"),
    ] {
        let answer = transcribe(&client, &origin.url(path)).await;
        assert_eq!(answer.ok()["text"], uploaded["text"], "{path}");
        let job = client.get(&format!("/v1/jobs/{}", answer.header("x-job-id"))).await.ok();
        assert_eq!((&job["state"], job["file_name"].as_str().unwrap()), (&"completed".into(), name));
    }
    assert!(origin.hits().contains(&"/talks/A%20clip.flac?token=s3cret".to_owned()));
    for log in [courier_log(&mut world), world.api().log()] {
        assert!(!log.contains("s3cret"), "{log}");
    }
    // The audio goes when its transcript is there, as that of an upload.
    assert!(!world.results_alone().await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_fetched_fails_with_the_reason() {
    let world = plan().set("STENO_MAX_FILE", "1MiB").start().await;
    let (client, origin) = (world.keyed_client().await, Origin::start(OTHERS).await);
    let free = std::net::TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
    let refusing = format!("http://{free}/");
    let cases = [
        (origin.url("/status/404"), "url_failed", "answered 404"),
        (origin.url("/status/401"), "url_failed", "answered 401"),
        (origin.url("/status/304"), "url_failed", "answered 304"),
        (origin.url("/status/500"), "url_failed", "answered 500"),
        (origin.url("/hops/5"), "url_failed", "more than 5 redirects"),
        (origin.url("/broken"), "url_failed", "broke off"),
        (origin.url("/silent"), "url_failed", "sent nothing for 1 s"),
        (origin.url("/stalled"), "url_failed", "sent nothing for 1 s"),
        (origin.url("/trickle"), "url_failed", "less than 32KiB in 1 s"),
        (refusing, "url_failed", "no connection"),
        ("http://no-such-host.invalid/".to_owned(), "url_failed", "no connection"),
        (origin.url("/large"), "file_too_large", "larger than 1MiB"),
        (origin.url("/endless"), "file_too_large", "larger than 1MiB"),
        (origin.url("/empty"), "empty_file", "empty"),
        (origin.url("/page"), "unsupported_format", "not audio"),
    ];
    let answers = join_all(cases.iter().map(|(url, ..)| transcribe(&client, url))).await;
    for ((url, code, said), answer) in cases.iter().zip(answers) {
        assert!(!answer.status.is_success(), "{url}: {}", answer.body);
        let body = answer.json();
        assert_eq!(body["code"], *code, "{url}: {body}");
        assert!(body["error"].as_str().unwrap().contains(said), "{url}: {body}");
    }
    let hits = |path: &str| origin.hits().iter().filter(|hit| *hit == path).count();
    for (path, times) in
        [("/status/404", 1), ("/status/500", 3), ("/broken", 3), ("/stalled", 3), ("/large", 1)]
    {
        assert_eq!(hits(path), times, "{path}");
    }
    world.objects_are_gone().await;
}

#[tokio::test]
async fn a_download_that_takes_too_long_is_given_up() {
    let world = plan().set("STENO_FETCH_STALL", "60s").set("STENO_FETCH_TIMEOUT", "2s").start().await;
    let (client, origin) = (world.keyed_client().await, Origin::start(OTHERS).await);
    let answer = transcribe(&client, &origin.url("/trickle")).await;
    assert_eq!(answer.json()["code"], "url_failed");
    assert!(answer.json()["error"].as_str().unwrap().contains("longer than 2 s"), "{}", answer.body);
    assert_eq!(origin.hits().len(), 1);
}

#[tokio::test]
async fn inner_addresses_are_refused_by_literal_by_name_and_by_redirect() {
    let world = plan().start().await;
    let (client, origin) = (world.keyed_client().await, Origin::start(OTHERS).await);
    let ours = Origin::start(OURS).await;
    // Literals are told at once. Names that are always local pass where networks are listed, and are stopped by
    // what they resolve to.
    let literals = INNER_HOSTS.iter().filter(|host| !host.chars().any(|letter| "lg".contains(letter)));
    for host in literals.filter(|host| !host.contains("LOCAL")) {
        let refused = transcribe(&client, &format!("http://{host}/")).await;
        assert!(refused.refused(400).contains("--allow-networks"), "{host}: {}", refused.body);
        assert_eq!(refused.json()["code"], "invalid_field", "{host}");
    }
    for url in ["ftp://127.0.0.2/", "http://me:x@127.0.0.2/", "file:///etc/passwd", "127.0.0.2", "http://"] {
        assert!(transcribe(&client, url).await.refused(400).contains("URL"), "{url}");
    }
    let port = ours.port();
    let inner = [
        format!("http://localhost:{port}/"),
        origin.url(&format!("/to?http://127.0.0.1:{port}/")),
        origin.url(&format!("/to?http://127.1:{port}/")),
        origin.url(&format!("/to?http://0x7f000001:{port}/")),
        origin.url(&format!("/to?http://2130706433:{port}/")),
        origin.url(&format!("/to?http://[::ffff:127.0.0.1]:{port}/")),
        origin.url(&format!("/to?http://localhost:{port}/")),
        origin.url(&format!("/to?//localhost:{port}/")),
        origin.url("/to?http://169.254.169.254/latest/meta-data/"),
        origin.url("/to?http://[::1]/"),
        origin.url("/to?http://8.8.8.8:25/"),
        origin.url("/to?file:///etc/passwd"),
        origin.url("/to?ftp://127.0.0.2/"),
        origin.url(&format!("/to?http://me:x@127.0.0.2:{}/", origin.port())),
        // Over a hop that is allowed.
        origin.url(&format!("/to?/to?http://127.0.0.1:{port}/")),
    ];
    let codes = join_all(inner.iter().map(|url| code_of(&client, url))).await;
    for (url, code) in inner.iter().zip(codes) {
        assert_eq!(code, "url_refused", "{url}");
    }
    assert!(ours.hits().is_empty(), "{:?}", ours.hits());
    // Refusals are final: each URL was asked for once, and the one that leads over another hop twice.
    let asked = inner.iter().filter(|url| url.starts_with(&origin.url("/"))).count();
    assert_eq!(origin.hits().len(), asked + 1, "{:?}", origin.hits());
    world.objects_are_gone().await;
}

#[tokio::test]
async fn a_courier_that_is_killed_in_a_download_is_succeeded() {
    let mut world = plan().set("STENO_FETCH_STALL", "60s").set("STENO_FETCH_TIMEOUT", "1h").start().await;
    let (client, origin) = (world.keyed_client().await, Origin::start(OTHERS).await);
    let url = origin.url("/stalled-once");
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { transcribe(&client, &url).await }
    });
    wait::until("the download to begin", SOON, async || (!origin.hits().is_empty()).then_some(())).await;
    world.kill_workers(Lane::Fetch);
    world.start_worker(Lane::Fetch, &[]);
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(origin.hits().len(), 2);
    let job = client.get(&format!("/v1/jobs/{}", answer.header("x-job-id"))).await.ok();
    assert_eq!(job["state"], "completed");
}

/// The file of a courier that was succeeded goes when it wakes up, and its successor's stays.
#[tokio::test]
async fn a_courier_that_wakes_up_late_removes_its_own_file_alone() {
    let armed = "fetch.stored=sleep(6000)#1,intake.claimed=sleep(6000)#1";
    let mut world = plan().set("STENO_FAILPOINTS", armed).start().await;
    let (client, origin) = (world.keyed_client().await, Origin::start(OTHERS).await);
    let url = origin.url("/clip.flac");
    let waiting = tokio::spawn(async move { transcribe(&client, &url).await });
    wait::until("the download", SOON, async || (!origin.hits().is_empty()).then_some(())).await;
    world.start_worker(Lane::Fetch, &[("STENO_FAILPOINTS", "")]);
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(origin.hits().len(), 2);
    assert!(!world.results_alone().await.is_empty());
}

#[tokio::test]
async fn a_courier_that_is_stopped_hands_its_download_back() {
    let mut world = plan()
        .set("STENO_FETCH_STALL", "60s")
        .set("STENO_FETCH_TIMEOUT", "1h")
        .set("STENO_LEASE", "60s")
        .set("STENO_GRACE", "200ms")
        .start()
        .await;
    let (client, origin) = (world.keyed_client().await, Origin::start(OTHERS).await);
    let url = origin.url("/stalled-once");
    let waiting = tokio::spawn(async move { transcribe(&client, &url).await });
    wait::until("the download to begin", SOON, async || (!origin.hits().is_empty()).then_some(())).await;
    world.worker(Lane::Fetch).signal(rustix::process::Signal::TERM);
    assert!(world.worker(Lane::Fetch).end(SOON).await.success());
    world.start_worker(Lane::Fetch, &[]);
    assert_eq!(waiting.await.unwrap().status, 200);
}
