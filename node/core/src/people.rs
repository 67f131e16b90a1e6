//! People: who is who.
//!
//! | file | holds |
//! |---|---|
//! | `who` | whom a name or an id means |
//! | `devices` | which devices somebody has, and how many of them are known |
//! | `blocks` | who is blocked |
//! | `persons` | which rows are of one person |
//! | `requests`, `introduced` | what the rows of requests and introductions say |
//! | `names`, `mirror` | which names look alike, or pose as something else |

mod blocks;
pub(crate) mod devices;
pub(crate) mod introduced;
mod mirror;
pub mod names;
pub(crate) mod persons;
pub(crate) mod requests;
mod rooms;
mod who;

pub(crate) use blocks::{
    NewestOffer, is_blocked, is_device_blocked, is_out, is_parted, is_refused, is_shut_out, is_unlisted, keys_of_person, newest_offer,
    note_offer,
};
pub(crate) use devices::devices_of;
pub(crate) use mirror::Mirror;
pub(crate) use rooms::{room_name, room_topic};
pub(crate) use who::{Target, called, find, find_member, find_target, resolve, resolve_member, resolve_target, said_in, update};
