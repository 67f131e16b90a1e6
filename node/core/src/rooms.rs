//! Rooms: the only module that names the room cipher (`docs/protocol/connection.md`).
//!
//! What is said in a room is sealed and opened in `desk`; how somebody comes in is in `handshake`, how members renew
//! their keys in `commits`. Who may say what, and what follows from it, is for those above.

mod commits;
mod desk;
mod handshake;
pub(crate) mod order;
mod packages;
pub(crate) mod pieces;
mod registry;
mod shared;
#[cfg(test)]
mod tests;

pub(crate) use commits::{commit, drop_commits, follow, hear, outranks, updater};
pub(crate) use desk::{epoch, open, say, seal};
#[cfg(test)]
pub(crate) use handshake::create_for;
pub(crate) use handshake::{Guest, OwnLeaf, create, enter, keep_leaf, keep_own_leaf, let_in, offer, view};
pub(crate) use packages::{drop_package, make_package, view_package};
pub(crate) use registry::{
    Membership, are_together, forget, friend_in, is_in_shared, is_shared, members, membership, register, register_shared, room_of_both,
    set_members, shared_rooms_with, shared_with, together_with,
};
pub(crate) use shared::{
    create_shared, credential_key, enter_welcomed, go_back, go_on, keep_parents, leaves, open_shared, peek, propose, seated_key,
    view_welcome, welcome_leaf,
};
