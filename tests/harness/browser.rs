//! Debian's Chromium without a window, whose microphone is a file: driven over the `DevTools` protocol
//! (<https://chromedevtools.github.io/devtools-protocol>).

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::process::Process;
use crate::{clips, wait};

/// Ten times what a start takes on a quiet machine.
const STARTED: Duration = Duration::from_secs(60);
/// Ten times what a page takes to answer.
const ANSWERED: Duration = Duration::from_secs(30);
/// Silence after what is said into the microphone: the file begins anew at its end.
const SILENCE: u32 = 300;

/// A browser with one page. It ends when it is dropped.
#[derive(Debug)]
pub struct Browser {
    // Before the folder, so that it is dead when that goes.
    _process: Process,
    _folder: TempDir,
    connection: WebSocketStream<TcpStream>,
    page: String,
    sent: u64,
    requests: Vec<String>,
    complaints: Vec<String>,
}

impl Browser {
    /// A browser whose microphone hears these samples, 16 kHz mono, from when a page begins to listen, and then silence.
    ///
    /// # Panics
    /// If Chromium is not installed, or does not start.
    pub async fn start(microphone: &[i16]) -> Self {
        let folder = TempDir::with_prefix("steno-browser-").unwrap();
        let sound = folder.path().join("microphone.wav");
        let mut samples: Vec<u8> = microphone.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        samples.resize(samples.len() + SILENCE as usize * 32_000, 0);
        clips::write_wav(&samples, &sound);
        let profile = folder.path().join("profile");
        let logs = folder.path().join("logs");
        std::fs::create_dir(&logs).unwrap();
        let process = Process::start("chromium", command(&sound, &profile), &logs);
        // Two lines: the port, and the path of the browser's own socket.
        let socket = wait::until("chromium to listen", STARTED, async || {
            let written = std::fs::read_to_string(profile.join("DevToolsActivePort")).ok()?;
            let (port, path) = written.trim().split_once('\n')?;
            Some((port.to_owned(), path.to_owned()))
        })
        .await;
        let (port, path) = socket;
        let stream = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
        let (connection, _) = client_async(format!("ws://127.0.0.1:{port}{path}"), stream).await.unwrap();
        let mut browser = Self {
            _process: process,
            _folder: folder,
            connection,
            page: String::new(),
            sent: 0,
            requests: Vec::new(),
            complaints: Vec::new(),
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"})).await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach).await;
        attached["sessionId"].as_str().unwrap().clone_into(&mut browser.page);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        browser
    }

    /// Opens an address, and waits until its scripts have run.
    ///
    /// # Panics
    /// If there is no such page.
    pub async fn open(&mut self, url: &str) {
        let answer = self.call("Page.navigate", json!({"url": url})).await;
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        let loaded = format!("location.href === {} && document.readyState === 'complete'", json!(url));
        self.until(&loaded, ANSWERED).await;
    }

    /// What an expression is worth in the page; a promise is waited for.
    ///
    /// # Panics
    /// If it throws.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let answer = self.call("Runtime.evaluate", parameters).await;
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Waits until an expression holds.
    ///
    /// # Panics
    /// After `within`, with what the page shows then.
    pub async fn until(&mut self, expression: &str, within: Duration) {
        let deadline = tokio::time::Instant::now() + within;
        while self.evaluate(&format!("Boolean({expression})")).await != Value::Bool(true) {
            if tokio::time::Instant::now() > deadline {
                let shown = self.evaluate("document.body?.innerText").await;
                panic!(
                    "waited {within:?} in vain: {expression}; shown: {shown}; complaints: {:?}",
                    self.complaints
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The addresses that the page has asked for so far, also by WebSocket.
    #[must_use]
    pub fn requests(&self) -> &[String] {
        &self.requests
    }

    /// What its console has shown so far of errors and warnings, and the exceptions that nothing caught.
    #[must_use]
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Calls a method, and notes what happens meanwhile.
    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.sent += 1;
        let id = self.sent;
        let mut call = json!({"id": id, "method": method, "params": parameters});
        if !self.page.is_empty() {
            call["sessionId"] = Value::from(self.page.as_str());
        }
        self.connection.send(Message::text(call.to_string())).await.unwrap();
        let answer = tokio::time::timeout(ANSWERED, async {
            loop {
                let message = self.connection.next().await.expect("chromium has ended").unwrap();
                let Message::Text(text) = message else { continue };
                let message: Value = serde_json::from_str(text.as_str()).unwrap();
                if message["id"] == id {
                    return message;
                }
                self.note(&message);
            }
        });
        let Ok(answer) = answer.await else { panic!("chromium does not answer {method} {parameters}") };
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    fn note(&mut self, event: &Value) {
        let told = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => {
                self.requests.push(told["request"]["url"].as_str().unwrap().to_owned());
            }
            "Network.webSocketCreated" => {
                self.requests.push(told["url"].as_str().unwrap().to_owned());
            }
            "Runtime.consoleAPICalled" if told["type"] == "error" || told["type"] == "warning" => {
                self.complaints.push(told["args"].to_string());
            }
            "Runtime.exceptionThrown" => self.complaints.push(told["exceptionDetails"].to_string()),
            // That a page uses something old is not its failure.
            "Log.entryAdded" if told["entry"]["source"] == "deprecation" => {}
            "Log.entryAdded" if told["entry"]["level"] == "error" || told["entry"]["level"] == "warning" => {
                self.complaints.push(told["entry"].to_string());
            }
            _ => {}
        }
    }
}

fn command(sound: &Path, profile: &Path) -> Command {
    let mut command = Command::new("chromium");
    command
        .arg("--headless=new")
        // Tests may run as root, where its sandbox does not start, and where /dev/shm is small.
        .args(["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"])
        .args(["--remote-debugging-port=0", "--remote-debugging-address=127.0.0.1"])
        .args(["--no-first-run", "--no-default-browser-check", "--no-proxy-server"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        // Whatever else it might wish to ask, it finds nobody.
        .arg("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
        .args(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"])
        .arg(format!("--use-file-for-fake-audio-capture={}", sound.display()))
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg("about:blank");
    command
}
