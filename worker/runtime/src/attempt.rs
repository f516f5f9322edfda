//! One attempt at a stage: the runner, its beats, its end.

use std::time::{Duration, Instant};

use steno_shared::error::{Failure, FailureCode};
use steno_shared::failpoint;
use steno_shared::job::{Claim, Job, Setback, StageKind, StageState};
use steno_shared::object::ObjectKey;
use steno_shared::store::{Beat, BranchEnd, IntakeEnd, StoreError};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::lane::Lane;
use crate::stage::{Meter, Outcome, Work};

/// How often the lease is renewed and progress shown, unless a third of the lease is shorter.
const BEAT: Duration = Duration::from_secs(1);
/// How long a runner that was told to stop may take before it is left behind.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// The end of an attempt is written again this often when the database fails.
const FINISH_TRIES: u32 = 5;

/// Why a runner was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StopReason {
    Cancelled,
    LeaseLost,
    TimeLimit,
    Shutdown,
}

type Running = JoinHandle<Result<Outcome, Setback>>;

/// Runs the claimed stage to its end and writes that end.
pub(crate) async fn run(lane: &Lane, claim: Claim, job: Job) {
    let name = job.file_name.clone();
    let point = |step: &str| format!("{}.{step}", claim.stage);
    failpoint::hit(&point("claimed"), name.as_deref()).await;
    tracing::info!(attempt = claim.attempt, "stage started");
    let began = Instant::now();

    let work = Work {
        job: job.clone(),
        attempt: claim.attempt,
        meter: Meter::default(),
        stop: CancellationToken::new(),
        resources: lane.resources.clone(),
    };
    let (meter, stop) = (work.meter.clone(), work.stop.clone());
    let runner = lane.runner.clone();
    let mut running: Running = tokio::spawn(async move { runner.run(work).await });

    let reason = supervise(lane, &claim, &job, &meter, &mut running).await;
    let result = match reason {
        Ended::ByItself(result) => result,
        Ended::Stopped(reason) => {
            stop.cancel();
            tracing::info!(?reason, "stage is being stopped");
            match tokio::time::timeout(STOP_GRACE, &mut running).await {
                Ok(Ok(Ok(outcome))) => Ok(outcome),
                Ok(Ok(Err(_)) | Err(_)) => Err(setback_of(reason)),
                Err(_) => {
                    tracing::error!(?reason, "the stage does not stop; its thread is left behind");
                    Err(setback_of(reason))
                }
            }
        }
    };
    failpoint::hit(&point("stored"), name.as_deref()).await;
    end(lane, &claim, &job, result).await;
    failpoint::hit(&point("finished"), name.as_deref()).await;
    tracing::info!(attempt = claim.attempt, elapsed_ms = began.elapsed().as_millis() as u64, "stage ended");
}

fn setback_of(reason: StopReason) -> Setback {
    match reason {
        // The row says cancelled, or is no longer ours: what is written here does not count.
        StopReason::Cancelled | StopReason::LeaseLost | StopReason::Shutdown => Setback::HandBack,
        StopReason::TimeLimit => Setback::retry(FailureCode::TimedOut, "the work on this file took too long"),
    }
}

enum Ended {
    ByItself(Result<Outcome, Setback>),
    Stopped(StopReason),
}

/// Keeps the lease until the runner ends or must stop.
async fn supervise(lane: &Lane, claim: &Claim, job: &Job, meter: &Meter, running: &mut Running) -> Ended {
    let mut beats = tokio::time::interval(BEAT.min(lane.options.lease / 3));
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let limit = tokio::time::sleep(lane.runner.time_limit(job));
    tokio::pin!(limit);
    let mut held_since = Instant::now();
    loop {
        tokio::select! {
            joined = &mut *running => return Ended::ByItself(unwind(joined)),
            () = &mut limit => return Ended::Stopped(StopReason::TimeLimit),
            () = lane.hand_back.cancelled() => return Ended::Stopped(StopReason::Shutdown),
            _ = beats.tick() => match beat(lane, claim, meter).await {
                Ok(Beat::Held) => held_since = Instant::now(),
                Ok(Beat::Cancelled) => return Ended::Stopped(StopReason::Cancelled),
                Ok(Beat::Lost) => return Ended::Stopped(StopReason::LeaseLost),
                Err(error) => {
                    tracing::warn!(error = %error, "cannot renew the lease");
                    if held_since.elapsed() > lane.options.lease {
                        return Ended::Stopped(StopReason::LeaseLost);
                    }
                }
            },
        }
    }
}

async fn beat(lane: &Lane, claim: &Claim, meter: &Meter) -> Result<Beat, StoreError> {
    lane.resources.store.beat(claim, lane.options.lease, meter.progress()).await
}

/// A panic in the work is a failed attempt, not the end of the worker.
fn unwind(joined: Result<Result<Outcome, Setback>, JoinError>) -> Result<Outcome, Setback> {
    joined.unwrap_or_else(|error| {
        tracing::error!(error = %error, "the stage panicked");
        Err(Setback::retry(FailureCode::Internal, "the work on this file failed"))
    })
}

/// Writes how the attempt ended and removes what is of no use any more.
async fn end(lane: &Lane, claim: &Claim, job: &Job, result: Result<Outcome, Setback>) {
    for attempt in 1..=FINISH_TRIES {
        match try_end(lane, claim, job, &result).await {
            Ok(()) => return,
            Err(error) if attempt == FINISH_TRIES => {
                // The lease runs out and the stage is tried again: nothing is lost.
                tracing::error!(error = %error, "cannot write the end of the stage");
            }
            Err(error) => {
                tracing::warn!(error = %error, "cannot write the end of the stage; trying again");
                tokio::time::sleep(Duration::from_millis(200) * attempt).await;
            }
        }
    }
}

async fn try_end(
    lane: &Lane,
    claim: &Claim,
    job: &Job,
    result: &Result<Outcome, Setback>,
) -> Result<(), StoreError> {
    match result {
        Ok(outcome) => take_in(lane, claim, job, outcome).await,
        Err(setback) => {
            let end = lane.resources.store.set_back(claim, setback).await?;
            let state = end.map(|end| end.state);
            report(claim, setback, state);
            if end.is_some_and(|end| end.completed) {
                completed(lane, job).await;
                return Ok(());
            }
            let of_no_use = matches!(setback, Setback::Final(Failure { code, .. }) if code.is_the_callers());
            // A job that was completed before keeps what it has.
            if job.transcript.is_none() {
                if end.is_some_and(|end| end.cancelled) {
                    remove(lane, &job.objects()).await;
                } else if state == Some(StageState::Failed) && of_no_use {
                    remove(lane, &audio(job)).await;
                }
            }
            match state {
                Some(StageState::Queued) => lane.look_again.notify_one(),
                Some(StageState::Failed) => make_room(lane, job).await,
                _ => {}
            }
            Ok(())
        }
    }
}

/// Makes the output count, and wakes whoever goes on with it.
async fn take_in(lane: &Lane, claim: &Claim, job: &Job, outcome: &Outcome) -> Result<(), StoreError> {
    let store = &lane.resources.store;
    match outcome {
        Outcome::Fetch(output) => {
            if store.finish_fetch(claim, output).await? {
                lane.wake(StageKind::Intake, claim.job).await;
            } else {
                remove(lane, &[output.upload.key]).await;
            }
        }
        Outcome::Intake(output) => match store.finish_intake(claim, output).await? {
            IntakeEnd::Queued => {
                lane.wake(StageKind::Transcribe, claim.job).await;
                if job.options.wants_diarization(output.channels) {
                    lane.wake(StageKind::Diarize, claim.job).await;
                }
            }
            IntakeEnd::Completed => {
                remove(lane, &[&audio(job)[..], &[output.samples]].concat()).await;
                make_room(lane, job).await;
            }
            IntakeEnd::Refused(failure) => {
                tracing::info!(code = %failure.code, "the account cannot pay for the transcription");
                remove(lane, &[output.samples]).await;
                make_room(lane, job).await;
            }
            IntakeEnd::Lost => remove(lane, &[output.samples]).await,
        },
        Outcome::Transcribe(key) => {
            branched(lane, (claim, job), key, store.finish_transcribe(claim, key).await?).await;
        }
        Outcome::Diarize(key) => {
            branched(lane, (claim, job), key, store.finish_diarize(claim, key).await?).await;
        }
    }
    Ok(())
}

/// What follows the end of one of the two stages that the samples go to.
async fn branched(lane: &Lane, (claim, job): (&Claim, &Job), output: &ObjectKey, end: BranchEnd) {
    match end {
        BranchEnd::Completed => completed(lane, job).await,
        BranchEnd::Waiting => tracing::info!("the job's other stage has not ended yet"),
        BranchEnd::Lost => {
            remove(lane, &[*output]).await;
            // The job may have ended without this stage, which is still ours then.
            if let Err(error) = lane.resources.store.set_back(claim, &Setback::HandBack).await {
                tracing::warn!(error = %error, "cannot let go of a stage whose job has ended");
            }
        }
    }
}

/// The media and the samples of a job.
fn audio(job: &Job) -> Vec<ObjectKey> {
    [job.upload, job.samples].into_iter().flatten().collect()
}

/// Removes what a completed job needs no more.
async fn completed(lane: &Lane, job: &Job) {
    if !job.options.keep_audio {
        remove(lane, &audio(job)).await;
    }
    make_room(lane, job).await;
}

/// A job of the same account may wait for this one's end to begin; one that waits to be fetched is found by the
/// slow poll.
async fn make_room(lane: &Lane, job: &Job) {
    if job.limits.concurrent.is_some() {
        lane.wake(StageKind::Intake, job.id).await;
    }
}

fn report(claim: &Claim, setback: &Setback, state: Option<StageState>) {
    match (setback, state) {
        (_, None) => tracing::warn!("the stage belongs to another worker now"),
        (_, Some(StageState::Cancelled)) => tracing::info!("the job was cancelled"),
        (Setback::HandBack, _) => tracing::info!("the stage was handed back"),
        (Setback::Final(failure) | Setback::Retry(failure), Some(state)) => {
            tracing::warn!(attempt = claim.attempt, code = %failure.code, state = %state, "{failure}");
        }
    }
}

/// Removes objects. What cannot be removed now the sweeper removes later.
pub(crate) async fn remove(lane: &Lane, keys: &[ObjectKey]) {
    for key in keys {
        if let Err(error) = lane.resources.objects.remove(key).await {
            tracing::warn!(object = %key, error = %error, "cannot remove an object");
        }
    }
}
