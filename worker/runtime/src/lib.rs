//! What every worker is made of: the lane that claims stages and keeps their leases, the attempt that runs one,
//! the traits behind which engines live, and the process around it all.
//!
//! Belongs here: what workers share: also finding speech and keeping models in memory, which two of them do. Does not belong here: an engine, C++, the work of one lane.

mod attempt;
pub mod cost;
pub mod engine;
mod lane;
pub mod memory;
pub mod models;
pub mod place;
mod poll;
pub mod process;
pub mod repetition;
pub mod speech;
mod stage;

pub use stage::{Meter, Outcome, Resources, StageRunner, Work};
