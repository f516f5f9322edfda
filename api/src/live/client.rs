//! The side of a session that is turned to its client: what it is told, what it sends, and that it may be gone.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::outbox::Outbox;
use super::socket::{Inbound, Outbound, Socket};

/// How long a client may take for what is left to tell it at the end.
const FAREWELL: Duration = Duration::from_secs(30);
/// Audio is taken from a frame in pieces, so that a long one does not bypass the pace.
const PIECE: usize = 16 << 10;

/// A client, or the place where one was.
#[derive(Debug)]
pub(super) struct Client {
    socket: Option<Socket>,
    /// What it is to be told.
    pub(super) outbox: Outbox,
    /// What of the last frame was not taken yet.
    rest: Bytes,
    /// When it went.
    gone_at: Option<Instant>,
}

/// What a client does.
#[derive(Debug)]
pub(super) enum Sent {
    /// Some bytes of audio.
    Audio(Bytes),
    /// An empty binary frame.
    Empty,
    /// A text frame.
    Text(String),
    /// More than a frame may hold.
    Oversized,
    /// What is no frame: the code to close by.
    Broken(u16),
    /// It is gone.
    Gone,
}

impl Client {
    /// Behind this socket.
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket: Some(socket), outbox: Outbox::default(), rest: Bytes::new(), gone_at: None }
    }

    /// Whether it is there.
    pub(super) fn is_here(&self) -> bool {
        self.socket.is_some()
    }

    /// Since when it is not there.
    pub(super) fn gone_at(&self) -> Option<Instant> {
        self.gone_at
    }

    /// Takes its socket away, for another session.
    pub(super) fn take(&mut self) -> Option<Socket> {
        self.socket.take()
    }

    /// It is back, or replaced by itself.
    pub(super) fn attach(&mut self, socket: Socket) {
        if let Some(old) = self.socket.replace(socket) {
            // If it does not listen, dropping the sender closes it.
            let _ = old.outbound.try_send(Outbound::Close(1000));
        }
        self.rest = Bytes::new();
        self.gone_at = None;
    }

    /// Tells it what there is to tell, until it sends something; that is taken from `read_from` on, if ever. May be
    /// dropped at any time.
    pub(super) async fn next(&mut self, read_from: Option<Instant>) -> Sent {
        let is_read = read_from.is_some() && !self.outbox.is_full();
        let read_from = read_from.unwrap_or_else(Instant::now);
        if !self.rest.is_empty() && is_read {
            tokio::select! {
                biased;
                never = tell_all(self.socket.as_ref(), &mut self.outbox) => match never {},
                () = tokio::time::sleep_until(read_from) => {
                    let piece = self.rest.len().min(PIECE);
                    Sent::Audio(self.rest.split_to(piece))
                }
            }
        } else {
            let Some(socket) = &mut self.socket else { return std::future::pending().await };
            let Socket { inbound, outbound } = socket;
            let sent = tokio::select! {
                never = tell(outbound, &mut self.outbox) => match never {},
                sent = receive(inbound, read_from), if is_read => sent,
            };
            match sent {
                Inbound::Binary(bytes) if bytes.is_empty() => Sent::Empty,
                Inbound::Binary(mut bytes) => {
                    let piece = bytes.split_to(bytes.len().min(PIECE));
                    self.rest = bytes;
                    Sent::Audio(piece)
                }
                Inbound::Text(text) => Sent::Text(text.as_str().to_owned()),
                Inbound::Oversized => Sent::Oversized,
                Inbound::Broken(close) => Sent::Broken(close),
                Inbound::Gone => self.gone(),
            }
        }
    }

    fn gone(&mut self) -> Sent {
        self.socket = None;
        self.gone_at = Some(Instant::now());
        self.outbox.forget_untold();
        Sent::Gone
    }

    /// Tells it all that is left, and ends it.
    pub(super) async fn farewell(&mut self, end: Outbound) {
        let Some(socket) = self.socket.take() else { return };
        let tell = async {
            while let Some(text) = self.outbox.pop() {
                if socket.outbound.send(Outbound::Text(text)).await.is_err() {
                    return;
                }
            }
            let is_closed = matches!(end, Outbound::Close(_));
            // A client that is gone misses nothing.
            let _ = socket.outbound.send(end).await;
            if is_closed {
                // Until all of it is written: the process may be about to end.
                socket.outbound.closed().await;
            }
        };
        // One that does not listen is cut off by its socket.
        let _ = tokio::time::timeout(FAREWELL, tell).await;
    }
}

async fn receive(inbound: &mut mpsc::Receiver<Inbound>, from: Instant) -> Inbound {
    tokio::time::sleep_until(from).await;
    inbound.recv().await.unwrap_or(Inbound::Gone)
}

/// Tells all. A client that takes nothing any more may have sent something all the same; that it is gone is heard from
/// what it sent.
async fn tell(outbound: &mpsc::Sender<Outbound>, outbox: &mut Outbox) -> Infallible {
    while !outbox.is_empty() {
        match outbound.reserve().await {
            Ok(permit) => permit.send(outbox.pop().map_or(Outbound::Close(1011), Outbound::Text)),
            Err(_) => outbox.forget_untold(),
        }
    }
    std::future::pending().await
}

async fn tell_all(socket: Option<&Socket>, outbox: &mut Outbox) -> Infallible {
    match socket {
        Some(socket) => tell(&socket.outbound, outbox).await,
        None => std::future::pending().await,
    }
}
