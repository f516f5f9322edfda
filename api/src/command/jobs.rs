//! `steno jobs`: the jobs of the key, and what can be done to one.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::error::{CommandError, Json, Written, complain};
use super::output::{self, Format, Target};
use super::speakers::{self, Speakers};
use super::text::{clean, clock, list, moment, table};
use crate::client::connection::Connection;
use crate::client::error::ClientError;
use crate::client::follow::Cancelled;
use crate::client::job::{self, Job, Seen};
use crate::client::server::{QUICK, Server};
use crate::client::shape::Shape;

/// What `steno jobs` takes.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Jobs {
    #[command(flatten)]
    listing: Listing,

    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    pub(crate) json: Json,

    #[command(flatten)]
    connection: Connection,
}

/// Which jobs are listed.
#[derive(Debug, Clone, Args)]
struct Listing {
    /// Only those in this state: queued, processing, completed, failed or cancelled
    #[arg(long, value_name = "STATE")]
    state: Option<String>,

    /// How many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,

    /// Where the list before broke off
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// List the jobs, the newest first
    List(Listing),
    /// Show a job
    Show(Named),
    /// Cancel a job that has not ended; a finished one is left alone
    Cancel(Named),
    /// Delete a job with its transcript; one that has not ended is cancelled first
    Delete(Named),
    /// Run a failed or cancelled job again
    Retry(Retry),
    /// Read a job's transcript
    Transcript(Transcript),
    /// Show who speaks in a job's transcript; name, merge or recount them
    Speakers(Speakers),
}

#[derive(Debug, Clone, Args)]
struct Named {
    /// Job's id
    id: String,
}

#[derive(Debug, Clone, Args)]
struct Retry {
    /// Job's id
    id: String,

    /// Stage to begin with; the one that failed unless set
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
}

#[derive(Debug, Clone, Args)]
struct Transcript {
    /// Job's id
    id: String,

    /// Form of the transcript; the one that --output is named after, or txt, unless set
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// File to write instead of standard output
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,

    #[command(flatten)]
    shape: Shape,
}

/// Does what was asked for.
///
/// # Errors
/// If the server cannot be asked, or refuses.
pub(crate) async fn run(arguments: &Jobs) -> Result<(), CommandError> {
    let server = arguments.connection.open()?;
    let written = Written::by(&arguments.json);
    match &arguments.action {
        None => show_all(&server, &arguments.listing, written).await,
        Some(Action::List(listing)) => show_all(&server, listing, written).await,
        Some(Action::Show(named)) => show(&server.job(&named.id).await?, written),
        Some(Action::Cancel(named)) => cancel(&server, &named.id, written).await,
        Some(Action::Delete(named)) => delete(&server, &named.id, written).await,
        Some(Action::Retry(retry)) => show(&again(&server, retry).await?, written),
        Some(Action::Transcript(wanted)) => transcript(&server, wanted, written).await,
        Some(Action::Speakers(wanted)) => speakers::run(&server, wanted, written).await,
    }
}

async fn show_all(server: &Server, listing: &Listing, written: Written) -> Result<(), CommandError> {
    let mut url = server.url(&["v1", "jobs"]);
    url.query_pairs_mut().append_pair("limit", &listing.limit.to_string());
    for (name, value) in [("state", &listing.state), ("cursor", &listing.cursor)] {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    let document = server.read(url).await?;
    if written == Written::Json {
        return output::print_document(&document);
    }
    let (jobs, next) = job::page(server, &document)?;
    let rows: Vec<_> = jobs.iter().map(row).collect();
    output::print(&table(["ID", "STATE", "PROGRESS", "LENGTH", "CREATED", "FILE"], &rows))?;
    if let Some(cursor) = next {
        complain(&format!("there are more: steno jobs --cursor {cursor}"));
    }
    Ok(())
}

fn row(job: &Seen) -> [String; 6] {
    let length = job.duration.map_or_else(String::new, clock);
    [
        clean(&job.id),
        clean(&job.state),
        clean(&progress(job)),
        length,
        moment(&job.created_at),
        clean(file(job)),
    ]
}

/// How far it is: `transcribe 45 %`, or its place in the queue.
fn progress(job: &Seen) -> String {
    match (&job.progress, job.queue_position) {
        (Some(progress), _) if job.state == "processing" => {
            let part = progress.done_seconds.zip(progress.total_seconds).filter(|(_, total)| *total > 0.0);
            let part = part.map(|(done, total)| format!(" {:.0} %", 100.0 * done / total));
            format!("{}{}", progress.stage, part.unwrap_or_default())
        }
        (_, Some(position)) => format!("{position} before it"),
        _ => String::new(),
    }
}

fn file(job: &Seen) -> &str {
    job.file_name.as_deref().or(job.url.as_deref()).unwrap_or_default()
}

fn show(job: &Job, written: Written) -> Result<(), CommandError> {
    if written == Written::Json {
        return output::print_document(&job.document);
    }
    let seen = &job.seen;
    let field = |name: &str| match &job.document[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let at = |name: &str| moment(&field(name));
    let error = seen.error.as_ref().map(|error| format!("{} ({})", error.message, error.code));
    let rows = [
        ("id", seen.id.clone()),
        ("state", seen.state.clone()),
        ("progress", progress(seen)),
        ("error", error.unwrap_or_default()),
        ("file", file(seen).to_owned()),
        ("length", seen.duration.map_or_else(String::new, clock)),
        ("model", field("model")),
        ("language", field("language")),
        ("diarize", field("diarize")),
        ("speakers", field("speakers")),
        ("credits", field("credits")),
        ("created", at("created_at")),
        ("started", at("started_at")),
        ("finished", at("finished_at")),
    ];
    output::print(&list(&rows))
}

async fn cancel(server: &Server, id: &str, written: Written) -> Result<(), CommandError> {
    match server.cancel(id).await? {
        Cancelled::Now(job) => show(&job, written),
        Cancelled::TooLate(job) => {
            let state = &job.seen.state;
            let message = format!("job {id} was {state} already; `steno jobs delete {id}` deletes it");
            Err(ClientError::Job { id: id.to_owned(), code: "not_active".to_owned(), message }.into())
        }
    }
}

async fn delete(server: &Server, id: &str, written: Written) -> Result<(), CommandError> {
    // The first call may only cancel it.
    if server.end(id).await?.is_some() {
        server.end(id).await?;
    }
    match written {
        Written::Json => output::print_document(&json!({"id": id, "deleted": true})),
        Written::Text => output::print(&format!("job {} is deleted\n", clean(id))),
    }
}

async fn again(server: &Server, retry: &Retry) -> Result<Job, ClientError> {
    let mut url = server.url(&["v1", "jobs", &retry.id, "retry"]);
    if let Some(stage) = &retry.stage {
        url.query_pairs_mut().append_pair("stage", stage);
    }
    let response = server.send(server.request(Method::POST, url).timeout(QUICK)).await?;
    Job::of(server, server.document(response).await?)
}

async fn transcript(server: &Server, wanted: &Transcript, written: Written) -> Result<(), CommandError> {
    let named = wanted.output.as_deref().and_then(Format::of_name);
    let otherwise = match (written, &wanted.output) {
        (Written::Json, None) => Format::Json,
        _ => Format::Txt,
    };
    let format = wanted.format.or(named).unwrap_or(otherwise);
    if written == Written::Json && wanted.output.is_none() && format != Format::Json {
        let message = "--json writes JSON; for another --format give --output as well";
        return Err(CommandError::Usage(message.to_owned()));
    }
    let target = wanted.output.clone().map_or(Target::StandardOutput, Target::File);
    target.check()?;
    let response = server.transcript(&wanted.id, format.as_str(), &wanted.shape).await?;
    target.take(server, response).await?;
    if let (Written::Json, Target::File(path)) = (written, &target) {
        output::print_document(&json!({"job_id": wanted.id, "output": path}))?;
    }
    Ok(())
}
