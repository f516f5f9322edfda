//! A pool of children that are the real executable, and recordings to give them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use steno_runtime::Meter;
use steno_shared::diarization::{Diarization, SpeakerCount};
use steno_shared::object::LocalObject;
use steno_sherpa::bundled;
use steno_tests::clips;
use steno_transcribe::diarize::{ChunkLimit, DiarizeError, ModelFile, Order, Pair, Pool, Program, diarize};
use steno_transcribe::samples::Samples;
use tempfile::TempDir;

/// Ten times what a short recording takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Lab {
    pub(crate) pool: Pool,
    pub(crate) models: Pair,
    folder: TempDir,
}

impl Lab {
    /// With so many children, which the failpoints make misbehave.
    pub(crate) fn new(children: usize, failpoints: &str) -> Self {
        Self::with_limit(children, failpoints, ChunkLimit::default())
    }

    pub(crate) fn with_limit(children: usize, failpoints: &str, limit: ChunkLimit) -> Self {
        let folder = TempDir::new().unwrap();
        bundled::install(folder.path()).unwrap();
        let program = Program {
            executable: env!("CARGO_BIN_EXE_steno-transcribe").into(),
            environment: vec![(OsString::from("STENO_FAILPOINTS"), OsString::from(failpoints))],
        };
        let file =
            |model: bundled::Bundled| ModelFile { id: model.id.into(), path: model.path(folder.path()) };
        let models = Pair {
            segmentation: file(bundled::SEGMENTATION),
            embedding: file(bundled::EMBEDDING),
            threshold: 0.25,
        };
        Self { pool: Pool::start(program, children, limit), models, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An order for 16 kHz samples.
    pub(crate) fn order(&self, samples: &[i16]) -> Order {
        let path = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap().keep().unwrap().1;
        std::fs::write(&path, samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<_>>())
            .unwrap();
        let samples = Samples::open(LocalObject::in_place(path)).unwrap();
        Order { samples: Arc::new(samples), models: self.models.clone(), count: SpeakerCount::AUTO }
    }

    pub(crate) async fn run(&self, order: &Order) -> Result<Diarization, DiarizeError> {
        let meter = Meter::default();
        let running = diarize(order, &self.pool, &meter);
        tokio::time::timeout(SOON, running).await.expect("the diarization does not end")
    }
}

/// A conversation of two voices that nobody takes for one, taking turns of some seconds, so many each.
pub(crate) fn conversation(turns: usize) -> Vec<i16> {
    let folder = TempDir::new().unwrap();
    let say = |voice: &str, pitch: &str, text: &str| {
        let (said, wanted) = (folder.path().join("said.wav"), folder.path().join("wanted.raw"));
        let spoken = Command::new("espeak-ng")
            .args(["-v", voice, "-p", pitch, "-s", "150", "-w"])
            .arg(&said)
            .arg(text)
            .status()
            .unwrap();
        assert!(spoken.success());
        clips::ffmpeg(&["-i", said.to_str().unwrap(), "-ar", "16000", "-ac", "1", "-f", "s16le"], &wanted);
        read(&wanted)
    };
    let man =
        say("en-us+m3", "25", "Good morning, I have read the report about the new bridge over the river.");
    let woman =
        say("en-us+f4", "75", "Thank you, then we can talk about the money that the harbour has left.");
    let mut samples = Vec::new();
    for _ in 0..turns {
        for turn in [&man, &woman] {
            samples.extend(turn);
            samples.extend([0; 6400]);
        }
    }
    samples
}

/// The samples of a file without a header.
fn read(path: &Path) -> Vec<i16> {
    let bytes = std::fs::read(path).unwrap();
    bytes.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}
