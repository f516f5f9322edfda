//! What leaves on a link: replies of all its sessions, one after the other, through a bounded queue.

use std::io;
use std::time::Duration;

use steno_shared::live::{Reply, link};
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// How many replies wait for the link; then sessions wait.
const QUEUE: usize = 256;
/// An API that has read nothing for this long is gone.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What is put into the queue.
#[derive(Debug)]
enum Outgoing {
    Reply(Reply),
    End,
}

/// Where sessions put their replies.
#[derive(Debug, Clone)]
pub(super) struct Outlet(Sender<Outgoing>);

/// Where they come out.
#[derive(Debug)]
pub(super) struct Replies(Receiver<Outgoing>);

pub(super) fn queue() -> (Outlet, Replies) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Outlet(sender), Replies(receiver))
}

impl Outlet {
    /// Waits for room. What comes after the end of the link is lost with it.
    pub(super) async fn send(&self, reply: Reply) {
        let _ = self.0.send(Outgoing::Reply(reply)).await;
    }

    /// Nothing comes any more, from nobody.
    pub(super) async fn end(&self) {
        let _ = self.0.send(Outgoing::End).await;
    }
}

/// Writes what comes to the link, until its end.
///
/// # Errors
/// If the link breaks, or the other side does not read.
pub(super) async fn write(
    link: impl AsyncWrite + Unpin,
    replies: Replies,
    patience: Duration,
) -> io::Result<()> {
    let mut link = BufWriter::new(link);
    let Replies(mut replies) = replies;
    while let Some(Outgoing::Reply(reply)) = replies.recv().await {
        within(patience, link::write(&mut link, &reply)).await?;
        if replies.is_empty() {
            within(patience, link.flush()).await?;
        }
    }
    within(patience, link.shutdown()).await
}

async fn within(patience: Duration, step: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    let late = |_| {
        let message = format!("the other side has read nothing for {patience:?}");
        io::Error::new(io::ErrorKind::TimedOut, message)
    };
    tokio::time::timeout(patience, step).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use steno_shared::live::SessionNumber;
    use steno_shared::live::link::Frame;

    use super::*;

    #[tokio::test]
    async fn replies_leave_in_order_and_end_with_the_end() {
        let (outlet, replies) = queue();
        let (link, mut other) = tokio::io::duplex(64);
        let writing = tokio::spawn(write(link, replies, PATIENCE));
        for session in 0..100 {
            outlet.send(Reply::Done { session: SessionNumber(session) }).await;
            let frame = link::read::<Reply>(&mut other).await.unwrap();
            assert_eq!(frame, Some(Frame::Message(Reply::Done { session: SessionNumber(session) })));
        }
        outlet.end().await;
        assert_eq!(link::read::<Reply>(&mut other).await.unwrap(), None);
        writing.await.unwrap().unwrap();
        outlet.send(Reply::Welcome).await;
    }

    #[tokio::test]
    async fn one_that_does_not_read_is_given_up() {
        let (outlet, replies) = queue();
        let (link, _other) = tokio::io::duplex(64);
        let filling = async {
            for session in 0..10_000 {
                outlet.send(Reply::Done { session: SessionNumber(session) }).await;
            }
        };
        let (written, ()) = tokio::join!(write(link, replies, Duration::from_millis(20)), filling);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
