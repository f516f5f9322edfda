//! The miniature pair, compiled in, and its installation among the other models.
//!
//! The files and their checksums lie in `models/mini-diarization`. The compiler watches them, so replaced ones are in
//! the next build, and [`install`] then replaces what an older build installed.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// A bundled model.
#[derive(Debug, Clone, Copy)]
pub struct Bundled {
    /// Its id in the catalogue.
    pub id: &'static str,
    /// The name of its file.
    pub file: &'static str,
    content: &'static [u8],
}

/// Finds turns.
pub const SEGMENTATION: Bundled = Bundled {
    id: "mini-segmentation",
    file: "segmentation.onnx",
    content: include_bytes!("../../../models/mini-diarization/segmentation.onnx"),
};
/// Tells voices apart.
pub const EMBEDDING: Bundled = Bundled {
    id: "mini-embedding",
    file: "embedding.onnx",
    content: include_bytes!("../../../models/mini-diarization/embedding.onnx"),
};
/// Lines of a checksum and a file name.
const CHECKSUMS: &str = include_str!("../../../models/mini-diarization/SHA256");
/// Others than the user who installs it run workers too.
const MODE: u32 = 0o644;

/// Why a bundled model could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The build is at fault: its parts do not belong together.
    #[error("{0} in this executable is not the file of the checksum")]
    Damaged(&'static str),
    /// The disk is.
    #[error("cannot install {0}")]
    Disk(&'static str, #[source] io::Error),
}

/// Installs both under the folder of all models, unless these very files are there already. Safe to be called by
/// several processes at once: each writes a file of its own and renames it into place.
///
/// # Errors
/// [`InstallError`]
pub fn install(models: &Path) -> Result<(), InstallError> {
    SEGMENTATION.install(models)?;
    EMBEDDING.install(models)?;
    Ok(())
}

impl Bundled {
    /// Where it lies under the folder of all models.
    #[must_use]
    pub fn path(&self, models: &Path) -> PathBuf {
        models.join(self.id).join(self.file)
    }

    fn install(&self, models: &Path) -> Result<(), InstallError> {
        let path = self.path(models);
        if std::fs::read(&path).is_ok_and(|found| found == self.content) {
            return Ok(());
        }
        let found: String = Sha256::digest(self.content).iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = CHECKSUMS.lines().filter_map(|line| line.split_once("  "));
        if !expected.into_iter().any(|(sum, name)| name == self.file && sum == found) {
            return Err(InstallError::Damaged(self.id));
        }
        self.write(&path).map_err(|error| InstallError::Disk(self.id, error))?;
        tracing::info!(model = self.id, "installed a miniature model");
        Ok(())
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(path);
        std::fs::create_dir_all(folder)?;
        let mut part = tempfile::Builder::new()
            .prefix("installing-")
            .suffix(".part")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(MODE))
            .tempfile_in(folder)?;
        part.write_all(self.content)?;
        part.as_file().sync_all()?;
        part.persist(path)?;
        // The rename is durable once its folder is.
        File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_is_installed_where_it_is_not_or_is_another() {
        let folder = tempfile::tempdir().unwrap();
        install(folder.path()).unwrap();
        let path = EMBEDDING.path(folder.path());
        let written = path.metadata().unwrap().modified().unwrap();
        install(folder.path()).unwrap();
        assert_eq!(path.metadata().unwrap().modified().unwrap(), written);

        std::fs::write(&path, b"older").unwrap();
        install(folder.path()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), EMBEDDING.content);
        let files = folder.path().join(EMBEDDING.id).read_dir().unwrap().count();
        assert_eq!(files, 1);
        assert!(SEGMENTATION.path(folder.path()).is_file());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = install(file.path()).unwrap_err();
        assert!(matches!(error, InstallError::Disk("mini-segmentation", _)), "{error}");
    }
}
