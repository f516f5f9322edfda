//! What a session costs: its row in the database, which is renewed as audio comes, and settled at its end.

use std::time::Duration;

use steno_shared::account::Shortage;
use steno_shared::id::{JobId, WorkerId};
use steno_shared::store::{KeptSession, NewSession, SessionBeat, Store, StoreError};
use steno_shared::time::Millis;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::auth::Caller;
use crate::error::ApiError;
use crate::state::App;
use crate::submit;

/// How often audio is told to the database.
const BEAT: Duration = Duration::from_secs(1);
/// How often the lease is renewed without any.
const QUIET: Duration = Duration::from_secs(5);

/// The meter of an open session. One that is dropped is settled all the same.
#[derive(Debug)]
pub(super) struct Meter {
    id: JobId,
    store: Store,
    audio: watch::Sender<Millis>,
    alarms: mpsc::Receiver<Alarm>,
    beats: JoinHandle<()>,
    is_closed: bool,
}

/// Why a session must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alarm {
    /// A limit of the account leaves no more.
    Short(Shortage),
    /// The session was settled, as if this process had died.
    Lost,
}

impl Meter {
    /// Opens a session of the caller's.
    ///
    /// # Errors
    /// If the caller may not have another one.
    pub(super) async fn open(app: &App, caller: &Caller, id: JobId) -> Result<Self, ApiError> {
        let new = NewSession {
            id,
            account: caller.account().clone(),
            limits: caller.limits.clone(),
            owner: WorkerId::of_this_process("api"),
        };
        if let Some(refusal) = app.store.open_session(&new).await? {
            return Err(submit::refused(app, caller, refusal).await);
        }
        let (audio, heard) = watch::channel(Millis(0));
        let (alarm, alarms) = mpsc::channel(1);
        let beats = tokio::spawn(beat(app.store.clone(), id, heard, alarm));
        Ok(Self { id, store: app.store.clone(), audio, alarms, beats, is_closed: false })
    }

    /// So much audio was received in all.
    pub(super) fn hear(&self, audio: Millis) {
        self.audio.send_if_modified(|before| std::mem::replace(before, audio) != audio);
    }

    /// Waits for a reason to end the session. May be dropped at any time.
    pub(super) async fn alarm(&mut self) -> Alarm {
        match self.alarms.recv().await {
            Some(alarm) => alarm,
            None => std::future::pending().await,
        }
    }

    /// Settles the session, and makes it a job if it is to be kept. The credits that it cost; none if it was settled
    /// already.
    ///
    /// # Errors
    /// If the database cannot be written; then the session is settled when its lease has run out.
    pub(super) async fn close(mut self, kept: Option<&KeptSession>) -> Result<Option<u64>, StoreError> {
        self.is_closed = true;
        self.beats.abort();
        let audio = *self.audio.borrow();
        self.store.close_session(self.id, audio, kept).await
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.beats.abort();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !self.is_closed {
            let (store, id, audio) = (self.store.clone(), self.id, *self.audio.borrow());
            runtime.spawn(async move {
                if let Err(error) = store.close_session(id, audio, None).await {
                    tracing::error!(session.id = %id, error = %error, "cannot settle a session");
                }
            });
        }
    }
}

async fn beat(store: Store, id: JobId, mut audio: watch::Receiver<Millis>, alarm: mpsc::Sender<Alarm>) {
    let (mut told, mut at) = (Millis(0), Instant::now());
    loop {
        tokio::select! {
            more = audio.wait_for(|heard| *heard > told) => {
                if more.is_err() {
                    return;
                }
            }
            () = tokio::time::sleep_until(at + QUIET) => {}
        }
        if told > Millis(0) {
            tokio::time::sleep_until(at + BEAT).await;
        }
        let heard = *audio.borrow_and_update();
        // A session that is ending already has no ear for it.
        match store.hear_session(id, heard).await {
            Ok(SessionBeat::Held) => {}
            Ok(SessionBeat::Short(shortage)) => drop(alarm.try_send(Alarm::Short(shortage))),
            Ok(SessionBeat::Lost) => drop(alarm.try_send(Alarm::Lost)),
            Err(error) => tracing::warn!(session.id = %id, error = %error, "cannot renew a session"),
        }
        (told, at) = (heard, Instant::now());
    }
}
