//! A session's worker: what it is sent and says, and the next one when it is lost.

use std::time::Duration;

use futures::future::BoxFuture;
use steno_shared::live::link::Frame;
use steno_shared::live::{FailReason, Reply, Request, Resumption, Said, SessionOptions};

use super::feed::{Feed, Next};
use super::link::{self, Place};
use super::links::{Links, NoPlace, Wanted};

/// How long a session that has lost its worker waits for another.
const TAKEOVER: Duration = Duration::from_secs(20);
/// How long a session waits whose first worker has not its model.
const MOVE: Duration = Duration::from_secs(5);
/// Workers that a session may lose before it gets on: its audio may be what they die of.
const MOST_LOSSES: u32 = 3;

/// The side of a session that is turned to its worker.
pub(super) struct Hearing {
    /// The audio.
    pub(super) feed: Feed,
    links: Links,
    state: State,
    options: Option<SessionOptions>,
    losses: u32,
}

enum State {
    /// Nobody listens, or shall.
    Alone,
    /// A worker has a place for the session.
    Placed { place: Place, begin: Begin },
    /// Another worker is looked for.
    Seeking(BoxFuture<'static, Result<Place, NoPlace>>),
}

/// How far the worker was told of the session.
enum Begin {
    NotYet,
    Now(Box<SessionOptions>, Option<Resumption>),
    Told,
}

/// What comes from the side of the worker.
#[derive(Debug)]
pub(super) enum Heard {
    /// The model is in memory.
    Ready,
    /// Text.
    Said(Said),
    /// All that was sent is final.
    Done,
    /// The session cannot go on.
    Failed(FailReason, String),
    /// The worker is lost. Another one is looked for.
    Lost,
    /// Another worker has a place: it must be told where to go on.
    Moved,
    /// There is no other worker.
    NoWorker(NoPlace),
    /// Nothing to tell.
    Nothing,
}

impl Hearing {
    /// At a place that a worker has given; without one, it is looked for when the session begins.
    pub(super) fn new(links: Links, place: Option<Place>) -> Self {
        let state = place.map_or(State::Alone, |place| State::Placed { place, begin: Begin::NotYet });
        Self { feed: Feed::default(), links, state, options: None, losses: 0 }
    }

    /// Begins, at a worker with the model: at this one if `here` has it, else at another.
    pub(super) fn begin(&mut self, options: SessionOptions, here: Here) {
        self.options = Some(options.clone());
        match (&mut self.state, here) {
            (State::Placed { begin, .. }, Here::HasModel) => *begin = Begin::Now(Box::new(options), None),
            _ => {
                let wanted = Wanted { model: Some(options.model), not: None };
                self.state = State::Seeking(Box::pin(self.links.clone().seek(wanted, MOVE)));
            }
        }
    }

    /// Where the worker is, if there is one.
    pub(super) fn address(&self) -> Option<&str> {
        match &self.state {
            State::Placed { place, .. } => Some(place.address()),
            _ => None,
        }
    }

    /// Tells the worker that has just been found where to go on.
    pub(super) fn resume(&mut self, resumption: Option<Resumption>) {
        if let (State::Placed { begin, .. }, Some(options)) = (&mut self.state, &self.options) {
            *begin = Begin::Now(Box::new(options.clone()), resumption);
        }
    }

    /// Leaves the worker.
    pub(super) fn leave(&mut self) {
        self.state = State::Alone;
    }

    /// The worker said something final: what was before is needed no more, and the session gets on.
    pub(super) fn finished_until(&mut self, needed_from: u64) {
        if self.feed.forget(needed_from) {
            self.losses = 0;
        }
    }

    /// Sends what can be sent, until something comes. May be dropped at any time.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            let (place, begin) = match &mut self.state {
                State::Alone => std::future::pending().await,
                State::Seeking(found) => match found.await {
                    Ok(place) => {
                        self.state = State::Placed { place, begin: Begin::NotYet };
                        return Heard::Moved;
                    }
                    Err(none) => {
                        self.state = State::Alone;
                        return Heard::NoWorker(none);
                    }
                },
                State::Placed { place, begin } => (place, begin),
            };
            let has_next = match begin {
                Begin::NotYet => false,
                Begin::Now(..) => true,
                Begin::Told => self.feed.has_next(),
            };
            let reply = tokio::select! {
                biased;
                reply = place.replies.recv() => reply,
                permit = place.outgoing.reserve(), if has_next => match permit {
                    Ok(permit) => {
                        if let Some(frame) = next_frame(place, begin, &mut self.feed) {
                            permit.send(frame);
                        }
                        continue;
                    }
                    // The link broke.
                    Err(_) => None,
                }
            };
            return self.replied(reply);
        }
    }

    fn replied(&mut self, reply: Option<Reply>) -> Heard {
        let Some(reply) = reply else { return self.lost(None) };
        match reply {
            Reply::Ready { .. } => Heard::Ready,
            Reply::Said { said, .. } => Heard::Said(said),
            Reply::Heard { heard, needed_from, .. } => {
                let before = self.feed.behind();
                self.feed.heard(heard, needed_from);
                if self.feed.behind() < before {
                    self.losses = 0;
                }
                Heard::Nothing
            }
            Reply::Done { .. } => {
                self.over();
                Heard::Done
            }
            Reply::Failed { reason: FailReason::Stopping, .. } => {
                let address = self.address().map(str::to_owned);
                self.over();
                self.lost(address)
            }
            Reply::Failed { reason, message, .. } => {
                self.over();
                self.state = State::Alone;
                Heard::Failed(reason, message)
            }
            Reply::Welcome | Reply::Opened { .. } | Reply::Refused { .. } => Heard::Nothing,
        }
    }

    fn over(&mut self) {
        if let State::Placed { place, .. } = &mut self.state {
            place.over();
        }
    }

    fn lost(&mut self, stopping: Option<String>) -> Heard {
        self.losses += 1;
        if self.losses > MOST_LOSSES {
            self.state = State::Alone;
            return Heard::Failed(FailReason::Internal, "too many workers were lost".to_owned());
        }
        let model = self.options.as_ref().map(|options| options.model.clone());
        let wanted = Wanted { model, not: stopping };
        self.state = State::Seeking(Box::pin(self.links.clone().seek(wanted, TAKEOVER)));
        Heard::Lost
    }
}

/// Whether the worker that has the place has the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Here {
    /// It has.
    HasModel,
    /// It has not.
    LacksModel,
}

fn next_frame(place: &Place, begin: &mut Begin, feed: &mut Feed) -> Option<Frame<Request>> {
    let session = place.number;
    if let Begin::Now(..) = begin
        && let Begin::Now(options, resumption) = std::mem::replace(begin, Begin::Told)
    {
        return Some(Frame::Message(Request::Begin { session, options: *options, resumption }));
    }
    Some(match feed.next()? {
        Next::Audio(start, samples) => link::audio(session, start, samples),
        Next::Flush => Frame::Message(Request::Flush { session }),
        Next::Stop => Frame::Message(Request::Stop { session }),
    })
}
