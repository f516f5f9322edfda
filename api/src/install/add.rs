//! A file that was brought by hand: looked at, checked, and put into its folder.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use steno_shared::catalog::manifest::{self, InstalledFile};
use steno_shared::catalog::{Kind, ModelFile};
use tempfile::NamedTempFile;

use super::digest::Content;
use super::lock::Lock;
use super::part::{Part, gone};
use super::pull::require_room;
use super::{InstallError, Place, State, Watch};

/// The first bytes of whisper.cpp's format: `ggml` as a little-endian number.
const MAGIC: &[u8] = b"lmgg";
/// The first byte of nearly every file in the ONNX format: its version, as a protocol buffer has it.
const ONNX: &[u8] = b"\x08";
/// What people have instead of a file in whisper.cpp's format, by its first bytes.
const NOT_WHISPER: &[(&[u8], &str)] = &[
    (b"GGUF", "a model in the GGUF format, which whisper.cpp does not read; use its ggml-*.bin files"),
    (b"PK", "a PyTorch or other archive; whisper.cpp's models/convert-pt-to-ggml.py converts it"),
];
/// What people have instead of any model.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself; `git lfs pull` brings that"),
    (b"<", "a web page; was it downloaded from the page about the file in place of the file?"),
    (b"\xfd7zXZ", "compressed; unpack it with xz first"),
    (b"\x1f\x8b", "compressed; unpack it with gunzip first"),
    (b"BZh", "compressed; unpack it with tar xjf first, and take the .onnx file in it"),
];

/// Whether the file stays where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// It is copied.
    Copy,
    /// It is moved.
    Move,
}

/// What is added, and how.
#[derive(Debug, Clone)]
pub(crate) struct Adding {
    /// The file.
    pub(crate) path: PathBuf,
    /// Whether it stays where it was.
    pub(crate) keep: Keep,
    /// Whether it may be one that the catalogue has no checksum for, or another.
    pub(crate) trusted: bool,
}

impl Place {
    /// Installs the model from a file, in place of what was there.
    ///
    /// # Errors
    /// If the file is no such model, or cannot be read or written.
    pub(crate) fn add(&self, adding: &Adding, watch: &dyn Watch) -> Result<State, InstallError> {
        let path = &adding.path;
        let file = match self.entry.files.first() {
            Some(file) if !self.entry.bundled => file,
            _ => return Err(InstallError::Bundled { id: self.entry.id.to_string() }),
        };
        check_header(path, self.entry.kind)?;
        if file.sha256.is_none() && !adding.trusted {
            return Err(InstallError::Unchecked { file: file.name.clone() });
        }
        let _lock = Lock::take(self)?;
        let (before, folder) = (self.state(), self.folder());
        std::fs::create_dir_all(&folder).map_err(InstallError::disk("create the folder", &folder))?;
        let target = folder.join(&file.name);
        let (content, verified) = match adding.keep {
            Keep::Copy => copy(adding, file, &target, watch)?,
            Keep::Move => {
                let content = Content::of(path, watch)?;
                let verified = adding.check(&content, file)?;
                forget(&folder)?;
                match rustix::fs::rename(path, &target) {
                    Err(Errno::XDEV) => {
                        copy(adding, file, &target, watch)?;
                        std::fs::remove_file(path).map_err(InstallError::disk("remove", path))?;
                    }
                    moved => moved.map_err(|error| InstallError::disk("move", path)(error.into()))?,
                }
                (content, verified)
            }
        };
        Part::of(&target).clear()?;
        let Content { bytes, sha256 } = content;
        let source = path.display().to_string();
        self.finish(vec![InstalledFile { name: file.name.clone(), bytes, sha256, verified, source }])?;
        Ok(before)
    }
}

impl Adding {
    /// Whether the content is the catalogue's.
    fn check(&self, content: &Content, file: &ModelFile) -> Result<bool, InstallError> {
        let hint = "; is it whole, and the model that you named? --unverified installs it all the same";
        match content.check(file, &self.path.display().to_string(), hint) {
            Err(_) if self.trusted => Ok(false),
            checked => checked,
        }
    }
}

fn copy(
    adding: &Adding,
    file: &ModelFile,
    target: &Path,
    watch: &dyn Watch,
) -> Result<(Content, bool), InstallError> {
    let folder = target.parent().unwrap_or(Path::new("."));
    let (reading, writing) = (InstallError::disk("copy", &adding.path), InstallError::disk("write", target));
    let mut from = File::open(&adding.path).map_err(&reading)?;
    let bytes = from.metadata().map_err(&reading)?.len();
    require_room(folder, bytes)?;
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    let mut to: NamedTempFile = tempfile::Builder::new()
        .prefix(".adding-")
        .permissions(permissions)
        .tempfile_in(folder)
        .map_err(&writing)?;
    let content = Content::copy(&mut from, to.as_file_mut(), (bytes, watch)).map_err(&reading)?;
    let verified = adding.check(&content, file)?;
    to.as_file().sync_all().map_err(&writing)?;
    forget(folder)?;
    to.persist(target).map_err(|error| writing(error.error))?;
    Ok((content, verified))
}

/// Takes the manifest of the file that is about to be replaced away.
fn forget(folder: &Path) -> Result<(), InstallError> {
    let path = folder.join(manifest::NAME);
    gone(std::fs::remove_file(&path)).map_err(InstallError::disk("remove", &path))
}

/// Refuses what the engine for this kind of model could not read.
fn check_header(path: &Path, kind: Kind) -> Result<(), InstallError> {
    let failed = InstallError::disk("read", path);
    // Before it is opened, which would wait for the other end of a pipe.
    if !std::fs::metadata(path).map_err(&failed)?.is_file() {
        return Err(failed(io::Error::other("it is not a file")));
    }
    let file = File::open(path).map_err(&failed)?;
    let mut head = Vec::new();
    file.take(64).read_to_end(&mut head).map_err(&failed)?;
    let (magic, others, otherwise) = match kind {
        Kind::Transcription | Kind::SpeechDetection => {
            (MAGIC, NOT_WHISPER, "not in whisper.cpp's format, whose files are called ggml-*.bin")
        }
        Kind::SpeakerSegmentation | Kind::SpeakerEmbedding => {
            (ONNX, &[][..], "not in the ONNX format, whose files are called *.onnx")
        }
    };
    if head.starts_with(magic) {
        return Ok(());
    }
    let mut known = others.iter().chain(FOREIGN);
    let what = known.find(|(magic, _)| head.starts_with(magic)).map_or(otherwise, |(_, what)| *what);
    Err(InstallError::Foreign { path: path.display().to_string(), what })
}
