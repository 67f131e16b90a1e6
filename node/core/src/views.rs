//! Views: what users see of friends, requests, invites and the node.

pub(crate) mod devices;
pub(crate) mod doctor;
pub(crate) mod friend;
mod identity;
pub(crate) mod invite;
mod problems;
pub(crate) mod request;
pub(crate) mod room;
pub(crate) mod status;

pub(crate) use identity::identity;
pub(crate) use status::Shown;
