//! Why a model is not installed, with what mends it.

use std::io;
use std::path::Path;

use indicatif::BinaryBytes;

/// Why a model was not installed, checked or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    /// It comes with the executables.
    #[error("{id} comes with Steno: the workers unpack it as they start, and again if it is damaged")]
    Bundled {
        /// The model.
        id: String,
    },
    /// The catalogue has no address for it.
    #[error(
        "the catalogue has no address for {id}; `steno models add {id} FILE` installs a file that you have"
    )]
    NoAddress {
        /// The model.
        id: String,
    },
    /// Another process installs or removes it.
    #[error("another steno is at work on {id}; let it finish or stop it")]
    Locked {
        /// The model.
        id: String,
    },
    /// The disk is too full.
    #[error("{folder} has {} free, and {} are needed; make room, or name another folder by --models",
            BinaryBytes(*.free), BinaryBytes(*.needed))]
    NoRoom {
        /// Where it is to be.
        folder: String,
        /// What is free, in bytes.
        free: u64,
        /// What is needed, in bytes.
        needed: u64,
    },
    /// The file is not what the catalogue has.
    #[error("{file} has the SHA-256 {found}, not {expected}{}", .hint)]
    Checksum {
        /// Its name or address.
        file: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
        /// What to do, as the end of the sentence.
        hint: String,
    },
    /// The file is of another length than the catalogue says.
    #[error("{file} has {found} bytes, not {expected}{}", .hint)]
    Length {
        /// Its name or address.
        file: String,
        /// What it should be.
        expected: u64,
        /// What it is.
        found: String,
        /// What to do, as the end of the sentence.
        hint: String,
    },
    /// The server has no such file.
    #[error("{url} answers {status}; is there a mirror that has it? --mirror URL names one")]
    Missing {
        /// The address that was asked last.
        url: String,
        /// Its answer.
        status: String,
    },
    /// The server does not let us have it.
    #[error(
        "{url} answers {status}; if it cannot be reached from here, --mirror URL names another server, and \
             `steno models add` installs a file that came by other ways"
    )]
    Refused {
        /// The address.
        url: String,
        /// Its answer.
        status: String,
    },
    /// The download breaks off again and again.
    #[error(
        "the download of {url} failed {tries} times: {reason}; what has come is kept, and the same command goes on \
         there; --mirror URL names another server"
    )]
    Broken {
        /// The address.
        url: String,
        /// How often in a row.
        tries: u32,
        /// What happened last.
        reason: String,
    },
    /// A file is not what it should be, as its first bytes say.
    #[error("{path} is {what}")]
    Foreign {
        /// The file.
        path: String,
        /// What it is instead, and what to do.
        what: &'static str,
    },
    /// A file of another kind than the catalogue checks.
    #[error("the catalogue has no checksum for {file}; --unverified installs it all the same")]
    Unchecked {
        /// The file in the catalogue.
        file: String,
    },
    /// Files on this machine.
    #[error("cannot {doing} {path}: {error}")]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: String,
        /// What the operating system says.
        error: io::Error,
    },
    /// HTTPS cannot be set up.
    #[error("cannot set up HTTPS: {0}")]
    Https(String),
}

impl InstallError {
    /// What the disk says.
    pub(super) fn disk(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.display().to_string();
        move |error| Self::Disk { doing, path: path.clone(), error }
    }
}
