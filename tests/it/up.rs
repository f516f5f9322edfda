//! `steno up`: what `./start` runs once everything is built.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use steno_tests::client::{Client, form_of};
use steno_tests::process::{Process, executable};
use steno_tests::score::Score;
use steno_tests::world::SOON;
use steno_tests::{clips, wait};
use tempfile::TempDir;

/// Ten times the five seconds in which everything ends.
const ENDED: Duration = Duration::from_secs(50);

/// A folder for `steno up`, and a port that was free a moment ago.
struct Place {
    folder: TempDir,
    port: u16,
}

impl Place {
    fn new() -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let folder = TempDir::with_prefix("steno-up-").unwrap();
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        Self { folder, port }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn key(&self) -> String {
        std::fs::read_to_string(self.data().join("key")).unwrap().trim().to_owned()
    }

    fn client(&self) -> Client {
        Client::new(self.port).with_key(&self.key())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(executable("steno"));
        command.args(["up", "--port", &self.port.to_string(), "--data"]).arg(self.data()).args(arguments);
        command.env("STENO_LEASE", "3s");
        command
    }

    /// Starts it and waits until everything is there.
    async fn up(&self, failpoints: &str) -> Process {
        let mut command = self.command(&[]);
        command.env("STENO_FAILPOINTS", failpoints);
        let mut up = Process::start("up", command, &self.folder.path().join("logs"));
        wait::until("steno up to be ready", SOON, async || {
            assert!(up.ended().is_none(), "it has ended: {}", up.log());
            up.log().contains("Ctrl-C stops it").then_some(())
        })
        .await;
        up
    }

    /// The workers of this place that are alive, of one lane.
    fn workers(&self, lane: &str) -> Vec<Pid> {
        let (program, data) = (format!("steno-{lane}\0"), format!("\0{}\0", self.data().display()));
        let ours = |folder: &Path| {
            let command = std::fs::read(folder.join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).into_owned();
            command.contains(&program) && command.contains(&data)
        };
        let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        let ids = processes.filter(|folder| ours(folder));
        ids.filter_map(|folder| Pid::from_raw(folder.file_name()?.to_str()?.parse().ok()?)).collect()
    }

    async fn all_workers_end(&self) {
        wait::until("the workers to end", ENDED, async || {
            (self.workers("intake").is_empty() && self.workers("transcribe").is_empty()).then_some(())
        })
        .await;
    }
}

fn clip() -> Vec<u8> {
    let clip = clips::heldout().into_iter().find(|clip| !clip.heldout && clip.seconds > 3.0).unwrap();
    std::fs::read(clip.path()).unwrap()
}

/// From an empty folder to a transcript; the second time too, and the key is shown once.
#[test]
fn a_check_transcribes_the_recording_and_stops() {
    let place = Place::new();
    let (recording, said) = clips::briefing();
    let mut outputs = Vec::new();
    for _ in 0..2 {
        let output =
            place.command(&["--check", "--recording", recording.to_str().unwrap()]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        let heard: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("    ")).collect();
        let heard: Vec<_> = heard.into_iter().filter(|line| !line.trim_start().starts_with("stn_")).collect();
        let turns: Vec<_> = heard.iter().filter_map(|line| line.split_once(": ")).collect();
        assert_eq!(turns.iter().map(|(who, _)| *who).collect::<Vec<_>>(), clips::briefing_turns(), "{text}");
        let score = Score::of(&said, &turns.iter().map(|(_, said)| *said).collect::<Vec<_>>().join(" "));
        assert!(score.words >= 60 && score.percent() < 50.0, "{text}");
        outputs.push(text);
        assert!(place.workers("intake").is_empty() && place.workers("transcribe").is_empty());
    }
    let key = place.key();
    assert!(key.starts_with("stn_"));
    assert_eq!(outputs[0].matches(&key).count(), 1, "{}", outputs[0]);
    assert_eq!(outputs[1].matches("stn_").count(), 0, "{}", outputs[1]);
    let mode = std::fs::metadata(place.data().join("key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// A recording that cannot be transcribed fails the check.
#[test]
fn a_check_that_fails_says_so_by_its_status() {
    let place = Place::new();
    let output = place.command(&["--check", "--recording", "/dev/null"]).output().unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("the recording was not transcribed: 400"), "{error}");
}

#[tokio::test]
async fn a_second_one_is_refused_with_what_to_do() {
    let place = Place::new();
    let mut up = place.up("").await;
    let beside = Place { port: 0, folder: place.folder };
    let same_data = beside.command(&[]).output().unwrap();
    assert!(!same_data.status.success());
    let error = String::from_utf8_lossy(&same_data.stderr).into_owned();
    assert!(error.contains("another steno is running with the data folder"), "{error}");
    let elsewhere = Place { port: place.port, folder: TempDir::with_prefix("steno-up-").unwrap() };
    let same_port = elsewhere.command(&[]).output().unwrap();
    assert!(!same_port.status.success());
    let error = String::from_utf8_lossy(&same_port.stderr).into_owned();
    assert!(error.contains("cannot listen on") && error.contains("--port"), "{error}");
    up.signal(Signal::INT);
    assert!(up.end(ENDED).await.success());
}

/// Ctrl-C in the middle of a job: everything ends, and the job is finished after the next start.
#[tokio::test]
async fn a_running_job_survives_ctrl_c() {
    let place = Place::new();
    let mut up = place.up("transcribe.claimed=sleep(60000)").await;
    let client = place.client();
    let waiting = tokio::spawn(async move { client.transcribe(form_of(clip(), "a.wav", &[])).await });
    let log = wait::until("the job to run", SOON, async || {
        let log = up.log();
        log.contains("job accepted").then_some(log)
    })
    .await;
    let id = log.split("job.id=").nth(1).unwrap().split_whitespace().next().unwrap();
    up.signal(Signal::INT);
    assert!(up.end(ENDED).await.success(), "{}", up.log());
    place.all_workers_end().await;
    let told = waiting.await.unwrap();
    assert_eq!(told.json()["job_id"], id, "{}", told.body);

    let mut up = place.up("").await;
    let transcript = wait::until("the transcript", SOON, async || {
        let answer = place.client().get(&format!("/v1/jobs/{id}/transcript")).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert!(!transcript.json()["text"].as_str().unwrap().is_empty());
    up.signal(Signal::INT);
    assert!(up.end(ENDED).await.success());
}

/// The workers do not outlive it, however it dies.
#[tokio::test]
async fn workers_end_with_it_when_it_is_killed() {
    let place = Place::new();
    let mut up = place.up("").await;
    assert_eq!((place.workers("intake").len(), place.workers("transcribe").len()), (1, 1));
    up.kill();
    place.all_workers_end().await;
}

/// A worker that dies is started again, also when a file kills it each time.
#[tokio::test]
async fn a_dead_worker_is_replaced() {
    let place = Place::new();
    let mut up = place.up("transcribe.claimed=abort@poison").await;
    let first = place.workers("transcribe")[0];
    kill_process(first, Signal::KILL).unwrap();
    wait::until("another worker", SOON, async || {
        place.workers("transcribe").iter().find(|id| **id != first).copied()
    })
    .await;
    let poisoned = place.client().transcribe(form_of(clip(), "poison.wav", &[])).await;
    assert_eq!(poisoned.json()["code"], "worker_lost", "{}", poisoned.body);
    let good = place.client().transcribe(form_of(clip(), "good.wav", &[])).await;
    assert_eq!(good.status, 200, "{}", good.body);
    up.signal(Signal::INT);
    assert!(up.end(ENDED).await.success());
}
