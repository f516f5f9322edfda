//! Against a server that follows a script.

use std::io::Cursor;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use super::session::{Session, Step};
use super::sound::{Format, Sound};
use super::*;
use crate::client::connection::Network;
use crate::live::pcm::Encoding;

const FORMAT: Format = Format { encoding: Encoding::S16le, rate: 16_000 };
const ENOUGH: Duration = Duration::from_secs(60);

/// A server's side of a connection.
struct Side {
    socket: WebSocketStream<TcpStream>,
    config: Value,
}

/// What the client sends.
#[derive(Debug, PartialEq)]
enum Sent {
    Audio(Vec<u8>),
    Text(Value),
    Gone,
}

impl Side {
    async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        #[expect(clippy::result_large_err, reason = "the form that the handshake calls")]
        let look = |request: &Request, response: Response| {
            assert_eq!(request.uri().to_string(), "/v1/stream");
            Ok(response)
        };
        let socket = accept_hdr_async(stream, look).await.unwrap();
        let mut this = Self { socket, config: Value::Null };
        let Sent::Text(config) = this.next().await else { panic!("audio before the configuration") };
        this.config = config;
        this
    }

    async fn next(&mut self) -> Sent {
        match tokio::time::timeout(ENOUGH, self.socket.next()).await.unwrap() {
            Some(Ok(Message::Binary(bytes))) => Sent::Audio(bytes.to_vec()),
            Some(Ok(Message::Text(text))) => Sent::Text(serde_json::from_str(text.as_str()).unwrap()),
            _ => Sent::Gone,
        }
    }

    async fn say(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Audio up to a stop, or until there is at least so much.
    async fn hear(&mut self, enough: usize) -> Vec<u8> {
        let mut heard = Vec::new();
        while heard.len() < enough {
            match self.next().await {
                Sent::Audio(bytes) => heard.extend(bytes),
                sent => {
                    assert_eq!(sent, Sent::Text(json!({"action": "stop"})));
                    break;
                }
            }
        }
        heard
    }
}

async fn listener() -> (TcpListener, Server) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    (listener, Server::new(url, None, Network::Loopback).unwrap())
}

fn audio(seconds: usize) -> Vec<u8> {
    (0..seconds * 32_000).map(|at| (at / 7 + at / 3000) as u8).collect()
}

async fn sound(bytes: &[u8]) -> Sound {
    Sound::of("standard input".to_owned(), Box::new(Cursor::new(bytes.to_vec())), FORMAT).await.unwrap()
}

fn wishes() -> Map<String, Value> {
    json!({"language": "en"}).as_object().unwrap().clone()
}

/// Up to the last message, over as many connections as it takes: the messages, and how many connections were lost.
async fn listen(session: &mut Session<'_>, sound: &mut Sound) -> Result<(Vec<Value>, usize), ClientError> {
    let (mut messages, mut lost) = (Vec::new(), 0);
    loop {
        match tokio::time::timeout(ENOUGH, session.step(sound)).await.unwrap()? {
            Step::Message(message) => {
                let is_last = message.contains_key("is_final");
                messages.push(Value::Object(message));
                if is_last {
                    return Ok((messages, lost));
                }
            }
            Step::Lost(_) => {
                lost += 1;
                session.resume().await?;
            }
        }
    }
}

fn last(seq: u64) -> Value {
    json!({"text": "", "is_final": true, "seq": seq})
}

#[tokio::test]
async fn all_of_the_audio_is_sent_and_the_messages_come_in_order() {
    let (listener, server) = listener().await;
    let spoken = audio(3);
    let served = tokio::spawn(async move {
        let mut side = Side::accept(&listener).await;
        side.say(json!({"status": "ready", "session_id": "job_1"})).await;
        let heard = side.hear(usize::MAX).await;
        side.say(json!({"text": "one", "seq": 1})).await;
        side.say(last(2)).await;
        (side.config, heard)
    });
    let mut sound = sound(&spoken).await;
    let mut session = Session::open(&server, wishes(), FORMAT).await.unwrap();
    let (messages, lost) = listen(&mut session, &mut sound).await.unwrap();
    let (config, heard) = served.await.unwrap();
    assert_eq!((lost, messages.len(), &messages[1]["text"]), (0, 3, &json!("one")));
    let expected = json!({"language": "en", "sample_rate": 16_000, "encoding": "s16le", "resume": true});
    assert_eq!(config, expected);
    assert!(heard == spoken, "{} bytes of {}", heard.len(), spoken.len());
    assert!(session.refusal().is_none());
}

/// What the server has not received is sent again, and no message is shown twice.
#[tokio::test]
async fn a_session_goes_on_where_the_connection_broke() {
    let (listener, server) = listener().await;
    let spoken = audio(5);
    let served = tokio::spawn(async move {
        let mut side = Side::accept(&listener).await;
        side.say(json!({"status": "ready", "session_id": "job_1"})).await;
        let mut heard = side.hear(50_000).await;
        side.say(json!({"text": "one", "seq": 1})).await;
        side.say(json!({"partial": "tw", "seq": 2})).await;
        // Half of what has come does not count, and half a sample neither.
        heard.truncate(heard.len() / 2 / 2 * 2);
        drop(side);
        let mut side = Side::accept(&listener).await;
        assert_eq!((&side.config["session_id"], &side.config["language"]), (&json!("job_1"), &json!("en")));
        let seen = side.config["last_seq"].as_u64().unwrap();
        assert!(seen <= 2);
        side.say(json!({"status": "ready", "session_id": "job_1", "received_samples": heard.len() / 2}))
            .await;
        side.say(json!({"text": "one", "seq": 1})).await;
        heard.extend(side.hear(usize::MAX).await);
        // Lost once more, after the stop.
        drop(side);
        let mut side = Side::accept(&listener).await;
        side.say(json!({"status": "ready", "session_id": "job_1", "received_samples": heard.len() / 2}))
            .await;
        assert!(side.hear(usize::MAX).await.is_empty());
        side.say(json!({"text": "two", "seq": 3})).await;
        side.say(last(4)).await;
        heard
    });
    let mut sound = sound(&spoken).await;
    let mut session = Session::open(&server, wishes(), FORMAT).await.unwrap();
    let (messages, lost) = listen(&mut session, &mut sound).await.unwrap();
    assert_eq!(lost, 2);
    assert!(served.await.unwrap() == spoken);
    let texts: Vec<_> = messages.iter().filter_map(|message| message["text"].as_str()).collect();
    assert_eq!(texts, ["one", "two", ""]);
}

#[tokio::test]
async fn a_server_that_refuses_is_heard() {
    for (answer, code, sentence) in [
        (
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: 35\r\n\r\n{\"error\":\"no\",\"code\":\"invalid_key\"}",
            "invalid_key",
            "no",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", "foreign_server", "no WebSocket at /v1/stream"),
        (
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n",
            "foreign_server",
            "handshake",
        ),
        ("nonsense\r\n\r\n", "connection_broken", "broke"),
    ] {
        let (listener, server) = listener().await;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let error = Session::open(&server, wishes(), FORMAT).await.err().unwrap();
        assert_eq!(error.document()["code"], code, "{error}");
        assert!(error.to_string().contains(sentence), "{error}");
    }
    let (listener, server) = listener().await;
    drop(listener);
    let error = Session::open(&server, wishes(), FORMAT).await.err().unwrap();
    assert_eq!(error.document()["code"], "unreachable");
}

/// A refused configuration, a limit in mid-session, a connection that no session can be brought back on.
#[tokio::test]
async fn a_session_that_is_refused_or_ended_says_why() {
    let (listener, server) = listener().await;
    let spoken = audio(1);
    tokio::spawn(async move {
        let mut side = Side::accept(&listener).await;
        side.say(json!({"error": "unknown model", "code": "unknown_model"})).await;
        let mut side = Side::accept(&listener).await;
        side.say(json!({"status": "ready", "session_id": "job_2"})).await;
        side.hear(1_000).await;
        side.say(json!({"error": "no credits remaining", "code": "no_credits"})).await;
        side.say(last(1)).await;
        let mut side = Side::accept(&listener).await;
        side.say(json!({"status": "ready", "session_id": "job_3"})).await;
        side.say(json!({"error": "a fault", "code": "internal"})).await;
        drop(side);
        // A session that the server does not know any more, and one of which it has more than there is.
        for ready in [
            json!({"error": "there is no such session", "code": "unknown_session"}),
            json!({"status": "ready", "session_id": "job_4", "received_samples": u64::MAX}),
        ] {
            let mut side = Side::accept(&listener).await;
            side.say(json!({"status": "ready", "session_id": "job_4"})).await;
            drop(side);
            Side::accept(&listener).await.say(ready).await;
        }
        // No text of ours.
        let mut side = Side::accept(&listener).await;
        side.say(json!(["ready"])).await;
        side.next().await;
    });
    let code = async || {
        let (mut sound, mut session) =
            (sound(&spoken).await, Session::open(&server, wishes(), FORMAT).await.unwrap());
        match listen(&mut session, &mut sound).await {
            Ok(_) => session.refusal().unwrap().document()["code"].clone(),
            Err(error) => error.document()["code"].clone(),
        }
    };
    for expected in
        ["unknown_model", "no_credits", "internal", "unknown_session", "foreign_server", "foreign_server"]
    {
        assert_eq!(code().await, expected);
    }
}

/// A server that is gone for good is not waited for for ever, and one that says nothing is gone.
#[tokio::test]
async fn a_server_that_does_not_come_back_is_given_up() {
    let (listener, server) = listener().await;
    tokio::spawn(async move {
        let mut side = Side::accept(&listener).await;
        side.say(json!({"status": "ready", "session_id": "job_1"})).await;
    });
    let (mut sound, mut session) =
        (sound(&audio(1)).await, Session::open(&server, wishes(), FORMAT).await.unwrap());
    assert!(matches!(session.step(&mut sound).await.unwrap(), Step::Message(_)));
    loop {
        if let Step::Lost(_) = session.step(&mut sound).await.unwrap() {
            break;
        }
    }
    session.has_been_lost_for(Duration::from_secs(29));
    let error = session.resume().await.unwrap_err();
    assert_eq!(error.document()["code"], "connection_broken", "{error}");
    assert_eq!(error.document()["session_id"], "job_1");
    assert!(error.to_string().contains("the session is lost"), "{error}");
}
