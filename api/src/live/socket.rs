//! A client's WebSocket: frames in, messages out, pings, and its end. It knows nothing of sessions, and nothing that a
//! session waits for keeps it from its pings.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Utf8Bytes};

/// The longest message, and the longest frame.
pub(super) const LONGEST: usize = 1 << 20;
/// Nothing that a proxy in between gives up is silent for so long.
const PING: Duration = Duration::from_secs(20);
/// A client that takes nothing for so long is given up.
const WRITE: Duration = Duration::from_secs(30);
/// How long a client may take to answer a close.
const CLOSE: Duration = Duration::from_secs(5);
/// How much of what is too long is read before its sender sees why it is refused.
const SWALLOWED: u64 = 256 << 20;
/// Frames that wait for the session; each of a megabyte at most.
const FRAMES: usize = 2;
/// Messages that wait for the client, beyond those that the session keeps.
const MESSAGES: usize = 16;

/// What a client sent.
#[derive(Debug)]
pub(super) enum Inbound {
    /// A binary frame.
    Binary(Bytes),
    /// A text frame.
    Text(Utf8Bytes),
    /// A frame that is too long, after which nothing else comes.
    Oversized,
    /// What is no frame, after which nothing else comes, and the code to close by.
    Broken(u16),
    /// Nothing more comes.
    Gone,
}

/// What a client gets.
#[derive(Debug)]
pub(super) enum Outbound {
    /// A message.
    Text(String),
    /// The end, by this code.
    Close(u16),
    /// The end, which is left to the client for this long before the socket is closed by code 1000.
    Leave(Duration),
}

/// The session's end of a socket.
#[derive(Debug)]
pub(super) struct Socket {
    /// From the client. Ends when the client is gone.
    pub(super) inbound: mpsc::Receiver<Inbound>,
    /// To the client. Dropping it closes the socket.
    pub(super) outbound: mpsc::Sender<Outbound>,
}

/// Serves a connection that was upgraded, in a task of its own; `permit` is given back when it ends.
pub(super) async fn serve<S>(stream: S, permit: OwnedSemaphorePermit) -> Socket
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(16 << 10)
        .write_buffer_size(0)
        .max_write_buffer_size(4 << 20)
        .max_message_size(Some(LONGEST))
        .max_frame_size(Some(LONGEST));
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let (to_session, inbound) = mpsc::channel(FRAMES);
    let (outbound, from_session) = mpsc::channel(MESSAGES);
    tokio::spawn(async move {
        run(socket, to_session, from_session).await;
        drop(permit);
    });
    Socket { inbound, outbound }
}

/// Why no more frames are read.
enum ReadEnd {
    Oversized,
    Broken,
    Gone,
}

async fn run<S>(
    socket: WebSocketStream<S>,
    to_session: mpsc::Sender<Inbound>,
    messages: mpsc::Receiver<Outbound>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sink, mut stream) = socket.split();
    // The first to end: the client has gone or sent too much, or the session has said its last.
    // Until then the session is told of nothing but what it is sent.
    let open = to_session.clone();
    let ended = {
        let writing = write(&mut sink, messages);
        let reading = read(&mut stream, to_session);
        tokio::pin!(writing, reading);
        tokio::select! {
            () = &mut writing => None,
            end = &mut reading => {
                if !matches!(end, ReadEnd::Gone) {
                    writing.await;
                }
                Some(end)
            }
        }
    };
    drop(open);
    let oversized = matches!(ended, Some(ReadEnd::Oversized));
    // A close of the client's is answered by reading on.
    let until_closed = async {
        while let Some(Ok(_)) = stream.next().await {}
        if oversized && let Ok(mut socket) = sink.reunite(stream) {
            swallow(socket.get_mut()).await;
        }
    };
    // If it does not close, it is closed.
    let _ = timeout(CLOSE, until_closed).await;
}

async fn read<S>(stream: &mut SplitStream<WebSocketStream<S>>, to_session: mpsc::Sender<Inbound>) -> ReadEnd
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        // Nothing is read for which the session has no room.
        let Ok(permit) = to_session.reserve().await else {
            // The session has ended, and the socket is left to the client.
            while let Some(Ok(_)) = stream.next().await {}
            return ReadEnd::Gone;
        };
        let inbound = loop {
            match stream.next().await {
                Some(Ok(Message::Binary(bytes))) => break Inbound::Binary(bytes),
                Some(Ok(Message::Text(text))) => break Inbound::Text(text),
                // Pings are answered by the stream itself.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(Error::Capacity(_))) => break Inbound::Oversized,
                Some(Err(Error::Utf8(_))) => break Inbound::Broken(1007),
                Some(Err(Error::Protocol(error))) if error != ProtocolError::ResetWithoutClosingHandshake => {
                    break Inbound::Broken(1002);
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break Inbound::Gone,
            }
        };
        let end = match inbound {
            Inbound::Oversized => Some(ReadEnd::Oversized),
            Inbound::Broken(_) => Some(ReadEnd::Broken),
            Inbound::Gone => Some(ReadEnd::Gone),
            _ => None,
        };
        permit.send(inbound);
        if let Some(end) = end {
            return end;
        }
    }
}

/// Returns when the socket was closed, or cannot be written to.
async fn write<S>(sink: &mut SplitSink<WebSocketStream<S>, Message>, mut messages: mpsc::Receiver<Outbound>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut pings = tokio::time::interval_at(Instant::now() + PING, PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut left_until: Option<Instant> = None;
    loop {
        let message = tokio::select! {
            message = messages.recv(), if left_until.is_none() => match message {
                Some(Outbound::Text(text)) => Message::text(text),
                Some(Outbound::Close(code)) => closing(code),
                Some(Outbound::Leave(time)) => {
                    left_until = Some(Instant::now() + time);
                    continue;
                }
                // A session that says nothing has failed.
                None => closing(1011),
            },
            () = wait_until(left_until) => closing(1000),
            _ = pings.tick() => Message::Ping(Bytes::new()),
        };
        let is_close = message.is_close();
        match timeout(WRITE, sink.send(message)).await {
            Ok(Ok(())) if !is_close => {}
            _ => return,
        }
    }
}

fn closing(code: u16) -> Message {
    Message::Close(Some(CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::default() }))
}

async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A client that is cut off while it sends may never see why.
async fn swallow(stream: &mut (impl AsyncRead + Unpin)) {
    let mut waste = vec![0; 16 << 10];
    let mut left = SWALLOWED;
    while left > 0
        && let Ok(read @ 1..) = stream.read(&mut waste).await
    {
        left = left.saturating_sub(read as u64);
    }
}
