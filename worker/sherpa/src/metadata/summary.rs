//! What an ONNX file says about itself: its metadata, and what goes into its graph and comes out (onnx.proto of
//! ONNX 1.18, messages `ModelProto`, `GraphProto`, `ValueInfoProto`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use super::wire::{Fault, Value, Wire};

/// More than any model has of them.
const MOST_ENTRIES: usize = 10_000;

/// What is known of a tensor before the graph runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tensor {
    pub(super) name: String,
    /// As numbered in `TensorProto.DataType`.
    pub(super) element: u64,
    /// `None`: known only when the graph runs.
    pub(super) shape: Vec<Option<u64>>,
}

/// What a file says about itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Summary {
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) inputs: Vec<Tensor>,
    pub(super) outputs: Vec<Tensor>,
    /// Inputs that the file itself gives a value, as older ones do with all weights.
    constants: BTreeSet<String>,
    nodes: usize,
}

/// Reads what a file says about itself.
pub(super) fn read(path: &Path) -> Result<Summary, Fault> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    summary(file, length)
}

fn summary(file: impl Read + Seek, length: u64) -> Result<Summary, Fault> {
    let mut summary = Summary::default();
    Wire::new(file).fields(length, |wire, number, value| match (number, value) {
        (7, Value::Bytes(end)) => graph(wire, end, &mut summary),
        (14, Value::Bytes(end)) if summary.metadata.len() < MOST_ENTRIES => {
            let (key, value) = pair(wire, end)?;
            summary.metadata.insert(key, value);
            Ok(())
        }
        _ => Ok(()),
    })?;
    // Some bytes of anything else can be read as fields, but not as these.
    if summary.nodes == 0 || summary.outputs.is_empty() {
        return Err(Fault::Foreign);
    }
    let constants = std::mem::take(&mut summary.constants);
    summary.inputs.retain(|input| !constants.contains(&input.name));
    Ok(summary)
}

fn graph<R: Read + Seek>(wire: &mut Wire<R>, end: u64, summary: &mut Summary) -> Result<(), Fault> {
    wire.fields(end, |wire, number, value| {
        match (number, value) {
            (1, Value::Bytes(_)) => summary.nodes += 1,
            (5, Value::Bytes(end)) if summary.constants.len() < MOST_ENTRIES => {
                let name = name_of_constant(wire, end)?;
                summary.constants.insert(name);
            }
            (11, Value::Bytes(end)) if summary.inputs.len() < MOST_ENTRIES => {
                summary.inputs.push(tensor(wire, end)?);
            }
            (12, Value::Bytes(end)) if summary.outputs.len() < MOST_ENTRIES => {
                summary.outputs.push(tensor(wire, end)?);
            }
            _ => {}
        }
        Ok(())
    })
}

fn name_of_constant<R: Read + Seek>(wire: &mut Wire<R>, end: u64) -> Result<String, Fault> {
    let mut name = String::new();
    wire.fields(end, |wire, number, value| {
        if let (8, Value::Bytes(end)) = (number, value) {
            name = wire.text(end)?;
        }
        Ok(())
    })?;
    Ok(name)
}

fn pair<R: Read + Seek>(wire: &mut Wire<R>, end: u64) -> Result<(String, String), Fault> {
    let mut pair = (String::new(), String::new());
    wire.fields(end, |wire, number, value| {
        match (number, value) {
            (1, Value::Bytes(end)) => pair.0 = wire.text(end)?,
            (2, Value::Bytes(end)) => pair.1 = wire.text(end)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(pair)
}

/// A `ValueInfoProto`: a name, and a type, which has a tensor, which has a shape, which has dimensions.
fn tensor<R: Read + Seek>(wire: &mut Wire<R>, end: u64) -> Result<Tensor, Fault> {
    let mut tensor = Tensor::default();
    wire.fields(end, |wire, number, value| match (number, value) {
        (1, Value::Bytes(end)) => {
            tensor.name = wire.text(end)?;
            Ok(())
        }
        (2, Value::Bytes(end)) => wire.fields(end, |wire, number, value| match (number, value) {
            (1, Value::Bytes(end)) => wire.fields(end, |wire, number, value| {
                match (number, value) {
                    (1, Value::Number(element)) => tensor.element = element,
                    (2, Value::Bytes(end)) => tensor.shape = shape(wire, end)?,
                    _ => {}
                }
                Ok(())
            }),
            _ => Ok(()),
        }),
        _ => Ok(()),
    })?;
    Ok(tensor)
}

fn shape<R: Read + Seek>(wire: &mut Wire<R>, end: u64) -> Result<Vec<Option<u64>>, Fault> {
    let mut shape = Vec::new();
    wire.fields(end, |wire, number, value| {
        let (1, Value::Bytes(end)) = (number, value) else { return Ok(()) };
        let mut size = None;
        wire.fields(end, |_, number, value| {
            if let (1, Value::Number(value)) = (number, value) {
                size = Some(value);
            }
            Ok(())
        })?;
        shape.push(size);
        Ok(())
    })?;
    Ok(shape)
}
