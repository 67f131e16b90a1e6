//! What Symbolon's tests share: the simulation, and helpers that attack it.

pub mod bench;
pub mod campaign;
pub mod craft;
pub mod decoders;
pub mod eyes;
#[cfg(target_os = "linux")]
pub mod lab;
pub mod node;
pub mod samples;
pub mod search;
pub mod seeds;
pub mod sim;
