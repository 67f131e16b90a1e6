//! Attacks on a node, each through its real core: what a hostile peer sends, and that
//! nothing comes of it. A test is named after the row of the list of attacks it covers.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "attacks/delivery.rs"]
mod delivery;
#[path = "attacks/offers.rs"]
mod offers;
