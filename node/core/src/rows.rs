//! The rows held in memory, as they are stored: plain data, a file for each kind.

mod carried;
mod channel;
mod device;
mod draft;
mod friend;
mod group;
mod groups;
mod introduction;
mod invite;
mod lifeline;
mod message;
mod note;
mod own;
mod package;
mod presence;
mod request;
mod room;
mod seed;
mod sibling;
mod taken;
mod unopened;
mod vouching;
mod wish;

pub(crate) use carried::{CarriedRow, carried_key, split_carried_key};
pub(crate) use channel::{Before, Channel, Former, ROOM_LANE, Young};
pub(crate) use device::{Barred, Device, GoneTold, ListedTold, SaidIn, Shown, Start};
pub(crate) use draft::Draft;
pub(crate) use friend::{Friend, FriendPresence, FriendState, Lacks, Renewing};
pub(crate) use group::{
    CameBy, GivenBy, GoneName, Group, GroupStanding, KeptCommit, RivalRow, RoomQuestion, SeatRow, Step, commit_key, split_commit_key,
    step_key,
};
pub(crate) use groups::GroupRows;
pub(crate) use introduction::{IntroRole, Introducing};
pub(crate) use invite::{Invite, Pairing};
pub(crate) use lifeline::{Given, Held, LastingReply, Lifeline, Used};
pub(crate) use message::{
    Counters, Fault, INDEXING, Line, Message, conversation_of, key_of_message, message_key, set_message_state, split_key,
};
pub(crate) use note::{Audience, RoomNote, SetBy, Tally};
pub(crate) use own::{OwnRelayMailbox, Past, RelayKey, Revoked};
pub(crate) use package::{Awaited, FormerGrant, Lies, OwnPackage, Stocked};
#[cfg(test)]
pub(crate) use presence::BLOCKS_OF_FRIEND;
pub(crate) use presence::{OwnPresence, begin, step};
pub(crate) use request::{InRoom, Invited, Request};
pub(crate) use room::{Commits, Leaf, Members, Pieces, Room, Sequences, leaf_key, piece_key, sequences_key, split_sequences_key};
pub(crate) use seed::{Inbound, Inner, Outbound, Wrapper, inbound_key, split_inbound_key};
pub(crate) use sibling::{Listed, Person, RoomsTaken, Sibling, Told};
pub(crate) use taken::{Answered, TakenBlock, TakenLine, Was};
pub(crate) use unopened::Unopened;
pub(crate) use vouching::{ANSWERED_MAX, Card, Handed, HeardKnock, Knock, KnockFault, Vouched, VouchingRows};
pub(crate) use wish::{Invitation, KnockKey, WishFor, WishRow, invitation_key, knock_key, wish_key};

/// What rows hold is shown to nobody by mistake.
macro_rules! opaque_debug {
    ($($name:ident)*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
opaque_debug!(Draft Invited InRoom Introducing Request Friend Device Message OwnRelayMailbox OwnPackage Channel Leaf Inbound TakenBlock Unopened Lifeline Given Held Person Sibling Listed);
opaque_debug!(Group Step KeptCommit SeatRow WishRow WishFor Invitation Audience Tally KnockKey Card Knock Handed HeardKnock Vouched);
