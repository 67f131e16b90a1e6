//! Friendships: the connection from the first Offer to the end.
//!
//! A connection is three sealed messages: Offer, Accept, Confirm. Ignored, blocked and unread requests
//! look alike to the one who asked. The protocol page is `docs/protocol/connection.md`.
//!
//! | file | does |
//! |---|---|
//! | `ask` | what the user does with requests |
//! | `offer`, `incoming` | the Offer: made and sent; taken in |
//! | `accept`, `confirm`, `confirming` | the Accept and the Confirm; Confirms that are on their way |
//! | `step` | how each of the three is signed and sealed |
//! | `status`, `places` | rows of requests: their status, and how many there are |
//! | `bundle`, `room` | what friends get of each other, and the room in which they get it |
//! | `capabilities` | what builds can |
//! | `commits` | keys of the room renewed from time to time |
//! | `petname`, `block`, `end` | what the user does with friends |

mod accept;
mod ask;
mod block;
mod bundle;
mod capabilities;
mod commits;
mod confirm;
mod confirming;
mod end;
mod in_room;
mod incoming;
mod offer;
mod petname;
mod places;
mod room;
mod status;
mod step;
#[cfg(test)]
mod tests;

pub(crate) use accept::{accept, accept_unasked};
pub(crate) use ask::{add, ask, cancel, found, ignore};
pub(crate) use block::{block, set_blocked, unblock};
pub(crate) use bundle::{adopt_bundle, fresh_seed, give_bundle, send_bundle, tell_name, verify_bundle};
pub(crate) use capabilities::{not_shown, show_all, show_back};
pub(crate) use commits::{commit_refused, commit_taken, heard_in_epoch, look_to_commits, receive_commit};
pub(crate) use confirm::{Answer, confirm, receive_accept, receive_confirm};
pub(crate) use confirming::Confirming;
pub(crate) use end::{end as end_device, end_half, expire, refused, unfriend};
pub(crate) use in_room::{Asking, accept as accept_in_room, asked, asked_as, befriend, read as read_contact};
pub(crate) use incoming::{IncomingOffer, IncomingRoom, check_room, local_id, receive_offer, revise};
pub(crate) use offer::{certified, first_revision, moved, redate, reissue, send_to_friend};
pub(crate) use petname::{rename, verify};
pub(crate) use places::{has_room, make_room_of};
pub(crate) use room::{expire_former, has_place_for, withdraw_texts};
pub(crate) use status::{remind, set_status};
pub(crate) use step::{seal_step, seal_to_friend};

#[cfg(test)]
pub(crate) use {
    bundle::{VerifiedBundle, own_bundle},
    end::end,
    room::{Entered, enter_room},
    step::reply_contact,
};
