//! The engine: threads with decoding states, shared fairly by all running jobs.
//!
//! [`schedule`] says whose task is next, [`threads`] runs them, [`models`] keeps the models in memory, each of them
//! `loaded` once, within the `room` that there is for them.

mod loaded;
pub mod models;
mod room;
pub mod schedule;
#[cfg(test)]
mod tests;
pub mod threads;

pub use loaded::Loaded;
pub use models::{Limits, LoadError, ModelLoader, Models};
pub use schedule::{Schedule, Ticket};
pub use threads::{Answer, Engine, Seat, Task, Work};
