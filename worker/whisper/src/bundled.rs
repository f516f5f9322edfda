//! The miniature model, compiled in, and its installation among the others.
//!
//! The packed weights and their checksum are the files in `models/mini-whisper`. The compiler watches both, so a
//! replaced model is in the next build, and [`install`] then replaces the file that an older build installed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use lzma_rust2::XzReader;
use sha2::{Digest, Sha256};
use steno_shared::catalog;

/// Its id in the catalogue.
pub const ID: &str = "mini";

const PACKED: &[u8] = include_bytes!("../../../models/mini-whisper/mini-whisper-q8_0.bin.xz");
/// Lines of a checksum and a file name.
const CHECKSUMS: &str = include_str!("../../../models/mini-whisper/SHA256");
/// Others than the user who installs it run workers too.
const MODE: u32 = 0o644;

/// Why the miniature model could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The build is at fault: its parts do not belong together.
    #[error("the miniature model in this executable is damaged: {0}")]
    Damaged(&'static str),
    /// The disk is.
    #[error("cannot {0}")]
    Disk(&'static str, #[source] io::Error),
}

/// Installs the miniature model under the folder of all models, unless this very file is there already. Safe to
/// be called by several processes at once: each writes a file of its own and renames it into place.
///
/// # Errors
/// [`InstallError`].
pub fn install(models: &Path) -> Result<PathBuf, InstallError> {
    let entry = catalog::model(ID).ok_or(InstallError::Damaged("it is not in the catalogue"))?;
    let expected = checksum(entry.file()).ok_or(InstallError::Damaged("its checksum is missing"))?;
    let path = entry.path(models);
    if let Ok(mut file) = File::open(&path)
        && copy_hashed(&mut file, &mut io::sink()).is_ok_and(|found| found == expected)
    {
        return Ok(path);
    }
    let folder = models.join(ID);
    std::fs::create_dir_all(&folder).map_err(disk("create the folder of the miniature model"))?;
    unpack(&folder, &path, expected)?;
    tracing::info!(model = ID, "installed the miniature model");
    Ok(path)
}

fn unpack(folder: &Path, path: &Path, expected: &str) -> Result<(), InstallError> {
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(MODE);
    let mut part = tempfile::Builder::new()
        .prefix("installing-")
        .suffix(".part")
        .permissions(permissions)
        .tempfile_in(folder)
        .map_err(disk("create a file for the miniature model"))?;
    let found = copy_hashed(&mut XzReader::new(PACKED, true), part.as_file_mut())
        .map_err(disk("unpack the miniature model"))?;
    if found != expected {
        return Err(InstallError::Damaged("its checksum is another"));
    }
    part.as_file().sync_all().map_err(disk("write the miniature model"))?;
    part.persist(path).map_err(|error| disk("install the miniature model")(error.error))?;
    // The rename is durable once its folder is.
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(disk("install the miniature model"))
}

fn disk(doing: &'static str) -> impl Fn(io::Error) -> InstallError {
    move |error| InstallError::Disk(doing, error)
}

/// The checksum of a file in [`CHECKSUMS`].
fn checksum(file: &str) -> Option<&'static str> {
    let lines = CHECKSUMS.lines().filter_map(|line| line.split_once("  "));
    lines.filter(|(_, name)| *name == file).map(|(sum, _)| sum).next()
}

/// Copies, and returns the SHA-256 of what was copied, in lower-case hexadecimal.
fn copy_hashed(from: &mut impl Read, to: &mut impl Write) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut block)?;
        if count == 0 {
            break;
        }
        hash.update(&block[..count]);
        to.write_all(&block[..count])?;
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packed_model_is_the_one_of_the_checksum() {
        let folder = tempfile::tempdir().unwrap();
        let path = install(folder.path()).unwrap();
        assert_eq!(path, folder.path().join("mini/mini-whisper-q8_0.bin"));
        assert!(catalog::model(ID).unwrap().is_installed(folder.path()));
    }

    #[test]
    fn a_damaged_or_older_file_is_replaced_and_a_good_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = install(folder.path()).unwrap();
        let written = path.metadata().unwrap().modified().unwrap();
        install(folder.path()).unwrap();
        assert_eq!(path.metadata().unwrap().modified().unwrap(), written);

        let length = path.metadata().unwrap().len();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[length as usize / 2] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        install(folder.path()).unwrap();
        let found = copy_hashed(&mut File::open(&path).unwrap(), &mut io::sink()).unwrap();
        assert_eq!(Some(found.as_str()), checksum("mini-whisper-q8_0.bin"));
    }

    #[test]
    fn several_may_install_at_once_and_leave_one_file() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..3).map(|_| scope.spawn(|| install(folder.path()))).collect();
            for one in all {
                one.join().unwrap().unwrap();
            }
        });
        let files: Vec<_> = folder.path().join("mini").read_dir().unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
    }
}
