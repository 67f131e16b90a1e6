//! What shared rooms' texts have reached, and what the user has set for a room.

use crate::limits::VERSIONS_AHEAD;
use minicbor::{Decode, Encode};
use symbolon_presence::id::{EpochId, PeerId, RoomId};

/// Who was in a room when a text was sealed. Under room and epoch.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Audience {
    /// By Peer ID; without us.
    #[n(0)]
    pub users: Vec<PeerId>,
}

/// How far a text of ours in a shared room has got. Under its arrival number. One bit for each user of its audience.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Tally {
    #[n(0)]
    pub room: RoomId,
    /// The epoch that it was sealed in first.
    #[n(1)]
    pub epoch: EpochId,
    /// How many users there are.
    #[n(2)]
    pub users: u16,
    #[cbor(n(3), with = "minicbor::bytes")]
    pub delivered: Vec<u8>,
    #[cbor(n(4), with = "minicbor::bytes")]
    pub read: Vec<u8>,
}

/// What the user has set for a room, and what they have not read there. Under the room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct RoomNote {
    #[n(0)]
    pub unread: u32,
    #[n(1)]
    pub is_muted: bool,
    #[n(2)]
    pub is_archived: bool,
    /// Which of our devices has set it so last; none of what builds have set that did not note it, and as long as nothing is set.
    #[n(3)]
    pub set: Option<SetBy>,
}

/// Which of our devices has set something, and how often it was set until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub(crate) struct SetBy {
    #[n(0)]
    pub version: u64,
    #[n(1)]
    pub by: PeerId,
}

impl SetBy {
    /// Whether what another device has said stands in place of this.
    pub fn gives_way_to(self, theirs: Self) -> bool {
        theirs > self && theirs.version > 0 && theirs.version.saturating_sub(self.version) <= VERSIONS_AHEAD
    }
}

impl RoomNote {
    /// Which of our devices, of which `own` is this one, has set what is set.
    pub fn set_by(&self, own: PeerId) -> SetBy {
        let is_set = self.is_muted || self.is_archived;
        self.set.unwrap_or(SetBy { version: u64::from(is_set), by: own })
    }
}
