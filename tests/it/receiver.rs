//! The receiver of webhooks: a Python program that verifies every delivery.

use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use steno_tests::client::{Client, answer};
use steno_tests::process::Process;
use steno_tests::world::SOON;
use steno_tests::{clips, wait};
use tempfile::TempDir;

/// A running receiver.
#[derive(Debug)]
pub(crate) struct Receiver {
    process: Process,
    port: u16,
    _folder: TempDir,
}

/// What it received.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) timestamp: i64,
    pub(crate) signatures: usize,
    /// For each secret of the plan, whether it verifies.
    pub(crate) verified_by: Vec<bool>,
    pub(crate) content_type: String,
    pub(crate) user_agent: String,
    pub(crate) body: String,
    pub(crate) at: f64,
}

impl Received {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Receiver {
    /// Starts one on any port, or on the one given.
    pub(crate) async fn start(port: u16) -> Self {
        let folder = TempDir::with_prefix("steno-receiver-").unwrap();
        let python = clips::root().join("target/python/bin/python");
        assert!(python.is_file(), "the Python environment is missing; run: ./scripts/python.sh");
        let mut command = Command::new(python);
        command.arg(clips::root().join("tests/python/webhook_receiver.py")).arg(port.to_string());
        let mut process = Process::start("receiver", command, folder.path());
        let port = wait::until("the receiver's port", SOON, async || {
            assert!(process.ended().is_none(), "the receiver has ended: {}", process.log());
            process.log().strip_prefix("listening on ")?.split_once('.')?.0.parse().ok()
        })
        .await;
        Self { process, port, _folder: folder }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The URL that a webhook is made with.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// With which secrets it verifies, and how it answers from now on.
    pub(crate) async fn plan(&self, secrets: &[&str], answers: &[Value]) {
        let client = Client::new(self.port);
        let plan = json!({ "secrets": secrets, "answers": answers });
        assert_eq!(answer(client.request(reqwest::Method::POST, "/plan").json(&plan)).await.status, 204);
    }

    /// What it has received.
    pub(crate) async fn log(&self) -> Vec<Received> {
        serde_json::from_value(Client::new(self.port).get("/log").await.ok()).unwrap()
    }

    /// Waits until it has received so much.
    pub(crate) async fn received(&self, count: usize) -> Vec<Received> {
        self.received_within(count, SOON).await
    }

    /// Waits until it has received so much, for as long as a schedule takes.
    pub(crate) async fn received_within(&self, count: usize, within: Duration) -> Vec<Received> {
        wait::until(&format!("{count} deliveries"), within, async || {
            let log = self.log().await;
            (log.len() >= count).then_some(log)
        })
        .await
    }

    /// Ends it, as a server goes down.
    pub(crate) fn kill(mut self) -> u16 {
        self.process.kill();
        self.port
    }
}
