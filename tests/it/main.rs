//! The integration tests, as one executable: the real processes, over HTTP, on folders of their own.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it must be")]

mod accounts;
mod accuracy;
mod admin;
mod anonymous;
mod architecture;
mod audit;
mod bounds;
mod catalogue;
mod commands;
mod diarization;
mod door;
mod edge;
mod faults;
mod fetch;
mod fidelity;
mod guessing;
mod idempotency;
mod job_api;
mod jobs;
mod ledger;
mod live;
mod load;
mod long_files;
mod media;
mod model_memory;
mod models;
mod openapi;
mod origin;
mod receiver;
mod retention;
mod rows;
mod speaker_stage;
mod speakers;
mod stores;
mod subtitles;
mod transcribe;
mod tus;
mod up;
mod upload;
mod webhooks;
