//! What a device's build takes. The protocol page is `docs/protocol/rooms.md`.

use minicbor::{Decode, Encode};

/// What a build takes besides what every build of its version of the wire does (RFC 9420, section 7.2, has the word).
/// Bits that are not known here say nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// Commits in a friendship's room.
    pub const COMMITS: Self = Self(1);
    /// Room messages in pieces.
    pub const PIECES: Self = Self(1 << 1);
    /// Lifelines.
    pub const LIFELINES: Self = Self(1 << 2);
    /// Rooms of several people: packages, Welcomes, and a Fetch on a link.
    pub const ROOMS: Self = Self(1 << 3);
    /// Carrying envelopes for friends.
    pub const CARRYING: Self = Self(1 << 4);
    /// Requests for friendship that members of a shared room say to each other.
    pub const BEFRIENDING: Self = Self(1 << 5);
    /// Rooms at which people knock, and who come in by vouchers.
    pub const VOUCHING: Self = Self(1 << 7);
    /// Several devices of one person.
    pub const DEVICES: Self = Self(1 << 8);
    /// Lists of a person's devices.
    pub const LISTS: Self = Self(1 << 9);
    /// What devices of one person say to each other about shared rooms.
    pub const OWN_ROOMS: Self = Self(1 << 10);
    /// What is being written at another device of one person.
    pub const DRAFTS: Self = Self(1 << 11);
    /// What this build takes.
    pub const OURS: Self = Self(
        Self::COMMITS.0
            | Self::PIECES.0
            | Self::LIFELINES.0
            | Self::ROOMS.0
            | Self::CARRYING.0
            | Self::BEFRIENDING.0
            | Self::VOUCHING.0
            | Self::DEVICES.0
            | Self::LISTS.0
            | Self::OWN_ROOMS.0
            | Self::DRAFTS.0,
    );

    /// Whether all of `what` is among them.
    pub fn has(self, what: Self) -> bool {
        self.0 & what.0 == what.0
    }
}
