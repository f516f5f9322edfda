//! The sessions whose clients may come back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use steno_shared::account::AccountId;
use steno_shared::id::JobId;
use tokio::sync::mpsc;

use super::socket::Socket;

/// They are listed here as long as they can be taken up; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Resumable(Arc<Mutex<Sessions>>);

/// Whose a session is, and where its client comes back to it.
type Sessions = HashMap<JobId, (AccountId, mpsc::Sender<Return>)>;

/// A client that is back.
#[derive(Debug)]
pub(super) struct Return {
    /// Its new socket.
    pub(super) socket: Socket,
    /// The last message that it has.
    pub(super) last_seq: u64,
}

/// A listed session's end. Dropping it strikes the session off the list.
#[derive(Debug)]
pub(super) struct Listed {
    list: Resumable,
    id: JobId,
    returns: mpsc::Receiver<Return>,
}

impl Resumable {
    /// Lists a session.
    pub(super) fn list(&self, id: JobId, account: AccountId) -> Listed {
        let (sender, returns) = mpsc::channel(1);
        self.lock().insert(id, (account, sender));
        Listed { list: self.clone(), id, returns }
    }

    /// Where a client of this account comes back to this session.
    pub(super) fn find(&self, id: JobId, account: &AccountId) -> Option<mpsc::Sender<Return>> {
        let list = self.lock();
        let (owner, sender) = list.get(&id)?;
        (owner == account).then(|| sender.clone())
    }

    /// Whether a client of this account may be coming back.
    pub(super) fn has(&self, account: &AccountId) -> bool {
        self.lock().values().any(|(owner, _)| owner == account)
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listed {
    /// Waits for the client. May be dropped at any time.
    pub(super) async fn returned(&mut self) -> Return {
        match self.returns.recv().await {
            Some(back) => back,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.list.lock().remove(&self.id);
    }
}
