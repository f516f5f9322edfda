use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::bundled;

/// A field of bytes on the wire.
fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        field.push(length as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend(content);
    field
}

fn number(field: u8, value: u32) -> Vec<u8> {
    let mut written = vec![field << 3];
    let mut value = value;
    while value >= 0x80 {
        written.push(value as u8 | 0x80);
        value >>= 7;
    }
    written.push(value as u8);
    written
}

/// A tensor in a graph; 0 stands for a size that is not known.
fn tensor(field: u8, name: &str, element: u32, sizes: &[u32]) -> Vec<u8> {
    let size = |size: &u32| if *size == 0 { bytes(2, b"N") } else { number(1, *size) };
    let shape: Vec<u8> = sizes.iter().flat_map(|one| bytes(1, &size(one))).collect();
    let of_tensor = [number(1, element), bytes(2, &shape)].concat();
    bytes(field, &[bytes(1, name.as_bytes()), bytes(2, &bytes(1, &of_tensor))].concat())
}

/// A model of tensors and metadata, with a node and some weights.
fn model(tensors: &[Vec<u8>], metadata: &[(&str, &str)]) -> Vec<u8> {
    let weights = bytes(5, &[bytes(8, b"weights"), bytes(9, &[7; 300])].concat());
    let graph = [bytes(1, &bytes(4, b"Conv")), weights, tensors.concat()].concat();
    let mut whole = [number(1, 8), bytes(7, &graph)].concat();
    for (key, value) in metadata {
        whole.extend(bytes(14, &[bytes(1, key.as_bytes()), bytes(2, value.as_bytes())].concat()));
    }
    whole
}

const SEGMENTATION: &[(&str, &str)] = &[
    ("sample_rate", "16000"),
    ("window_size", "160000"),
    ("receptive_field_size", "991"),
    ("receptive_field_shift", "270"),
    ("num_speakers", "3"),
    ("powerset_max_classes", "2"),
    ("num_classes", "7"),
];
const WESPEAKER: &[(&str, &str)] = &[
    ("framework", "wespeaker"),
    ("language", "English"),
    ("sample_rate", "16000"),
    ("output_dim", "192"),
    ("normalize_samples", "0"),
    ("feature_normalize_type", "global-mean"),
];
const NEMO: &[(&str, &str)] = &[
    ("framework", "nemo"),
    ("language", "English"),
    ("sample_rate", "16000"),
    ("output_dim", "192"),
    ("feat_dim", "80"),
    ("window_size_ms", "25"),
    ("window_stride_ms", "10"),
    ("window_type", "hann"),
    ("feature_normalize_type", "per_feature"),
];

fn segmentation_tensors() -> Vec<Vec<u8>> {
    // As pyannote's is exported: the weights are inputs too, nothing else is fixed.
    vec![tensor(11, "x", 1, &[0, 1, 0]), tensor(11, "weights", 1, &[40]), tensor(12, "y", 1, &[0, 0, 7])]
}

fn wespeaker_tensors() -> Vec<Vec<u8>> {
    vec![tensor(11, "feats", 1, &[0, 0, 80]), tensor(12, "embs", 1, &[0, 192])]
}

fn nemo_tensors() -> Vec<Vec<u8>> {
    vec![
        tensor(11, "audio_signal", 1, &[0, 80, 0]),
        tensor(11, "length", 7, &[0]),
        tensor(12, "logits", 1, &[0, 16681]),
        tensor(12, "embs", 1, &[0, 192]),
    ]
}

fn with<'a>(
    metadata: &[(&'a str, &'a str)],
    key: &'a str,
    value: Option<&'a str>,
) -> Vec<(&'a str, &'a str)> {
    let kept = metadata.iter().copied().filter(|(name, _)| *name != key);
    kept.chain(value.map(|value| (key, value))).collect()
}

struct Lab(TempDir);

impl Lab {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self, content: &[u8]) -> PathBuf {
        let path = self.0.path().join("model.onnx");
        fs::write(&path, content).unwrap();
        path
    }

    fn segmentation(&self, content: &[u8]) -> Result<(), String> {
        check_segmentation(&self.file(content), &"seg".into()).map_err(|bad| bad.to_string())
    }

    fn embedding(&self, content: &[u8]) -> Result<(), String> {
        check_embedding(&self.file(content), &"emb".into()).map_err(|bad| bad.to_string())
    }
}

#[test]
fn the_bundled_pair_and_models_of_each_framework_pass() {
    let lab = Lab::new();
    bundled::install(lab.0.path()).unwrap();
    check_segmentation(&bundled::SEGMENTATION.path(lab.0.path()), &"mini-segmentation".into()).unwrap();
    check_embedding(&bundled::EMBEDDING.path(lab.0.path()), &"mini-embedding".into()).unwrap();
    lab.segmentation(&model(&segmentation_tensors(), SEGMENTATION)).unwrap();
    lab.embedding(&model(&wespeaker_tensors(), WESPEAKER)).unwrap();
    lab.embedding(&model(&nemo_tensors(), NEMO)).unwrap();
}

#[test]
fn each_broken_file_is_refused_with_a_sentence_of_its_own() {
    let lab = Lab::new();
    let seg = |metadata: &[(&str, &str)]| lab.segmentation(&model(&segmentation_tensors(), metadata));
    let emb = |metadata: &[(&str, &str)]| lab.embedding(&model(&wespeaker_tensors(), metadata));
    let whole = model(&segmentation_tensors(), SEGMENTATION);
    let sentences = [
        (lab.segmentation(b""), "is no ONNX model"),
        (lab.segmentation(&[0x5A; 4096]), "is cut off"),
        (lab.segmentation(b"<!DOCTYPE html><html>not found</html>"), "is no ONNX model"),
        (lab.segmentation(&whole[..whole.len() / 2]), "is cut off"),
        (seg(&with(SEGMENTATION, "window_size", None)), "lacks window_size in its metadata"),
        (
            seg(&with(SEGMENTATION, "num_classes", Some("8"))),
            "has num_classes = \"8\" in its metadata instead of 7",
        ),
        (
            seg(&with(SEGMENTATION, "sample_rate", Some("8000"))),
            "has sample_rate = \"8000\" in its metadata instead of 16000",
        ),
        (
            seg(&with(SEGMENTATION, "receptive_field_shift", Some("0"))),
            "instead of a number from 1 to 160000",
        ),
        (emb(&with(WESPEAKER, "output_dim", None)), "lacks output_dim in its metadata"),
        (emb(&with(WESPEAKER, "framework", None)), "lacks framework in its metadata"),
        (emb(&with(WESPEAKER, "framework", Some("pyannote"))), "is of the unknown framework \"pyannote\""),
        (emb(&with(WESPEAKER, "language", Some(""))), "says nothing for language in its metadata"),
        (emb(&with(WESPEAKER, "normalize_samples", Some("yes"))), "instead of a number from 0 to 1"),
        (emb(&with(WESPEAKER, "feature_normalize_type", Some("none"))), "known: global-mean"),
        (
            emb(&with(WESPEAKER, "output_dim", Some("256"))),
            "shape [?, 192] instead of type 1 and shape [?, 256]",
        ),
        // The files of the pair, exchanged.
        (lab.embedding(&whole), "lacks framework in its metadata"),
        (lab.segmentation(&model(&wespeaker_tensors(), WESPEAKER)), "lacks window_size in its metadata"),
        (lab.embedding(&model(&nemo_tensors()[1..], NEMO)), "has 1 inputs instead of 2"),
        (lab.embedding(&model(&nemo_tensors()[..3], NEMO)), "lacks an output"),
    ];
    for (number, (found, expected)) in sentences.into_iter().enumerate() {
        let sentence = found.unwrap_err();
        assert!(sentence.contains(expected), "{number}: {sentence}");
        assert!(sentence.contains("model.onnx") && sentence.contains("`steno models pull "), "{sentence}");
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let lab = Lab::new();
    let seg = |input: &[u32], output: &[u32]| {
        let tensors = [tensor(11, "x", 1, input), tensor(12, "y", 1, output)];
        lab.segmentation(&model(&tensors, SEGMENTATION))
    };
    seg(&[1, 1, 160_000], &[1, 589, 7]).unwrap();
    for (input, output, expected) in [
        (&[0, 160_000][..], &[0, 589, 7][..], "shape [?, 160000] instead of"),
        (&[0, 1, 80_000], &[0, 589, 7], "shape [?, 1, 80000] instead of"),
        (&[0, 2, 160_000], &[0, 589, 7], "shape [?, 2, 160000] instead of"),
        (&[0, 1, 160_000], &[0, 589, 4], "shape [?, 589, 4] instead of"),
        (&[0, 1, 160_000], &[0, 9000, 7], "puts out 9000 frames"),
    ] {
        let sentence = seg(input, output).unwrap_err();
        assert!(sentence.contains(expected), "{sentence}");
    }
    let doubles = [tensor(11, "x", 11, &[0, 1, 160_000]), tensor(12, "y", 1, &[0, 589, 7])];
    let sentence = lab.segmentation(&model(&doubles, SEGMENTATION)).unwrap_err();
    assert!(sentence.contains("an input of type 11"), "{sentence}");
}

#[test]
fn a_missing_file_is_told() {
    let sentence = check_embedding(Path::new("/nowhere/x.onnx"), &"emb".into()).unwrap_err().to_string();
    assert!(sentence.contains("cannot be read (No such file or directory"), "{sentence}");
}

#[test]
fn no_mutation_of_a_good_file_is_more_than_refused() {
    let lab = Lab::new();
    let whole = model(&wespeaker_tensors(), WESPEAKER);
    for at in 0..whole.len() {
        let mut mutated = whole.clone();
        mutated[at] ^= 0xFF;
        // Whatever is said, it is said without a panic, and soon.
        let _ = lab.embedding(&mutated);
        let _ = lab.embedding(&whole[..at]);
    }
}
