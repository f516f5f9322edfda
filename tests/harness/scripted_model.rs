//! Models that decode a fixed script at the cost of real ones, made by `models/scripted`.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::clips;
use crate::world::World;

/// The id of the catalogue under which [`install`] puts one.
pub const ID: &str = "small";

/// What such a model writes for each window of 30 s.
#[derive(Debug, Clone, Deserialize)]
pub struct Script {
    /// In order of time.
    pub segments: Vec<Line>,
}

/// A segment of a script.
#[derive(Debug, Clone, Deserialize)]
pub struct Line {
    /// When it begins, in seconds from the start of the window.
    pub start: f64,
    /// When it ends.
    pub end: f64,
    /// Its words.
    pub text: String,
}

impl Script {
    /// All of its words.
    #[must_use]
    pub fn text(&self) -> String {
        self.segments.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// Makes a model of a size, with further arguments of the generator.
///
/// # Errors
/// What the generator says.
///
/// # Panics
/// If the Python environment of the tests is missing.
pub fn make(size: &str, arguments: &[&str], output: &Path) -> Result<Script, String> {
    let python = clips::root().join("target/python/bin/python");
    let script = clips::root().join("models/scripted/make_model.py");
    let made = Command::new(&python).arg(script).arg(size).arg(output).args(arguments).output();
    let made = made.unwrap_or_else(|error| panic!("{}: {error}; run: scripts/python.sh", python.display()));
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&made.stdout).unwrap())
}

/// Installs a model file in a world.
///
/// # Panics
/// If it cannot be installed.
pub fn install(world: &World, model: &Path) {
    let mut command = world.command("steno", &["models", "add", ID, model.to_str().unwrap(), "--unverified"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
