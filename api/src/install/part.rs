//! A download under way: `FILE.part`, and beside it which version of the server's file it is a part of.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::InstallError;

/// A file that is not whole yet. It outlives the process.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    tag: PathBuf,
}

impl Part {
    /// The part of a file that is to be `path`.
    pub(super) fn of(path: &Path) -> Self {
        let with = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        Self { path: with(".part"), tag: with(".part.etag") }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How much of the file is there.
    pub(super) fn bytes(&self) -> u64 {
        self.path.metadata().map_or(0, |found| found.len())
    }

    /// What the server called this version of the file.
    pub(super) fn tag(&self) -> Option<String> {
        std::fs::read_to_string(&self.tag).ok().filter(|tag| !tag.is_empty())
    }

    /// Forgets what is there.
    pub(super) fn clear(&self) -> Result<(), InstallError> {
        for path in [&self.path, &self.tag] {
            gone(std::fs::remove_file(path)).map_err(InstallError::disk("remove", path))?;
        }
        Ok(())
    }

    /// Begins with a version of the server's file.
    pub(super) fn begin(&self, tag: Option<&str>) -> Result<(), InstallError> {
        self.clear()?;
        let Some(tag) = tag else { return Ok(()) };
        std::fs::write(&self.tag, tag).map_err(InstallError::disk("write", &self.tag))
    }

    /// Opens the end of the part.
    pub(super) fn append(&self) -> Result<File, InstallError> {
        let file = File::options().create(true).append(true).open(&self.path);
        file.map_err(InstallError::disk("write", &self.path))
    }

    /// Makes it the whole file, durably.
    pub(super) fn finish(&self, path: &Path) -> Result<(), InstallError> {
        let failed = InstallError::disk("install", path);
        File::open(&self.path).and_then(|file| file.sync_all()).map_err(&failed)?;
        std::fs::rename(&self.path, path).map_err(&failed)?;
        gone(std::fs::remove_file(&self.tag)).map_err(&failed)?;
        // The rename is durable once its folder is.
        let folder = path.parent().unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(&failed)
    }
}

/// As after a removal that found something.
pub(super) fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
