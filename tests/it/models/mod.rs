//! `steno models`, as a process: against a hub that fails in every way a hub can, and with a real Steno.

mod add;
mod catalogue;
mod faults;
mod hub;
mod interrupted;
mod pull;
mod real;
mod resume;

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use steno_tests::process::executable;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use hub::{Hub, Serve};

const ID: &str = "tiny-test";
const FILE: &str = "ggml-tiny-test.bin";

/// A folder of models with a catalogue of the operator's own.
struct Shelf {
    folder: TempDir,
}

/// What a command has left behind.
struct Done {
    status: Option<i32>,
    out: String,
    err: String,
}

/// So many bytes that no two places of look alike, with the head of a model.
fn weights(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = b"lmgg".to_vec();
    bytes.resize_with(length, || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    bytes
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An entry of the catalogue with one file.
fn entry(file: &Value) -> Value {
    json!({"id": ID, "name": "Tiny Test", "description": "For tests.", "languages": 2, "speed": "fast",
        "files": [file], "licence": "MIT", "only_languages": ["en", "es"], "chunk_seconds": 10, "beams": 5})
}

/// A file of the catalogue with this content, at these addresses.
fn file(content: &[u8], urls: &[String]) -> Value {
    json!({"name": FILE, "bytes": content.len(), "sha256": sha256(content), "urls": urls})
}

impl Shelf {
    fn new(catalogue: &Value) -> Self {
        let folder = TempDir::with_prefix("steno-models-").unwrap();
        std::fs::write(folder.path().join("catalog.json"), catalogue.to_string()).unwrap();
        Self { folder }
    }

    /// With a model of this content at a hub.
    fn at(hub: &Hub, content: &[u8]) -> Self {
        Self::new(&json!([entry(&file(content, &[hub.url("/org/model/resolve/main/weights.bin")]))]))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file in the model's folder.
    fn model(&self, name: &str) -> PathBuf {
        self.path(ID).join(name)
    }

    fn part(&self) -> PathBuf {
        self.model(&format!("{FILE}.part"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(executable("steno"));
        for (name, _) in std::env::vars() {
            if name.starts_with("STENO_") || name.to_ascii_lowercase().ends_with("_proxy") {
                command.env_remove(name);
            }
        }
        command.arg("models").args(arguments).arg("--models").arg(self.folder.path());
        command.current_dir(self.folder.path()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn run(&self, arguments: &[&str]) -> Done {
        done(self.command(arguments).spawn().unwrap()).await
    }

    async fn pull(&self) -> Done {
        self.run(&["pull", ID]).await
    }

    /// What is said of the model.
    async fn state(&self) -> Value {
        let listed = self.run(&["list", "--all", "--json"]).await.document();
        listed["models"].as_array().unwrap().iter().find(|model| model["id"] == ID).unwrap().clone()
    }

    /// Asserts that the model is there, whole, and nothing else.
    async fn holds(&self, content: &[u8]) {
        assert!(std::fs::read(self.model(FILE)).unwrap() == content, "the file is another");
        assert_eq!(self.state().await["state"], "installed");
        let mut names: Vec<_> =
            std::fs::read_dir(self.path(ID)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [FILE, "manifest.json"]);
        let manifest: Value =
            serde_json::from_slice(&std::fs::read(self.model("manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["files"][0]["sha256"], sha256(content));
    }
}

async fn done(child: Child) -> Done {
    let output = child.wait_with_output().await.unwrap();
    Done {
        status: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Done {
    fn ok(&self) -> &str {
        assert_eq!(self.status, Some(0), "{}{}", self.out, self.err);
        &self.out
    }

    /// Asserts failure, and returns the last sentence.
    fn failed(&self) -> &str {
        assert_eq!(self.status, Some(1), "{}{}", self.out, self.err);
        let last = self.err.lines().last().unwrap_or_default();
        last.strip_prefix("steno: ").unwrap_or_else(|| panic!("{last:?} is no sentence of steno"))
    }

    fn document(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {:?} {}", self.out, self.err))
    }
}
