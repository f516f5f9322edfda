//! The edge around endpoints made for the purpose: what no route of ours does on purpose.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use poem::{Body, Endpoint, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Limits, serve};

/// Ten times what anything in here takes.
const SOON: Duration = Duration::from_secs(20);

/// An endpoint that panics, fails, waits for ever or reads its body, by path.
#[derive(Debug, Clone, Default)]
struct Odd {
    waiting: Arc<AtomicBool>,
}

/// Says that a handler was dropped before its end.
struct Noticed(Arc<AtomicBool>);

impl Drop for Noticed {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Endpoint for Odd {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        match request.uri().path() {
            "/panic" => panic!("on purpose"),
            "/fail" => Err(poem::error::InternalServerError(std::io::Error::other("a secret of the server"))),
            "/wait" => {
                self.waiting.store(true, Ordering::SeqCst);
                let _noticed = Noticed(Arc::clone(&self.waiting));
                std::future::pending().await
            }
            "/read" => {
                let bytes = request.into_body().into_bytes().await;
                let bytes = bytes
                    .map_err(|error| poem::Error::from_string(error.to_string(), 400.try_into().unwrap()))?;
                Ok(Response::builder().body(Body::from_string(bytes.len().to_string())))
            }
            _ => Ok(Response::builder().body("fine")),
        }
    }
}

async fn start(limits: Limits) -> (SocketAddr, Odd, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (odd, stop) = (Odd::default(), CancellationToken::new());
    tokio::spawn(serve(listener, odd.clone(), limits, stop.clone()));
    (address, odd, stop)
}

fn limits() -> Limits {
    Limits { connections: 100, header_timeout: SOON, body_timeout: SOON }
}

/// Sends bytes and reads until the server closes.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    read_to_end(&mut stream).await
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut answer))
        .await
        .expect("the server keeps silent")
        .unwrap();
    String::from_utf8(answer).unwrap()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn a_panic_and_a_failure_are_answered_without_a_word_of_the_cause() {
    let (address, _, _) = start(limits()).await;
    for path in ["/panic", "/fail"] {
        let answer = exchange(address, &get(path)).await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(answer.contains(r#"{"error":"internal error","code":"internal","request_id":"#), "{answer}");
        assert!(!answer.contains("purpose") && !answer.contains("secret"), "{answer}");
    }
    assert!(exchange(address, &get("/")).await.ends_with("fine"));
}

#[tokio::test]
async fn a_handler_is_dropped_when_its_client_leaves() {
    let (address, odd, _) = start(limits()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(get("/wait").as_bytes()).await.unwrap();
    until(|| odd.waiting.load(Ordering::SeqCst)).await;
    drop(stream);
    until(|| !odd.waiting.load(Ordering::SeqCst)).await;
}

async fn until(condition: impl Fn() -> bool) {
    let look = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, look).await.expect("waited in vain");
}

#[tokio::test]
async fn a_body_that_trickles_is_given_up_though_it_never_stops() {
    let (address, _, _) = start(Limits { body_timeout: Duration::from_secs(1), ..limits() }).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n").await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let trickle = tokio::spawn(async move {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut answer = vec![0; 4096];
    let read =
        tokio::time::timeout(SOON, reader.read(&mut answer)).await.expect("it goes on for ever").unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains(r#"{"error":"#), "{answer}");
    trickle.abort();
}

#[tokio::test]
async fn a_steady_body_may_take_longer_than_the_timeout() {
    let (address, _, _) = start(Limits { body_timeout: Duration::from_millis(400), ..limits() }).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 20480\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..20 {
        stream.write_all(&[b'x'; 1024]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("20480"), "{answer}");
}

#[tokio::test]
async fn stopping_answers_what_is_under_way_and_takes_no_more() {
    let (address, _, stop) = start(limits()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab").await.unwrap();
    // The rest comes after the signal.
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut byte = [0; 1];
    idle.read_exact(&mut byte).await.unwrap();
    stop.cancel();
    stream.write_all(b"cd").await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with('4'), "{answer}");
    read_to_end(&mut idle).await;
    assert!(TcpStream::connect(address).await.is_err(), "the listener is still open");
}
