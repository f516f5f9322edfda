//! Reading an installed model again, and holding it against what is known of it.

use steno_shared::catalog::manifest::Manifest;

use super::digest::Content;
use super::{InstallError, Place, State, Watch};

impl Place {
    /// Holds every file against the manifest, and against the catalogue where that has a checksum. Returns what
    /// the model is, which is not installed if nothing is there.
    ///
    /// # Errors
    /// If a file is not what it should be.
    pub(crate) fn verify(&self, watch: &dyn Watch) -> Result<State, InstallError> {
        let state = self.state();
        if self.entry.bundled || !matches!(state, State::Installed | State::Unverified) {
            return Ok(state);
        }
        let folder = self.folder();
        let failed = InstallError::disk("read the manifest in", &folder);
        let manifest = Manifest::read(&folder).map_err(failed)?;
        let id = &self.entry.id;
        let hint = if self.entry.files.iter().all(|file| file.urls.is_empty()) {
            format!("; `steno models add {id} FILE` replaces it")
        } else {
            format!("; `steno models rm {id} && steno models pull {id}` mends it")
        };
        for file in &self.entry.files {
            let path = folder.join(&file.name);
            let name = path.display().to_string();
            let content = Content::of(&path, watch)?;
            let recorded = manifest.as_ref().and_then(|manifest| manifest.file(&file.name));
            if let Some(recorded) = recorded.filter(|recorded| recorded.sha256 != content.sha256) {
                let (expected, found) = (recorded.sha256.clone(), content.sha256);
                return Err(InstallError::Checksum { file: name, expected, found, hint });
            }
            if recorded.is_some_and(|recorded| recorded.verified) {
                content.check(file, &name, &hint)?;
            }
        }
        Ok(state)
    }
}
