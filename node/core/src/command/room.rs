//! What users see of rooms.

use super::friend::Trust;
use symbolon_presence::id::{PeerId, RoomId};
use symbolon_presence::time::Timestamp;

/// A room that this node is or was in.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomView {
    /// The room.
    pub room: RoomId,
    /// Its name.
    pub name: String,
    /// Its topic; empty for none.
    pub topic: String,
    /// The number of its epoch: it rises with each change of its members or settings.
    pub epoch: u64,
    /// How many people are in it, ourselves among them.
    pub members: usize,
    /// Our role.
    pub role: Option<RoomRole>,
    /// Whether we take part.
    pub standing: RoomStanding,
    /// Texts of others that were not read yet.
    pub unread: u32,
    /// Whether new texts are shown without a sign.
    pub is_muted: bool,
    /// Whether it is put away.
    pub is_archived: bool,
    /// Friends who are to come in and were not reached yet.
    pub invited: Vec<String>,
    /// Who added us, as we call them.
    pub added_by: Option<String>,
    /// Where we are the only owner: who becomes one when we leave. Where several have been here longest, one of them; so many of
    /// them are named as [`HEIRS_MAX`] says.
    pub heirs: Vec<String>,
}

/// How many of those are named who may become the owner.
pub const HEIRS_MAX: usize = 4;

/// How we stand to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomStanding {
    /// A member.
    Member,
    /// In it, and asked whether we want to be: nothing of it is shown.
    Asked,
    /// We have said that we leave, and nobody has confirmed it yet.
    Leaving,
    /// We have left.
    Left,
    /// We were removed.
    Removed,
    /// Another device of ours is in it, and this one is not.
    Elsewhere,
}

impl RoomStanding {
    /// One word, as shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Asked => "asked",
            Self::Leaving => "leaving",
            Self::Left => "left",
            Self::Removed => "removed",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// What somebody may do in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoomRole {
    /// Reads, writes, and leaves.
    Member,
    /// Adds and removes members, names the room.
    Admin,
    /// Everything.
    Owner,
}

impl RoomRole {
    /// One word, as shown and typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// Reads what was typed.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Member, Self::Admin, Self::Owner].into_iter().find(|role| role.name() == text)
    }
}

/// Somebody in a room.
#[derive(Clone, PartialEq, Eq)]
pub struct MemberView {
    /// Peer ID.
    pub id: PeerId,
    /// As we call them; the name that they give themselves, when they are no friend of ours.
    pub name: String,
    /// Fingerprint words.
    pub words: String,
    /// How the identity is known; [`Trust::Room`] for those whom we know from rooms only.
    pub trust: Trust,
    /// What they may do.
    pub role: RoomRole,
    /// Whether it is us.
    pub is_me: bool,
}

/// A card by which people knock at a room.
#[derive(Clone, PartialEq, Eq)]
pub struct CardView {
    /// The card (`symbolon:…`).
    pub card: String,
    /// When it stops being good.
    pub expires: Timestamp,
}
