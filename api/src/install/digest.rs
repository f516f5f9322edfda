//! Checksums of files.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use steno_shared::catalog::ModelFile;

use super::{InstallError, Watch};

const BLOCK: usize = 1 << 20;

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// Its length.
    pub(super) bytes: u64,
    /// Its SHA-256, in lower-case hexadecimal.
    pub(super) sha256: String,
}

impl Content {
    /// Reads a file to its end.
    pub(super) fn of(path: &Path, watch: &dyn Watch) -> Result<Self, InstallError> {
        let failed = InstallError::disk("read", path);
        let mut file = File::open(path).map_err(&failed)?;
        let total = file.metadata().map_err(&failed)?.len();
        Self::copy(&mut file, &mut io::sink(), (total, watch)).map_err(&failed)
    }

    /// Copies, and returns what was copied. The total is for whoever watches.
    pub(super) fn copy(
        from: &mut impl Read,
        to: &mut impl Write,
        (total, watch): (u64, &dyn Watch),
    ) -> io::Result<Self> {
        let (mut hash, mut block, mut bytes) = (Sha256::new(), vec![0; BLOCK], 0);
        loop {
            let count = from.read(&mut block)?;
            if count == 0 {
                break;
            }
            hash.update(&block[..count]);
            to.write_all(&block[..count])?;
            bytes += count as u64;
            watch.checked(bytes, total);
        }
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { bytes, sha256 })
    }

    /// Refuses what is not the catalogue's file, and returns whether the catalogue could tell.
    pub(super) fn check(&self, file: &ModelFile, name: &str, hint: &str) -> Result<bool, InstallError> {
        let hint = hint.to_owned();
        if let Some(expected) = file.bytes.filter(|expected| *expected != self.bytes) {
            let found = self.bytes.to_string();
            return Err(InstallError::Length { file: name.to_owned(), expected, found, hint });
        }
        match &file.sha256 {
            Some(expected) if *expected != self.sha256 => Err(InstallError::Checksum {
                file: name.to_owned(),
                expected: expected.clone(),
                found: self.sha256.clone(),
                hint,
            }),
            known => Ok(known.is_some()),
        }
    }
}
