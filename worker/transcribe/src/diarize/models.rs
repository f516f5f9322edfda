//! Which models a job is diarized with.

use std::path::Path;

use steno_shared::catalog::{self, Kind, Model, ModelId};

use super::{ModelFile, Pair};

/// What is advised to those who have none, as `steno models pull` takes it.
const ADVISED: [&str; 2] = ["pyannote-segmentation-3.0", "titanet-small"];

/// There are no models to tell speakers apart with. The sentence says what is missing, and the command that gets it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(String);

/// Chooses among the installed models of the folder: the one that is set, else a full-sized pair, else the miniature
/// pair, if the job is transcribed by the miniature too. `wanted` names a model that tells voices apart.
///
/// # Errors
/// [`Unavailable`]
pub fn choose(folder: &Path, transcription: &ModelId, wanted: Option<&ModelId>) -> Result<Pair, Unavailable> {
    let embedding = match wanted {
        Some(id) => named(folder, id)?,
        None => {
            let is_miniature = catalog::entry(transcription.as_str()).is_some_and(|model| model.bundled);
            let full_sized = installed(folder, Kind::SpeakerEmbedding, Size::Full)
                .filter(|_| installed(folder, Kind::SpeakerSegmentation, Size::Full).is_some());
            let miniature =
                || installed(folder, Kind::SpeakerEmbedding, Size::Miniature).filter(|_| is_miniature);
            full_sized.or_else(miniature).ok_or_else(|| {
                let missing = [Kind::SpeakerSegmentation, Kind::SpeakerEmbedding].into_iter().zip(ADVISED);
                let missing = missing.filter(|(kind, _)| installed(folder, *kind, Size::Full).is_none());
                nothing("no models that tell speakers apart are installed", missing.map(|(_, id)| id))
            })?
        }
    };
    let segmentation =
        installed(folder, Kind::SpeakerSegmentation, Size::of(embedding)).ok_or_else(|| {
            nothing("no model that finds turns of speakers is installed", ADVISED.into_iter().take(1))
        })?;
    let file = |model: &Model| ModelFile { id: model.id.clone(), path: model.path(folder) };
    Ok(Pair {
        segmentation: file(segmentation),
        embedding: file(embedding),
        threshold: embedding.diarization.threshold,
    })
}

/// Whether a model is for real recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    /// It is.
    Full,
    /// It is one of those that come with Steno.
    Miniature,
}

impl Size {
    fn of(model: &Model) -> Self {
        if model.bundled { Self::Miniature } else { Self::Full }
    }
}

/// The first installed model of a kind and a size.
fn installed(folder: &Path, kind: Kind, size: Size) -> Option<&'static Model> {
    let mut alike = catalog::entries().filter(|model| model.kind == kind && Size::of(model) == size);
    alike.find(|model| model.is_installed(folder))
}

/// The model that the operator has set.
fn named(folder: &Path, id: &ModelId) -> Result<&'static Model, Unavailable> {
    let of_kind = || catalog::entries().filter(|model| model.kind == Kind::SpeakerEmbedding);
    let Some(model) = of_kind().find(|model| model.id == *id) else {
        let known: Vec<_> = of_kind().map(|model| model.id.as_str()).collect();
        return Err(Unavailable(format!(
            "{id}, which --diarization-model names, is no model that tells voices apart; there are {}",
            known.join(", ")
        )));
    };
    if !model.is_installed(folder) {
        return Err(nothing(
            &format!("the diarization model {id} is not installed"),
            [id.as_str()].into_iter(),
        ));
    }
    Ok(model)
}

fn nothing<'a>(what: &str, missing: impl Iterator<Item = &'a str>) -> Unavailable {
    let commands: Vec<_> = missing.map(|id| format!("`steno models pull {id}`")).collect();
    Unavailable(format!("{what}; {} would help", commands.join(" and ")))
}

#[cfg(test)]
mod tests {
    use steno_shared::catalog::manifest::{InstalledFile, Manifest};
    use tempfile::TempDir;

    use super::*;

    fn install(folder: &TempDir, id: &str) {
        let entry = catalog::entry(id).unwrap();
        std::fs::create_dir_all(entry.folder(folder.path())).unwrap();
        std::fs::write(entry.path(folder.path()), "x").unwrap();
        let file = InstalledFile {
            name: entry.file().to_owned(),
            bytes: 1,
            sha256: String::new(),
            verified: false,
            source: "test".to_owned(),
        };
        let manifest = Manifest::new(entry.id.clone(), vec![file], "2026-11-21T00:00:00Z".to_owned());
        manifest.write(&entry.folder(folder.path())).unwrap();
    }

    fn chosen(folder: &TempDir, transcription: &str, wanted: Option<&str>) -> Result<String, String> {
        let wanted = wanted.map(ModelId::from);
        let pair = choose(folder.path(), &transcription.into(), wanted.as_ref());
        pair.map(|pair| format!("{} {}", pair.segmentation.id, pair.embedding.id))
            .map_err(|none| none.to_string())
    }

    #[test]
    fn a_full_sized_pair_goes_before_the_miniature_one_which_is_for_the_miniature() {
        let folder = TempDir::new().unwrap();
        install(&folder, "mini-segmentation");
        install(&folder, "mini-embedding");
        assert_eq!(chosen(&folder, "mini", None).unwrap(), "mini-segmentation mini-embedding");
        assert_eq!(
            chosen(&folder, "small", None).unwrap_err(),
            "no models that tell speakers apart are installed; `steno models pull pyannote-segmentation-3.0` and \
             `steno models pull titanet-small` would help"
        );
        install(&folder, "campplus-en");
        assert_eq!(chosen(&folder, "mini", None).unwrap(), "mini-segmentation mini-embedding");
        assert_eq!(
            chosen(&folder, "small", None).unwrap_err(),
            "no models that tell speakers apart are installed; `steno models pull pyannote-segmentation-3.0` would help"
        );
        install(&folder, "pyannote-segmentation-3.0");
        for transcription in ["mini", "small"] {
            let pair = chosen(&folder, transcription, None).unwrap();
            assert_eq!(pair, "pyannote-segmentation-3.0 campplus-en");
        }
    }

    #[test]
    fn the_model_that_is_set_is_taken_or_missed() {
        let folder = TempDir::new().unwrap();
        let missed = chosen(&folder, "small", Some("titanet-small")).unwrap_err();
        assert!(
            missed.contains("titanet-small is not installed; `steno models pull titanet-small`"),
            "{missed}"
        );
        install(&folder, "titanet-small");
        let missed = chosen(&folder, "small", Some("titanet-small")).unwrap_err();
        assert!(missed.contains("`steno models pull pyannote-segmentation-3.0`"), "{missed}");
        install(&folder, "pyannote-segmentation-3.0");
        install(&folder, "campplus-en");
        assert_eq!(
            chosen(&folder, "small", Some("titanet-small")).unwrap(),
            "pyannote-segmentation-3.0 titanet-small"
        );
        install(&folder, "mini-segmentation");
        install(&folder, "mini-embedding");
        assert_eq!(
            chosen(&folder, "small", Some("mini-embedding")).unwrap(),
            "mini-segmentation mini-embedding"
        );
        let missed = chosen(&folder, "small", Some("small")).unwrap_err();
        assert!(missed.contains("small, which --diarization-model names, is no model"), "{missed}");
    }
}
