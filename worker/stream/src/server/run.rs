//! What becomes of a session that has begun: its model is brought into memory, the engine has it, and what the engine
//! says goes to the link.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use steno_runtime::models::{LoadError, Loaded};
use steno_shared::catalog::{self, ModelId};
use steno_shared::live::{FailReason, Reply, Resumption, SessionNumber, SessionOptions};
use tokio::sync::mpsc;

use super::link::Link;
use super::seam::Engine;
use super::session::{Fault, Live};
use crate::engine::{Output, Start};

/// A client does not wait longer than this for a model.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a session begins with.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) options: SessionOptions,
    pub(super) resumption: Option<Resumption>,
}

/// How a session ends.
#[derive(Debug)]
pub(super) enum Ending {
    Done,
    Failed(FailReason, String),
}

impl Ending {
    pub(super) fn of(fault: Fault) -> Self {
        Self::Failed(fault.reason(), fault.to_string())
    }

    fn internal(message: &str) -> Self {
        Self::Failed(FailReason::Internal, message.to_owned())
    }

    pub(super) fn reply(self, session: SessionNumber) -> Reply {
        match self {
            Self::Done => Reply::Done { session },
            Self::Failed(reason, message) => Reply::Failed { session, reason, message },
        }
    }
}

/// Runs a session to its end. A panic ends no other.
pub(super) async fn run<E: Engine>(link: Arc<Link<E>>, live: Arc<Live<E::Session>>, begin: Begin) {
    let over = live.over.clone();
    let running = AssertUnwindSafe(transcribe(&link, &live, begin)).catch_unwind();
    let ending = tokio::select! {
        // Whoever ended it has said so.
        () = over.cancelled() => return,
        ending = running => ending.unwrap_or_else(|_| Ending::internal("the session panicked")),
    };
    if let Ending::Failed(reason, message) = &ending {
        tracing::warn!(session = live.number.0, reason = ?reason, "a session has failed: {message}");
    }
    link.end(live, ending).await;
}

async fn transcribe<E: Engine>(link: &Link<E>, live: &Live<E::Session>, begin: Begin) -> Ending {
    let session = live.number;
    let id = begin.options.model.clone();
    let engine = &link.server.engine;
    // One that another worker has lost was let in there.
    if begin.resumption.is_some() {
        live.seat.go_on();
    } else if live.seat.begin(&engine.load()).is_err() {
        let message = "others have come first, and this worker has too much to do; try again later";
        return Ending::Failed(FailReason::Busy, message.to_owned());
    }
    let Some(entry) = catalog::model(id.as_str()) else { return no_model(&LoadError::NotInstalled(id)) };
    let loading = tokio::time::timeout(PATIENCE, link.server.models.get(&id)).await;
    let model: Arc<Loaded> = match loading {
        Ok(Ok(model)) => model,
        Ok(Err(error)) => return no_model(&error),
        Err(_) => return no_model(&LoadError::NoRoom(id)),
    };
    tracing::debug!(session = session.0, model = %entry.id, "session begins");
    link.outlet.send(Reply::Ready { session }).await;
    let (outlet, mut outputs) = mpsc::unbounded_channel();
    let Begin { options, resumption } = begin;
    live.join(|| engine.join(Start { model, entry, options, resumption }, outlet));
    while let Some(output) = outputs.recv().await {
        match output {
            Output::Said(said) => link.outlet.send(Reply::Said { session, said }).await,
            Output::Heard { heard, needed_from } => {
                live.heard(heard);
                link.outlet.send(Reply::Heard { session, heard, needed_from }).await;
            }
            Output::Done => return Ending::Done,
            Output::Failed { reason, message } => return Ending::Failed(reason, message),
        }
    }
    Ending::internal("the engine has lost the session")
}

fn no_model(error: &LoadError) -> Ending {
    let reason = match error {
        LoadError::NotInstalled(_) => FailReason::NoModel,
        LoadError::NoRoom(_) => FailReason::Busy,
        LoadError::Engine(_) => FailReason::Internal,
    };
    let hint = match error {
        LoadError::NotInstalled(id) => told_to_install(id),
        LoadError::NoRoom(_) => String::new(),
        LoadError::Engine(_) => "; `steno models verify` tells whether a file is damaged".to_owned(),
    };
    Ending::Failed(reason, format!("{error}{hint}"))
}

fn told_to_install(id: &ModelId) -> String {
    match catalog::model(id.as_str()) {
        Some(_) => format!(" on this worker; `steno models pull {id}` installs it"),
        None => " and not known; `steno models list` tells which are".to_owned(),
    }
}
