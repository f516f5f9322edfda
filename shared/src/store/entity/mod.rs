//! The tables as sea-orm sees them. These types never leave [`crate::store`].

pub(super) mod account;
pub(super) mod chunk;
pub(super) mod job;
pub(super) mod stage;
pub(super) mod worker;
