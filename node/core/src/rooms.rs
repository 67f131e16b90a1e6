//! Rooms: the only module that names the room cipher (`docs/protocol/connection.md`).
//!
//! What is said in a room is sealed and opened in `desk`; how somebody comes in is in `handshake`. Who may say
//! what, and what follows from it, is for those above.

mod desk;
mod handshake;

pub(crate) use desk::{epoch, forget, open, say, seal};
pub(crate) use handshake::{Guest, create, enter, let_in, offer, view};
