//! The settings that every executable shares, parsed once into types from the command line and the environment.
//!
//! The doc comment of a field is its documentation: `--help` shows it, and a test holds the README's table to
//! it. Settings of one executable alone are declared there, with these flattened in.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::outside::Networks;

/// A length of time in a setting: `500ms`, `30s`, `2h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = humantime::DurationError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Self)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// A number of bytes in a setting: `100MiB`, `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<bytesize::ByteSize>().map(|size| Self(size.as_u64()))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        match UNITS.into_iter().find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl serde::Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The text is no URL of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not supported here; use {expected}")]
pub struct UnsupportedUrl {
    given: String,
    expected: &'static str,
}

/// Where the database is: `sqlite:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// An SQLite file.
    Sqlite(PathBuf),
}

/// Where the queue is: `sqlite:PATH`, another file than the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueUrl {
    /// An SQLite file that apalis keeps its tables in.
    Sqlite(PathBuf),
}

/// Where the objects are: `file:DIRECTORY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectsUrl {
    /// A local directory.
    Dir(PathBuf),
}

/// A URL type with one scheme whose rest is a path.
macro_rules! path_url {
    ($name:ident, $variant:ident, $scheme:literal, $expected:literal) => {
        impl FromStr for $name {
            type Err = UnsupportedUrl;
            fn from_str(text: &str) -> Result<Self, UnsupportedUrl> {
                let path = text.strip_prefix($scheme).filter(|path| !path.is_empty());
                let unsupported = || UnsupportedUrl { given: text.to_owned(), expected: $expected };
                path.map(|path| Self::$variant(PathBuf::from(path))).ok_or_else(unsupported)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Self::$variant(path) = self;
                write!(f, concat!($scheme, "{}"), path.display())
            }
        }
    };
}

path_url!(DatabaseUrl, Sqlite, "sqlite:", "sqlite:PATH");
path_url!(QueueUrl, Sqlite, "sqlite:", "sqlite:PATH");
path_url!(ObjectsUrl, Dir, "file:", "file:DIRECTORY");

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The settings of every executable.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// Folder that holds everything: database, queue, objects, models and the first key
    #[arg(long, env = "STENO_DATA", value_name = "DIR", default_value = "data")]
    pub data: PathBuf,

    /// Database; `sqlite:DATA/steno.db` unless set
    #[arg(long, env = "STENO_DATABASE_URL", value_name = "URL")]
    pub database_url: Option<DatabaseUrl>,

    /// Queue; `sqlite:DATA/queue.db` unless set
    #[arg(long, env = "STENO_QUEUE_URL", value_name = "URL")]
    pub queue_url: Option<QueueUrl>,

    /// Object store; `file:DATA/objects` unless set
    #[arg(long, env = "STENO_OBJECTS_URL", value_name = "URL")]
    pub objects_url: Option<ObjectsUrl>,

    /// Folder of the installed models; `DATA/models` unless set
    #[arg(long, env = "STENO_MODELS", value_name = "DIR")]
    pub models: Option<PathBuf>,

    /// Networks beside the public internet that URLs and webhooks may lead to, such as `192.168.1.0/24`
    #[arg(long, env = "STENO_ALLOW_NETWORKS", value_name = "LIST", default_value = "")]
    pub allow_networks: Networks,

    /// What is logged: a level, or directives such as `info,steno_api=debug`
    #[arg(long, env = "STENO_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// How log lines are written
    #[arg(long, env = "STENO_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

impl Common {
    /// Where the database is.
    #[must_use]
    pub fn database_url(&self) -> DatabaseUrl {
        let default = || DatabaseUrl::Sqlite(self.data.join("steno.db"));
        self.database_url.clone().unwrap_or_else(default)
    }

    /// Where the queue is.
    #[must_use]
    pub fn queue_url(&self) -> QueueUrl {
        self.queue_url.clone().unwrap_or_else(|| QueueUrl::Sqlite(self.data.join("queue.db")))
    }

    /// Where the objects are.
    #[must_use]
    pub fn objects_url(&self) -> ObjectsUrl {
        self.objects_url.clone().unwrap_or_else(|| ObjectsUrl::Dir(self.data.join("objects")))
    }

    /// Where the models are.
    #[must_use]
    pub fn models(&self) -> PathBuf {
        self.models.clone().unwrap_or_else(|| self.data.join("models"))
    }

    /// Where the first key is kept.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.data.join("key")
    }

    /// Whether the three URLs can work together.
    ///
    /// # Errors
    /// A sentence that says which cannot, and what to do.
    pub fn check(&self) -> Result<(), String> {
        let (DatabaseUrl::Sqlite(database), QueueUrl::Sqlite(queue)) =
            (self.database_url(), self.queue_url());
        if same_file(&database, &queue) {
            return Err(format!(
                "the database and the queue are the same file ({}), whose tables would clash; give --queue-url \
                 another path",
                database.display()
            ));
        }
        Ok(())
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_read_back_and_unknown_schemes_say_what_is_known() {
        assert_eq!("sqlite:a/b.db".parse(), Ok(DatabaseUrl::Sqlite("a/b.db".into())));
        assert_eq!("file:/var/x".parse::<ObjectsUrl>().unwrap().to_string(), "file:/var/x");
        for text in ["", "sqlite:", "mysql:x", "/a/b"] {
            let error = text.parse::<QueueUrl>().unwrap_err().to_string();
            assert!(error.contains("use sqlite:PATH"), "{error}");
        }
    }

    #[test]
    fn byte_counts_and_spans_read_back() {
        for (text, bytes) in [("2GiB", 2 << 30), ("100MiB", 100 << 20), ("7B", 7)] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)));
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        assert_eq!("1m 30s".parse(), Ok(Span(Duration::from_secs(90))));
        assert!("-3".parse::<Span>().is_err() && "x".parse::<Bytes>().is_err());
    }
}
