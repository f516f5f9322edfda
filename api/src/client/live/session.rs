//! A session that outlives its connections: the audio that a server may not have yet is kept, and sent again by
//! the next one.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::Line;
use super::sound::{Format, Sound};
use crate::client::error::ClientError;
use crate::client::server::Server;

/// A server keeps a session for so long after its client has gone.
const WINDOW: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Audio is read ahead of real time by so many seconds. A server takes ten; what it does not take would lie between
/// the two, where nobody knows of it.
const LEAD: u64 = 8;
/// Of what was sent, the last so many seconds are kept.
const KEPT: u64 = 60;
/// Audio that was read and waits to be sent, in seconds, beyond which no more is read.
const UNSENT: u64 = 10;
/// Whoever may not read looks again after this.
const LOOK: Duration = Duration::from_millis(50);
/// The longest frame of audio.
const FRAME: usize = 32 * 1024;

/// What has happened.
#[derive(Debug)]
pub(crate) enum Step {
    /// A message that was not there before.
    Message(Map<String, Value>),
    /// The connection is lost; [`Session::resume`] may bring the session back.
    Lost(ClientError),
}

/// A session.
pub(crate) struct Session<'a> {
    server: &'a Server,
    config: Map<String, Value>,
    format: Format,
    line: Line,
    /// By whose name it goes on; none before it began.
    id: Option<String>,
    is_ready: bool,
    last_seq: u64,
    kept: Kept,
    /// When the first audio was read.
    began: Option<Instant>,
    /// No more audio is read.
    is_ended: bool,
    is_stop_sent: bool,
    /// What the server said against it.
    refusal: Option<ClientError>,
    /// Since when it has no server that is ready.
    lost_at: Option<Instant>,
}

/// Bytes of audio that were read, from some place on.
#[derive(Debug, Default)]
struct Kept {
    bytes: VecDeque<u8>,
    /// The place of the first one.
    start: u64,
    /// The place of the first one that is to be sent.
    sent: u64,
}

impl Kept {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn unsent(&self) -> u64 {
        self.end() - self.sent
    }

    /// The next frame to send; it counts as sent.
    fn frame(&mut self, keep: u64) -> Vec<u8> {
        let from = (self.sent - self.start) as usize;
        let frame: Vec<u8> = self.bytes.range(from..).take(FRAME).copied().collect();
        self.sent += frame.len() as u64;
        let surplus = (self.sent - self.start).saturating_sub(keep);
        self.bytes.drain(..surplus as usize);
        self.start += surplus;
        frame
    }

    /// What lies behind this place is to be sent again. False if it is not there.
    fn rewind(&mut self, place: u64) -> bool {
        let is_there = (self.start..=self.end()).contains(&place);
        if is_there {
            self.sent = place;
        }
        is_there
    }
}

impl<'a> Session<'a> {
    /// Opens a session with these wishes for audio of this format.
    ///
    /// # Errors
    /// If the server is not there or refuses.
    pub(crate) async fn open(
        server: &'a Server,
        wishes: Map<String, Value>,
        format: Format,
    ) -> Result<Self, ClientError> {
        let mut config = wishes;
        config.insert("sample_rate".to_owned(), json!(format.rate));
        config.insert("encoding".to_owned(), json!(format.encoding.as_str()));
        config.insert("resume".to_owned(), json!(true));
        let line = Line::open(server).await?;
        let session = Self {
            server,
            config,
            format,
            line,
            id: None,
            is_ready: false,
            last_seq: 0,
            kept: Kept::default(),
            began: None,
            is_ended: false,
            is_stop_sent: false,
            refusal: None,
            lost_at: None,
        };
        session.configure().await;
        Ok(session)
    }

    async fn configure(&self) {
        let mut config = self.config.clone();
        if let Some(id) = &self.id {
            config.insert("session_id".to_owned(), json!(id));
            config.insert("last_seq".to_owned(), json!(self.last_seq));
        }
        // A new connection has room.
        self.line.outgoing.room().await.send(Message::text(Value::Object(config).to_string()));
    }

    /// Reads no more audio: what was read is sent, and the rest of the text is waited for.
    pub(crate) fn stop(&mut self) {
        self.is_ended = true;
    }

    /// Whether no more audio is read.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_ended
    }

    /// What the server said against the session, if it did.
    pub(crate) fn refusal(self) -> Option<ClientError> {
        self.refusal
    }

    /// Sends and waits until something happens. It may be given up at any time.
    ///
    /// # Errors
    /// If the server refuses the session, or the audio cannot be read.
    pub(crate) async fn step(&mut self, sound: &mut Sound) -> Result<Step, ClientError> {
        loop {
            let has_unsent = self.kept.unsent() > 0;
            let sends = self.is_ready && (has_unsent || (self.is_ended && !self.is_stop_sent));
            let reads = self.reads();
            tokio::select! {
                message = self.line.incoming.next() => match message {
                    Ok(message) => if self.take(&message)? {
                        return Ok(Step::Message(message));
                    },
                    Err(error) => return self.lost(error),
                },
                permit = self.line.outgoing.room(), if sends => if has_unsent {
                    let keep = KEPT * self.format.bytes_per_second();
                    permit.send(Message::binary(self.kept.frame(keep)));
                } else {
                    permit.send(Message::text(r#"{"action":"stop"}"#));
                    self.is_stop_sent = true;
                },
                read = sound.read(), if reads => match read? {
                    Some(bytes) => {
                        self.began.get_or_insert_with(Instant::now);
                        self.kept.bytes.extend(bytes);
                    }
                    None => self.is_ended = true,
                },
                () = tokio::time::sleep(LOOK), if !self.is_ended && !reads => {}
            }
        }
    }

    /// Whether more audio is to be read now.
    fn reads(&self) -> bool {
        let per_second = self.format.bytes_per_second();
        let elapsed = self.began.map_or(0, |began| began.elapsed().as_millis() as u64);
        let due = elapsed * per_second / 1000 + LEAD * per_second;
        !self.is_ended && self.kept.end() < due && self.kept.unsent() < UNSENT * per_second
    }

    /// Takes a message. False if it was there before.
    fn take(&mut self, message: &Map<String, Value>) -> Result<bool, ClientError> {
        if let Some(error) = message.get("error") {
            let error = self.said(error, message);
            if !self.is_ready {
                return Err(error);
            }
            // What was said until then comes with the last message.
            self.refusal = Some(error);
            return Ok(true);
        }
        if message.get("status").and_then(Value::as_str) == Some("ready") {
            self.begin(message)?;
            return Ok(true);
        }
        let Some(seq) = message.get("seq").and_then(Value::as_u64) else { return Ok(true) };
        let is_new = seq > self.last_seq;
        self.last_seq = self.last_seq.max(seq);
        Ok(is_new)
    }

    fn said(&self, error: &Value, message: &Map<String, Value>) -> ClientError {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        ClientError::Session {
            id: self.id.clone(),
            code: text(message.get("code")).unwrap_or_else(|| "failed".to_owned()),
            message: text(Some(error)).unwrap_or_else(|| error.to_string()),
        }
    }

    fn begin(&mut self, message: &Map<String, Value>) -> Result<(), ClientError> {
        let id = message.get("session_id").and_then(Value::as_str).map(str::to_owned);
        let received = message.get("received_samples").and_then(Value::as_u64).unwrap_or(0);
        let place = received.saturating_mul(self.format.encoding.width() as u64);
        if !self.kept.rewind(place) {
            let what = format!("it has {received} samples of the audio, which is not what it was sent");
            return Err(self.server.foreign(&what));
        }
        (self.id, self.is_ready, self.lost_at) = (id.or_else(|| self.id.take()), true, None);
        Ok(())
    }

    fn lost(&mut self, error: ClientError) -> Result<Step, ClientError> {
        if let Some(refusal) = self.refusal.take() {
            return Err(refusal);
        }
        if self.id.is_none() || !passes(&error) {
            return Err(error);
        }
        self.is_ready = false;
        self.lost_at.get_or_insert_with(Instant::now);
        Ok(Step::Lost(error))
    }

    /// As if it had been lost so long ago.
    #[cfg(test)]
    pub(super) fn has_been_lost_for(&mut self, time: Duration) {
        self.lost_at = Instant::now().checked_sub(time);
    }

    /// Connects again, until the server has forgotten the session.
    ///
    /// # Errors
    /// If the server refuses, or is not there in time.
    pub(crate) async fn resume(&mut self) -> Result<(), ClientError> {
        let until = *self.lost_at.get_or_insert_with(Instant::now) + WINDOW;
        let mut pause = FIRST_PAUSE;
        loop {
            // A connection that is taken and lost again at once is another reason to wait.
            tokio::time::sleep(pause).await;
            let opened = Line::open(self.server).await;
            match opened {
                Ok(line) => {
                    (self.line, self.is_stop_sent) = (line, false);
                    self.configure().await;
                    return Ok(());
                }
                Err(error) if !passes(&error) => return Err(error),
                Err(error) if Instant::now() + pause > until => {
                    return Err(ClientError::Session {
                        id: self.id.clone(),
                        code: "connection_broken".to_owned(),
                        message: format!("the session is lost, and what was said last with it: {error}"),
                    });
                }
                Err(_) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
    }
}

/// Whether it may be over soon.
fn passes(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } | ClientError::Broken { .. } => true,
        ClientError::Refused(refusal) => {
            refusal.status.is_server_error() || refusal.status == StatusCode::TOO_MANY_REQUESTS
        }
        _ => false,
    }
}
