//! The shell of a Symbolon node: the one place where tokio, libp2p, the store, OpenMLS
//! and the clock meet.

#![recursion_limit = "256"]

pub mod api;
pub mod clock;
pub mod folder;
pub mod handle;
pub mod health;
pub mod lan;
pub mod memory;
pub mod mls;
pub mod net;
pub mod relay;
pub mod run;
pub mod shell;
pub mod store;
