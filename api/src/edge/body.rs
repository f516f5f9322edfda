//! A request's body as the routes get it: with a time limit on its progress, and handed back if it was not read
//! to its end, so that the edge can drain it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

/// A body must go on at this rate at least, over the timeout, or its connection is given up.
const MIN_BYTES_PER_SECOND: u64 = 1024;
/// A refused body is read on up to this many bytes, and for at most [`DRAIN_TIME`], because a client that is
/// cut off while it sends may never see the refusal.
const DRAIN_BYTES: u64 = 512 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(20);

/// What the edge knows of a body that it gave to a route.
#[derive(Debug, Default)]
pub(super) struct BodyState {
    /// What the route left unread, handed back when the route dropped it.
    rest: Mutex<Option<Incoming>>,
    /// What happened.
    events: Mutex<Events>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Events {
    polled: bool,
    timed_out: bool,
}

impl BodyState {
    fn events(&self) -> Events {
        *self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if the client stopped sending.
    pub(super) fn timed_out(&self) -> bool {
        self.events().timed_out
    }

    /// True if anybody has asked for the body: a client that waits for "100 Continue" was told to go on.
    pub(super) fn was_asked_for(&self) -> bool {
        self.events().polled
    }

    /// Reads what the route has left, in the background and within bounds.
    pub(super) fn drain(&self) {
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut rest) = rest.filter(|rest| !rest.is_end_stream()) {
            tokio::spawn(async move {
                let read = async {
                    let mut bytes = 0;
                    while let Some(Ok(frame)) = rest.frame().await {
                        bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                        if bytes > DRAIN_BYTES {
                            break;
                        }
                    }
                };
                // Either way the body is dropped, and with it the connection if something is left.
                let _ = tokio::time::timeout(DRAIN_TIME, read).await;
            });
        }
    }
}

/// The body that a route reads.
#[derive(Debug)]
pub(super) struct GuardedBody {
    inner: Option<Incoming>,
    state: Arc<BodyState>,
    timeout: Duration,
    /// When the body must have gone on by `checkpoint` bytes.
    deadline: Pin<Box<Sleep>>,
    since_checkpoint: u64,
    /// Since when the route, not the client, is the one to wait for.
    held: Option<Instant>,
}

impl GuardedBody {
    /// A body whose progress is limited by `timeout`, and its state.
    pub(super) fn new(inner: Incoming, timeout: Duration) -> (Self, Arc<BodyState>) {
        let state = Arc::new(BodyState::default());
        let body = Self {
            inner: Some(inner),
            state: Arc::clone(&state),
            timeout,
            deadline: Box::pin(tokio::time::sleep(timeout)),
            since_checkpoint: 0,
            held: Some(Instant::now()),
        };
        (body, state)
    }

    fn note(&self, note: impl FnOnce(&mut Events)) {
        note(&mut self.state.events.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The time that the route took over the last frame is not the client's.
    fn ask_again(&mut self) {
        if let Some(since) = self.held.take() {
            let deadline = self.deadline.deadline() + since.elapsed();
            self.deadline.as_mut().reset(deadline);
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.held = Some(Instant::now());
        self.since_checkpoint += bytes;
        if self.since_checkpoint >= MIN_BYTES_PER_SECOND * self.timeout.as_secs().max(1) {
            self.since_checkpoint = 0;
            self.deadline.as_mut().reset(Instant::now() + self.timeout);
        }
    }
}

impl Body for GuardedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.note(|events| events.polled = true);
        self.ask_again();
        let Some(inner) = self.inner.as_mut() else { return Poll::Ready(None) };
        match Pin::new(inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.advance(frame.data_ref().map_or(0, |data| data.len() as u64));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(io::Error::other(error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending if self.deadline.as_mut().poll(cx).is_ready() => {
                self.note(|events| events.timed_out = true);
                let error = io::Error::new(io::ErrorKind::TimedOut, "the request body stopped arriving");
                Poll::Ready(Some(Err(error)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for GuardedBody {
    fn drop(&mut self) {
        *self.state.rest.lock().unwrap_or_else(PoisonError::into_inner) = self.inner.take();
    }
}
