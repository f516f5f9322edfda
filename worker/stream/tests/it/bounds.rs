//! What many sessions, much to do, and links that are not read cannot do.

use std::time::Duration;

use steno_shared::live::{FailReason, Reply, Request, Said, SessionNumber};
use steno_shared::time::Millis;
use steno_stream::engine::{Load, Output};

use crate::lab::Lab;
use crate::scripted::QUIET;

const FULL: Load = Load { busy: 0.9, pace: Duration::from_secs(1), speaking: 30, ..QUIET };

#[tokio::test]
async fn sessions_are_refused_while_there_is_too_much_to_do() {
    let lab = Lab::start().await;
    let mut api = lab.api().await;
    api.open(1).await;
    assert!(lab.server.free() > 100);
    lab.engine.set_load(FULL);
    let session = SessionNumber(2);
    api.send(&Request::Open { session }).await;
    let refused = api.word().await;
    assert!(
        matches!(refused, Reply::Refused { session: SessionNumber(2), retry_after_s: 1.. }),
        "{refused:?}"
    );
    assert_eq!(lab.server.free(), 0);
    // One that was let in before is looked at again.
    api.begin_at(1, "late", None).await;
    api.fails(1, FailReason::Busy, "others have come first").await;
    lab.engine.set_load(QUIET);
    api.open(3).await;
    api.begin(3, "later").await;
}

#[tokio::test]
async fn a_link_that_is_not_read_holds_up_no_other() {
    let lab = Lab::start().await;
    let (mut lazy, mut other) = (lab.api().await, lab.api().await);
    lazy.open(1).await;
    lazy.begin(1, "lazy").await;
    let told = lab.engine.session("lazy").await;
    let text = "x".repeat(1000);
    // More than the system buffers of a link.
    for _ in 0..20_000 {
        let text = text.clone();
        told.say(Output::Said(Said::Partial { start: Millis(0), end: Millis(1), text }));
    }
    for session in 1..20 {
        other.open(session).await;
        other.begin(session, &format!("other {session}")).await;
        other.audio(session, 0, &[1; 1600]).await;
        other.stop(session).await;
        assert_eq!(other.word().await, Reply::Done { session: SessionNumber(session) });
    }
    // Audio of the lazy one is heard all the same.
    lazy.audio(1, 0, &[1; 1600]).await;
    told.was_told("0+1600").await;
    for _ in 0..20_000 {
        let said = lazy.word().await;
        assert!(matches!(said, Reply::Said { .. }), "{said:?}");
    }
    lazy.stop(1).await;
    assert_eq!(lazy.word().await, Reply::Done { session: SessionNumber(1) });
}

#[tokio::test]
async fn sessions_without_audio_are_many_and_cost_nothing() {
    let lab = Lab::start().await;
    let mut api = lab.api().await;
    for session in 0..1000 {
        api.open(session).await;
    }
    assert_eq!(lab.server.sessions(), 1000);
    api.open(1000).await;
    api.begin(1000, "speaker").await;
    for session in 0..500 {
        api.send(&Request::Leave { session: SessionNumber(session) }).await;
    }
    lab.has_sessions(501).await;
    drop(api);
    lab.has_sessions(0).await;
    lab.engine.session("speaker").await.has_left().await;
}
