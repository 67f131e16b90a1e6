//! What a Symbolon node does for its user. Pure: inputs in, actions out.

#[cfg(feature = "testing")]
pub mod clear_cipher;
pub mod command;
#[cfg(feature = "testing")]
pub mod conformance;
pub mod limits;
pub mod seam;
pub mod table;
pub mod world;
