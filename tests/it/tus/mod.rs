//! Resumable uploads: the protocol, its refusals, what breaks, and the job in the end.

mod client;
mod faults;
mod limits;
mod protocol;
mod resume;
mod tuspy;
