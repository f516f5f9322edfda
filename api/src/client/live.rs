//! Live sessions: one connection to `/v1/stream`. What outlives a connection is in [`session`], the audio in [`sound`].

pub(crate) mod session;
pub(crate) mod sound;

use std::time::Duration;

use futures::stream::SplitStream;
use futures::{SinkExt, StreamExt};
use reqwest::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::{Method, StatusCode, Upgraded};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::error::ClientError;
use super::server::{QUICK, Server};

/// A server asks every 20 s whether its client is there: one that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// So many frames wait for the server to read.
const WAITING: usize = 4;

/// A connection, after its handshake: its two directions.
struct Line {
    incoming: Incoming,
    outgoing: Outgoing,
}

/// What comes from the server.
struct Incoming {
    server: Server,
    messages: SplitStream<WebSocketStream<Upgraded>>,
    /// When the server was last heard.
    heard: Instant,
}

/// What goes to the server, as fast as it reads.
struct Outgoing {
    frames: mpsc::Sender<Message>,
    sending: JoinHandle<()>,
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

impl Line {
    /// Connects.
    ///
    /// # Errors
    /// If the server is not there, refuses, or is none of ours.
    async fn open(server: &Server) -> Result<Self, ClientError> {
        let key = generate_key();
        let request = server
            .request(Method::GET, server.url(&["v1", "stream"]))
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, &key);
        let answered = tokio::time::timeout(QUICK, request.send()).await;
        let answered = answered.map_err(|_| server.broken("it does not answer in time"))?;
        let response = answered.map_err(|error| server.failed(&error))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            if response.status().is_success() {
                return Err(server.foreign("there is no WebSocket at /v1/stream"));
            }
            return Err(server.refusal(response).await);
        }
        let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
        if accepted != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(server.foreign("its handshake is no WebSocket's"));
        }
        let upgraded = response.upgrade().await.map_err(|error| server.failed(&error))?;
        let (mut sink, messages) =
            WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await.split();
        let (frames, mut waiting) = mpsc::channel(WAITING);
        // Beside the reading: neither waits for the other. If it fails, whoever reads learns why.
        let sending = tokio::spawn(async move {
            while let Some(frame) = waiting.recv().await {
                if sink.send(frame).await.is_err() {
                    break;
                }
            }
        });
        let incoming = Incoming { server: server.clone(), messages, heard: Instant::now() };
        Ok(Self { incoming, outgoing: Outgoing { frames, sending } })
    }
}

impl Outgoing {
    /// Waits until there is room for another frame. It may be given up at any time.
    async fn room(&self) -> mpsc::OwnedPermit<Message> {
        match self.frames.clone().reserve_owned().await {
            Ok(permit) => permit,
            // The connection is broken, as whoever reads learns.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Incoming {
    /// The next message. It may be given up at any time.
    ///
    /// # Errors
    /// If the connection is closed or broken.
    async fn next(&mut self) -> Result<Map<String, Value>, ClientError> {
        loop {
            let silent = tokio::time::sleep_until(self.heard + SILENCE);
            let message = tokio::select! {
                message = self.messages.next() => message,
                () = silent => return Err(self.server.broken("nothing has come from it for a minute")),
            };
            self.heard = Instant::now();
            match message {
                Some(Ok(Message::Text(text))) => {
                    let message = serde_json::from_str(text.as_str());
                    return message.map_err(|_| self.server.foreign("its message is no JSON object"));
                }
                Some(Ok(Message::Close(frame))) => {
                    let why = frame.map_or_else(String::new, |frame| {
                        format!(" ({}{})", frame.code, reason(&frame.reason))
                    });
                    return Err(self.server.broken(&format!("the server has closed it{why}")));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(self.server.broken(&error.to_string())),
                None => return Err(self.server.broken("the server has closed it")),
            }
        }
    }
}

fn reason(reason: &str) -> String {
    let shown: String = reason.chars().filter(|letter| !letter.is_control()).take(120).collect();
    if shown.is_empty() { shown } else { format!(": {shown}") }
}

#[cfg(test)]
mod tests;
