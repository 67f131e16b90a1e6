//! Simulation: many cores in one thread, driven from one seed.
//!
//! Real cores, clear-text rooms with MLS's failure modes, memory stores with real turns,
//! and a network that delays, loses, doubles and reorders frames and cuts links. Nodes
//! crash in the middle of a turn or right behind its commit. Everything random comes from
//! the seed, so that a failing seed replays; the trace hash covers inputs, changes and wire
//! bytes, and two runs of one seed must agree in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod clock;
pub mod faults;
pub mod hubs;
pub mod links;
pub mod lookup;
pub mod node;
pub mod relays;
pub mod rooms;
pub mod rows;
pub mod run;
pub mod store;
pub mod story;
pub mod tally;
pub mod trace;
pub mod watch;
pub mod words;

pub use node::SimNode;
pub use run::{Faults, Sim};
pub use store::MemoryStore;
