//! The integration tests, as one executable: the real processes, over HTTP, on folders of their own.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it must be")]

mod accuracy;
mod admin;
mod architecture;
mod catalogue;
mod commands;
mod edge;
mod faults;
mod fetch;
mod job_api;
mod jobs;
mod load;
mod openapi;
mod origin;
mod receiver;
mod rows;
mod stores;
mod transcribe;
mod tus;
mod up;
mod upload;
mod webhooks;
