//! What sherpa-onnx 2.0.1 expects of a model, and does not check itself (csrc/offline-speaker-segmentation-
//! pyannote-model.cc, csrc/speaker-embedding-extractor-{impl,model,nemo-model}.cc; tried out with 2.0.1).
//! Each fault is the end of a sentence about the file.

use std::ops::RangeInclusive;

use super::summary::{Summary, Tensor};

/// `TensorProto.DataType` of 32-bit floating-point numbers.
const FLOAT: u64 = 1;
/// `TensorProto.DataType` of 64-bit integers.
const INT64: u64 = 7;
/// What Steno's samples have.
const SAMPLE_RATE: u64 = 16_000;
/// Features of models of the two older frameworks, which sherpa-onnx computes by itself.
const MEL_BANDS: u64 = 80;
/// The longest window, in samples: a minute. pyannote's models see 10 s.
const LONGEST_WINDOW: u64 = 60 * SAMPLE_RATE;
/// The longest embedding; published ones have 192 to 512 numbers.
const LONGEST_EMBEDDING: u64 = 4096;

type Rule = Result<(), String>;

/// A model that finds turns: pyannote's segmentation 3.0 and its like.
pub(super) fn segmentation(summary: &Summary) -> Rule {
    rate(summary)?;
    let window = number(summary, "window_size", 1..=LONGEST_WINDOW)?;
    number(summary, "receptive_field_size", 1..=window)?;
    let shift = number(summary, "receptive_field_shift", 1..=window)?;
    let speakers = number(summary, "num_speakers", 1..=10)?;
    let at_once = number(summary, "powerset_max_classes", 1..=2)?;
    // Nobody, each alone, each pair.
    let pairs = if at_once == 2 { speakers * (speakers - 1) / 2 } else { 0 };
    let classes = 1 + speakers + pairs;
    number(summary, "num_classes", classes..=classes)?;

    let [input] = &summary.inputs[..] else { return Err(inputs(summary, 1)) };
    tensor("input", input, FLOAT, &[None, Some(1), Some(window)])?;
    let [output] = &summary.outputs[..] else {
        return Err(format!("has {} outputs instead of 1", summary.outputs.len()));
    };
    tensor("output", output, FLOAT, &[None, None, Some(classes)])?;
    let most = window / shift + 1;
    match output.shape[1] {
        Some(frames) if frames == 0 || frames > most => {
            Err(format!("puts out {frames} frames for a window that has room for {most}"))
        }
        _ => Ok(()),
    }
}

/// A model that tells voices apart, of one of the three frameworks that sherpa-onnx knows.
pub(super) fn embedding(summary: &Summary) -> Rule {
    let framework = text(summary, "framework")?;
    text(summary, "language")?;
    rate(summary)?;
    let dimensions = number(summary, "output_dim", 1..=LONGEST_EMBEDDING)?;
    match framework {
        "wespeaker" | "3d-speaker" => {
            number(summary, "normalize_samples", 0..=1)?;
            one_of(summary, "feature_normalize_type", &["global-mean"])?;
            let [input] = &summary.inputs[..] else { return Err(inputs(summary, 1)) };
            tensor("input", input, FLOAT, &[None, None, Some(MEL_BANDS)])?;
        }
        "nemo" => {
            let bands = number(summary, "feat_dim", 1..=512)?;
            number(summary, "window_size_ms", 1..=1000)?;
            number(summary, "window_stride_ms", 1..=1000)?;
            one_of(summary, "feature_normalize_type", &["per_feature"])?;
            one_of(
                summary,
                "window_type",
                &["povey", "hann", "hanning", "hamming", "blackman", "rectangular"],
            )?;
            let [features, lengths] = &summary.inputs[..] else { return Err(inputs(summary, 2)) };
            tensor("first input", features, FLOAT, &[None, Some(bands), None])?;
            tensor("second input", lengths, INT64, &[None])?;
        }
        other => {
            return Err(format!(
                "is of the unknown framework {other:?}; known are wespeaker, 3d-speaker and nemo"
            ));
        }
    }
    // NeMo's first output is who of the training's speakers it might be.
    let which = usize::from(framework == "nemo");
    let Some(output) = summary.outputs.get(which) else { return Err("lacks an output".to_owned()) };
    tensor("output", output, FLOAT, &[None, Some(dimensions)])
}

fn rate(summary: &Summary) -> Rule {
    number(summary, "sample_rate", SAMPLE_RATE..=SAMPLE_RATE).map(|_| ())
}

fn text<'a>(summary: &'a Summary, key: &str) -> Result<&'a str, String> {
    match summary.metadata.get(key) {
        Some(value) if value.is_empty() => Err(format!("says nothing for {key} in its metadata")),
        Some(value) => Ok(value),
        None => Err(format!("lacks {key} in its metadata")),
    }
}

fn number(summary: &Summary, key: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let value = text(summary, key)?;
    let (least, most) = (range.start(), range.end());
    let expected =
        if least == most { format!("{least}") } else { format!("a number from {least} to {most}") };
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("has {key} = {} in its metadata instead of {expected}", shown(value)))
}

/// An entry that may be missing, or empty.
fn one_of(summary: &Summary, key: &str, known: &[&str]) -> Rule {
    let value = summary.metadata.get(key).map_or("", String::as_str);
    if value.is_empty() || known.contains(&value) {
        return Ok(());
    }
    Err(format!("has {key} = {} in its metadata; known: {}", shown(value), known.join(", ")))
}

/// Whether a tensor is of a shape; what is not known before the graph runs may be anything.
fn tensor(which: &str, tensor: &Tensor, element: u64, shape: &[Option<u64>]) -> Rule {
    let alike = |(found, expected): (&Option<u64>, &Option<u64>)| {
        found.zip(*expected).is_none_or(|(found, expected)| found == expected)
    };
    let fits = tensor.shape.len() == shape.len() && tensor.shape.iter().zip(shape).all(alike);
    if tensor.element == element && fits {
        return Ok(());
    }
    Err(format!(
        "has an {which} of type {} and shape {} instead of type {element} and shape {}",
        tensor.element,
        written(&tensor.shape),
        written(shape)
    ))
}

fn inputs(summary: &Summary, expected: usize) -> String {
    format!("has {} inputs instead of {expected}", summary.inputs.len())
}

fn written(shape: &[Option<u64>]) -> String {
    let sizes = shape.iter().map(|size| size.map_or_else(|| "?".to_owned(), |size| size.to_string()));
    format!("[{}]", sizes.collect::<Vec<_>>().join(", "))
}

/// A value of a file that may hold anything, fit for a log.
fn shown(value: &str) -> String {
    format!("{:?}", value.chars().take(40).collect::<String>())
}
