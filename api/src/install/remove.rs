//! Removing a model.

use super::lock::Lock;
use super::part::{Part, gone};
use super::{InstallError, Place, State};
use steno_shared::catalog::manifest;

impl Place {
    /// Removes what is there of the model, and returns what was. Files that are not its own stay.
    ///
    /// # Errors
    /// If it comes with Steno, or cannot be removed.
    pub(crate) fn remove(&self) -> Result<State, InstallError> {
        if self.entry.bundled {
            return Err(InstallError::Bundled { id: self.entry.id.to_string() });
        }
        let _lock = Lock::take(self)?;
        let (folder, state) = (self.folder(), self.state());
        // First what makes it a model: whoever looks meanwhile sees none.
        let names = std::iter::once(manifest::NAME).chain(self.entry.files.iter().map(|file| &*file.name));
        for path in names.map(|name| folder.join(name)) {
            gone(std::fs::remove_file(&path)).map_err(InstallError::disk("remove", &path))?;
            Part::of(&path).clear()?;
        }
        // Not empty: something else is in it.
        let _ = std::fs::remove_dir(&folder);
        Ok(state)
    }
}
