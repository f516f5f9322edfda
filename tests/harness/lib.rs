//! What the integration tests and the bench share: a world of the real executables on a folder of its own, the
//! client that talks to it, the clips it is given.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it must be")]

pub mod browser;
pub mod client;
pub mod clips;
pub mod conversations;
pub mod diarization;
pub mod live;
pub mod process;
pub mod race;
pub mod score;
pub mod scripted;
pub mod scripted_model;
pub mod stream_worker;
pub mod wait;
pub mod world;

/// Whether what takes long is asked for, by `./test --long`.
#[must_use]
pub fn is_long_run() -> bool {
    #[expect(clippy::disallowed_methods, reason = "the tests have no other setting")]
    let asked = std::env::var("STENO_TEST_LONG");
    asked.is_ok_and(|asked| !asked.is_empty())
}
