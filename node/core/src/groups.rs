//! Shared rooms: groups without a server. The protocol page is `docs/protocol/rooms.md`.
//!
//! A room's members agree on its roster by MLS: its hash stands in the group context of each epoch. Any member may make the
//! next epoch by a commit, if the roster gives them the right. Of several commits of one epoch all members take the same one,
//! by an order that nobody can choose; who has moved on by another one goes back and takes it.
//!
//! | file | does |
//! |---|---|
//! | `order` | the rules: who may do what, which commit stands, what is final. Pure |
//! | `seats` | whose leaves are, and how their devices are written to |
//! | `wishes`, `plans` | what is to be so, until an epoch has it; which wishes our next commit grants |
//! | `epochs` | whether a commit is good, and going on by it |
//! | `frames` | what members say, and their commits |
//! | `rivals` | going back for a commit that stands before the one that was taken |
//! | `welcome` | bringing somebody in, and coming in |
//! | `held` | when a Welcome takes the place of a room that we are in |
//! | `questions` | rooms in which we may not want to be |
//! | `places` | how many rooms there are, of whom, and which give way |
//! | `texts` | texts to all members, and who has them |
//! | `sweep` | what is final, and what is said again |
//! | `knocks`, `admit` | the secret that opens knocks; those who come in by a voucher |
//! | `since` | who is behind is given the commits that they lack |
//! | `settings` | what the user does with rooms |

mod admit;
mod epochs;
mod frames;
mod held;
mod knocks;
pub mod order;
mod places;
mod plans;
mod questions;
mod quiet;
mod rivals;
mod seats;
mod settings;
mod since;
mod sweep;
mod texts;
mod welcome;
mod wishes;

pub(crate) use admit::{move_hubs, open, vouch};
pub(crate) use frames::{Heard, is_early, receive};
pub(crate) use places::forget_elsewhere;
pub(crate) use plans::Groups;
pub(crate) use questions::{decline, join, parted, room_of};
pub(crate) use seats::{changed, heard as ways_heard};
#[cfg(any(test, feature = "testing"))]
pub(crate) use settings::found;
pub(crate) use settings::{
    add, befriend, create, follow_devices, follow_friend, leave, leave_with, remove, rename, set_role, set_topic, with,
};
pub(crate) use since::{ask, note_behind};
pub(crate) use sweep::sweep;
pub(crate) use texts::{delivered, seal_again, send};
pub(crate) use welcome::{invited, receive_welcome, say_again};
