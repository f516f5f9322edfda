//! The settings of a connection: which server, and the key it is called with.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use reqwest::Url;
use reqwest::header::HeaderValue;

use super::error::ClientError;
use super::server::Server;

/// Where the server is, and who calls.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Connection {
    /// Server to talk to
    #[arg(
        long,
        env = "STENO_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080",
        global = true
    )]
    server: String,

    /// API key; better given by the variable, since others can read command lines; unless set, DATA/key for a
    /// server on this machine, if there is such a file
    #[arg(long, env = "STENO_KEY", value_name = "KEY", hide_env_values = true, global = true)]
    key: Option<Secret>,

    /// Data folder of a server on this machine
    #[arg(long, env = "STENO_DATA", value_name = "DIR", default_value = "data", global = true)]
    data: PathBuf,
}

/// A key as it was given. Its `Debug` does not show it.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Takes anything: clap would print what it refuses.
impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl Connection {
    /// The server of these settings. It is not called yet.
    ///
    /// # Errors
    /// If the address is none, or the key cannot be one.
    pub(crate) fn open(&self) -> Result<Server, ClientError> {
        let base = self.address()?;
        let local = is_local(&base);
        let key = match &self.key {
            Some(Secret(key)) if key.is_empty() => None,
            Some(Secret(key)) => Some(header(key, "the API key (--key, STENO_KEY)")?),
            // The first key is this machine's: it is shown to no other.
            None if local => self.key_of_this_machine()?,
            None => None,
        };
        Server::new(base, key, if local { Network::Loopback } else { Network::Any })
    }

    fn address(&self) -> Result<Url, ClientError> {
        let invalid = || {
            let example = "http://127.0.0.1:8080";
            ClientError::Setting(format!(
                "--server must be an address such as {example}, not {:?}",
                self.server
            ))
        };
        let url = Url::parse(self.server.trim()).map_err(|_| invalid())?;
        let usable = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ClientError::Setting(
                "--server must hold no user name or password; give the key by STENO_KEY".to_owned(),
            ));
        }
        if usable && url.query().is_none() && url.fragment().is_none() { Ok(url) } else { Err(invalid()) }
    }

    fn key_of_this_machine(&self) -> Result<Option<HeaderValue>, ClientError> {
        let path = self.data.join("key");
        // Not there, or not ours to read: as if there were none. The server says if one is needed.
        let Ok(key) = std::fs::read_to_string(&path) else { return Ok(None) };
        match key.trim() {
            "" => Ok(None),
            key => header(key, &format!("the key in {}", path.display())).map(Some),
        }
    }
}

/// How a server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// On this machine: never by way of a proxy.
    Loopback,
    /// Anywhere.
    Any,
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

fn header(key: &str, what: &str) -> Result<HeaderValue, ClientError> {
    let value = HeaderValue::try_from(format!("Bearer {key}"));
    let mut value = value.ok().filter(|_| key.is_ascii()).ok_or_else(|| {
        ClientError::Setting(format!("{what} has characters that no key has; was it copied whole?"))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(server: &str, key: Option<&str>) -> Connection {
        let data = tempfile::tempdir().unwrap().keep();
        std::fs::write(data.join("key"), "stn_first\n").unwrap();
        Connection { server: server.to_owned(), key: key.map(|key| key.parse().unwrap()), data }
    }

    fn key_for(server: &str, key: Option<&str>) -> Option<String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let connection = connection(server, key);
        let opened = connection.open().unwrap();
        std::fs::remove_dir_all(&connection.data).unwrap();
        opened.key().map(|key| key.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_key_of_the_data_folder_is_shown_to_this_machine_alone() {
        for server in
            ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:8080", "http://127.9.9.9"]
        {
            assert_eq!(key_for(server, None).as_deref(), Some("Bearer stn_first"), "{server}");
        }
        for server in ["http://192.0.2.1", "https://localhost.example.org", "http://127.0.0.1.example.org"] {
            assert_eq!(key_for(server, None), None, "{server}");
            assert_eq!(key_for(server, Some("mine")).as_deref(), Some("Bearer mine"));
        }
        assert_eq!(key_for("http://127.0.0.1", Some("mine")).as_deref(), Some("Bearer mine"));
        assert_eq!(key_for("http://127.0.0.1", Some("")), None);
    }

    #[test]
    fn what_is_no_address_or_key_is_refused_without_showing_the_key() {
        for server in ["", "localhost:8080", "ftp://x", "http://", "http://a?b=c", "http://me:secret@a"] {
            let error = connection(server, None).open().unwrap_err().to_string();
            assert!(error.contains("--server must") && !error.contains("secret@"), "{server}: {error}");
        }
        for key in ["line\nbreak", "schlüssel"] {
            let connection = connection("http://127.0.0.1", Some(key));
            let error = connection.open().unwrap_err().to_string();
            assert!(error.contains("no key has") && !error.contains(key), "{error}");
            assert!(!format!("{connection:?}").contains(key));
        }
    }
}
