//! Watches over one decoding child, whichever it is: takes its samples, holds it to its limits, and ends it.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::BytesMut;
use rustix::process::{Pid, Signal, kill_process_group};
use steno_shared::object::ObjectError;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::Instant;

use crate::limits::Limits;
use crate::sink::Sink;

/// Samples are read in pieces of this size, that of a pipe.
const BLOCK: usize = 64 * 1024;
/// A child that was killed, or has closed its output, ends within this.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// A longer line is no message for anybody.
const LONGEST_LINE: usize = 4096;

/// Hears what a child says on standard error, line by line.
pub(crate) trait Listener: Send + 'static {
    /// One line, without its end.
    fn line(&mut self, line: &str);
}

/// How a child came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself.
    Exited(ExitStatus),
    /// There was more audio than is accepted.
    TooLong,
    /// There are more channels than are transcribed apart.
    TooWide,
    /// No sample came for too long.
    Stalled,
    /// It took too long in all.
    OverTime,
}

/// Why there is no end to speak of.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interrupted {
    /// The work shall stop.
    #[error("stopped")]
    Stopped,
    /// The samples could not be stored.
    #[error(transparent)]
    Store(#[from] ObjectError),
    /// The child could not be started or heard.
    #[error("cannot run a decoder")]
    Child(#[from] std::io::Error),
}

/// Runs a child until it ends or must be ended; then it is gone.
///
/// The child asks the kernel to end it with the thread that started it, so this must be polled by a thread that
/// lasts: a worker of the runtime, not one of its blocking threads.
pub(crate) async fn run<L: Listener>(
    mut command: Command,
    limits: &Limits,
    sink: &mut Sink<'_>,
    listener: L,
) -> Result<(End, L), Interrupted> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own: what it may start ends with it.
    command.process_group(0).kill_on_drop(true);
    let mut child = command.spawn()?;
    let (Some(mut stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(std::io::Error::other("a pipe is missing").into());
    };
    let mut words = tokio::spawn(listen(stderr, listener));
    let stop = sink.watch.stop;
    let end = tokio::select! {
        () = stop.cancelled() => Err(Interrupted::Stopped),
        end = take_samples(&mut child, &mut stdout, limits, sink) => end,
    };
    end_group(&mut child).await;
    // Somebody it started, and that left the group, may hold the pipe.
    let Ok(heard) = tokio::time::timeout(LAST_WORDS, &mut words).await else {
        words.abort();
        return Err(std::io::Error::other("standard error does not end").into());
    };
    Ok((end?, heard.map_err(std::io::Error::other)?))
}

async fn take_samples(
    child: &mut Child,
    stdout: &mut ChildStdout,
    limits: &Limits,
    sink: &mut Sink<'_>,
) -> Result<End, Interrupted> {
    let (deadline, most) = (Instant::now() + limits.time, limits.samples());
    loop {
        let mut block = BytesMut::with_capacity(BLOCK);
        let patience = deadline.min(Instant::now() + limits.stall);
        let Ok(count) = tokio::time::timeout_at(patience, stdout.read_buf(&mut block)).await else {
            return Ok(if patience == deadline { End::OverTime } else { End::Stalled });
        };
        if count? == 0 {
            break;
        }
        sink.write(&block).await?;
        if sink.is_headless() {
            return Err(std::io::Error::other("the decoder's output has no head").into());
        }
        if sink.is_too_wide() {
            return Ok(End::TooWide);
        }
        if sink.frames > most {
            return Ok(End::TooLong);
        }
    }
    match tokio::time::timeout(LAST_WORDS, child.wait()).await {
        Ok(status) => Ok(End::Exited(status?)),
        Err(_) => Ok(End::Stalled),
    }
}

/// Kills what is left of the child and its group, and waits for it.
async fn end_group(child: &mut Child) {
    // Reaped already, the number may be another's by now.
    let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) else { return };
    // It may have ended in this moment.
    let _ = kill_process_group(pid, Signal::KILL);
    let _ = child.start_kill();
    if tokio::time::timeout(LAST_WORDS, child.wait()).await.is_err() {
        tracing::error!(pid = pid.as_raw_nonzero().get(), "a decoder does not end");
    }
}

async fn listen<L: Listener>(stderr: ChildStderr, mut listener: L) -> L {
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut lines).take(LONGEST_LINE as u64).read_until(b'\n', &mut line).await;
        if !matches!(read, Ok(1..)) {
            return listener;
        }
        listener.line(String::from_utf8_lossy(&line).trim_end());
    }
}
