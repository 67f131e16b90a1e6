//! What users see of friends.

use symbolon_presence::id::{DeviceId, PeerId};

/// A friend.
#[derive(Clone, PartialEq, Eq)]
pub struct FriendView {
    /// Peer ID.
    pub id: PeerId,
    /// Petname: unique here.
    pub name: String,
    /// What they call themselves, where that is another name.
    pub says: Option<String>,
    /// Fingerprint words.
    pub words: String,
    /// How the identity is known.
    pub trust: Trust,
    /// Whether both sides have confirmed; messages wait here until then.
    pub mutual: bool,
    /// Whether blocked.
    pub blocked: bool,
    /// Whether a link is open; `None` while nothing was tried yet.
    pub online: Option<bool>,
    /// How the link runs.
    pub path: Option<Path>,
    /// Messages of this friend not read yet.
    pub unread: u32,
    /// The petnames of those who introduced the friend.
    pub introduced_by: Vec<String>,
    /// Whether we hide from the friend where we are.
    pub hidden: bool,
    /// What the petname could be taken for, if so.
    pub beware: Option<&'static str>,
    /// How the friend's build stands to ours, when they do not understand each other.
    pub build: Option<Build>,
    /// Their devices with which this one is friends, by id, and whether a link to each is open.
    pub devices: Vec<(DeviceId, Option<bool>)>,
}

/// How somebody's identity is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Trust {
    /// Compared by words.
    #[n(5)]
    Verified,
    /// Vouched for by a common friend.
    #[n(1)]
    Introduced,
    /// By an invite that went from one to the other: as good as the way that it went.
    #[n(2)]
    Invited,
    /// In rows of version 2 only: by the person's own invite, or by words. Read as
    /// [`Trust::Invited`] unless it must have been words.
    #[n(0)]
    InvitedOrCompared,
    /// Met in a room.
    #[n(3)]
    Room,
    /// By nothing.
    #[n(4)]
    Unknown,
}

/// How a friend's device is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Path {
    /// A connection to the friend's own address.
    #[default]
    Direct,
    /// The same, on a network that both are attached to.
    Lan,
    /// A connection that a relay forwards.
    Relay,
}

/// A build that does not speak as ours does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// It is older: the friend should update.
    Older,
    /// It is newer: we should.
    Newer,
}

impl Build {
    /// One word, as shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Older => "older",
            Self::Newer => "newer",
        }
    }
}
