//! Several machines without internet, on one cable: network namespaces; needs root.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(target_os = "linux")]

#[path = "lab/cut.rs"]
mod cut;
#[path = "lab/lan.rs"]
mod lan;
#[path = "lab/nat.rs"]
mod nat;
#[path = "lab/outage.rs"]
mod outage;
#[path = "lab/relay.rs"]
mod relay;
