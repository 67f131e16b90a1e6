//! What users see of requests.

use super::friend::Trust;
use symbolon_presence::id::{PeerId, RequestId, RoomId};
use symbolon_presence::time::Timestamp;

/// A friend request.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestView {
    /// The request.
    pub request: RequestId,
    /// What is asked.
    pub kind: RequestKind,
    /// Who asked whom.
    pub direction: Direction,
    /// The other person.
    pub peer: PeerId,
    /// The name the other person gave; empty while unknown.
    pub name: String,
    /// The other person's fingerprint words.
    pub words: String,
    /// How the other person is known.
    pub trust: Trust,
    /// The line that came with the request.
    pub note: Option<String>,
    /// Where it stands.
    pub status: RequestStatus,
    /// Why it cannot proceed, if so; or why to look twice.
    pub fault: Option<&'static str>,
    /// The petnames of those who introduced the other person.
    pub introduced_by: Vec<String>,
    /// Of a room into which a friend has brought us: what is known of it.
    pub room: Option<Box<AskedRoom>>,
    /// When the row was made.
    pub created: Timestamp,
}

/// A room of which nothing is shown before the user has said that they want to be in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedRoom {
    /// The room.
    pub id: RoomId,
    /// Its name.
    pub name: String,
    /// Who else is in it, as we call them, by name.
    pub members: Vec<String>,
    /// Those of them whom we have blocked, or with whom our friendship has ended.
    pub parted: Vec<String>,
}

/// What a request asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// Friendship.
    Friend,
    /// Whether an introduction is welcome.
    Introduction,
    /// Whether we want to be in a room.
    Room,
    /// To be let into a room, by somebody in it who vouches.
    Knock,
}

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Direction {
    /// The other person asked.
    #[n(0)]
    In,
    /// We asked.
    #[n(1)]
    Out,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum RequestStatus {
    /// Only a Peer ID is known: no key to seal the request to.
    #[n(0)]
    Unresolved,
    /// Not answered.
    #[n(1)]
    Pending,
    /// Accepted by the one who was asked; the other side's confirmation is under way.
    #[n(2)]
    Accepted,
    /// Both sides are friends.
    #[n(3)]
    Confirmed,
    /// Set aside.
    #[n(4)]
    Ignored,
    /// Refused for good.
    #[n(5)]
    Blocked,
    /// Too old.
    #[n(6)]
    Expired,
    /// Taken back by the one who asked.
    #[n(7)]
    Cancelled,
}
