//! One process at a time works on a model.

use std::fs::File;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{InstallError, Place};

/// Held as long as it lives; the kernel lets go of it when the process ends, by whatever means.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a model, and makes the folder of all models if need be. Its file is beside the model's
    /// folder and stays, since who removes a lock file may remove another's.
    pub(super) fn take(place: &Place) -> Result<Self, InstallError> {
        let (id, models) = (place.entry.id.to_string(), &place.models);
        std::fs::create_dir_all(models).map_err(InstallError::disk("create the folder", models))?;
        let path = models.join(format!(".{id}.lock"));
        let failed = InstallError::disk("lock", &path);
        let file = File::options().create(true).append(true).open(&path).map_err(&failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(InstallError::Locked { id }),
            Err(error) => Err(failed(error.into())),
        }
    }
}
