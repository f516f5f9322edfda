//! Where transcripts and documents go: standard output, or a file that is there whole or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use futures::StreamExt;
use reqwest::Response;
use serde_json::Value;
use tempfile::NamedTempFile;

use super::CommandError;
use crate::client::error::ClientError;
use crate::client::server::Server;

/// A written form of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Everything, with times.
    Json,
    /// The text alone.
    Txt,
    /// SubRip subtitles.
    Srt,
    /// `WebVTT` subtitles.
    Vtt,
    /// Start, end and text of each segment, separated by tabs.
    Tsv,
}

/// Where a transcript goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Standard output.
    StandardOutput,
    /// A file.
    File(PathBuf),
}

impl Format {
    /// As the API and file names have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Txt => "txt",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
            Self::Tsv => "tsv",
        }
    }

    /// The one that a file's name asks for.
    pub(crate) fn of_name(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::value_variants().iter().copied().find(|format| format.as_str() == extension)
    }
}

impl Target {
    /// Refuses a file that could not be written in the end.
    ///
    /// # Errors
    /// If its folder is not there, or it is a folder.
    pub(crate) fn check(&self) -> Result<(), ClientError> {
        let Self::File(path) = self else { return Ok(()) };
        if path.is_dir() {
            return Err(ClientError::File(format!("cannot write {}: it is a folder", path.display())));
        }
        if !folder(path).is_dir() {
            let message =
                format!("cannot write {}: there is no folder {}", path.display(), folder(path).display());
            return Err(ClientError::File(message));
        }
        Ok(())
    }

    /// Writes the body of an answer.
    ///
    /// # Errors
    /// If it breaks off or cannot be written; then a file is as it was before.
    pub(crate) async fn take(&self, server: &Server, response: Response) -> Result<(), CommandError> {
        match self {
            Self::StandardOutput => {
                let mut out = io::stdout();
                copy(server, response, &mut out).await?.map_err(CommandError::Output)
            }
            Self::File(path) => {
                let failed =
                    |error: io::Error| ClientError::file("write", &path.display().to_string(), &error);
                let mut writer = Writer::open(path).map_err(failed)?;
                copy(server, response, &mut writer).await?.map_err(failed)?;
                Ok(writer.finish().map_err(failed)?)
            }
        }
    }
}

/// Copies a body; the outer result is the server's, the inner one the writer's.
async fn copy(
    server: &Server,
    response: Response,
    out: &mut dyn Write,
) -> Result<io::Result<()>, ClientError> {
    let mut body = response.bytes_stream();
    let mut last = b'\n';
    while let Some(block) = body.next().await {
        let block = block.map_err(|error| server.failed(&error))?;
        last = block.last().copied().unwrap_or(last);
        if let Err(error) = out.write_all(&block) {
            return Ok(Err(error));
        }
    }
    let end: &[u8] = if last == b'\n' { b"" } else { b"\n" };
    Ok(out.write_all(end).and_then(|()| out.flush()))
}

/// A file being written.
#[derive(Debug)]
enum Writer {
    /// Beside its place, until it is whole.
    Beside(NamedTempFile, PathBuf),
    /// In place: a device or a pipe cannot be replaced.
    InPlace(File),
}

impl Writer {
    fn open(path: &Path) -> io::Result<Self> {
        // What a link points to is replaced, not the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if path.exists() && !path.is_file() {
            return File::options().write(true).open(&path).map(Self::InPlace);
        }
        let mut beside = tempfile::Builder::new();
        // As any new file: what the user's mask leaves of it.
        beside.prefix(".steno-").permissions(Permissions::from_mode(0o666));
        Ok(Self::Beside(beside.tempfile_in(folder(&path))?, path))
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Beside(file, path) => file.persist(path).map(|_| ()).map_err(|error| error.error),
            Self::InPlace(_) => Ok(()),
        }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Beside(file, _) => file.write(bytes),
            Self::InPlace(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Beside(file, _) => file.flush(),
            Self::InPlace(file) => file.flush(),
        }
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a JSON document and a line break to standard output.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn print_document(document: &Value) -> Result<(), CommandError> {
    print(&format!("{document}\n"))
}

/// Writes text to standard output.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn print(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    Ok(out.write_all(text.as_bytes()).and_then(|()| out.flush())?)
}
