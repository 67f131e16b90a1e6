//! What a Symbolon node does for its user. Pure: inputs in, actions out.

pub mod command;
pub mod limits;
pub mod seam;
pub mod table;
pub mod world;
