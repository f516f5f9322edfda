//! The server of live sessions over real links, with an engine that does as it is told; and the worker's process.

#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped fails the test")]

mod bounds;
mod ends;
mod hello;
mod lab;
mod scripted;
mod sessions;
mod worker;
