//! A diarizing child as the worker has it: started, asked, and killed when its answer is no longer wanted.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::protocol::{Answer, Line, Request};

/// The voices of a chunk of some minutes are a hundredth of this.
const LONGEST_ANSWER: u64 = 64 << 20;
/// A longer line on standard error is no message for anybody.
const LONGEST_LINE: u64 = 4096;
/// So many of the last lines are told of a child that died.
const LAST_LINES: usize = 20;
/// A child that has closed its output is gone within this.
const LAST_MOMENT: Duration = Duration::from_secs(5);

/// What children get of the environment: what makes tests of them possible, and where the system looks for libraries.
const KNOWN_TO_CHILDREN: [&str; 2] = ["STENO_FAILPOINTS", "LD_LIBRARY_PATH"];

/// How children are started.
#[derive(Debug, Clone)]
pub struct Program {
    /// This executable.
    pub executable: PathBuf,
    /// All that they get of the environment: the rest may hold secrets.
    pub environment: Vec<(OsString, OsString)>,
}

impl Program {
    /// This process' own executable. Its children are armed with its failpoints, and know nothing else of its
    /// environment.
    #[must_use]
    pub fn of_this_process() -> Self {
        let own =
            if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() };
        let is_known = |name: &OsString| KNOWN_TO_CHILDREN.iter().any(|known| name == known);
        #[expect(clippy::disallowed_methods, reason = "handed on, and no setting of this process")]
        let environment = std::env::vars_os();
        Self {
            executable: own.unwrap_or_else(|_| "steno-transcribe".into()),
            environment: environment.filter(|(name, _)| is_known(name)).collect(),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Ended {
    /// It died, by a signal or by itself.
    #[error("the process that finds speakers {0}")]
    Died(String),
    /// It took too long.
    #[error("the process that finds speakers took longer than {0} s")]
    OverTime(u64),
    /// It could not be started or spoken to.
    #[error("the process that finds speakers cannot be started: {0}")]
    NotStarted(String),
}

type LastLines = Arc<Mutex<VecDeque<String>>>;

/// A child. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Keeper {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    said: LastLines,
}

impl Keeper {
    /// Starts a child.
    ///
    /// It asks the kernel to end it with the thread that started it, so this must be polled by a thread that lasts: a
    /// worker of the runtime, not one of its blocking threads.
    pub(super) fn start(program: &Program) -> Result<Self, Ended> {
        let mut command = Command::new(&program.executable);
        command.arg0("steno-transcribe").env_clear().envs(program.environment.iter().cloned());
        command.arg("diarizer").arg(format!("--parent={}", std::process::id()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: the keys of a terminal are for the worker, which ends its children itself.
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| Ended::NotStarted(error.to_string()))?;
        let (Some(requests), Some(answers), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Ended::NotStarted("a pipe is missing".to_owned()));
        };
        let said = LastLines::default();
        tokio::spawn(listen(stderr, Arc::clone(&said)));
        tracing::debug!(pid = child.id(), "a diarizing child was started");
        Ok(Self { child, requests, answers: BufReader::new(answers), said })
    }

    /// Its process id, as long as it has not been waited for.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks, and waits for the answer. `progress` is told what part of the work is done, 0 to 1.
    ///
    /// # Errors
    /// [`Ended`]; the child is of no more use.
    pub(super) async fn ask(
        &mut self,
        request: &Request,
        limit: Duration,
        progress: &(dyn Fn(f64) + Send + Sync),
    ) -> Result<Answer, Ended> {
        match tokio::time::timeout(limit, self.exchange(request, progress)).await {
            Ok(Ok(Some(answer))) => Ok(answer),
            // Nothing can be said about why it no longer speaks but by its end.
            Ok(Ok(None) | Err(_)) => Err(self.died().await),
            Err(_) => Err(Ended::OverTime(limit.as_secs())),
        }
    }

    async fn exchange(
        &mut self,
        request: &Request,
        progress: &(dyn Fn(f64) + Send + Sync),
    ) -> io::Result<Option<Answer>> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.requests.write_all(&line).await?;
        self.requests.flush().await?;
        loop {
            line.clear();
            if (&mut self.answers).take(LONGEST_ANSWER).read_until(b'\n', &mut line).await? == 0 {
                return Ok(None);
            }
            match serde_json::from_slice(&line) {
                Ok(Line::Answer(answer)) => return Ok(Some(answer)),
                Ok(Line::Progress(done)) => progress(done),
                // A library may write where only answers belong.
                Err(_) => self.keep(&String::from_utf8_lossy(&line)),
            }
        }
    }

    fn keep(&self, line: &str) {
        keep(&self.said, line);
    }

    async fn died(&mut self) -> Ended {
        // It may have closed its output and live on.
        let status = match tokio::time::timeout(LAST_MOMENT, self.child.wait()).await {
            Ok(Ok(status)) => in_words(status),
            Ok(Err(error)) => format!("cannot be waited for: {error}"),
            Err(_) => "no longer answers".to_owned(),
        };
        let said: Vec<String> =
            self.said.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        tracing::warn!(said = said.join(" | "), "a diarizing child {status}");
        Ended::Died(status)
    }
}

fn in_words(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was ended by signal {signal}"),
        (None, Some(code)) => format!("ended with exit code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

fn keep(said: &LastLines, line: &str) {
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    if said.len() == LAST_LINES {
        said.pop_front();
    }
    said.push_back(line.trim_end().to_owned());
}

async fn listen(stderr: ChildStderr, said: LastLines) {
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line).await;
        if !matches!(read, Ok(1..)) {
            return;
        }
        let line = String::from_utf8_lossy(&line);
        tracing::debug!("a diarizing child says: {}", line.trim_end());
        keep(&said, &line);
    }
}
