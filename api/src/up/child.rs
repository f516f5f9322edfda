//! The workers as children: started, kept running, stopped.
//!
//! A child's standard input is its leash: when `steno` dies, by whatever means, the kernel closes the other end
//! and the child finishes and stops. Each has a process group of its own, so that Ctrl-C reaches `steno` alone,
//! which stops them in order.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use steno_shared::job::Lane;
use steno_shared::settings::{Common, LogFormat};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long children may take to hand back their work. With what the API takes it stays under five seconds.
const GRACE: Duration = Duration::from_millis(3500);
/// The pause before a child that ended is started again, doubled each time it ends early.
const PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// A child that ran this long did not end early.
const LONG_ENOUGH: Duration = Duration::from_secs(30);
const MAX_LINE: u64 = 8 * 1024;

/// The running workers.
#[derive(Debug)]
pub(super) struct Children {
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// One worker executable, with its arguments.
#[derive(Debug, Clone)]
struct Program {
    lane: Lane,
    path: PathBuf,
    arguments: Vec<String>,
    log_format: LogFormat,
}

impl Children {
    /// Starts a worker for each lane.
    pub(super) fn start(lanes: &[Lane], common: &Common) -> anyhow::Result<Self> {
        let children = Self { stop: CancellationToken::new(), tasks: TaskTracker::new() };
        let programs = lanes.iter().map(|lane| Program::of(*lane, common));
        for program in programs.collect::<anyhow::Result<Vec<_>>>()? {
            children.tasks.spawn(keep_running(program, children.stop.clone()));
        }
        children.tasks.close();
        Ok(children)
    }

    /// Stops them all and waits for their ends.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Program {
    fn of(lane: Lane, common: &Common) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("cannot find the folder of the executables")?;
        let path = own.with_file_name(lane.program());
        if !path.is_file() {
            bail!("{} is missing; build all of it: cargo build --release --workspace", path.display());
        }
        let log_format = match common.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        let arguments = [
            ("--data", common.data.display().to_string()),
            ("--database-url", common.database_url().to_string()),
            ("--queue-url", common.queue_url().to_string()),
            ("--objects-url", common.objects_url().to_string()),
            ("--models", common.models().display().to_string()),
            ("--allow-networks", common.allow_networks.to_string()),
            ("--log", common.log.clone()),
            ("--log-format", log_format.to_owned()),
        ];
        let arguments = arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
        let arguments = arguments.chain(["--leash".to_owned()]).collect();
        Ok(Self { lane, path, arguments, log_format: common.log_format })
    }

    fn spawn(&self) -> std::io::Result<Child> {
        Command::new(&self.path)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }
}

/// Starts the program again whenever it ends, until told to stop.
async fn keep_running(program: Program, stop: CancellationToken) {
    let mut pause = PAUSE;
    while !stop.is_cancelled() {
        let began = Instant::now();
        match program.spawn() {
            Ok(child) => {
                if let Some(status) = run_to_end(&program, child, &stop).await {
                    tracing::warn!(lane = %program.lane, %status, "a worker has ended; starting it again");
                }
            }
            Err(error) => tracing::error!(lane = %program.lane, error = %error, "cannot start a worker"),
        }
        pause = if began.elapsed() > LONG_ENOUGH { PAUSE } else { (pause * 2).min(MAX_PAUSE) };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// The child's end; `None` if it was told to stop.
async fn run_to_end(program: &Program, mut child: Child, stop: &CancellationToken) -> Option<ExitStatus> {
    let leash = child.stdin.take();
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(copy_log(stderr, program.clone()));
    }
    tokio::select! {
        status = child.wait() => return status.ok(),
        () = stop.cancelled() => {}
    }
    // Let go: the child finishes and stops.
    drop(leash);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        tracing::warn!(lane = %program.lane, "a worker does not stop and is killed; its work is taken up again");
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = child.wait().await;
    }
    None
}

/// Copies a child's log lines to ours, in text with the lane before each.
async fn copy_log(stderr: ChildStderr, program: Program) {
    let prefix = match program.log_format {
        LogFormat::Text => format!("{:<10} | ", program.lane.as_str()),
        LogFormat::Json => String::new(),
    };
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    // Longer lines are cut in pieces.
    while let Ok(1..) = (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line).await {
        let text = format!("{prefix}{}\n", String::from_utf8_lossy(&line).trim_end());
        line.clear();
        let _ = tokio::io::stderr().write_all(text.as_bytes()).await;
    }
}
