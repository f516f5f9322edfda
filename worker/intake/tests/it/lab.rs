//! The decoders as the worker has them, with a store in a temporary folder and no database.

use std::path::{Path, PathBuf};
use std::time::Duration;

use steno_intake::{Decoder, Decoders, Limits, Task, sniff_file};
use steno_runtime::Meter;
use steno_shared::error::{Failure, FailureCode};
use steno_shared::id::JobId;
use steno_shared::job::{MAX_ATTEMPTS, MediaOptions, Setback};
use steno_shared::object::{DirStore, ObjectKey, ObjectKind, ObjectStore};
use steno_shared::transcript::{Warning, WarningCode};
use tokio_util::sync::CancellationToken;

/// What intake made of a file.
#[derive(Debug)]
pub(crate) struct Heard {
    /// Those of all channels, frame by frame.
    pub(crate) samples: Vec<i16>,
    pub(crate) channels: usize,
    /// The length of the whole media, in samples of one channel.
    pub(crate) frames: u64,
    pub(crate) decoder: Decoder,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) meter: Meter,
}

impl Heard {
    pub(crate) fn seconds(&self) -> f64 {
        self.samples.len() as f64 / 16_000.0
    }

    /// One of the channels.
    pub(crate) fn channel(&self, nr: usize) -> Vec<i16> {
        self.samples.iter().skip(nr).step_by(self.channels).copied().collect()
    }

    pub(crate) fn codes(&self) -> Vec<WarningCode> {
        self.warnings.iter().map(|warning| warning.code).collect()
    }
}

/// The decoders, to be changed by a test before it uses them.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) decoders: Decoders,
    pub(crate) stop: CancellationToken,
    pub(crate) tries: u32,
    /// What shall be heard of the files.
    pub(crate) media: MediaOptions,
    folder: tempfile::TempDir,
}

pub(crate) fn lab() -> Lab {
    let limits = Limits {
        duration: Duration::from_secs(3600),
        stall: Duration::from_secs(30),
        time: Duration::from_secs(120),
        memory: 1 << 30,
    };
    let own = PathBuf::from(env!("CARGO_BIN_EXE_steno-intake"));
    #[expect(clippy::disallowed_methods, reason = "handed on to ffmpeg, no setting")]
    let path = std::env::var_os("PATH").unwrap();
    Lab {
        decoders: Decoders { own, ffmpeg: "ffmpeg".into(), path, limits },
        stop: CancellationToken::new(),
        tries: MAX_ATTEMPTS,
        media: MediaOptions::default(),
        folder: tempfile::tempdir().unwrap(),
    }
}

/// Decoders of which this is wanted.
pub(crate) fn lab_for(media: MediaOptions) -> Lab {
    Lab { media, ..lab() }
}

/// The same on a machine without ffmpeg.
pub(crate) fn lab_without_ffmpeg() -> Lab {
    let mut lab = lab();
    lab.decoders.ffmpeg = "no-such-ffmpeg".into();
    lab
}

impl Lab {
    /// Takes a file in.
    pub(crate) async fn take_in(&self, path: &Path) -> Result<Heard, Setback> {
        let store = DirStore::open(self.folder.path()).await.unwrap();
        let meter = Meter::default();
        let sniffed = sniff_file(&mut std::fs::File::open(path).unwrap()).unwrap();
        let key = ObjectKey::samples(JobId::random(), self.tries);
        let task = Task {
            file: path,
            file_name: None,
            media: &self.media,
            objects: &store,
            key,
            meter: &meter,
            stop: &self.stop,
        };
        let decoded = self.decoders.decode(&task, sniffed, self.tries).await?;
        let (frames, decoder, warnings) = (decoded.frames, decoded.decoder, decoded.warnings.clone());
        let channels = usize::from(decoded.finish(&store, &key).await.unwrap());
        let bytes = store.read(&key, u64::MAX).await.unwrap();
        assert_eq!(bytes.len() % (2 * channels), 0);
        store.remove(&key).await.unwrap();
        let samples = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        Ok(Heard { samples, channels, frames, decoder, warnings, meter })
    }

    /// Takes in a file that must be refused for good.
    pub(crate) async fn refused(&self, path: &Path) -> (FailureCode, String) {
        match self.take_in(path).await {
            Err(Setback::Final(Failure { code, message })) => (code, message),
            other => panic!("{}: not refused for good: {other:?}", path.display()),
        }
    }

    /// Whether the store is empty, with nothing staged either.
    pub(crate) async fn is_clean(&self) -> bool {
        let store = DirStore::open(self.folder.path()).await.unwrap();
        let staged = std::fs::read_dir(self.folder.path().join("staging")).unwrap().count();
        store.list(ObjectKind::Samples, None, 10).await.unwrap().is_empty() && staged == 0
    }
}
