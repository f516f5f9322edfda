//! What becomes of children.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use steno_runtime::Meter;
use steno_tests::process::niceness;
use steno_tests::wait;
use steno_transcribe::diarize::{ChunkLimit, DiarizeError, diarize};
use steno_transcribe::priority::WAY;

use crate::lab::{Lab, SOON, conversation};

fn pid(id: u32) -> Pid {
    Pid::from_raw(id.cast_signed()).unwrap()
}

/// Until a process has gone.
async fn gone(id: u32) {
    wait::until("the child to be gone", SOON, async || test_kill_process(pid(id)).is_err().then_some(()))
        .await;
}

/// Silence that is cut into three chunks.
fn three_chunks() -> Vec<i16> {
    vec![0; 301 * 16_000]
}

#[tokio::test]
async fn a_chunk_whose_child_crashes_is_given_to_another_once() {
    // The first child dies at its second chunk, and so does the next.
    let lab = Lab::new(1, "diarizer.chunk=abort#2");
    lab.run(&lab.order(&three_chunks())).await.unwrap();
    let lab = Lab::new(1, "diarizer.chunk=abort");
    let error = lab.run(&lab.order(&[0; 16_000])).await.unwrap_err();
    assert!(matches!(error, DiarizeError::Engine(_)), "{error}");
    assert_eq!(error.to_string(), "the process that finds speakers was ended by signal 6");
    assert!(lab.pool.children().is_empty());
}

#[tokio::test]
async fn a_child_that_is_killed_is_replaced() {
    let lab = Lab::new(1, "diarizer.chunk=sleep(600000)#2");
    let order = lab.order(&three_chunks());
    let pool = &lab.pool;
    let meter = Meter::default();
    let killing = async {
        // All of it, not part: there are three of about 100 s each.
        let is_done = || meter.progress().done.0 > 90_000;
        wait::until("the first chunk", SOON, async || is_done().then_some(())).await;
        let [child] = pool.children()[..] else { panic!("one child: {:?}", pool.children()) };
        kill_process(pid(child), Signal::KILL).unwrap();
        child
    };
    let running = async { tokio::time::timeout(SOON, diarize(&order, pool, &meter)).await };
    // The third chunk is the second of the second child, which hangs; it is killed too.
    let both = async {
        let first = killing.await;
        let second = wait::until("the second child", SOON, async || {
            pool.children()
                .first()
                .copied()
                .filter(|child| *child != first && meter.progress().done.0 > 150_000)
        })
        .await;
        kill_process(pid(second), Signal::KILL).unwrap();
    };
    let (found, ()) = tokio::join!(running, both);
    found.unwrap().unwrap();
}

#[tokio::test]
async fn a_child_that_hangs_is_killed_and_told_of() {
    let limit = ChunkLimit { base: Duration::from_millis(500), per_audio: 0 };
    let lab = Lab::with_limit(1, "diarizer.chunk=sleep(600000)", limit);
    let error = lab.run(&lab.order(&[0; 16_000])).await.unwrap_err();
    assert!(error.to_string().contains("took longer than"), "{error}");
    assert!(lab.pool.children().is_empty());
}

#[tokio::test]
async fn a_job_that_is_stopped_has_its_child_killed_at_once_and_others_go_on() {
    let lab = Lab::new(1, "diarizer.chunk=sleep(600000)#1");
    let order = Arc::new(lab.order(&conversation(1)));
    let child = {
        let meter = Meter::default();
        let running = diarize(&order, &lab.pool, &meter);
        tokio::pin!(running);
        let started = wait::until("the child", SOON, async || lab.pool.children().first().copied());
        tokio::select! {
            _ = &mut running => panic!("it should hang"),
            child = started => child,
        }
    };
    gone(child).await;
    assert!(lab.pool.children().is_empty());
}

#[tokio::test]
async fn children_end_with_the_pool() {
    let lab = Lab::new(1, "");
    lab.run(&lab.order(&[0; 16_000])).await.unwrap();
    let [child] = lab.pool.children()[..] else { panic!("one child: {:?}", lab.pool.children()) };
    drop(lab);
    gone(child).await;
}

#[tokio::test]
async fn children_give_way_to_live_sessions() {
    let lab = Lab::new(1, "");
    lab.run(&lab.order(&[0; 16_000])).await.unwrap();
    let [child] = lab.pool.children()[..] else { panic!("one child: {:?}", lab.pool.children()) };
    let usual = niceness(std::process::id()).into_iter().map(|(_, nice)| nice).min().unwrap();
    let threads = niceness(child);
    assert!(!threads.is_empty() && threads.iter().all(|(_, nice)| *nice == usual + WAY), "{threads:?}");
}

#[tokio::test]
async fn a_short_job_does_not_wait_for_a_long_one() {
    let lab = Lab::new(1, "");
    // Half an hour in fifteen chunks.
    let long = lab.order(&vec![0; 1800 * 16_000]);
    let short = lab.order(&[0; 16_000]);
    let meter = Meter::default();
    let running = diarize(&long, &lab.pool, &meter);
    tokio::pin!(running);
    let beside = async {
        wait::until("the long job", SOON, async || (meter.progress().done.0 > 0).then_some(())).await;
        let before = meter.progress().done.0;
        lab.run(&short).await.unwrap();
        // At most the chunk that was under way, and one whose turn it was.
        meter.progress().done.0 - before
    };
    let passed = tokio::select! {
        _ = &mut running => panic!("the long job went first"),
        passed = beside => passed,
    };
    assert!(passed <= 2 * 140_000, "{passed} ms of the long job went first");
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_told() {
    let lab = Lab::new(1, "no failpoint");
    let error = lab.run(&lab.order(&[0; 16_000])).await.unwrap_err();
    assert!(matches!(error, DiarizeError::Engine(_)), "{error}");
    assert!(error.to_string().contains("ended with exit code 1"), "{error}");
}
