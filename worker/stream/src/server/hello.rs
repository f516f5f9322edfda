//! The first words on a link: who does not know the secret, or speaks another version, is not let in.

use std::time::Duration;

use steno_shared::live::link::{self, Frame, VERSION};
use steno_shared::live::{Reply, Request};
use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The first words come within this time.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// The most bytes that they have.
const LONGEST: u64 = 1024;

/// Why a link is closed before anything was said on it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stranger {
    #[error("it was closed again without a word")]
    Silent,
    #[error("it said nothing for {0:?}")]
    Slow(Duration),
    #[error("it does not speak as an API does")]
    Garbage(#[source] std::io::Error),
    #[error("it does not begin with a hello")]
    NoHello,
    #[error("it does not know the secret; the API and this worker must use the same database")]
    WrongSecret,
    #[error(
        "it speaks version {theirs} of the link, this worker version {VERSION}; run both from the same release"
    )]
    WrongVersion { theirs: u32 },
}

/// Reads a hello, if it comes in time.
pub(super) async fn hear(
    link: &mut (impl AsyncRead + Unpin),
    secret: &str,
    patience: Duration,
) -> Result<(), Stranger> {
    let mut words = link.take(LONGEST);
    let first = tokio::time::timeout(patience, link::read::<Request>(&mut words)).await;
    match first.map_err(|_| Stranger::Slow(patience))?.map_err(Stranger::Garbage)?.ok_or(Stranger::Silent)? {
        Frame::Message(Request::Hello { version, secret: given }) => {
            let is_known: bool = given.as_bytes().ct_eq(secret.as_bytes()).into();
            match version {
                _ if !is_known => Err(Stranger::WrongSecret),
                VERSION => Ok(()),
                theirs => Err(Stranger::WrongVersion { theirs }),
            }
        }
        _ => Err(Stranger::NoHello),
    }
}

/// The answer to a hello.
pub(super) const WELCOME: Reply = Reply::Welcome;

#[cfg(test)]
mod tests {
    use steno_shared::live::SessionNumber;

    use super::*;

    async fn said(bytes: &[u8]) -> String {
        let mut link = bytes;
        match hear(&mut link, "the secret", PATIENCE).await {
            Ok(()) => "welcome".to_owned(),
            Err(stranger) => stranger.to_string(),
        }
    }

    async fn said_as(message: &Request) -> String {
        let mut bytes = Vec::new();
        link::write(&mut bytes, message).await.unwrap();
        said(&bytes).await
    }

    #[tokio::test]
    async fn only_who_knows_the_secret_and_the_version_is_welcome() {
        let hello = |version, secret: &str| Request::Hello { version, secret: secret.to_owned() };
        assert_eq!(said_as(&hello(VERSION, "the secret")).await, "welcome");
        for wrong in ["", "the secre", "the secret ", "The secret"] {
            let told = said_as(&hello(VERSION, wrong)).await;
            assert!(told.contains("does not know the secret"), "{wrong:?}: {told}");
        }
        let told = said_as(&hello(VERSION + 1, "the secret")).await;
        assert!(told.contains("version 2 of the link, this worker version 1"), "{told}");
        let told = said_as(&hello(VERSION + 1, "another")).await;
        assert!(told.contains("does not know the secret"), "a stranger learns no version: {told}");
    }

    #[tokio::test]
    async fn what_is_no_hello_is_refused() {
        assert!(said(b"").await.contains("without a word"));
        assert!(said(b"GET / HTTP/1.1\r\n\r\n").await.contains("does not speak as an API does"));
        let open = Request::Open { session: SessionNumber(1) };
        assert!(said_as(&open).await.contains("does not begin with a hello"));
        let long = Request::Hello { version: VERSION, secret: "x".repeat(2000) };
        assert!(said_as(&long).await.contains("does not speak as an API does"));
    }

    #[tokio::test]
    async fn one_that_says_nothing_is_not_waited_for() {
        let (_open, mut link) = tokio::io::duplex(64);
        let silent = hear(&mut link, "the secret", Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(silent.to_string(), "it said nothing for 20ms");
    }
}
