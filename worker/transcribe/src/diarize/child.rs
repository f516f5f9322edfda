//! What a diarizing child does: it reads requests until there are no more, under limits that the kernel keeps.

use std::fs::File;
use std::io::{self, BufRead, Write};
use std::os::unix::fs::FileExt;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getppid, getrlimit, setrlimit};
use steno_runtime::engine::{Diarizer, EngineError};
use steno_shared::failpoint;
use steno_sherpa::metadata::{check_embedding, check_segmentation};
use steno_sherpa::{Models, SherpaDiarizer};

use super::protocol::{Answer, Line, ModelFile, Request, Setup};
use crate::priority::give_way;

/// What a child may take of memory beside its models, in bytes.
const MEMORY: u64 = 400 << 20;
/// What a model takes of memory while it is loaded, as a multiple of its file: the file, what is parsed of it, and
/// the weights in place, twice for the one that tells voices apart.
const OF_MODELS: u64 = 4;
const BYTES_PER_SAMPLE: u64 = 2;
/// What part of the work is worth a line.
const STEP: f64 = 0.02;

/// How a child is started.
#[derive(Debug, Clone, clap::Args)]
pub struct ChildArgs {
    /// The process that waits for the answers
    #[arg(long)]
    parent: i32,
}

/// Answers requests on standard input until it ends.
///
/// # Errors
/// If the limits cannot be taken on, or a request cannot be read.
pub fn run(args: &ChildArgs) -> anyhow::Result<()> {
    failpoint::arm().map_err(anyhow::Error::msg)?;
    confine(args.parent).context("cannot take limits on")?;
    give_way();
    let mut loaded = None;
    for line in io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?).context("cannot read a request")?;
        let mut told = 0.0;
        let answer = answer(&request, &mut loaded, &mut |done| {
            // If the worker has gone, the answer shows it.
            if done >= told + STEP && say(&Line::Progress(done)).is_ok() {
                told = done;
            }
        });
        say(&Line::Answer(answer))?;
    }
    Ok(())
}

fn say(line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    io::stdout().lock().write_all(text.as_bytes())
}

/// An end with the parent's end, and no files of any kind.
fn confine(parent: i32) -> io::Result<()> {
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // The parent may have died before that was set.
    if getppid().is_none_or(|found| found.as_raw_nonzero().get() != parent) {
        return Err(io::Error::other("the parent has gone"));
    }
    Ok(())
}

/// Sets a limit, within what the system allows; it can be raised again.
fn limit(resource: Resource, value: u64) -> io::Result<()> {
    let maximum = getrlimit(resource).maximum;
    let value = maximum.map_or(value, |most| value.min(most));
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum })?)
}

fn answer(
    request: &Request,
    loaded: &mut Option<(Setup, SherpaDiarizer)>,
    progress: &mut dyn FnMut(f64),
) -> Answer {
    failpoint::hit_blocking("diarizer.chunk");
    let diarizer = match loaded {
        Some((setup, diarizer)) if *setup == request.setup => diarizer,
        _ => {
            *loaded = None;
            match load(&request.setup) {
                Ok(diarizer) => &mut loaded.insert((request.setup.clone(), diarizer)).1,
                Err(sentence) => return Answer::BadModel(sentence),
            }
        }
    };
    let samples = match read(request) {
        Ok(samples) => samples,
        Err(error) => return Answer::Failed(format!("cannot read the samples: {error}")),
    };
    match diarizer.diarize(&samples, progress) {
        Ok(voices) => Answer::Voices(voices),
        Err(error) => Answer::Failed(error.to_string()),
    }
}

fn load(setup: &Setup) -> Result<SherpaDiarizer, String> {
    let Setup { segmentation, embedding, shift, threshold } = setup;
    check_segmentation(&segmentation.path, &segmentation.id).map_err(|bad| bad.to_string())?;
    check_embedding(&embedding.path, &embedding.id).map_err(|bad| bad.to_string())?;
    let length = |file: &ModelFile| file.path.metadata().map_or(0, |metadata| metadata.len());
    let memory = MEMORY + OF_MODELS * (length(segmentation) + length(embedding));
    // Unlike a limit on addresses, this does not count libraries and what a file backs.
    limit(Resource::Data, memory).map_err(|error| format!("cannot limit the memory: {error}"))?;
    let models = Models {
        segmentation: segmentation.path.clone(),
        embedding: embedding.path.clone(),
        shift: *shift,
        threshold: *threshold,
    };
    SherpaDiarizer::load(&models).map_err(|error| match error {
        EngineError::Load(reason) => format!(
            "the models {0} and {1} cannot be loaded: {reason}; `steno models verify {0}` and `steno models verify \
             {1}` tell whether a file is damaged",
            segmentation.id, embedding.id
        ),
        other => other.to_string(),
    })
}

fn read(request: &Request) -> io::Result<Vec<f32>> {
    let file = File::open(&request.samples)?;
    let available = file.metadata()?.len() / BYTES_PER_SAMPLE;
    let count = request.end.min(available).saturating_sub(request.start);
    let mut bytes = vec![0; (count * BYTES_PER_SAMPLE) as usize];
    file.read_exact_at(&mut bytes, request.start * BYTES_PER_SAMPLE)?;
    let (pairs, _) = bytes.as_chunks();
    Ok(pairs.iter().map(|pair| f32::from(i16::from_le_bytes(*pair)) / 32768.0).collect())
}
