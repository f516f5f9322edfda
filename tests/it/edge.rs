//! The HTTP edge of the real server, on the wire.

use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Method;
use steno_shared::job::Lane;
use steno_tests::client::answer;
use steno_tests::world::{Plan, SOON, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn connect(world: &World) -> TcpStream {
    TcpStream::connect(("127.0.0.1", world.port())).await.unwrap()
}

/// Reads until the server closes.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut bytes)).await;
    read.expect("the server keeps the connection open").unwrap();
    String::from_utf8(bytes).unwrap()
}

/// A world without workers: nothing in here gets so far as to need one.
async fn edge(settings: &[(&str, &str)]) -> World {
    let plan = settings.iter().fold(Plan::default().lanes(&[]), |plan, (name, value)| plan.set(name, value));
    plan.start().await
}

#[tokio::test]
async fn every_error_has_the_one_form() {
    let world = edge(&[]).await;
    let client = world.client();
    for (method, path, status) in [
        (Method::GET, "/", 404),
        (Method::GET, "/v1/nothing", 404),
        (Method::GET, "/v1/jobs/job_x", 404),
        (Method::GET, "/v1/jobs/..%2f..%2fetc%2fpasswd", 404),
        (Method::GET, "/v1/transcribe", 405),
        (Method::PUT, "/v1/transcribe", 405),
        (Method::POST, "/health", 405),
        (Method::PATCH, "/v1/jobs/job_0", 405),
        (Method::GET, "/v1/models?all=perhaps", 400),
        (Method::POST, "/v1/transcribe", 503),
    ] {
        let answer = answer(client.request(method.clone(), path)).await;
        let sentence = answer.refused(status);
        assert!(!sentence.is_empty() && !sentence.contains("poem"), "{method} {path}: {sentence}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        if status == 405 {
            assert!(!answer.header("allow").is_empty(), "{method} {path} has no Allow");
        }
    }
}

#[tokio::test]
async fn a_request_id_is_taken_over_or_made() {
    let world = edge(&[]).await;
    let request = world.client().request(Method::GET, "/health/live").header("X-Request-Id", "mine-7");
    assert_eq!(answer(request).await.header("x-request-id"), "mine-7");
    let made = world.client().get("/health/live").await;
    assert!(made.header("x-request-id").starts_with("req_"));
}

#[tokio::test]
async fn any_page_may_call_and_read_the_answer() {
    let world = edge(&[]).await;
    let preflight = world
        .client()
        .request(Method::OPTIONS, "/v1/transcribe")
        .header("Origin", "https://page.example")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "authorization");
    let preflight = answer(preflight).await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert!(preflight.header("access-control-allow-headers").contains("Authorization"));
    assert!(preflight.header("access-control-allow-methods").contains("POST"));
    let refused = world.client().with_key("wrong").get("/v1/jobs/job_0").await;
    assert_eq!(refused.status, 401);
    assert!(refused.header("access-control-expose-headers").contains("X-Job-Id"));
}

#[tokio::test]
async fn half_a_header_and_an_idle_connection_are_cut() {
    let world = edge(&[("STENO_HEADER_TIMEOUT", "1s")]).await;
    let mut half = connect(&world).await;
    half.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow:").await.unwrap();
    let mut idle = connect(&world).await;
    idle.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_to_end(&mut half).await;
    assert!(read_to_end(&mut idle).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_connection_too_many_is_told_so() {
    let world = edge(&[("STENO_CONNECTIONS", "2")]).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(&world).await;
        stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        stream.read_exact(&mut [0; 12]).await.unwrap();
        held.push(stream);
    }
    let refused = world.client().get("/health/live").await;
    assert!(refused.refused(503).contains("too many connections"));
    assert_eq!(refused.header("retry-after"), "1");
    drop(held);
    steno_tests::wait::until("a place to be free", SOON, async || {
        (world.client().get("/health/live").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_body_that_stops_is_answered_408() {
    let world = Plan::default().set("STENO_BODY_TIMEOUT", "1s").start().await;
    let mut stream = connect(&world).await;
    let head = "POST /v1/transcribe HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\
                Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; \
                name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains(r#""code":"body_timeout""#), "{answer}");
    world.objects_are_gone().await;
}

/// A client that waits to be told "100 Continue" is told its refusal instead, and sends nothing.
#[tokio::test]
async fn a_refused_upload_that_asks_first_is_not_sent() {
    let world = Plan::default().set("STENO_MAX_FILE", "1MiB").start().await;
    for (header, status) in [("Authorization: Bearer wrong", "401"), ("X-None: x", "413")] {
        let mut stream = connect(&world).await;
        let head = format!(
            "POST /v1/transcribe HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\
             {header}\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    let mut stream = connect(&world).await;
    let head = "POST /v1/transcribe HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\nExpect: 100-continue\r\n\
                Content-Type: multipart/form-data; boundary=b\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 21];
    tokio::time::timeout(SOON, stream.read_exact(&mut answer)).await.expect("no answer").unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue");
}

/// A program that sends 30 MB with a wrong key, over and over, prints each status that it sees.
fn statuses(program: &str, script: &str, port: u16) -> Vec<String> {
    let output = Command::new(program).args(["-", &port.to_string()]).stdin(script_file(script)).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn script_file(script: &str) -> std::fs::File {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(script.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}

/// Clients that are cut off while they send often never see why. The refused body is read on, so they do.
#[tokio::test]
async fn a_refusal_is_seen_by_clients_that_are_still_sending() {
    let world = edge(&[]).await;
    let port = world.port();
    let node = "(async () => { for (let i = 0; i < 20; i++) { const form = new FormData();
        form.append('file', new Blob([new Uint8Array(30e6)]), 'a.wav');
        const answer = await fetch(`http://127.0.0.1:${process.argv[2]}/v1/transcribe`,
            { method: 'POST', body: form, headers: { Authorization: 'Bearer wrong' } });
        console.log(answer.status, typeof (await answer.json()).error); } })();";
    let python = "import http.client, json, sys
for _ in range(20):
    connection = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))
    connection.request('POST', '/v1/transcribe', b'x' * 30_000_000,
        {'Authorization': 'Bearer wrong', 'Content-Type': 'multipart/form-data; boundary=b'})
    answer = connection.getresponse()
    print(answer.status, 'string' if isinstance(json.load(answer)['error'], str) else '?')";
    for (program, script) in [("node", node), ("python3", python)] {
        let began = Instant::now();
        let seen = statuses(program, script, port);
        assert_eq!(seen, vec!["401 string"; 20], "{program}");
        assert!(began.elapsed() < Duration::from_secs(200));
    }
    let curl = Command::new("curl")
        .args([
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-H",
            "Authorization: Bearer wrong",
            "-H",
            "Expect:",
        ])
        .args(["--data-binary", "@-", &format!("http://127.0.0.1:{port}/v1/transcribe")])
        .stdin(script_file(&"x".repeat(30_000_000)))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&curl.stdout), "401");
    world.objects_are_gone().await;
}

#[tokio::test]
async fn health_names_what_is_missing() {
    let world = edge(&[]).await;
    let health = world.client().get("/health").await.ok();
    assert_eq!(
        health,
        serde_json::json!({
            "status": "unavailable", "gpu_available": false, "gpu_name": null, "gpu_memory_mb": 0
        })
    );
    assert_eq!(world.client().get("/health/live").await.status, 200);
    let ready = world.client().get("/health/ready").await;
    assert_eq!(ready.status, 503);
    for lane in Lane::NEEDED {
        let problem = format!("no {lane} worker is running; start steno-{lane}");
        assert!(ready.json()["problems"].as_array().unwrap().contains(&problem.into()), "{}", ready.body);
    }
}
