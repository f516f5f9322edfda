//! The manifest of an installed model: which files it has, and what was known of them when they came.
//!
//! It is written last, so a model with a manifest is whole.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ModelId;

/// Its name within the model's folder.
pub const NAME: &str = "manifest.json";
const VERSION: u32 = 1;
/// Others than the user who installs models run workers too.
const MODE: u32 = 0o644;

/// Whether the name of a file means something else in a model's folder: the manifest, or a file under way.
#[must_use]
pub fn takes(name: &str) -> bool {
    name == NAME || [".part", ".etag"].iter().any(|ending| name.ends_with(ending))
}

/// What is installed in a model's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    version: u32,
    /// Which model it is.
    pub id: ModelId,
    /// Its files.
    pub files: Vec<InstalledFile>,
    /// When the last of them came, as RFC 3339 has it.
    pub installed_at: String,
}

/// A file that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledFile {
    /// Its name within the model's folder.
    pub name: String,
    /// How long it was.
    pub bytes: u64,
    /// SHA-256 of what it held, in lower-case hexadecimal.
    pub sha256: String,
    /// Whether that was the catalogue's.
    pub verified: bool,
    /// The address or the file that it came from.
    pub source: String,
}

impl InstalledFile {
    /// Whether it is still there and as long as it was.
    #[must_use]
    pub fn is_there(&self, folder: &Path) -> bool {
        folder.join(&self.name).metadata().is_ok_and(|found| found.is_file() && found.len() == self.bytes)
    }
}

impl Manifest {
    /// A manifest of these files.
    #[must_use]
    pub fn new(id: ModelId, files: Vec<InstalledFile>, installed_at: String) -> Self {
        Self { version: VERSION, id, files, installed_at }
    }

    /// What is said of a file.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&InstalledFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// The manifest of a folder, if it has one.
    ///
    /// # Errors
    /// If it cannot be read, or is none.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        let bytes = match std::fs::read(folder.join(NAME)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(serde_json::from_slice(&bytes)?))
    }

    /// Writes it into a folder, whole or not at all.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(MODE);
        let mut file =
            tempfile::Builder::new().prefix(".manifest-").permissions(permissions).tempfile_in(folder)?;
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        file.write_all(&text)?;
        file.as_file().sync_all()?;
        file.persist(folder.join(NAME)).map_err(|error| error.error)?;
        // The rename is durable once its folder is.
        File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_back_and_a_broken_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), None);
        let file = InstalledFile {
            name: "weights.bin".into(),
            bytes: 3,
            sha256: "00".into(),
            verified: true,
            source: "x".into(),
        };
        let manifest = Manifest::new("own".into(), vec![file.clone()], "2026-11-21T00:00:00Z".into());
        manifest.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), Some(manifest));
        assert!(!file.is_there(folder.path()));
        std::fs::write(folder.path().join("weights.bin"), "abc").unwrap();
        assert!(file.is_there(folder.path()));
        std::fs::write(folder.path().join("weights.bin"), "abcd").unwrap();
        assert!(!file.is_there(folder.path()));
        std::fs::write(folder.path().join(NAME), "{").unwrap();
        assert!(Manifest::read(folder.path()).is_err());
    }
}
