//! The list of decoders and their fixed keys, compiled for fuzzing.
//!
//! Shared by path with `symbolon-tests`, so that a fuzz build needs the pure crates only
//! and neither network nor store.

#[path = "../../src/decoders.rs"]
pub mod decoders;
#[path = "../../src/samples.rs"]
pub mod samples;
