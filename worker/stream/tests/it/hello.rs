//! Who is let in.

use steno_shared::live::link::{LONGEST, VERSION};
use steno_shared::live::{Request, SessionNumber};

use crate::lab::{Api, Lab, SECRET};

#[tokio::test]
async fn strangers_are_shown_the_door_and_apis_are_served_beside_them() {
    let lab = Lab::start().await;
    let hello = |version, secret: &str| Request::Hello { version, secret: secret.to_owned() };
    for request in [
        hello(VERSION, "stn_another_secret"),
        hello(VERSION, ""),
        hello(VERSION + 1, SECRET),
        Request::Open { session: SessionNumber(1) },
    ] {
        let mut stranger = Api::dial(&lab.address).await;
        stranger.send(&request).await;
        assert_eq!(stranger.reply().await, None, "{request:?}");
    }
    let oversized = [&(LONGEST as u32 + 1).to_le_bytes()[..], &vec![1; 4096]].concat();
    let empty = 0u32.to_le_bytes();
    for bytes in [&b"GET / HTTP/1.1\r\nhost: worker\r\n\r\n"[..], &oversized, &empty, b"\x05\0\0\0\x01{}{}"] {
        let mut stranger = Api::dial(&lab.address).await;
        stranger.raw(bytes).await;
        assert_eq!(stranger.reply().await, None);
    }
    lab.api().await.open(1).await;
}

#[tokio::test]
async fn those_that_say_nothing_are_not_waited_for_and_are_not_too_many() {
    let lab = Lab::start().await;
    let mut api = lab.api().await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(Api::dial(&lab.address).await);
    }
    // The place of the API's own hello may be free a little later than it is welcome.
    let mut further = [Api::dial(&lab.address).await, Api::dial(&lab.address).await];
    assert_eq!(further[1].reply().await, None);
    api.open(1).await;
    for stranger in &mut silent {
        assert_eq!(stranger.reply().await, None);
    }
    assert_eq!(further[0].reply().await, None);
    lab.api().await.open(1).await;
}

#[tokio::test]
async fn there_is_an_end_to_how_many_apis_there_are() {
    let lab = Lab::start().await;
    let mut links = Vec::new();
    for _ in 0..64 {
        links.push(lab.api().await);
    }
    let mut further = Api::dial(&lab.address).await;
    further.send(&Request::Hello { version: VERSION, secret: SECRET.to_owned() }).await;
    assert_eq!(further.reply().await, None);
    for api in &mut links {
        api.open(1).await;
    }
    links.clear();
    lab.has_sessions(0).await;
    lab.api().await.open(1).await;
}
