//! Room cards of ours, and knocks: ours and those of others.

use crate::command::RequestStatus;
use crate::limits::KNOCK_LIFE;
use crate::seam::Address;
use crate::table::Table;
use crate::turn::{TurnFailed, load_all};
use crate::world::Shelf;
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;
use symbolon_presence::id::{Digest, EpochId, Nonce, PeerId, RequestId, RoomAlias, RoomId};
use symbolon_presence::identity::Chain;
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::KemPublicBytes;
use symbolon_presence::time::Timestamp;

/// A card of ours for a room. Under the room.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Card {
    #[n(0)]
    pub room: RoomId,
    /// From which the keys of its body come.
    #[n(1)]
    pub secret: InviteSecret,
    #[n(2)]
    pub expires: Timestamp,
    /// By which hubs we have let people knock, if it was we.
    #[n(3)]
    pub hubs: Option<Vec<Vec<Address>>>,
}

/// A knock of ours. Under its id.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Knock {
    /// Its name here.
    #[n(0)]
    pub id: RequestId,
    /// The card's secret, who has made the card, and where its body may be fetched.
    #[n(1)]
    pub secret: InviteSecret,
    #[n(2)]
    pub signer: PeerId,
    #[n(3)]
    pub servers: Vec<Vec<Address>>,
    #[n(4)]
    pub status: RequestStatus,
    #[n(5)]
    pub created: Timestamp,
    /// Until when we wait for somebody to vouch.
    #[n(6)]
    pub expires: Timestamp,
    /// What was handed to the hubs, once the body is known.
    #[n(7)]
    pub handed: Option<Handed>,
    /// Those whom we have answered, and the rooms that they named; at most [`ANSWERED_MAX`].
    #[n(8)]
    pub answered: Vec<(RoomId, PeerId)>,
    /// Who has vouched last, known to us or not.
    #[n(9)]
    pub voucher: Option<PeerId>,
    #[n(10)]
    pub fault: Option<KnockFault>,
    /// When we answered last.
    #[n(11)]
    pub responded: Option<Timestamp>,
}

impl Knock {
    /// Whether it still waits to be let in.
    pub fn waits(&self, now: Timestamp) -> bool {
        let is_open = matches!(self.status, RequestStatus::Pending | RequestStatus::Accepted | RequestStatus::Expired);
        is_open && self.handed.is_some() && !self.expires.is_expired_at(now)
    }
}

/// Vouchers that one knock answers.
pub(crate) const ANSWERED_MAX: usize = 8;

/// What was handed to the hubs.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Handed {
    #[n(0)]
    pub alias: RoomAlias,
    #[n(1)]
    pub hubs: Vec<Vec<Address>>,
    #[n(2)]
    pub card: Digest,
    #[n(3)]
    pub nonce: Nonce,
    /// Private half of what a voucher seals to.
    #[n(4)]
    pub key: Secret,
    /// The same bytes for all.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

/// Why a knock of ours does not proceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum KnockFault {
    /// The body of the card was found nowhere.
    #[n(0)]
    NotFound,
    /// What was found in its place was not signed by the one whom the card names.
    #[n(1)]
    Forged,
    /// No hub takes it.
    #[n(2)]
    NoHub,
    /// Those who were asked have not vouched.
    #[n(3)]
    Nobody,
    /// Who vouches is nobody that our user knows.
    #[n(4)]
    Stranger,
}

impl KnockFault {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotFound => "the card's body was found nowhere until now: its maker may be off. It keeps looking.",
            Self::Forged => "the card is not signed by the one whom it names: nothing was sent. Ask them for a new card.",
            Self::NoHub => {
                "the room's hub takes no knock now: it cannot be reached, or nobody of the room has been there. It keeps trying."
            }
            Self::Nobody => "those who were asked have not vouched. A member still can, within a day.",
            Self::Stranger => "somebody vouched whom you do not know: you were not let in, and nothing more was sent.",
        }
    }
}

/// A knock of somebody's at a room of ours. Under its id.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct HeardKnock {
    /// Its name here.
    #[n(0)]
    pub id: RequestId,
    #[n(1)]
    pub room: RoomId,
    #[n(2)]
    pub alias: RoomAlias,
    #[n(3)]
    pub nonce: Nonce,
    #[n(4)]
    pub card: Digest,
    /// The device that knocks, as it has signed it.
    #[n(5)]
    pub peer: PeerId,
    #[n(6)]
    pub chain: Chain,
    /// To which we seal.
    #[n(7)]
    pub key: KemPublicBytes,
    #[n(8)]
    pub at: Timestamp,
    #[n(9)]
    pub status: RequestStatus,
    /// The hub by which it came.
    #[n(10)]
    pub hub: Vec<Address>,
    /// What we have said for them.
    #[n(11)]
    pub vouched: Option<Vouched>,
    /// Whose device it is that knocks.
    #[n(12)]
    pub person: PeerId,
}

impl HeardKnock {
    /// Whether it has lain here for as long as knocks do.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.at.after(KNOCK_LIFE).is_expired_at(now)
    }
}

/// What we have said for somebody who knocks.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Vouched {
    #[n(0)]
    pub hello: Nonce,
    /// Private half of what the newcomer seals to.
    #[n(1)]
    pub key: Secret,
    #[n(2)]
    pub epoch: EpochId,
}

/// All rows of vouching.
#[derive(Debug, Default)]
pub(crate) struct VouchingRows {
    /// One of a room.
    pub cards: BTreeMap<RoomId, Card>,
    /// At most [`limits::KNOCKS_MAX`](crate::limits::KNOCKS_MAX).
    pub knocks: BTreeMap<RequestId, Knock>,
    /// At most [`limits::HEARD_KNOCKS_MAX`](crate::limits::HEARD_KNOCKS_MAX).
    pub heard: BTreeMap<RequestId, HeardKnock>,
}

impl VouchingRows {
    /// Loads them.
    pub fn load(shelf: &dyn Shelf) -> Result<Self, TurnFailed> {
        Ok(Self {
            cards: load_all(shelf, Table::Card, |row: &Card| row.room)?,
            knocks: load_all(shelf, Table::Knock, |row: &Knock| row.id)?,
            heard: load_all(shelf, Table::HeardKnock, |row: &HeardKnock| row.id)?,
        })
    }

    /// Whether our user has knocked at this room and answered this voucher.
    pub fn awaits(&self, room: &RoomId, voucher: &PeerId) -> bool {
        let waits = |row: &&Knock| row.status != RequestStatus::Cancelled && row.answered.contains(&(*room, *voucher));
        self.knocks.values().any(|row| waits(&row))
    }
}
