//! The settings of the API.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use poem::http::HeaderMap;
use steno_shared::account::Tiers;
use steno_shared::catalog::{Aliases, ModelId};
use steno_shared::settings::{Bytes, Common, Span};

use crate::address::{self, TrustedProxies};

/// Who may call without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Anonymous {
    /// Everybody, if the server is bound to a loopback address; else nobody.
    Auto,
    /// Everybody.
    On,
    /// Nobody.
    Off,
}

/// Whether callers without a key have the limits of the tier `anonymous`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AnonymousLimits {
    /// Unless they call from this machine, not through a proxy, on a server bound to a loopback address.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// The settings of the API.
#[derive(Debug, Clone, clap::Args)]
pub struct ApiSettings {
    /// Address to listen on
    #[arg(long, env = "STENO_BIND", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub bind: SocketAddr,

    /// Port to listen on, instead of the one in --bind
    #[arg(long, env = "STENO_PORT", value_name = "PORT")]
    pub port: Option<u16>,

    /// Whether callers without a key are served
    #[arg(long, env = "STENO_ANONYMOUS", value_name = "WHEN", default_value = "auto")]
    pub anonymous: Anonymous,

    /// Whether callers without a key have the limits of the tier `anonymous`
    #[arg(long, env = "STENO_ANONYMOUS_LIMITS", value_name = "WHEN", default_value = "auto")]
    pub anonymous_limits: AnonymousLimits,

    /// Proxies whose X-Forwarded-For is believed: addresses or networks, separated by commas
    #[arg(long, env = "STENO_TRUSTED_PROXIES", value_name = "LIST", default_value = "")]
    pub trusted_proxies: TrustedProxies,

    /// JSON file of tiers, added to the built-in ones (anonymous, free, paid, unlimited) or replacing them
    #[arg(long, env = "STENO_TIERS", value_name = "FILE")]
    pub tiers: Option<PathBuf>,

    /// Largest file, inclusive
    #[arg(long, env = "STENO_MAX_FILE", value_name = "BYTES", default_value = "2GiB")]
    pub max_file: Bytes,

    /// Model for requests that name none; the best that is installed unless set
    #[arg(long, env = "STENO_DEFAULT_MODEL", value_name = "MODEL")]
    pub default_model: Option<String>,

    /// Other names for models, as name=model, separated by commas; off unless set
    #[arg(long, env = "STENO_MODEL_ALIASES", value_name = "LIST", default_value = "")]
    pub model_aliases: Aliases,

    /// Connections served at once; one more is answered 503
    #[arg(long, env = "STENO_CONNECTIONS", value_name = "N", default_value_t = 1024)]
    pub connections: usize,

    /// Jobs that may wait in the queue; one more is answered 503
    #[arg(long, env = "STENO_QUEUE_LIMIT", value_name = "N", default_value_t = 10_000)]
    pub queue_limit: u32,

    /// Time for a request's header to arrive, and for an idle connection to send its next request
    #[arg(long, env = "STENO_HEADER_TIMEOUT", value_name = "TIME", default_value = "60s")]
    pub header_timeout: Span,

    /// Time without progress after which a body that is being sent or read is given up
    #[arg(long, env = "STENO_BODY_TIMEOUT", value_name = "TIME", default_value = "30s")]
    pub body_timeout: Span,

    /// How long /v1/transcribe holds its status line back, so that a late error still has its own status
    #[arg(long, env = "STENO_SYNC_HOLD", value_name = "TIME", default_value = "30s")]
    pub sync_hold: Span,

    /// How often a waiting JSON answer sends a newline after that, so that nothing in between times out
    #[arg(long, env = "STENO_SYNC_HEARTBEAT", value_name = "TIME", default_value = "10s")]
    pub sync_heartbeat: Span,

    /// How long /v1/transcribe waits for a job in all; the job runs on after that
    #[arg(long, env = "STENO_SYNC_MAX_WAIT", value_name = "TIME", default_value = "2h")]
    pub sync_max_wait: Span,

    /// How long the audio of a completed job is kept, for running stages again
    #[arg(long, env = "STENO_KEEP_AUDIO", value_name = "TIME", default_value = "0s")]
    pub keep_audio: Span,

    /// How long finished jobs are kept, with their transcripts; for ever unless set
    #[arg(long, env = "STENO_KEEP_JOBS", value_name = "TIME")]
    pub keep_jobs: Option<Span>,

    /// How long the audio of a failed job is kept for another try
    #[arg(long, env = "STENO_KEEP_FAILED", value_name = "TIME", default_value = "24h")]
    pub keep_failed: Span,

    /// How often what is past its time is removed
    #[arg(long, env = "STENO_SWEEP_EVERY", value_name = "TIME", default_value = "10m")]
    pub sweep_every: Span,

    /// Age from which an object that no job names, such as a killed process leaves, is removed
    #[arg(long, env = "STENO_SWEEP_AGE", value_name = "TIME", default_value = "1h")]
    pub sweep_age: Span,

    /// Time without a byte after which a resumable upload is removed
    #[arg(long, env = "STENO_UPLOAD_EXPIRY", value_name = "TIME", default_value = "24h")]
    pub upload_expiry: Span,

    /// Live sessions open at once; one more is answered 503
    #[arg(long, env = "STENO_STREAMS", value_name = "N", default_value_t = 2000)]
    pub streams: usize,

    /// Time without audio or a sign of life after which a live session is finished
    #[arg(long, env = "STENO_STREAM_IDLE", value_name = "TIME", default_value = "120s")]
    pub stream_idle: Span,

    /// Time for the first frame of a live session to come
    #[arg(long, env = "STENO_STREAM_CONFIG_TIMEOUT", value_name = "TIME", default_value = "10s")]
    pub stream_config_timeout: Span,

    /// How long a live session may last
    #[arg(long, env = "STENO_STREAM_MAX", value_name = "TIME", default_value = "6h")]
    pub stream_max: Span,

    /// How long a live session that wishes it waits for its client to come back
    #[arg(long, env = "STENO_STREAM_RESUME", value_name = "TIME", default_value = "30s")]
    pub stream_resume: Span,
}

impl ApiSettings {
    /// Where to listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let mut address = self.bind;
        if let Some(port) = self.port {
            address.set_port(port);
        }
        address
    }

    /// Whether callers without a key are served.
    #[must_use]
    pub fn serves_anonymous(&self) -> bool {
        match self.anonymous {
            Anonymous::On => true,
            Anonymous::Off => false,
            Anonymous::Auto => self.bind.ip().is_loopback(),
        }
    }

    /// Whether a caller without a key has limits, who comes from this peer with these headers.
    #[must_use]
    pub fn limits_anonymous(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        match self.anonymous_limits {
            AnonymousLimits::On => true,
            AnonymousLimits::Off => false,
            AnonymousLimits::Auto => {
                let here = self.bind.ip().is_loopback() && peer.to_canonical().is_loopback();
                !here || self.trusted_proxies.trusts(peer) || address::is_forwarded(headers)
            }
        }
    }

    /// The tiers: the built-in ones and those of the file.
    ///
    /// # Errors
    /// A sentence, if the file cannot be read.
    pub fn read_tiers(&self) -> Result<Tiers, String> {
        read_tiers(self.tiers.as_deref())
    }

    /// The model for requests that name none, if one is set.
    ///
    /// # Errors
    /// A sentence, if it or what an alias leads to is not in the catalogue.
    pub fn default_model(&self) -> Result<Option<ModelId>, String> {
        self.model_aliases.check().map_err(|error| format!("--model-aliases: {error}"))?;
        let Some(name) = &self.default_model else { return Ok(None) };
        match self.model_aliases.resolve(name) {
            steno_shared::catalog::Named::Model(model) => Ok(Some(model.id.clone())),
            _ => Err(format!("--default-model: {name:?} is not in the catalogue")),
        }
    }
}

/// The tiers: the built-in ones and those of the file, if there is one.
///
/// # Errors
/// A sentence, if the file cannot be read.
pub fn read_tiers(file: Option<&Path>) -> Result<Tiers, String> {
    let Some(path) = file else { return Tiers::with("{}").map_err(|error| error.to_string()) };
    let named = |error: &dyn std::fmt::Display| format!("--tiers {}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    Tiers::with(&text).map_err(|error| named(&error))
}

/// What `steno serve` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeSettings {
    /// The settings of every executable.
    #[command(flatten)]
    pub common: Common,

    /// The settings of the API.
    #[command(flatten)]
    pub api: ApiSettings,
}

/// What `steno up` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct UpSettings {
    /// What the API takes.
    #[command(flatten)]
    pub serve: ServeSettings,

    /// Recording to transcribe once everything runs, as a first proof
    #[arg(long, value_name = "FILE")]
    pub recording: Option<PathBuf>,

    /// Stop after the recording; the exit status tells whether all went well
    #[arg(long, requires = "recording")]
    pub check: bool,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        api: ApiSettings,
    }

    fn limited(arguments: &[&str], peer: &str, headers: &[&str]) -> bool {
        let program = Program::parse_from(["steno"].iter().chain(arguments));
        let mut map = HeaderMap::new();
        for name in headers {
            let name: poem::http::HeaderName = name.parse().unwrap();
            map.insert(name, "203.0.113.7".parse().unwrap());
        }
        program.api.limits_anonymous(peer.parse().unwrap(), &map)
    }

    #[test]
    fn only_who_calls_from_this_machine_itself_has_no_limits() {
        assert!(!limited(&[], "127.0.0.1", &[]) && !limited(&[], "::1", &[]));
        assert!(limited(&[], "192.0.2.1", &[]));
        assert!(limited(&["--bind", "0.0.0.0:80"], "127.0.0.1", &[]));
        // A proxy on this machine passes on whoever calls.
        for header in ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"] {
            assert!(limited(&[], "127.0.0.1", &[header]), "{header}");
        }
        assert!(limited(&["--trusted-proxies", "127.0.0.1"], "127.0.0.1", &[]));
        assert!(!limited(&["--anonymous-limits", "off"], "127.0.0.1", &["Via"]));
        assert!(limited(&["--anonymous-limits", "on"], "127.0.0.1", &[]));
    }
}
