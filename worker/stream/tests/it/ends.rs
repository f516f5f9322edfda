//! How links end: by the other side, by what comes on them, by the worker's stop.

use std::sync::atomic::Ordering;
use std::time::Duration;

use steno_shared::live::link::VERSION;
use steno_shared::live::{FailReason, Reply, Request, SessionNumber};

use crate::lab::{Lab, SECRET, SOON};

#[tokio::test]
async fn the_sessions_of_a_link_that_breaks_leave_at_once() {
    let lab = Lab::start().await;
    lab.loader.held.store(true, Ordering::Relaxed);
    let (mut broken, mut other) = (lab.api().await, lab.api().await);
    for (session, name) in [(1, "waits"), (2, "waits too")] {
        broken.open(session).await;
        broken.begin_at(session, name, None).await;
    }
    other.open(1).await;
    drop(broken);
    lab.has_sessions(1).await;
    lab.loader.held.store(false, Ordering::Relaxed);
    other.begin(1, "stays").await;

    for bytes in [&b"\x02\0\0\0\x07\x07"[..], b"\xff\xff\xff\xff", b"\x03\0\0\0\x02\x01\x01"] {
        let mut garbled = lab.api().await;
        garbled.open(1).await;
        garbled.begin(1, "garbled").await;
        lab.engine.session("garbled").await;
        garbled.raw(bytes).await;
        assert_eq!(garbled.reply().await, None);
        lab.has_sessions(1).await;
    }
    let mut twice = lab.api().await;
    twice.send(&Request::Hello { version: VERSION, secret: SECRET.to_owned() }).await;
    assert_eq!(twice.reply().await, None);

    other.stop(1).await;
    assert_eq!(other.word().await, Reply::Done { session: SessionNumber(1) });
    assert_eq!(lab.engine.present(), 0);
}

#[tokio::test]
async fn a_stop_sends_every_session_elsewhere() {
    let lab = Lab::start().await;
    let mut apis = [lab.api().await, lab.api().await];
    for (at, api) in apis.iter_mut().enumerate() {
        for session in 1..=20 {
            api.open(session).await;
            if session % 2 == 0 {
                api.begin(session, &format!("{at}/{session}")).await;
            }
        }
        api.audio(2, 0, &[0; 1600]).await;
    }
    lab.engine.session("1/2").await.was_told("0+1600").await;
    lab.closing.cancel();
    for api in &mut apis {
        // What is sent now is neither heard nor in the way.
        api.audio(4, 0, &[0; 1600]).await;
        let mut failed = Vec::new();
        while let Some(reply) = api.reply().await {
            match reply {
                Reply::Failed { session, reason: FailReason::Stopping, .. } => failed.push(session.0),
                Reply::Heard { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        failed.sort_unstable();
        assert_eq!(failed, (1..=20).collect::<Vec<_>>());
    }
    drop(apis);
    tokio::time::timeout(SOON, lab.serving).await.expect("the server does not end").unwrap();
    assert_eq!((lab.server.sessions(), lab.engine.present()), (0, 0));
}

#[tokio::test]
async fn a_stop_waits_for_nobody_longer_than_the_grace() {
    let lab = Lab::with_grace(Duration::from_millis(50)).await;
    let mut api = lab.api().await;
    api.open(1).await;
    api.begin(1, "holds on").await;
    lab.closing.cancel();
    // The link is still open on this side.
    tokio::time::timeout(SOON, lab.serving).await.expect("the server does not end").unwrap();
    api.fails(1, FailReason::Stopping, "being stopped").await;
    assert_eq!(lab.engine.present(), 0);
}
