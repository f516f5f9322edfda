//! A process of the product under test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// An executable of the workspace, built beside the tests.
///
/// # Panics
/// If it is not there.
#[must_use]
pub fn executable(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.ancestors().find(|folder| folder.join(name).is_file());
    match folder {
        Some(folder) => folder.join(name),
        None => panic!("{name} is not built; run: cargo build --release --workspace"),
    }
}

/// A running process whose standard error goes to a file. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command; its standard input stays open as long as the value lives.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(name: &str, mut command: Command, logs: &Path) -> Self {
        let number = std::fs::read_dir(logs).unwrap().count();
        let log = logs.join(format!("{number:02}-{name}.log"));
        let file = File::create(&log).unwrap();
        let child = command
            .stdin(Stdio::piped())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { name: name.to_owned(), child, log }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If it has ended already.
    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(id, signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
    }

    /// Lets go of the leash: its standard input ends.
    pub fn let_go(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Its end, if it has ended.
    ///
    /// # Panics
    /// If that cannot be known.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// After `within`.
    pub async fn end(&mut self, within: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        wait::until(&what, within, async || self.ended()).await
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Resident memory that no file backs, in bytes (`RssAnon` of proc(5)).
    ///
    /// # Panics
    /// If the process has ended.
    #[must_use]
    pub fn anonymous_memory(&self) -> u64 {
        anonymous_memory_of(self.id()).unwrap()
    }

    /// The same of all its children together. Those that end meanwhile count for nothing.
    #[must_use]
    pub fn anonymous_memory_of_children(&self) -> u64 {
        self.children().into_iter().filter_map(anonymous_memory_of).sum()
    }

    /// What it has taken of processors' time so far, in seconds, without its children.
    ///
    /// # Panics
    /// If the process has ended.
    #[must_use]
    pub fn cpu(&self) -> f64 {
        cpu_of(self.id()).unwrap()[0]
    }

    /// What its children have taken of processors' time so far, in seconds, with those that have ended.
    ///
    /// # Panics
    /// If the process has ended.
    #[must_use]
    pub fn cpu_of_children(&self) -> f64 {
        let living = self.children().into_iter().filter_map(cpu_of).map(|[own, ended]| own + ended);
        living.sum::<f64>() + cpu_of(self.id()).unwrap()[1]
    }

    fn children(&self) -> Vec<u32> {
        let id = self.id();
        let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
        let lists =
            threads.map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default());
        lists
            .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
            .collect()
    }
}

/// What a process has taken of processors' time so far, in seconds: itself, and its children that have ended. None if
/// there is no such process.
#[must_use]
pub fn cpu_of(id: u32) -> Option<[f64; 2]> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // proc(5): utime, stime, cutime, cstime are fields 14 to 17, in hundredths; field 2 may hold spaces.
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(4);
    let ticks: Vec<f64> = fields.filter_map(|ticks| ticks.parse().ok()).collect();
    let [user, system, of_children, system_of_children] = ticks[..] else { return None };
    Some([(user + system) / 100.0, (of_children + system_of_children) / 100.0])
}

/// The name of each thread of a process and how much it gives way to others. Empty if there is no such process.
#[must_use]
pub fn niceness(id: u32) -> Vec<(String, i32)> {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let thread = |path: &Path| {
        let stat = std::fs::read_to_string(path.join("stat")).ok()?;
        // proc(5): the name, in brackets, is field 2, the niceness field 19.
        let (name, rest) = stat.rsplit_once(')')?;
        let name = name.split_once('(')?.1.to_owned();
        Some((name, rest.split_whitespace().nth(16)?.parse().ok()?))
    };
    threads.filter_map(|entry| thread(&entry.path())).collect()
}

fn anonymous_memory_of(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            eprintln!("--- the last lines of {}", self.name);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}
