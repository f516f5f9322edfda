//! A client of live sessions, of the tests: every frame is its own doing, and every wait has a deadline.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::client::{Answer, Client, answer};

/// Ten times what anything in a session takes, but for its own times.
const SOON: Duration = Duration::from_secs(60);

/// An open session.
#[derive(Debug)]
pub struct Live {
    socket: WebSocketStream<TcpStream>,
    headers: HeaderMap,
}

/// What the server does.
#[derive(Debug, Clone, PartialEq)]
pub enum Got {
    /// It says something.
    Message(Value),
    /// It closes, with this code; 0 where it breaks off.
    Closed(u16),
}

impl Live {
    /// Opens a session.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn open(port: u16) -> Self {
        Self::open_at(port, "/v1/stream", &[]).await
    }

    /// Opens a session at an address with a query, with further headers.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn open_at(port: u16, path: &str, headers: &[(&str, &str)]) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut request = format!("ws://127.0.0.1:{port}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        let opened = tokio::time::timeout(SOON, tokio_tungstenite::client_async(request, stream)).await;
        let (socket, response) = opened.expect("the handshake is not answered").unwrap();
        Self { socket, headers: response.headers().clone() }
    }

    /// A header of the server's answer to the handshake, empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Sends a text frame.
    ///
    /// # Panics
    /// If the connection is broken.
    pub async fn text(&mut self, text: impl Into<String>) {
        self.send(Message::text(text.into())).await;
    }

    /// Sends JSON as a text frame.
    ///
    /// # Panics
    /// If the connection is broken.
    pub async fn json(&mut self, value: Value) {
        self.text(value.to_string()).await;
    }

    /// Sends a binary frame.
    ///
    /// # Panics
    /// If the connection is broken.
    pub async fn bytes(&mut self, bytes: impl Into<Vec<u8>>) {
        self.send(Message::binary(bytes.into())).await;
    }

    /// Sends a text frame of these bytes, which need not be UTF-8.
    ///
    /// # Panics
    /// If the connection is broken.
    pub async fn broken_text(&mut self, bytes: &[u8]) {
        let frame = Frame::message(bytes.to_vec(), OpCode::Data(Data::Text), true);
        self.send(Message::Frame(frame)).await;
    }

    /// Sends samples, 16-bit little-endian.
    ///
    /// # Panics
    /// If the connection is broken.
    pub async fn audio(&mut self, samples: &[i16]) {
        self.bytes(bytes_of(samples)).await;
    }

    /// Sends a ping.
    ///
    /// # Panics
    /// If the connection is broken.
    pub async fn ping(&mut self) {
        self.send(Message::Ping(Vec::new().into())).await;
    }

    async fn send(&mut self, message: Message) {
        let sent = tokio::time::timeout(SOON, self.socket.send(message)).await;
        sent.expect("the server reads nothing").unwrap();
    }

    /// Sends a binary frame unless the server does not read it, or has closed; whether it was sent.
    pub async fn try_bytes(&mut self, bytes: Vec<u8>, within: Duration) -> bool {
        let sent = tokio::time::timeout(within, self.socket.send(Message::binary(bytes))).await;
        matches!(sent, Ok(Ok(())))
    }

    /// Sends a text frame unless the server has closed.
    pub async fn try_text(&mut self, text: &str) -> bool {
        self.socket.send(Message::text(text.to_owned())).await.is_ok()
    }

    /// Ends the session by a close frame, and waits for the answer.
    ///
    /// # Panics
    /// If there is none in much less time than a socket is left to its client.
    pub async fn close(mut self) {
        // Where the server has closed it is closed.
        let _ = self.socket.close(None).await;
        let answered = async { while let Some(Ok(_)) = self.socket.next().await {} };
        tokio::time::timeout(Duration::from_secs(20), answered).await.expect("a close is not answered");
    }

    /// The next thing that the server does.
    ///
    /// # Panics
    /// After a minute, or if it sends what is no JSON.
    pub async fn next(&mut self) -> Got {
        self.next_within(SOON).await.expect("the server keeps silent")
    }

    /// The same; none if it keeps silent.
    ///
    /// # Panics
    /// If it sends what is no JSON.
    pub async fn next_within(&mut self, within: Duration) -> Option<Got> {
        let next = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        break Got::Message(serde_json::from_str(&text).unwrap());
                    }
                    Some(Ok(Message::Close(frame))) => {
                        break Got::Closed(frame.map_or(1005, |frame| frame.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break Got::Closed(0),
                }
            }
        };
        tokio::time::timeout(within, next).await.ok()
    }

    /// The next message.
    ///
    /// # Panics
    /// If there is none.
    pub async fn message(&mut self) -> Value {
        match self.next().await {
            Got::Message(message) => message,
            Got::Closed(code) => panic!("closed with {code}"),
        }
    }

    /// The next message of which this is true.
    ///
    /// # Panics
    /// If there is none.
    pub async fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.message().await;
            if is_it(&message) {
                return message;
            }
        }
    }

    /// All messages that are left, and the code of the end.
    pub async fn rest(&mut self) -> (Vec<Value>, u16) {
        let mut messages = Vec::new();
        loop {
            match self.next().await {
                Got::Message(message) => messages.push(message),
                Got::Closed(code) => return (messages, code),
            }
        }
    }

    /// The last message and the code of the end, by way of all others.
    ///
    /// # Panics
    /// If there is not exactly one last message, at the end.
    pub async fn last(&mut self) -> (Value, u16) {
        let (mut messages, code) = self.rest().await;
        let count = messages.iter().filter(|message| message["is_final"] == true).count();
        assert_eq!(count, 1, "{messages:?} {code}");
        let last = messages.pop().unwrap();
        assert_eq!(last["final"], true, "{last}");
        (last, code)
    }

    /// Waits for a ping.
    ///
    /// # Panics
    /// If none comes.
    pub async fn pinged(&mut self, within: Duration) {
        let ping = async { while !matches!(self.socket.next().await.unwrap().unwrap(), Message::Ping(_)) {} };
        tokio::time::timeout(within, ping).await.expect("no ping");
    }
}

/// As they are sent.
#[must_use]
pub fn bytes_of(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// The answer to a handshake that is refused.
pub async fn refusal(client: &Client, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = client
        .request(Method::GET, path)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request).await
}
