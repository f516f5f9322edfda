//! Pulling a model: what is missing of it is downloaded, checked, renamed, and the manifest written last.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::statvfs;
use steno_shared::catalog::ModelFile;
use steno_shared::catalog::manifest::{InstalledFile, Manifest};
use steno_shared::{failpoint, time};

use super::digest::Content;
use super::download::{Source, Wanted};
use super::lock::Lock;
use super::part::Part;
use super::{InstallError, Place, State, Watch};

/// So much of the disk stays free.
const SPARE: u64 = 64 << 20;

impl Place {
    /// Installs the model, and returns what it was before.
    ///
    /// # Errors
    /// If it cannot be downloaded or is not what the catalogue has. What has come of an unfinished download stays.
    pub(crate) async fn pull(&self, source: &Source, watch: &dyn Watch) -> Result<State, InstallError> {
        let id = || self.entry.id.to_string();
        if self.entry.bundled {
            return Err(InstallError::Bundled { id: id() });
        }
        let _lock = Lock::take(self)?;
        let before = self.state();
        if matches!(before, State::Installed | State::Unverified) {
            return Ok(before);
        }
        let folder = self.folder();
        std::fs::create_dir_all(&folder).map_err(InstallError::disk("create the folder", &folder))?;
        let mut files = Vec::new();
        for file in &self.entry.files {
            files.push(match self.found(file, watch)? {
                Some(found) => found,
                None => self.fetch(file, source, watch).await?,
            });
        }
        failpoint::hit("models.renamed", None).await;
        self.finish(files)?;
        Ok(before)
    }

    /// A file that is there already: brought by hand, or by a pull that was killed just before its end.
    fn found(&self, file: &ModelFile, watch: &dyn Watch) -> Result<Option<InstalledFile>, InstallError> {
        let path = self.folder().join(&file.name);
        if !path.is_file() {
            return Ok(None);
        }
        let content = Content::of(&path, watch)?;
        // What is not the catalogue's file is replaced.
        let verified = content.check(file, &file.name, "").unwrap_or(false);
        Ok(verified.then(|| installed(file, content, "found in its folder")))
    }

    async fn fetch(
        &self,
        file: &ModelFile,
        source: &Source,
        watch: &dyn Watch,
    ) -> Result<InstalledFile, InstallError> {
        let Some(bytes) = file.bytes.filter(|_| !file.urls.is_empty()) else {
            return Err(InstallError::NoAddress { id: self.entry.id.to_string() });
        };
        let (folder, path) = (self.folder(), self.folder().join(&file.name));
        let part = Part::of(&path);
        require_room(&folder, bytes.saturating_sub(part.bytes()))?;
        let url = source.download(Wanted { urls: &file.urls, bytes, part: &part, watch }).await?;
        let content = Content::of(part.path(), watch)?;
        let hint = "; it was damaged on its way or is another file, and is removed: pull again, or name another \
                    server by --mirror URL";
        if let Err(error) = content.check(file, &url, hint) {
            part.clear()?;
            return Err(error);
        }
        part.finish(&path)?;
        Ok(installed(file, content, &url))
    }

    /// Makes files in the folder an installed model.
    pub(super) fn finish(&self, files: Vec<InstalledFile>) -> Result<(), InstallError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = time::rfc3339(i64::try_from(now).unwrap_or_default());
        let folder = self.folder();
        let manifest = Manifest::new(self.entry.id.clone(), files, now);
        manifest.write(&folder).map_err(InstallError::disk("write the manifest in", &folder))
    }
}

fn installed(file: &ModelFile, content: Content, source: &str) -> InstalledFile {
    let Content { bytes, sha256 } = content;
    InstalledFile { name: file.name.clone(), bytes, sha256, verified: true, source: source.to_owned() }
}

/// Refuses if there is no room for so many more bytes, and some to spare.
pub(super) fn require_room(folder: &Path, bytes: u64) -> Result<(), InstallError> {
    let volume = statvfs(folder).map_err(|error| InstallError::disk("look at", folder)(error.into()))?;
    let (free, needed) = (volume.f_bavail.saturating_mul(volume.f_frsize), bytes.saturating_add(SPARE));
    if free >= needed {
        return Ok(());
    }
    Err(InstallError::NoRoom { folder: folder.display().to_string(), free, needed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_both_sizes() {
        let folder = tempfile::tempdir().unwrap();
        require_room(folder.path(), 1).unwrap();
        let error = require_room(folder.path(), u64::MAX).unwrap_err().to_string();
        assert!(error.contains("free, and 16.00 EiB are needed"), "{error}");
    }
}
