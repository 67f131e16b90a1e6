//! What Symbolon's tests share: the simulation, and helpers that attack it.

pub mod campaign;
pub mod node;
pub mod sim;
