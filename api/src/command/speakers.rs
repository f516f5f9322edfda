//! `steno jobs speakers`: who speaks in a job's transcript, and what they are called.

use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::{CommandError, Written};
use super::output;
use super::text::{clean, clock, table};
use crate::client::server::{QUICK, Server};

/// A job, and what shall become of its speakers. Without any of it, they are shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct Speakers {
    /// Job's id
    id: String,

    /// A speaker's name, such as "Speaker 1=Anna"; nothing behind the = takes the name away
    #[arg(long = "name", value_name = "SPEAKER=NAME", value_parser = name)]
    names: Vec<(String, String)>,

    /// Speakers who are one person, such as "Speaker 1,Speaker 3"
    #[arg(long, value_name = "SPEAKER,SPEAKER", value_parser = several)]
    merge: Vec<Several>,

    /// A speaker who is taken apart again from whomever they were merged with
    #[arg(long, value_name = "SPEAKER")]
    split: Vec<String>,

    /// Tell the voices apart anew, into so many speakers; 0 finds out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=32))]
    speakers: Option<u8>,

    /// The same, into at least so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=32))]
    min_speakers: Option<u8>,

    /// The same, into at most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=32))]
    max_speakers: Option<u8>,
}

/// The speakers of one list.
#[derive(Debug, Clone)]
struct Several(Vec<String>);

/// What the command shows of a speaker.
#[derive(Debug, Deserialize)]
struct Seen {
    label: String,
    name: Option<String>,
    #[serde(default)]
    merged: Vec<String>,
    speech_seconds: f64,
    words: u64,
}

/// Does what was asked for, and shows the speakers.
///
/// # Errors
/// If the server cannot be asked, or refuses.
pub(super) async fn run(server: &Server, wanted: &Speakers, written: Written) -> Result<(), CommandError> {
    let url = server.url(&["v1", "jobs", &wanted.id, "speakers"]);
    let change = wanted.change();
    let document = if change.is_empty() {
        server.read(url).await?
    } else {
        let request = server.request(Method::PATCH, url).json(&change).timeout(QUICK);
        server.document(server.send(request).await?).await?
    };
    if written == Written::Json {
        return output::print_document(&document);
    }
    let seen = Vec::<Seen>::deserialize(&document["speakers"]);
    let seen = seen.map_err(|_| server.foreign("its answer is not a list of speakers"))?;
    let row = |speaker: &Seen| {
        [
            clean(&speaker.label),
            clock(speaker.speech_seconds),
            speaker.words.to_string(),
            clean(&speaker.merged.join(", ")),
            clean(speaker.name.as_deref().unwrap_or_default()),
        ]
    };
    let rows: Vec<_> = seen.iter().map(row).collect();
    output::print(&table(["SPEAKER", "SPEECH", "WORDS", "MERGED", "NAME"], &rows))
}

impl Speakers {
    /// The body of the request; empty if nothing is to be changed.
    fn change(&self) -> Map<String, Value> {
        let mut change = Map::new();
        if !self.names.is_empty() {
            let names = self.names.iter().map(|(speaker, name)| (speaker.clone(), json!(name)));
            change.insert("names".to_owned(), Value::Object(names.collect()));
        }
        if !self.merge.is_empty() {
            let lists = self.merge.iter().map(|several| json!(several.0));
            change.insert("merge".to_owned(), lists.collect());
        }
        if !self.split.is_empty() {
            change.insert("split".to_owned(), json!(self.split));
        }
        let numbers = [
            ("speakers", self.speakers),
            ("min_speakers", self.min_speakers),
            ("max_speakers", self.max_speakers),
        ];
        let numbers =
            numbers.into_iter().filter_map(|(name, number)| Some((name.to_owned(), json!(number?))));
        change.extend(numbers);
        change
    }
}

fn name(text: &str) -> Result<(String, String), &'static str> {
    let (speaker, name) = text.split_once('=').ok_or("write it as \"Speaker 1=Anna\"")?;
    Ok((speaker.trim().to_owned(), name.trim().to_owned()))
}

fn several(text: &str) -> Result<Several, &'static str> {
    let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
    if names.len() < 2 || names.iter().any(String::is_empty) {
        return Err("write two speakers or more, separated by commas");
    }
    Ok(Several(names))
}
