//! The commands that users type, as processes: against a server that answers by a script, and a real one.

mod bad_input;
mod bench;
mod documents;
mod faults;
mod interrupt;
mod keys;
mod listen;
mod real;
mod speakers;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use steno_tests::clips;
use steno_tests::process::executable;
use steno_tests::scripted::{Act, Request, Scripted};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// A folder to work in, without a data folder in it.
struct Desk {
    folder: TempDir,
}

/// What a command has left behind.
struct Done {
    status: i32,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Self {
        Self { folder: TempDir::with_prefix("steno-desk-").unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A command that knows of no server but the one it is told of.
    fn command(&self, server: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(executable("steno"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STENO_")) {
            command.env_remove(name);
        }
        command.args(arguments).env("STENO_SERVER", server).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    async fn run(&self, server: &str, arguments: &[&str]) -> Done {
        done(self.command(server, arguments).spawn().unwrap()).await
    }

    async fn run_with_input(&self, server: &str, arguments: &[&str], input: &[u8]) -> Done {
        let mut child = self.command(server, arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).await.unwrap();
        done(child).await
    }
}

async fn done(child: Child) -> Done {
    let output = child.wait_with_output().await.unwrap();
    Done {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Done {
    /// Asserts success, and returns standard output.
    fn ok(&self) -> &str {
        assert_eq!(self.status, 0, "{}{}", self.out, self.err);
        &self.out
    }

    /// Asserts the exit status, and returns the last sentence, which must be the command's.
    fn failed(&self, status: i32) -> &str {
        assert_eq!(self.status, status, "{}{}", self.out, self.err);
        let last = self.err.lines().last().unwrap_or_default();
        last.strip_prefix("steno: ").unwrap_or_else(|| panic!("{last:?} is no sentence of steno"))
    }

    /// Standard output, which must be one JSON document.
    fn document(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {:?}", self.out))
    }
}

const ID: &str = "job_1";

/// The script of a server where all goes well: a job is made, runs, and has a transcript.
fn well(request: &Request, before: usize) -> Act {
    let ok = |body: &Value| Act::Answer(200, vec![], body.to_string());
    match (request.method.as_str(), request.address()) {
        ("POST", "/v1/jobs") => Act::Answer(202, vec![], queued().to_string()),
        ("GET", "/v1/jobs/job_1") if before == 0 => ok(&running()),
        ("GET", "/v1/jobs/job_1") => ok(&json!({"id": ID, "state": "completed"})),
        ("GET", "/v1/jobs/job_1/transcript") => {
            match request.path.split(['?', '&']).find_map(|part| part.strip_prefix("format=")) {
                Some("json") => ok(&json!({"text": "Good morning.", "segments": []})),
                Some(format) => Act::Answer(200, vec![], format!("Good morning as {format}.")),
                None => Act::HangUp,
            }
        }
        ("POST", "/v1/jobs/job_1/cancel") => ok(&json!({"id": ID, "state": "cancelled"})),
        _ => Act::Answer(404, vec![], json!({"error": "no such job", "code": "not_found"}).to_string()),
    }
}

fn queued() -> Value {
    json!({"id": ID, "state": "queued", "queue_position": 3})
}

fn running() -> Value {
    json!({"id": ID, "state": "processing", "progress":
        {"stage": "transcribe", "attempts": 1, "decoded_seconds": 60.0, "done_seconds": 15.0, "total_seconds": 60.0}})
}

/// A refusal in the form of the API.
fn refusal(status: u16, sentence: &str, headers: Vec<(&'static str, String)>) -> Act {
    Act::Answer(status, headers, json!({"error": sentence, "code": "scripted"}).to_string())
}

/// A file in a form: its name and its bytes.
fn part(request: &Request, path: &Path) -> bool {
    let name = format!("filename=\"{}\"", path.file_name().unwrap().to_string_lossy());
    let bytes = std::fs::read(path).unwrap();
    steno_tests::scripted::find(&request.body, name.as_bytes()).is_some()
        && steno_tests::scripted::find(&request.body, &bytes).is_some()
}
