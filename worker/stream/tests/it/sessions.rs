//! Sessions of links: what reaches the engine, and what is heard of it.

use std::sync::atomic::Ordering;

use steno_shared::live::{FailReason, Reply, Request, Resumption, Said, SessionNumber};
use steno_shared::time::Millis;
use steno_stream::engine::Output;

use crate::lab::{Lab, options};
use crate::scripted::{DEAF, NEVER, PANIC};

fn partial(text: &str) -> Said {
    Said::Partial { start: Millis(0), end: Millis(100), text: text.to_owned() }
}

#[tokio::test]
async fn sessions_of_two_links_do_not_disturb_each_other() {
    let lab = Lab::start().await;
    let mut apis = [lab.api().await, lab.api().await];
    for (at, api) in apis.iter_mut().enumerate() {
        for session in [1, 2] {
            api.open(session).await;
            api.begin(session, &format!("{at}/{session}")).await;
        }
    }
    for part in 0..10_u64 {
        for (at, api) in apis.iter_mut().enumerate() {
            for session in [1, 2] {
                let mark = (at as i16) * 10 + session as i16;
                api.audio(session, part * 100, &[mark; 100]).await;
            }
        }
    }
    for (at, api) in apis.iter_mut().enumerate() {
        for session in [2, 1] {
            let name = format!("{at}/{session}");
            api.stop(session).await;
            assert_eq!(api.word().await, Reply::Done { session: SessionNumber(session) });
            let told = lab.engine.session(&name).await;
            let mark = (at as i16) * 10 + session as i16;
            assert_eq!(told.samples(), vec![mark; 1000], "{name}");
            told.has_left().await;
        }
    }
    assert_eq!(lab.server.sessions(), 0);
}

#[tokio::test]
async fn what_the_engine_says_reaches_the_session_in_order() {
    let lab = Lab::start().await;
    let mut api = lab.api().await;
    api.open(7).await;
    api.begin(7, "speaker").await;
    let told = lab.engine.session("speaker").await;
    let session = SessionNumber(7);
    for number in 0..500 {
        told.say(Output::Said(partial(&number.to_string())));
    }
    told.say(Output::Heard { heard: 5, needed_from: 3 });
    for number in 0..500 {
        assert_eq!(api.next().await, Reply::Said { session, said: partial(&number.to_string()) });
    }
    assert_eq!(api.next().await, Reply::Heard { session, heard: 5, needed_from: 3 });
    api.send(&Request::Flush { session }).await;
    told.was_told("flush").await;
    told.say(Output::Failed { reason: FailReason::Internal, message: "on purpose".to_owned() });
    api.fails(7, FailReason::Internal, "on purpose").await;
    told.has_left().await;
}

#[tokio::test]
async fn a_session_that_another_worker_lost_goes_on_where_it_was() {
    let lab = Lab::start().await;
    let mut api = lab.api().await;
    api.open(1).await;
    let resumption =
        Resumption { at: 16_000, language: None, said_until: Some(Millis(900)), said: "hello".to_owned() };
    api.begin_at(1, "again", Some(resumption.clone())).await;
    assert_eq!(api.word().await, Reply::Ready { session: SessionNumber(1) });
    // The first is older than what is wanted, the third was sent twice.
    api.audio(1, 15_000, &[1; 1500]).await;
    api.audio(1, 16_500, &[2; 500]).await;
    api.audio(1, 16_500, &[2; 500]).await;
    api.audio(1, 16_900, &[2; 200]).await;
    let told = lab.engine.session("again").await;
    told.was_told("16000+500 16500+500 17000+100").await;
    assert_eq!(told.resumption, Some(resumption));
}

#[tokio::test]
async fn audio_that_is_missing_ends_its_session_alone() {
    let lab = Lab::start().await;
    let mut api = lab.api().await;
    for session in [1, 2] {
        api.open(session).await;
        api.begin(session, &session.to_string()).await;
    }
    api.audio(1, 0, &[0; 100]).await;
    api.audio(1, 101, &[0; 100]).await;
    api.fails(1, FailReason::Internal, "sample 100 was expected, 101 came").await;
    lab.engine.session("1").await.has_left().await;
    // Of one that has ended the other side may speak for a while.
    api.audio(1, 201, &[0; 100]).await;
    api.stop(1).await;
    api.send(&Request::Leave { session: SessionNumber(1) }).await;
    api.stop(2).await;
    assert_eq!(api.word().await, Reply::Done { session: SessionNumber(2) });
    assert_eq!(lab.server.sessions(), 0);
}

#[tokio::test]
async fn what_belongs_to_no_session_or_comes_too_early_fails() {
    let lab = Lab::start().await;
    let mut api = lab.api().await;
    api.audio(5, 0, &[0; 100]).await;
    api.fails(5, FailReason::Internal, "no such session").await;
    api.begin_at(6, "unknown", None).await;
    api.fails(6, FailReason::Internal, "no such session").await;
    api.open(1).await;
    api.audio(1, 0, &[0; 100]).await;
    api.fails(1, FailReason::Internal, "before it has begun").await;
    api.open(2).await;
    api.begin(2, "twice").await;
    api.begin_at(2, "twice", None).await;
    api.fails(2, FailReason::Internal, "begins twice").await;
    api.open(3).await;
    api.send(&Request::Open { session: SessionNumber(3) }).await;
    api.fails(3, FailReason::Internal, "begins twice").await;
    lab.has_sessions(0).await;
    api.open(4).await;
}

#[tokio::test]
async fn audio_waits_for_the_model() {
    let lab = Lab::start().await;
    lab.loader.held.store(true, Ordering::Relaxed);
    let mut api = lab.api().await;
    for session in [1, 2] {
        api.open(session).await;
        api.begin_at(session, &session.to_string(), None).await;
        api.audio(session, 0, &[3; 1600]).await;
        api.audio(session, 1600, &[4; 1600]).await;
    }
    api.stop(1).await;
    // The reader is past all that, and the link is not held up.
    api.open(3).await;
    assert_eq!(lab.engine.present(), 0);
    api.send(&Request::Leave { session: SessionNumber(2) }).await;
    lab.has_sessions(2).await;
    lab.loader.held.store(false, Ordering::Relaxed);
    let session = SessionNumber(1);
    assert_eq!(api.word().await, Reply::Ready { session });
    assert_eq!(api.word().await, Reply::Done { session });
    assert_eq!(lab.engine.session("1").await.events(), "0+3200 stop");
    assert_eq!(lab.engine.present(), 0);
}

#[tokio::test]
async fn a_model_that_is_not_to_be_had_is_told_of() {
    let lab = Lab::start().await;
    let mut api = lab.api().await;
    for (session, model, told) in [
        (
            1,
            "small",
            "the model small is not installed on this worker; `steno models pull small` installs it",
        ),
        (2, "nonsense", "the model nonsense is not installed and not known"),
    ] {
        api.open(session).await;
        let options = options(model, "none");
        api.send(&Request::Begin { session: SessionNumber(session), options, resumption: None }).await;
        api.fails(session, FailReason::NoModel, told).await;
    }
    lab.loader.broken.store(true, Ordering::Relaxed);
    api.open(3).await;
    api.begin_at(3, "broken", None).await;
    api.fails(3, FailReason::Internal, "cannot load the model: it is damaged").await;
    // Whoever comes next tries again.
    lab.loader.broken.store(false, Ordering::Relaxed);
    api.open(4).await;
    api.begin(4, "whole").await;
}

#[tokio::test]
async fn an_engine_that_panics_or_loses_a_session_fails_it_alone() {
    let lab = Lab::start().await;
    let mut api = lab.api().await;
    for (session, name) in [(1, "fine"), (2, PANIC), (3, "lost")] {
        api.open(session).await;
        api.begin(session, name).await;
        lab.engine.session(name).await;
    }
    api.audio(2, 0, &[0; 100]).await;
    api.fails(2, FailReason::Internal, "the engine panicked").await;
    lab.engine.session("lost").await.lose();
    api.fails(3, FailReason::Internal, "the engine has lost the session").await;
    api.open(4).await;
    api.begin(4, NEVER).await;
    api.fails(4, FailReason::Internal, "the session panicked").await;
    api.audio(1, 0, &[0; 100]).await;
    api.stop(1).await;
    assert_eq!(api.word().await, Reply::Done { session: SessionNumber(1) });
    assert_eq!((lab.server.sessions(), lab.engine.present()), (0, 0));
}

#[tokio::test]
async fn one_that_is_not_heard_is_given_up_before_it_fills_the_memory() {
    let lab = Lab::start().await;
    let mut api = lab.api().await;
    api.open(1).await;
    api.begin(1, DEAF).await;
    for second in 0..36 {
        api.audio(1, second * 16_000, &[0; 16_000]).await;
    }
    api.fails(1, FailReason::Busy, "more than 35 s behind").await;
    let told = lab.engine.session(DEAF).await;
    told.has_left().await;
    assert_eq!(told.samples().len(), 35 * 16_000);
}
