//! The engine: threads with decoding states, shared fairly by all running jobs.
//!
//! [`schedule`] says whose task is next, [`threads`] runs them.

pub mod schedule;
pub mod threads;

pub use schedule::{Schedule, Ticket};
pub use threads::{Answer, Engine, Seat, Task, Work};
