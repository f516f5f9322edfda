//! What a decoding child does to itself before it reads a byte: limits that the kernel keeps, and an end with its
//! parent's end. They hold on for the program that it becomes.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getppid, getrlimit, setrlimit};

use crate::report::Report;

/// The limits of a child, as its command line gives them.
#[derive(Debug, Clone, clap::Args)]
pub struct Confinement {
    /// Address space in bytes.
    #[arg(long)]
    pub memory: u64,
    /// Processor time in seconds.
    #[arg(long)]
    pub cpu_seconds: u64,
    /// The process that waits for the samples.
    #[arg(long)]
    pub parent: i32,
}

impl Confinement {
    /// The same as arguments.
    pub(crate) fn arguments(&self) -> [String; 3] {
        [
            format!("--memory={}", self.memory),
            format!("--cpu-seconds={}", self.cpu_seconds),
            format!("--parent={}", self.parent),
        ]
    }

    /// Takes the limits on.
    ///
    /// # Errors
    /// If the kernel refuses one, or the parent has gone already.
    pub fn apply(&self) -> io::Result<()> {
        limit(Resource::As, self.memory)?;
        limit(Resource::Cpu, self.cpu_seconds)?;
        // No core files, and no writing to files at all: samples and reports go through pipes.
        limit(Resource::Core, 0)?;
        limit(Resource::Fsize, 0)?;
        #[cfg(target_os = "linux")]
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        // The parent may have died before that was set.
        if getppid().is_none_or(|parent| parent.as_raw_nonzero().get() != self.parent) {
            return Err(io::Error::other("the parent has gone"));
        }
        Ok(())
    }
}

/// Lowers a limit; one that is lower already stays.
fn limit(resource: Resource, value: u64) -> io::Result<()> {
    let value = getrlimit(resource).maximum.map_or(value, |hard| value.min(hard));
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}

/// Turns this process into another program, under the limits. Returns only if that is not possible.
pub fn become_program(confinement: &Confinement, words: &[OsString]) -> io::Error {
    let Some((program, arguments)) = words.split_first() else {
        return io::Error::other("no program was named");
    };
    if let Err(error) = confinement.apply() {
        return error;
    }
    let error = Command::new(program).args(arguments).exec();
    if error.kind() == io::ErrorKind::NotFound {
        Report::NoProgram.send();
    }
    error
}
