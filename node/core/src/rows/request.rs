//! Friend requests.

use super::message::Fault;
use crate::command::{Direction, RequestStatus, Trust};
use crate::limits::REQUEST_LIFETIME;
use crate::turn::Turn;
use crate::wire::{Contact, OfferBody, PAYLOAD_MAX, Renews};
use minicbor::{Decode, Encode};
use symbolon_presence::address::Address;
use symbolon_presence::codec;
use symbolon_presence::id::{Digest, FrameId, GrantId, Nonce, PeerId, RequestId, RoomId};
use symbolon_presence::identity::Chain;
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::Psk;
use symbolon_presence::time::Timestamp;

/// The invite by which somebody is asked.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Invited {
    #[n(0)]
    pub secret: InviteSecret,
    /// Where its maker's own node may be.
    #[n(1)]
    pub nodes: Vec<Address>,
    /// Servers that may have its body, each by its addresses.
    #[n(2)]
    pub servers: Vec<Vec<Address>>,
    /// When it ends.
    #[n(3)]
    pub expires: Timestamp,
}

/// What a request in a shared room is by.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct InRoom {
    /// The way in that we have handed to whom we ask.
    #[n(0)]
    pub invite: Option<GrantId>,
    /// The contact record of who asks us.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub contact: Option<Vec<u8>>,
    /// Whose device it is where that person is a friend already: no user is asked, and nobody else can answer.
    #[n(2)]
    pub device_of: Option<PeerId>,
    /// The room in which we were asked.
    #[n(3)]
    pub room: Option<RoomId>,
}

/// A friend request.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Request {
    /// Its name here. An incoming one is named by what was received, so that nobody can
    /// choose a name that is taken.
    #[n(0)]
    pub id: RequestId,
    /// Its name in the frames.
    #[n(1)]
    pub wire: RequestId,
    #[n(2)]
    pub direction: Direction,
    #[n(3)]
    pub peer: PeerId,
    #[n(4)]
    pub name: String,
    #[n(5)]
    pub trust: Trust,
    #[n(6)]
    pub note: Option<String>,
    #[n(7)]
    pub status: RequestStatus,
    #[n(8)]
    pub created: Timestamp,
    #[n(9)]
    pub expires: Timestamp,
    /// Of the newest Offer sent or received.
    #[n(10)]
    pub revision: u32,
    /// The Offer's body in its encoding.
    #[cbor(n(11), with = "minicbor::bytes")]
    pub offer: Vec<u8>,
    /// Transcript after the Offer.
    #[n(12)]
    pub transcript: Digest,
    /// Transcript after the Accept that counts.
    #[n(13)]
    pub accepted: Option<Digest>,
    /// Outgoing: how the other person's devices are written to. Incoming: none.
    #[n(14)]
    pub contacts: Vec<Contact>,
    /// The certificate of the device that signed: of the Offer (in) or contact record (out).
    #[n(15)]
    pub chain: Option<Chain>,
    /// Pseudonym of the use of a counted grant.
    #[n(16)]
    pub usage: Nonce,
    /// Grant of our reply address.
    #[n(17)]
    pub grant: GrantId,
    /// Private half of our reply package.
    #[n(18)]
    pub reply_key: Secret,
    /// Digest of our reply package.
    #[n(19)]
    pub reply_package: Digest,
    /// The room: ours (out), or joined by us (in, once accepted).
    #[n(20)]
    pub room: Option<RoomId>,
    /// Came by a package that somebody else used too.
    #[n(21)]
    pub flagged: bool,
    /// Why it cannot proceed, if so.
    #[n(22)]
    pub fault: Option<Fault>,
    /// When it was confirmed, blocked, cancelled or expired.
    #[n(23)]
    pub ended: Option<Timestamp>,
    /// Envelopes taken in by its reply address: their repeats are answered the same.
    #[n(24)]
    pub answered: Option<Vec<FrameId>>,
    /// It makes the room of a friendship again; nobody is asked.
    #[n(25)]
    pub renews: Option<Renews>,
    /// Where the Confirm goes.
    #[n(26)]
    pub confirm_to: Option<Contact>,
    /// The invite by which we ask.
    #[n(27)]
    pub invite: Option<Invited>,
    /// It was asked in a shared room, or answers such a request.
    #[n(28)]
    pub in_room: Option<InRoom>,
    /// We ask by a pairing code, to be a further device of a person.
    #[n(29)]
    pub joins: Option<bool>,
    /// Our user has agreed, and the answer waits for our next certificate.
    #[n(30)]
    pub agreed: Option<bool>,
}

impl Request {
    /// An empty row.
    pub fn blank(turn: &mut Turn<'_>, id: RequestId, direction: Direction) -> Self {
        Self {
            id,
            wire: id,
            direction,
            peer: PeerId([0; 32]),
            name: String::new(),
            trust: Trust::Unknown,
            note: None,
            status: RequestStatus::Pending,
            created: turn.stamp,
            expires: turn.stamp.after(REQUEST_LIFETIME),
            revision: 0,
            offer: Vec::new(),
            transcript: Digest([0; 32]),
            accepted: None,
            contacts: Vec::new(),
            chain: None,
            usage: Nonce::random(turn.rng),
            grant: GrantId::random(turn.rng),
            reply_key: Secret::random(turn.rng),
            reply_package: Digest([0; 32]),
            room: None,
            flagged: false,
            fault: None,
            ended: None,
            answered: None,
            renews: None,
            confirm_to: None,
            invite: None,
            in_room: None,
            joins: None,
            agreed: None,
        }
    }

    /// What seals our Offer besides the package, when it is by an invite.
    pub fn psk(&self) -> Option<Psk> {
        self.invite.as_ref().map(|invite| invite.secret.psk(&self.peer))
    }

    /// The Offer that a row holds.
    pub fn body(&self) -> Option<OfferBody> {
        codec::decode(&self.offer, PAYLOAD_MAX).ok()
    }

    /// The certificates of the devices that a request names: those that were asked, or that ask.
    pub fn chains(&self) -> Vec<Chain> {
        let asked = self.contacts.iter().filter_map(|contact| contact.chain.clone());
        let asking = self.body().filter(|_| self.direction == Direction::In).map(|offer| offer.replies).unwrap_or_default();
        self.chain.iter().cloned().chain(asked).chain(asking.into_iter().filter_map(|reply| reply.chain)).collect()
    }

    /// Whether somebody has asked us in a shared room, so that no Offer is there.
    pub fn is_of_room(&self) -> bool {
        self.in_room.as_ref().is_some_and(|asked| asked.contact.is_some())
    }

    /// Whether a request is on its way to a room that both share.
    pub fn is_open(&self) -> bool {
        matches!(self.status, RequestStatus::Pending | RequestStatus::Accepted)
    }

    /// Whether a row has ended and may give way.
    pub fn gives_way(&self) -> bool {
        matches!(self.status, RequestStatus::Expired | RequestStatus::Cancelled | RequestStatus::Confirmed)
    }

    /// Whether a request is shown to the user. Renewals are not, except those that come too often; nor is what answers a request in a room.
    pub fn is_shown(&self) -> bool {
        if self.joins.is_some() || self.in_room.as_ref().is_some_and(|asked| asked.device_of.is_some()) {
            return false;
        }
        let answers = |asked: &InRoom| asked.invite.is_none() && asked.contact.is_none();
        let is_asked = self.direction == Direction::In && matches!(self.status, RequestStatus::Pending | RequestStatus::Ignored);
        if self.in_room.as_ref().is_some_and(answers) && !is_asked {
            return false;
        }
        self.renews.is_none() || (self.direction == Direction::In && matches!(self.status, RequestStatus::Pending | RequestStatus::Ignored))
    }
}
