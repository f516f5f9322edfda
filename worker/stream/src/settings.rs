//! The settings of `steno-stream`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::str::FromStr;

use steno_runtime::models::ModelSettings;
use steno_runtime::process::WorkerSettings;
use steno_shared::catalog::{self, ModelId};

/// Threads on a GPU, unless set: enough to keep it busy while others compute on the host.
const GPU_THREADS: usize = 4;

/// The worker of live sessions
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "steno-stream", version, disable_help_subcommand = true)]
pub struct Settings {
    /// The settings of every worker.
    #[command(flatten)]
    pub worker: WorkerSettings,

    /// Decoding threads, each with a state of its own, which all sessions share [default: one per core, 4 on a GPU]
    #[arg(long, env = "STENO_STREAM_THREADS", value_name = "N")]
    pub threads: Option<NonZeroUsize>,

    /// Address on which the API reaches this worker; the system chooses a port for 0
    #[arg(long, env = "STENO_STREAM_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,

    /// The same as an API on another machine sees it, such as `stream-1:7000` [default: the address listened on]
    #[arg(long, env = "STENO_STREAM_ADVERTISE", value_name = "HOST:PORT")]
    pub advertise: Option<HostPort>,

    /// The most sessions at once; when the threads have enough to do there are fewer
    #[arg(long, env = "STENO_STREAM_SESSIONS", value_name = "N", default_value = "2000")]
    pub sessions: NonZeroUsize,

    /// The model that is in memory before the first session comes [default: that of sessions that name none]
    #[arg(long, env = "STENO_STREAMING_MODEL", value_name = "ID")]
    pub streaming_model: Option<String>,

    /// What models may take.
    #[command(flatten)]
    pub models: ModelSettings,
}

/// A host, by name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort(String);

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_host = |host: &str| {
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            let is_bracketed = bare.len() < host.len();
            let known = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
            !bare.is_empty() && bare.chars().all(|letter| known(letter) || is_bracketed && letter == ':')
        };
        let is_port = |port: &str| port.parse().is_ok_and(|port: u16| port > 0);
        match text.rsplit_once(':') {
            Some((host, port)) if is_host(host) && is_port(port) => Ok(Self(text.to_owned())),
            _ => Err("write it as a host and a port, such as stream-1:7000 or [fd00::5]:7000".to_owned()),
        }
    }
}

impl Settings {
    /// How many decoding threads to start.
    #[must_use]
    pub fn threads(&self, gpu: bool) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        match self.threads {
            Some(threads) => threads.get(),
            None if gpu => GPU_THREADS,
            None => cores(),
        }
    }

    /// Whether APIs can find this worker.
    ///
    /// # Errors
    /// A sentence that says why not, and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.advertise.is_none() && self.listen.ip().is_unspecified() {
            return Err(format!(
                "--listen {} is all addresses of this machine, of which an API cannot know one; say with --advertise \
                 HOST:PORT where it reaches this worker",
                self.listen
            ));
        }
        Ok(())
    }

    /// Where APIs reach this worker, which listens on `bound`.
    #[must_use]
    pub fn address(&self, bound: SocketAddr) -> String {
        self.advertise.as_ref().map_or_else(|| bound.to_string(), |HostPort(address)| address.clone())
    }

    /// The model that is loaded at the start.
    #[must_use]
    pub fn first_model(&self, installed: &[ModelId], gpu: bool) -> Option<ModelId> {
        let wished = self.streaming_model.as_deref().map(ModelId::from);
        wished.or_else(|| catalog::default_model(installed, gpu).map(|model| model.id.clone()))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn settings(arguments: &[&str]) -> Settings {
        Settings::try_parse_from(["steno-stream"].iter().chain(arguments)).unwrap()
    }

    #[test]
    fn the_settings_are_well_formed() {
        <Settings as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn threads_are_as_set_or_as_the_hardware_has_them() {
        assert_eq!(settings(&["--threads", "3"]).threads(true), 3);
        assert_eq!(settings(&[]).threads(true), GPU_THREADS);
        assert!(settings(&[]).threads(false) >= 1);
    }

    #[test]
    fn the_address_is_the_one_advertised_or_the_one_listened_on() {
        let bound = "127.0.0.1:4711".parse().unwrap();
        assert_eq!(settings(&[]).address(bound), "127.0.0.1:4711");
        for address in ["stream-1:7000", "10.0.0.5:1", "[fd00::5]:65535"] {
            assert_eq!(settings(&["--advertise", address]).address(bound), address);
        }
    }

    #[test]
    fn all_addresses_need_one_that_is_advertised() {
        assert_eq!(settings(&[]).check(), Ok(()));
        for all in ["0.0.0.0:7000", "[::]:0"] {
            let told = settings(&["--listen", all]).check().unwrap_err();
            assert!(told.contains("say with --advertise HOST:PORT"), "{told}");
            assert_eq!(settings(&["--listen", all, "--advertise", "stream-1:7000"]).check(), Ok(()));
        }
    }

    #[test]
    fn the_first_model_is_the_one_wished_or_the_default() {
        let installed = [ModelId::from("mini")];
        assert_eq!(settings(&[]).first_model(&installed, false), Some("mini".into()));
        assert_eq!(settings(&[]).first_model(&[], false), None);
        assert_eq!(settings(&["--streaming-model", "small"]).first_model(&[], false), Some("small".into()));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for wrong in [
            &["--threads", "0"],
            &["--sessions", "0"],
            &["--listen", "localhost"],
            &["--listen", "127.0.0.1"],
            &["--advertise", "stream-1"],
            &["--advertise", ":7000"],
            &["--advertise", "stream-1:0"],
            &["--advertise", "stream-1:70000"],
            &["--advertise", "http://stream-1:7000"],
            &["--advertise", "fd00::5:7000"],
        ] {
            assert!(Settings::try_parse_from(["steno-stream"].iter().chain(wrong)).is_err(), "{wrong:?}");
        }
    }
}
