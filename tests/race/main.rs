//! A process that makes jobs, works on them and takes them back, and serves live sessions, at random, until it is
//! killed: one of those whose races the ledger's test sets off. `steno-race FOLDER`.

#![expect(clippy::unwrap_used, reason = "a race stops at the first thing that is not as it must be")]

use std::path::PathBuf;
use std::time::Duration;

use rand::RngExt;
use steno_shared::account::{AccountId, Tier};
use steno_shared::catalog::ModelId;
use steno_shared::error::FailureCode;
use steno_shared::id::{JobId, WorkerId};
use steno_shared::job::{
    Claim, Idempotency, Job, JobOptions, JobState, Lane, NewJob, Priority, Progress, Setback, Source,
    StageKind, Upload,
};
use steno_shared::object::ObjectKey;
use steno_shared::settings::DatabaseUrl;
use steno_shared::store::{JobFilter, KeptSession, NewSession, SessionBeat, Store, StoreError};
use steno_shared::time::Millis;
use steno_tests::race;

/// So short that the stages of a killed process are soon taken over, and those of a slow one too.
const LEASE: Duration = Duration::from_millis(150);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = PathBuf::from(std::env::args_os().nth(1).unwrap());
    let store = Store::open(&DatabaseUrl::Sqlite(folder.join("steno.db"))).await.unwrap();
    let mut racer =
        Racer { store, owner: WorkerId::of_this_process("race"), claims: Vec::new(), sessions: Vec::new() };
    loop {
        racer.step().await.unwrap();
    }
}

struct Racer {
    store: Store,
    owner: WorkerId,
    /// What it works on, some of it lost already.
    claims: Vec<Claim>,
    /// Those that it serves, some of them settled by others already.
    sessions: Vec<Session>,
}

#[derive(Clone, Copy)]
struct Session {
    id: JobId,
    audio: Millis,
    is_paid: bool,
}

fn below(bound: usize) -> usize {
    rand::rng().random_range(0..bound)
}

fn one_in(bound: usize) -> bool {
    below(bound) == 0
}

fn pick<T: Clone>(values: &[T]) -> Option<T> {
    (!values.is_empty()).then(|| values[below(values.len())].clone())
}

impl Racer {
    async fn step(&mut self) -> Result<(), StoreError> {
        match below(28) {
            0..6 => self.create().await,
            6..12 => self.claim().await,
            12..17 => self.finish().await,
            17 => self.set_back().await,
            18 => self.beat().await,
            19 => self.store.reap(pick(Lane::ALL).unwrap()).await.map(|_| ()),
            20..22 => self.retry().await,
            22 => self.cancel().await,
            24 => self.open_session().await,
            25 => self.hear_session().await,
            26 => self.close_session().await,
            27 => self.store.reap_sessions().await.map(|_| ()),
            _ if one_in(3) => self.remove().await,
            _ => self.store.grant_credits(&AccountId::of_row("paid"), 3, "").await.map(|_| ()),
        }
    }

    async fn create(&self) -> Result<(), StoreError> {
        let (account, limits) = pick(&race::accounts()).unwrap();
        let idempotency =
            one_in(4).then(|| Idempotency { key: below(50).to_string(), digest: below(2).to_string() });
        let new = NewJob { idempotency, ..new_job(account, limits) };
        self.store.create_job(&new).await.map(|_| ())
    }

    async fn claim(&mut self) -> Result<(), StoreError> {
        let lane = pick(Lane::ALL).unwrap();
        let claimed = self.store.claim(lane, &self.owner, LEASE, None).await?;
        self.claims.extend(claimed.map(|(claim, _)| claim));
        Ok(())
    }

    /// One of its claims; now and then it forgets that it has ended.
    fn take(&mut self) -> Option<Claim> {
        let at = (!self.claims.is_empty()).then(|| below(self.claims.len()))?;
        Some(if one_in(8) { self.claims[at].clone() } else { self.claims.swap_remove(at) })
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        let Some(claim) = self.take() else { return Ok(()) };
        race::finish(&self.store, &claim).await.map(|_| ())
    }

    async fn set_back(&mut self) -> Result<(), StoreError> {
        let Some(claim) = self.take() else { return Ok(()) };
        let setback = match below(4) {
            0 => Setback::give_up(FailureCode::Undecodable, "noise"),
            1 => Setback::give_up(FailureCode::Internal, "a fault"),
            2 => Setback::retry(FailureCode::Internal, "a hiccup"),
            _ => Setback::HandBack,
        };
        self.store.set_back(&claim, &setback).await.map(|_| ())
    }

    async fn beat(&self) -> Result<(), StoreError> {
        let Some(claim) = pick(&self.claims) else { return Ok(()) };
        self.store.beat(&claim, LEASE, Progress::default()).await.map(|_| ())
    }

    /// One of the latest jobs of an account in these states; none = in any.
    async fn job(&self, states: &[JobState]) -> Result<Option<Job>, StoreError> {
        let (account, _) = pick(&race::accounts()).unwrap();
        let filter = JobFilter { account, states: states.to_vec(), after: None, limit: 30 };
        Ok(pick(&self.store.jobs(&filter).await?.jobs))
    }

    async fn retry(&self) -> Result<(), StoreError> {
        let ended: Vec<_> = JobState::ALL.iter().copied().filter(|state| state.is_final()).collect();
        let Some(job) = self.job(&ended).await? else { return Ok(()) };
        let stages = [StageKind::Diarize, StageKind::Transcribe, StageKind::Intake];
        let stage = pick(&stages).filter(|_| !one_in(4));
        self.store.retry_job(job.id, stage, &job.limits).await.map(|_| ())
    }

    async fn cancel(&self) -> Result<(), StoreError> {
        let Some(job) = self.job(&[]).await? else { return Ok(()) };
        self.store.cancel_job(job.id).await.map(|_| ())
    }

    async fn open_session(&mut self) -> Result<(), StoreError> {
        let (account, limits) = pick(&race::accounts()).unwrap();
        let new = NewSession { id: JobId::random(), account, limits, owner: self.owner.clone() };
        if self.store.open_session(&new).await?.is_none() {
            self.sessions.push(Session { id: new.id, audio: Millis(0), is_paid: true });
        }
        Ok(())
    }

    async fn hear_session(&mut self) -> Result<(), StoreError> {
        if self.sessions.is_empty() {
            return Ok(());
        }
        let at = below(self.sessions.len());
        let session = &mut self.sessions[at];
        session.audio.0 += below(90_000) as u64;
        match self.store.hear_session(session.id, session.audio).await? {
            SessionBeat::Held => {}
            SessionBeat::Short(_) => session.is_paid = false,
            SessionBeat::Lost => drop(self.sessions.swap_remove(at)),
        }
        Ok(())
    }

    /// One of its sessions; now and then it forgets that it has closed it.
    async fn close_session(&mut self) -> Result<(), StoreError> {
        if self.sessions.is_empty() {
            return Ok(());
        }
        let at = below(self.sessions.len());
        let Session { id, audio, is_paid } = self.sessions[at];
        if !one_in(8) {
            self.sessions.swap_remove(at);
        }
        let kept = KeptSession {
            transcript: ObjectKey::transcript(id, 1),
            duration: audio,
            options: JobOptions { model: ModelId::from("mini"), ..JobOptions::default() },
            request_id: String::new(),
        };
        let kept = Some(&kept).filter(|_| is_paid && one_in(2));
        self.store.close_session(id, audio, kept).await.map(|_| ())
    }

    async fn remove(&self) -> Result<(), StoreError> {
        let Some(job) = self.job(&[]).await? else { return Ok(()) };
        self.store.remove_job(job.id).await.map(|_| ())
    }
}

fn new_job(account: AccountId, limits: Tier) -> NewJob {
    let id = JobId::random();
    // Few different files, so that the same one is often under way already.
    let sha256 = if one_in(2) { String::new() } else { below(4).to_string() };
    let source = if one_in(6) {
        Source::Url("https://media.example/a.wav".to_owned())
    } else {
        Source::Upload(Upload { key: ObjectKey::upload(id), bytes: 1, sha256 })
    };
    NewJob {
        id,
        account,
        limits,
        priority: if one_in(3) { Priority::Interactive } else { Priority::Batch },
        options: JobOptions {
            model: ModelId::from("mini"),
            keep_audio: one_in(2),
            dry_run: one_in(8),
            diarize: one_in(2),
            ..JobOptions::default()
        },
        file_name: None,
        source,
        request_id: String::new(),
        webhook: None,
        idempotency: None,
    }
}
