//! What is to be transcribed: a file, standard input, or an address that the server fetches from.

use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::ClientError;

/// What is to be transcribed, as the user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file on this machine.
    File(PathBuf),
    /// Standard input, named `-`.
    StandardInput,
    /// An address that the server fetches from.
    Url(String),
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let begins =
            |scheme: &str| text.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
        Ok(match text {
            "-" => Self::StandardInput,
            _ if begins("http://") || begins("https://") => Self::Url(text.to_owned()),
            _ => Self::File(PathBuf::from(text)),
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::StandardInput => f.write_str("standard input"),
            Self::Url(url) => f.write_str(url),
        }
    }
}

impl Source {
    /// Refuses what can be seen to be no recording, without opening it: a pipe must be opened once.
    ///
    /// # Errors
    /// If it is not there, a folder, or empty.
    pub(crate) fn check(&self) -> Result<(), ClientError> {
        let Self::File(path) = self else { return Ok(()) };
        let shown = path.display().to_string();
        let kind = std::fs::metadata(path).map_err(|error| ClientError::file("read", &shown, &error))?;
        if kind.is_dir() {
            return Err(ClientError::File(format!("{shown} is a folder; name the files in it")));
        }
        if kind.is_file() && kind.len() == 0 { Err(empty(&shown)) } else { Ok(()) }
    }

    /// The name of a transcript's file, without an extension.
    pub(crate) fn stem(&self) -> String {
        let path = match self {
            Self::File(path) => path.clone(),
            Self::StandardInput => return "stdin".to_owned(),
            Self::Url(url) => {
                PathBuf::from(reqwest::Url::parse(url).map_or_else(|_| String::new(), |url| last_part(&url)))
            }
        };
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        stem.filter(|stem| !stem.is_empty()).unwrap_or_else(|| "transcript".to_owned())
    }
}

fn empty(shown: &str) -> ClientError {
    ClientError::File(format!("{shown} is empty"))
}

fn last_part(url: &reqwest::Url) -> String {
    let parts = url.path_segments().and_then(|mut parts| parts.rfind(|part| !part.is_empty()));
    parts.unwrap_or_default().to_owned()
}

/// An open file that is to be sent: from where it stood when it was opened, as often as is needed.
#[derive(Debug)]
pub(crate) struct Media {
    file: File,
    /// None for a pipe, which can be read only once.
    place: Option<Place>,
    /// The name that the server is told.
    pub(crate) name: String,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    begin: u64,
    length: u64,
}

impl Media {
    /// Opens a file.
    ///
    /// # Errors
    /// If it cannot be read or is empty.
    pub(crate) fn open(path: &Path) -> Result<Self, ClientError> {
        let shown = path.display().to_string();
        let file = File::open(path).map_err(|error| ClientError::file("read", &shown, &error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self::of(file, name, &shown)
    }

    /// Opens standard input.
    ///
    /// # Errors
    /// If it is closed or empty.
    pub(crate) fn standard_input() -> Result<Self, ClientError> {
        let shown = "standard input";
        let owned = std::io::stdin().as_fd().try_clone_to_owned();
        let file = owned.map_err(|error| ClientError::file("read", shown, &error))?;
        Self::of(file.into(), "stdin".to_owned(), shown)
    }

    fn of(mut file: File, name: String, shown: &str) -> Result<Self, ClientError> {
        let unreadable = |error: std::io::Error| ClientError::file("read", shown, &error);
        let kind = file.metadata().map_err(unreadable)?;
        let mut place = None;
        if kind.is_file() {
            let begin = file.stream_position().map_err(unreadable)?;
            let length = kind.len().saturating_sub(begin);
            if length == 0 {
                return Err(empty(shown));
            }
            place = Some(Place { begin, length });
        }
        Ok(Self { file, place, name })
    }

    /// Its length in bytes, unless it is a pipe.
    pub(crate) fn length(&self) -> Option<u64> {
        self.place.map(|place| place.length)
    }

    /// Its bytes from the beginning; of a pipe, those that were not read yet.
    ///
    /// # Errors
    /// If it cannot be read again.
    pub(crate) fn reader(&self) -> std::io::Result<File> {
        let mut file = self.file.try_clone()?;
        if let Some(place) = self.place {
            file.seek(SeekFrom::Start(place.begin))?;
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_says_what_it_is() {
        assert_eq!(source("-"), Source::StandardInput);
        assert_eq!(source("HTTPS://a/b.mp3"), Source::Url("HTTPS://a/b.mp3".to_owned()));
        for file in ["a.mp3", "http:/a", "./http://a", "é", ""] {
            assert_eq!(source(file), Source::File(PathBuf::from(file)));
        }
    }

    #[test]
    fn a_transcript_is_named_after_what_was_transcribed() {
        for (name, stem) in [
            ("a/talk.one.mp3", "talk.one"),
            ("-", "stdin"),
            ("https://a.org/x/talk.mp4?token=1", "talk"),
            ("https://a.org/", "transcript"),
            ("..", "transcript"),
            ("http://", "transcript"),
        ] {
            assert_eq!(source(name).stem(), stem, "{name}");
        }
    }
}
