//! The rules of the code's shape: which crate may use which, how long a file may be, that the README's table of
//! settings is what `--help` says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::MetadataCommand;
use steno_tests::clips;
use steno_tests::process::executable;

const MAX_LINES: usize = 500;

/// Which crates of ours a crate may use. One that is missing here fails the test.
const MAY_USE: &[(&str, &[&str])] = &[
    ("steno-shared", &[]),
    ("steno-migration", &[]),
    ("steno-api", &["steno-shared", "steno-migration"]),
    ("steno-runtime", &["steno-shared"]),
    ("steno-whisper", &["steno-shared", "steno-runtime"]),
    ("steno-sherpa", &["steno-shared", "steno-runtime"]),
    ("steno-courier", &["steno-shared", "steno-runtime"]),
    ("steno-intake", &["steno-shared", "steno-runtime"]),
    ("steno-stream", &["steno-shared", "steno-runtime", "steno-whisper"]),
    ("steno-transcribe", &["steno-shared", "steno-runtime", "steno-sherpa", "steno-whisper"]),
    ("steno-tests", &["steno-shared"]),
];

/// Which crates may use a library whose types must stay in one place.
const CONFINED: &[(&str, &[&str])] = &[
    ("apalis", &["steno-runtime"]),
    ("apalis-sqlite", &["steno-shared"]),
    ("sea-orm", &["steno-shared"]),
    ("sherpa-onnx", &["steno-sherpa"]),
    ("whisper-rs", &["steno-whisper"]),
    ("poem", &["steno-api"]),
    ("standardwebhooks", &["steno-courier"]),
];

#[test]
fn crates_use_only_what_they_may() {
    let metadata = MetadataCommand::new().current_dir(clips::root()).no_deps().exec().unwrap();
    let allowed: BTreeMap<_, BTreeSet<_>> =
        MAY_USE.iter().map(|(name, uses)| (*name, uses.iter().copied().collect())).collect();
    let mut seen = 0;
    for package in &metadata.packages {
        let name = package.name.as_str();
        let allowed = allowed.get(name).unwrap_or_else(|| panic!("{name} is not in the table of crates"));
        // What a crate's tests use does not bind the product.
        let uses = package.dependencies.iter().filter(|other| {
            other.kind == cargo_metadata::DependencyKind::Normal && other.name.starts_with("steno-")
        });
        for other in uses {
            seen += 1;
            assert!(allowed.contains(other.name.as_str()), "{name} must not use {}", other.name);
        }
    }
    assert_eq!(metadata.packages.len(), MAY_USE.len());
    assert!(seen >= 9, "the graph of {seen} arrows is not the workspace's");
}

#[test]
fn libraries_stay_in_their_place() {
    let metadata = MetadataCommand::new().current_dir(clips::root()).no_deps().exec().unwrap();
    for (library, crates) in CONFINED {
        let users: Vec<_> = metadata
            .packages
            .iter()
            .filter(|package| {
                package.dependencies.iter().any(|other| {
                    other.name == *library && other.kind == cargo_metadata::DependencyKind::Normal
                })
            })
            .map(|package| package.name.as_str())
            .collect();
        assert_eq!(&users, crates, "who uses {library}");
    }
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let mut files = 0;
    for file in sources(&clips::root()) {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", file.display());
        files += 1;
    }
    assert!(files > 50, "{files} files are not the workspace's");
}

/// The Rust files that we wrote.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && !["target", "data", "vendor"].contains(&name.as_str()) {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The rows `| option | variable | default | meaning |` of the README's table are what `--help` says.
#[test]
fn the_readme_lists_the_settings_of_help() {
    let readme = std::fs::read_to_string(clips::root().join("README.md")).unwrap();
    let begin = readme.find("<!-- settings -->").unwrap();
    let end = readme.find("<!-- /settings -->").unwrap();
    let table = &readme[begin..end];
    let mut expected = String::new();
    for (heading, program, command) in [
        ("steno up, steno serve", "steno", &["up"][..]),
        ("steno-courier", "steno-courier", &[]),
        ("steno-intake", "steno-intake", &[]),
        ("steno-stream", "steno-stream", &[]),
        ("steno-transcribe", "steno-transcribe", &[]),
    ] {
        expected.push_str(&format!(
            "\n{heading}:\n\n| option | variable | default | meaning |\n|---|---|---|---|\n"
        ));
        for row in settings(program, command) {
            expected.push_str(&row);
        }
    }
    let shown = table.trim_start_matches("<!-- settings -->");
    assert!(shown == expected, "the README's settings must be:\n{expected}");
}

/// The rows for the settings of an executable, from its help.
fn settings(program: &str, command: &[&str]) -> Vec<String> {
    let output = Command::new(executable(program)).args(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let help = String::from_utf8(output.stdout).unwrap();
    let options = help.split_once("Options:\n").unwrap().1;
    let mut rows = Vec::new();
    let mut paragraphs: Vec<String> = Vec::new();
    for line in options.lines() {
        if line.trim_start().starts_with('-') && line.starts_with("  ") && !line.starts_with("          ") {
            paragraphs.push(String::new());
        }
        if let Some(paragraph) = paragraphs.last_mut() {
            paragraph.push_str(line.trim());
            paragraph.push(' ');
        }
    }
    for paragraph in paragraphs {
        let option = paragraph.split_whitespace().find(|word| word.starts_with("--")).unwrap();
        if ["--help", "--version"].contains(&option) {
            continue;
        }
        let between = |from: &str, to: &str| {
            let rest = paragraph.split_once(from)?.1;
            Some(rest.split_once(to)?.0.trim().to_owned())
        };
        let variable = between("[env: ", "=]").unwrap_or_default();
        let default = between("[default: ", "]").unwrap_or_default();
        let meaning = paragraph
            .split_once('>')
            .map_or_else(|| paragraph.split_once(option).unwrap().1, |(_, rest)| rest);
        let meaning = meaning.split('[').next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        let meaning = match meaning.split_once(" Possible values: - ") {
            Some((meaning, values)) => format!("{meaning} ({})", values.replace(" - ", "; ")),
            None => meaning,
        };
        let code = |text: &str| if text.is_empty() { " ".to_owned() } else { format!(" `{text}` ") };
        let (variable, default) = (code(&variable), code(&default));
        rows.push(format!("| `{option}` |{variable}|{default}| {meaning} |\n"));
    }
    rows
}
