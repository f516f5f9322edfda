//! The checksum that a client may send with each PATCH: `Upload-Checksum: sha1 BASE64`.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::error::{ApiError, Cause};

/// Those that are known here, as the protocol lists them.
pub(crate) const ALGORITHMS: &str = "sha1,sha256";

/// What the bytes must come to, and what they have come to so far.
#[derive(Debug, Clone)]
pub(crate) struct Checksum {
    running: Running,
    expected: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Running {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Checksum {
    /// Takes more bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match &mut self.running {
            Running::Sha1(hash) => hash.update(bytes),
            Running::Sha256(hash) => hash.update(bytes),
        }
    }

    /// Whether the bytes taken are those that the client meant.
    pub(crate) fn check(self) -> Result<(), ApiError> {
        let found = match self.running {
            Running::Sha1(hash) => hash.finalize().to_vec(),
            Running::Sha256(hash) => hash.finalize().to_vec(),
        };
        if found == self.expected {
            return Ok(());
        }
        let message = "the bytes do not match Upload-Checksum; none of them are kept, send them again";
        Err(ApiError::new(Cause::ChecksumMismatch, message))
    }
}

impl FromStr for Checksum {
    type Err = ApiError;

    fn from_str(header: &str) -> Result<Self, ApiError> {
        let malformed = || {
            let message = format!(
                "Upload-Checksum must be an algorithm ({ALGORITHMS}), a space, and the checksum in base 64"
            );
            ApiError::field(message)
        };
        let (algorithm, expected) = header.trim().split_once(' ').ok_or_else(malformed)?;
        let (running, length) = match algorithm {
            "sha1" => (Running::Sha1(Sha1::new()), 20),
            "sha256" => (Running::Sha256(Sha256::new()), 32),
            _ => return Err(malformed()),
        };
        let expected = STANDARD.decode(expected.trim()).map_err(|_| malformed())?;
        if expected.len() != length {
            return Err(malformed());
        }
        Ok(Self { running, expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_what_counts_not_how_they_come() {
        // FIPS 180-2, appendices A.1 and B.1.
        for header in
            ["sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", "sha256 ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="]
        {
            let mut checksum: Checksum = header.parse().unwrap();
            checksum.update(b"a");
            assert!(checksum.clone().check().is_err());
            checksum.update(b"bc");
            assert!(checksum.check().is_ok(), "{header}");
        }
    }

    #[test]
    fn other_headers_are_refused() {
        for header in
            ["", "sha1", "sha1 ", "md5 kAFQmDzST7DWlj99KOF/cg==", "sha1 !!!!", "sha1 YWJj", "SHA1 x"]
        {
            assert!(header.parse::<Checksum>().is_err(), "{header:?}");
        }
    }
}
