//! Speech that is sent over a WebSocket as fast as it is spoken, and what comes back, with its times.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use steno_tests::clips::{self, Clip};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use super::RATE;

/// Silence after each sentence, beside what its clip has: enough for an endpoint, as people pause.
const PAUSE: f64 = 0.8;
/// A session that says nothing for so long has failed.
const SILENT: Duration = Duration::from_secs(60);

/// Sentences one after the other, and when each is spoken, in seconds.
#[derive(Debug)]
pub(super) struct Speech {
    pub(super) samples: Vec<i16>,
    pub(super) sentences: Vec<Sentence>,
}

/// A sentence, from its first word to the end of its last.
#[derive(Debug)]
pub(super) struct Sentence {
    pub(super) start: f64,
    pub(super) end: f64,
    text: String,
}

/// What a session answered.
#[derive(Debug)]
pub(super) struct Heard {
    /// The messages with text, each with when it came: in seconds after the first sample was spoken.
    pub(super) said: Vec<(f64, Value)>,
    pub(super) transcript: String,
}

impl Speech {
    /// Whole clips, until there is as much as this.
    pub(super) fn of(clips: &[Clip], seconds: f64) -> Self {
        let mut speech = Self { samples: Vec::new(), sentences: Vec::new() };
        for clip in clips {
            if speech.seconds() >= seconds {
                break;
            }
            let begin = speech.seconds();
            speech.sentences.push(Sentence {
                start: begin + clip.words[0].start,
                end: begin + clip.words[clip.words.len() - 1].end,
                text: clip.text.clone(),
            });
            speech.samples.extend(clips::samples(&clip.path()));
            speech.samples.resize(speech.samples.len() + (PAUSE * RATE) as usize, 0);
        }
        speech
    }

    pub(super) fn seconds(&self) -> f64 {
        self.samples.len() as f64 / RATE
    }

    pub(super) fn text(&self) -> String {
        self.sentences.iter().map(|sentence| sentence.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// A session in the documented mode. A frame is sent when its last sample is spoken. An error says how it was refused.
pub(super) async fn replay(port: u16, speech: &Speech, frame_ms: u64) -> Result<Heard, String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let url = format!("ws://127.0.0.1:{port}/v1/stream");
    let (mut socket, _) = client_async(url, stream).await.map_err(|error| error.to_string())?;
    socket.send(Message::text(json!({"language": "en"}).to_string())).await.unwrap();
    let (mut sink, mut messages) = socket.split();
    let ready = next(&mut messages).await?;
    if ready["status"] != "ready" {
        return Err(ready.to_string());
    }
    let began = Instant::now();
    let sending = async {
        let length = frame_ms as usize * RATE as usize / 1000;
        for (number, frame) in speech.samples.chunks(length).enumerate() {
            tokio::time::sleep_until(began + Duration::from_millis(frame_ms) * (number as u32 + 1)).await;
            let bytes: Vec<u8> = frame.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            // A broken session is told of by the receiving side.
            if sink.send(Message::binary(bytes)).await.is_err() {
                return;
            }
        }
        let _ = sink.send(Message::text(r#"{"action":"stop"}"#)).await;
    };
    let receiving = async {
        let mut said = Vec::new();
        loop {
            let message = next(&mut messages).await?;
            if message["error"].is_string() {
                return Err(message.to_string());
            }
            let at = began.elapsed().as_secs_f64();
            if message["is_final"] == true {
                let transcript = message["transcript"].as_str().unwrap_or_default().to_owned();
                said.push((at, message));
                return Ok(Heard { said, transcript });
            }
            said.push((at, message));
        }
    };
    let ((), heard) = tokio::join!(sending, receiving);
    heard
}

async fn next<S>(messages: &mut S) -> Result<Value, String>
where
    S: StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin,
{
    loop {
        let message = tokio::time::timeout(SILENT, messages.next()).await;
        let message = message.map_err(|_| "nothing comes any more".to_owned())?;
        match message.ok_or("the connection has ended")?.map_err(|error| error.to_string())? {
            Message::Text(text) => {
                return serde_json::from_str(text.as_str()).map_err(|error| error.to_string());
            }
            Message::Close(frame) => return Err(format!("closed: {frame:?}")),
            _ => {}
        }
    }
}
