//! The engine: threads with decoding states, shared fairly by all running jobs.
//!
//! [`schedule`] says whose task is next, [`threads`] runs them, [`models`] keeps the models in memory.

pub mod models;
pub mod schedule;
pub mod threads;

pub use models::{LoadError, Loaded, ModelLoader, Models};
pub use threads::{Answer, Engine, Seat, Task, Work};
