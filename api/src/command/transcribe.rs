//! `steno transcribe`: from files or addresses to transcripts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::{CommandError, Json, Written, complain};
use super::output::{self, Format, Target};
use super::progress::Progress;
use crate::client::connection::Connection;
use crate::client::error::ClientError;
use crate::client::follow::Cancelled;
use crate::client::job::Job;
use crate::client::media::Source;
use crate::client::retry::Retries;
use crate::client::server::Server;
use crate::client::upload::{Options, Submission};

/// After Ctrl-C, the time in which a job is to be cancelled.
const GRACE: Duration = Duration::from_secs(5);

/// What `steno transcribe` takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Transcribe {
    /// Audio or video: files, addresses that the server fetches from, or - for standard input
    #[arg(value_name = "FILE|URL", required = true)]
    sources: Vec<Source>,

    /// Form of the transcript; the one that --output is named after, or txt, unless set
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// File to write instead of standard output; a folder for several transcripts
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,

    #[command(flatten)]
    options: Options,

    #[command(flatten)]
    pub(crate) json: Json,

    #[command(flatten)]
    connection: Connection,
}

/// What the options come to.
#[derive(Debug)]
struct Plan<'a> {
    server: Server,
    options: &'a Options,
    format: Format,
    written: Written,
    /// Whether the document of `--json` is one of several.
    several: bool,
}

/// The command under way.
#[derive(Debug)]
struct Run<'a> {
    plan: Plan<'a>,
    /// Ctrl-C, also while nobody waits for it.
    interrupts: Signal,
}

/// Transcribes one after the other.
///
/// # Errors
/// If one of them fails.
pub(crate) async fn run(arguments: &Transcribe) -> Result<(), CommandError> {
    let written = Written::by(&arguments.json);
    let format = format(arguments)?;
    let targets = targets(arguments, format)?;
    for source in &arguments.sources {
        source.check()?;
    }
    for target in &targets {
        target.check()?;
    }
    let plan = Plan {
        server: arguments.connection.open()?,
        options: &arguments.options,
        format,
        written,
        several: arguments.sources.len() > 1,
    };
    let mut run = Run { plan, interrupts: signal(SignalKind::interrupt())? };
    match (&arguments.sources[..], &targets[..]) {
        ([source], [target]) => match run.transcribe(source, target).await? {
            Some(document) => output::print_document(&document),
            None => Ok(()),
        },
        (sources, targets) => run.all(sources, targets).await,
    }
}

/// The form of the transcripts, which must go where it is to go.
fn format(arguments: &Transcribe) -> Result<Format, CommandError> {
    let written = Written::by(&arguments.json);
    let named = arguments.output.as_deref().and_then(Format::of_name);
    let otherwise = if written == Written::Json { Format::Json } else { Format::Txt };
    let format = match &arguments.output {
        Some(_) => arguments.format.or(named).unwrap_or(Format::Txt),
        None => arguments.format.unwrap_or(otherwise),
    };
    let usage = |message: &str| Err(CommandError::Usage(message.to_owned()));
    if arguments.output.is_none() {
        if written == Written::Json && format != Format::Json {
            return usage("--json writes JSON; for another --format give --output as well");
        }
        if arguments.sources.len() > 1 && written == Written::Text && format != Format::Txt {
            return usage("several transcripts of this --format need --output with a folder, or --json");
        }
    }
    let inputs = arguments.sources.iter().filter(|source| **source == Source::StandardInput);
    if inputs.count() > 1 {
        return usage("standard input (-) can be transcribed once");
    }
    Ok(format)
}

/// Where each transcript goes.
fn targets(arguments: &Transcribe, format: Format) -> Result<Vec<Target>, CommandError> {
    let sources = &arguments.sources;
    let Some(output) = &arguments.output else { return Ok(vec![Target::StandardOutput; sources.len()]) };
    let is_folder =
        sources.len() > 1 || output.is_dir() || output.as_os_str().as_encoded_bytes().ends_with(b"/");
    if !is_folder {
        return Ok(vec![Target::File(output.clone())]);
    }
    let paths: Vec<_> = sources.iter().map(|source| named_after(source, output, format)).collect();
    let mut seen = BTreeSet::new();
    if let Some(twice) = paths.iter().find(|path| !seen.insert(*path)) {
        let message =
            format!("two transcripts would be written to {}; transcribe them apart", twice.display());
        return Err(CommandError::Usage(message));
    }
    let made = std::fs::create_dir_all(output);
    made.map_err(|error| ClientError::file("make the folder", &output.display().to_string(), &error))?;
    Ok(paths.into_iter().map(Target::File).collect())
}

fn named_after(source: &Source, folder: &Path, format: Format) -> PathBuf {
    folder.join(format!("{}.{}", source.stem(), format.as_str()))
}

impl Run<'_> {
    /// Transcribes several. One bad file does not stop the others.
    async fn all(&mut self, sources: &[Source], targets: &[Target]) -> Result<(), CommandError> {
        let mut results = Vec::new();
        let mut status = 0;
        for (source, target) in sources.iter().zip(targets) {
            if self.plan.written == Written::Text && *target == Target::StandardOutput {
                let gap = if results.is_empty() { "" } else { "\n" };
                output::print(&format!("{gap}==> {} <==\n", super::text::clean(&source.to_string())))?;
            }
            let error = match self.transcribe(source, target).await {
                Ok(document) => {
                    results.push(document.unwrap_or_default());
                    continue;
                }
                Err(CommandError::Client(error)) => error,
                Err(error) => return Err(error),
            };
            complain(&format!("{source}: {error}"));
            let mut result = error.document();
            result["file"] = Value::from(source.to_string());
            results.push(result);
            let goes_on = error.is_about_the_file();
            status = CommandError::from(error).status();
            if !goes_on {
                break;
            }
        }
        if self.plan.written == Written::Json {
            output::print_document(&json!({"results": results}))?;
        }
        if status == 0 { Ok(()) } else { Err(CommandError::Said(status)) }
    }

    /// Transcribes one, and returns its document for `--json`.
    async fn transcribe(&mut self, source: &Source, target: &Target) -> Result<Option<Value>, CommandError> {
        let progress = Arc::new(Progress::of(&source.to_string()));
        let job = self.finish(source, &progress).await;
        progress.clear();
        let id = job?.seen.id;
        let later = format!("`steno jobs transcript {id}` reads the transcript");
        tokio::select! {
            delivered = self.plan.deliver(&id, source, target, &progress) => delivered.map_err(|error| match error {
                CommandError::Client(ClientError::File(message)) => ClientError::File(format!("{message}; {later}")).into(),
                error => error,
            }),
            _ = self.interrupts.recv() => Err(ClientError::Interrupted(later).into()),
        }
    }

    /// From the file to the end of its job, or to Ctrl-C.
    async fn finish(&mut self, source: &Source, progress: &Arc<Progress>) -> Result<Job, ClientError> {
        let submission = Submission::open(source, self.plan.options, Arc::<Progress>::clone(progress))?;
        let id = {
            let submitted = submission.run(&self.plan.server);
            tokio::pin!(submitted);
            let job = tokio::select! {
                job = &mut submitted => Some(job),
                _ = self.interrupts.recv() => None,
            };
            match job {
                Some(job) => job?.seen.id,
                None => {
                    progress.clear();
                    if !submission.is_sent() {
                        return Err(ClientError::Interrupted("the server has no job of it".to_owned()));
                    }
                    // The server may be making the job at this moment.
                    let job = tokio::time::timeout(GRACE, submitted).await;
                    let unknown = "the server may have a job of it; see `steno jobs`";
                    let Ok(Ok(job)) = job else { return Err(ClientError::Interrupted(unknown.to_owned())) };
                    return Err(self.plan.cancel(&job.seen.id).await);
                }
            }
        };
        let job = tokio::select! {
            job = self.plan.server.follow(&id, &**progress) => Some(job),
            _ = self.interrupts.recv() => None,
        };
        match job {
            Some(job) => job?.completed(),
            None => {
                progress.clear();
                Err(self.plan.cancel(&id).await)
            }
        }
    }
}

impl Plan<'_> {
    /// Cancels the job after Ctrl-C, and says what has become of it.
    async fn cancel(&self, id: &str) -> ClientError {
        let cancelled = tokio::time::timeout(GRACE, self.server.cancel(id)).await;
        ClientError::Interrupted(match cancelled {
            Ok(Ok(Cancelled::Now(_))) => format!("job {id} is cancelled"),
            Ok(Ok(Cancelled::TooLate(job))) => format!("job {id} was {} already", job.seen.state),
            Ok(Err(_)) | Err(_) => format!("job {id} may still run; `steno jobs cancel {id}` ends it"),
        })
    }

    /// Reads the transcript into its place, and returns the document for `--json`.
    async fn deliver(
        &self,
        id: &str,
        source: &Source,
        target: &Target,
        progress: &Progress,
    ) -> Result<Option<Value>, CommandError> {
        let mut retries = Retries::new(progress);
        let response = loop {
            match self.server.transcript(id, self.format.as_str(), &self.options.shape).await {
                Ok(response) => break response,
                Err(error) => retries.after(error).await?,
            }
        };
        let file = match (target, self.written) {
            (Target::StandardOutput, Written::Json) => {
                let transcript = self.server.document(response).await?;
                return Ok(Some(match self.several {
                    true => json!({"file": source.to_string(), "job_id": id, "transcript": transcript}),
                    false => transcript,
                }));
            }
            (Target::File(path), _) => path,
            (Target::StandardOutput, Written::Text) => {
                target.take(&self.server, response).await?;
                return Ok(None);
            }
        };
        target.take(&self.server, response).await?;
        let written = json!({"file": source.to_string(), "job_id": id, "output": file});
        Ok((self.written == Written::Json).then_some(written))
    }
}
