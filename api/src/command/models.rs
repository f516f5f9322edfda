//! `steno models`: the models of this machine, in their folder itself: no server need run.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use indicatif::BinaryBytes;
use serde_json::{Value, json};
use steno_shared::catalog::{self, Model};
use steno_shared::failpoint;
use steno_shared::settings::Span;
use tokio::signal::unix::{SignalKind, signal};

use super::error::{CommandError, Json, Written, complain};
use super::output;
use super::progress::Progress;
use super::text::table;
use crate::client::error::ClientError;
use crate::install::{Adding, Keep, Mirror, Place, Source, State};

/// What `steno models` takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Models {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    shelf: Shelf,

    #[command(flatten)]
    pub(crate) json: Json,
}

/// Where the models are.
#[derive(Debug, Clone, Args)]
struct Shelf {
    /// Data folder of the server
    #[arg(long, env = "STENO_DATA", value_name = "DIR", default_value = "data", global = true)]
    data: PathBuf,

    /// Folder of the installed models; `DATA/models` unless set
    #[arg(long, env = "STENO_MODELS", value_name = "DIR", global = true)]
    models: Option<PathBuf>,
}

#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// List the models that are here
    List(List),
    /// Download models and install them; a download that broke off goes on where it stopped
    Pull(Pull),
    /// Install a model from a file that you have
    Add(Add),
    /// Read installed models again and hold them against their checksums
    Verify(Verify),
    /// Remove models
    Rm(Rm),
}

#[derive(Debug, Clone, Args)]
struct List {
    /// List the whole catalogue
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Clone, Args)]
struct Pull {
    /// Models of the catalogue, as `steno models list --all` has them
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,

    /// Server to download from in place of the catalogue's, with the same paths below its own
    #[arg(long, env = "STENO_MODEL_MIRROR", value_name = "URL", hide_env_values = true)]
    mirror: Option<Mirror>,

    /// How long a server may send next to nothing before it is asked again
    #[arg(long, value_name = "TIME", default_value = "30s")]
    stall: Span,
}

#[derive(Debug, Clone, Args)]
struct Add {
    /// Model of the catalogue that the file is
    id: String,

    /// The file
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// Move the file in place of copying it
    #[arg(long = "move")]
    moves: bool,

    /// Install a file of which the catalogue has another checksum or none
    #[arg(long)]
    unverified: bool,
}

#[derive(Debug, Clone, Args)]
struct Verify {
    /// Models; all that are installed unless named
    #[arg(value_name = "ID")]
    ids: Vec<String>,
}

#[derive(Debug, Clone, Args)]
struct Rm {
    /// Models
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

/// What has become of a model, in words and as a document.
type Said = (String, Value);

/// Does what was asked for.
///
/// # Errors
/// If a model is not in the catalogue, or what was asked for failed for one of them.
pub(crate) async fn run(arguments: &Models) -> Result<(), CommandError> {
    failpoint::arm().map_err(anyhow::Error::msg)?;
    let models = arguments.shelf.folder();
    catalog::extend(&models).map_err(anyhow::Error::new)?;
    let shelf = Opened { models, written: Written::by(&arguments.json) };
    match &arguments.action {
        Action::List(list) => shelf.list(list),
        Action::Pull(pull) => shelf.pull(pull).await,
        Action::Add(add) => shelf.add(add).await,
        Action::Verify(verify) => shelf.verify(verify).await,
        Action::Rm(rm) => {
            let places = shelf.places(&rm.ids)?;
            shelf
                .each(places, async |place, _| tokio::task::spawn_blocking(move || remove(&place)).await?)
                .await
        }
    }
}

impl Shelf {
    fn folder(&self) -> PathBuf {
        self.models.clone().unwrap_or_else(|| self.data.join("models"))
    }
}

/// The folder of all models, and what goes to standard output.
#[derive(Debug)]
struct Opened {
    models: PathBuf,
    written: Written,
}

impl Opened {
    fn place(&self, entry: &'static Model) -> Place {
        Place { entry, models: self.models.clone() }
    }

    /// The models with these ids; a slip is told before anything is done.
    fn places(&self, ids: &[String]) -> Result<Vec<Place>, CommandError> {
        ids.iter().map(|id| known(id).map(|entry| self.place(entry))).collect()
    }

    fn list(&self, list: &List) -> Result<(), CommandError> {
        let places = catalog::entries().map(|entry| self.place(entry)).map(|place| (place.state(), place));
        let shown: Vec<_> = places.filter(|(state, _)| list.all || *state != State::Absent).collect();
        if self.written == Written::Json {
            let models: Vec<_> = shown.iter().map(|(state, place)| document(*state, place)).collect();
            return output::print_document(&json!({"folder": self.models, "models": models}));
        }
        if shown.is_empty() {
            complain("no model is here; `steno models list --all` lists what can be pulled");
            return Ok(());
        }
        let rows: Vec<_> = shown.iter().map(|(state, place)| row(*state, place)).collect();
        output::print(&table(["ID", "SIZE", "STATE", "LICENCE", "NAME"], &rows))
    }

    async fn pull(&self, pull: &Pull) -> Result<(), CommandError> {
        let source = Source::new(pull.mirror.clone(), pull.stall.0).map_err(anyhow::Error::new)?;
        let source = Arc::new(source);
        let places = self.places(&pull.ids)?;
        self.each(places, async |place, progress| {
            let source = Arc::clone(&source);
            tokio::spawn(async move { Ok(pulled(&place, place.pull(&source, &*progress).await?)) }).await?
        })
        .await
    }

    async fn add(&self, add: &Add) -> Result<(), CommandError> {
        let keep = if add.moves { Keep::Move } else { Keep::Copy };
        let adding = Adding { path: add.path.clone(), keep, trusted: add.unverified };
        let places = self.places(std::slice::from_ref(&add.id))?;
        self.each(places, async |place, progress| {
            let adding = adding.clone();
            tokio::task::spawn_blocking(move || {
                place.add(&adding, &*progress)?;
                Ok(pulled(&place, State::Absent))
            })
            .await?
        })
        .await
    }

    async fn verify(&self, verify: &Verify) -> Result<(), CommandError> {
        let all = || {
            let places = catalog::entries().map(|entry| self.place(entry));
            places.filter(|place| matches!(place.state(), State::Installed | State::Unverified)).collect()
        };
        let places = if verify.ids.is_empty() { all() } else { self.places(&verify.ids)? };
        self.each(places, async |place, progress| {
            tokio::task::spawn_blocking(move || verified(&place, &progress)).await?
        })
        .await
    }

    /// Does something for one model after the other, until Ctrl-C. Where it fails, the others are done all the same.
    async fn each(
        &self,
        places: Vec<Place>,
        mut act: impl AsyncFnMut(Place, Arc<Progress>) -> anyhow::Result<Said>,
    ) -> Result<(), CommandError> {
        let mut interrupts = signal(SignalKind::interrupt())?;
        let (mut documents, mut status) = (Vec::new(), 0);
        for place in places {
            let id = place.entry.id.clone();
            let progress = Arc::new(Progress::of(id.as_str()));
            let done = tokio::select! {
                done = act(place, Arc::clone(&progress)) => Some(done),
                _ = interrupts.recv() => None,
            };
            progress.clear();
            documents.push(match done {
                Some(Ok((text, document))) => {
                    if self.written == Written::Text {
                        output::print(&format!("{text}\n"))?;
                    }
                    document
                }
                Some(Err(error)) => {
                    status = 1;
                    complain(&format!("{id}: {error:#}"));
                    json!({"id": id, "error": format!("{error:#}"), "code": "failed"})
                }
                None => {
                    let later = "what has come of a download is kept, and the same command goes on there";
                    return Err(ClientError::Interrupted(later.to_owned()).into());
                }
            });
        }
        if self.written == Written::Json {
            output::print_document(&json!({"models": documents}))?;
        }
        if status == 0 { Ok(()) } else { Err(CommandError::Said(status)) }
    }
}

fn known(id: &str) -> Result<&'static Model, CommandError> {
    catalog::entries().find(|entry| entry.id.as_str() == id).ok_or_else(|| {
        let ids: Vec<_> = catalog::entries().map(|entry| entry.id.as_str()).collect();
        anyhow::anyhow!("there is no model {id:?} in the catalogue, which has {}", ids.join(", ")).into()
    })
}

fn row(state: State, place: &Place) -> [String; 5] {
    let bytes = place.bytes();
    let state = match (state, bytes) {
        (State::Partial(begun), Some(bytes)) => format!("partial ({} %)", 100 * begun / bytes.max(1)),
        (State::Absent, _) if place.entry.bundled => "comes with Steno".to_owned(),
        (State::Absent, _) => "-".to_owned(),
        (state, _) => state.as_str().to_owned(),
    };
    let size = bytes.map_or_else(|| "?".to_owned(), |bytes| BinaryBytes(bytes).to_string());
    let entry = place.entry;
    [entry.id.to_string(), size, state, entry.licence.clone(), entry.name.clone()]
}

fn document(state: State, place: &Place) -> Value {
    let entry = place.entry;
    let mut document = json!({"id": entry.id, "name": entry.name, "kind": entry.kind, "licence": entry.licence,
        "bytes": place.bytes(), "bundled": entry.bundled, "description": entry.description});
    if let (Value::Object(document), Value::Object(state)) = (&mut document, state.document()) {
        document.extend(state);
    }
    document
}

fn pulled(place: &Place, before: State) -> Said {
    let (id, folder, state) = (&place.entry.id, place.folder(), place.state());
    let already = before == state;
    let text = match (already, state) {
        (true, _) => format!("{id} was installed already, in {}", folder.display()),
        (false, State::Unverified) => format!("{id} is installed unverified, in {}", folder.display()),
        _ => format!("{id} is installed, in {}", folder.display()),
    };
    (text, json!({"id": id, "state": state.as_str(), "already": already, "folder": folder}))
}

fn verified(place: &Place, progress: &Progress) -> anyhow::Result<Said> {
    let (id, state) = (&place.entry.id, place.verify(progress)?);
    let text = match state {
        State::Installed if place.entry.bundled => {
            format!("{id} comes with Steno: the workers check it as they start")
        }
        State::Installed => format!("{id} is what the catalogue has"),
        State::Unverified => format!("{id} is as it was added; the catalogue has no such file"),
        State::Absent => anyhow::bail!("it is not installed; `steno models pull {id}` installs it"),
        State::Partial(_) | State::Incomplete => {
            anyhow::bail!("it is not whole; `steno models pull {id}` completes it")
        }
    };
    Ok((text, json!({"id": id, "state": state.as_str()})))
}

fn remove(place: &Place) -> anyhow::Result<Said> {
    let (id, before) = (&place.entry.id, place.remove()?);
    let text = match before {
        State::Absent => format!("{id} was not installed"),
        _ => {
            format!("{id} is removed; a worker that has it in memory keeps it until it lets go of it or ends")
        }
    };
    Ok((text, json!({"id": id, "state": State::Absent.as_str(), "already": before == State::Absent})))
}
