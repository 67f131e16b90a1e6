//! Vouching: people knock at a room, and a member who knows them lets them in. The protocol page is
//! `docs/protocol/vouching.md`.
//!
//! What is said goes by hubs, which open nothing. Both sides sign one transcript before anything of the room is given away;
//! then the voucher adds the newcomer as a friend is added, and the commit shows all members what the newcomer has signed.
//!
//! | file | does |
//! |---|---|
//! | `cards` | cards of ours: how people come to knock |
//! | `knock` | our knocks: from the card to the room |
//! | `voucher` | knocks of others: who is vouched for, and by what they come in |
//! | `talks` | what is asked of hubs, and what waits to be said |
//! | `host` | this node as a hub, when its user has said so |
//! | `desk` | the machine, without its work |
//! | `machine` | its work, input by input |

mod cards;
mod desk;
mod host;
mod knock;
mod machine;
mod talks;
mod voucher;

pub(crate) use cards::{card, move_hubs};
pub(crate) use desk::Vouching;
pub(crate) use knock::{cancel, knock};
pub(crate) use machine::{expire, moved};
pub(crate) use voucher::ignore;
