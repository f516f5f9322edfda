//! The integration tests, as one executable: the real processes, over HTTP, on folders of their own.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it must be")]

mod accounts;
mod accuracy;
mod anonymous;
mod architecture;
mod audit;
mod catalogue;
mod door;
mod edge;
mod faults;
mod guessing;
mod idempotency;
mod job_api;
mod jobs;
mod ledger;
mod load;
mod openapi;
mod retention;
mod rows;
mod stores;
mod transcribe;
mod up;
mod upload;
