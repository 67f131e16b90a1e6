//! The three messages of a connection: Offer, Accept, Confirm. The protocol page is
//! `docs/protocol/connection.md`.

use super::bounds::{is_name, is_note};
use super::contact::Contact;
use super::leaf::LeafOwner;
use super::standing::Renews;
use crate::limits::{DEVICES_MAX, GROUP_INFO_MAX, OFFER_MAX};
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, Digest, EpochId, Nonce, PeerId, RequestId, RoomId};
use symbolon_presence::identity::Chain;
use symbolon_presence::kdf::{Secret, derive, hash};
use symbolon_presence::labels::{HASH_ACCEPT, HASH_HEAD, HASH_OFFER, KEY_CONNECTION_PSK};
use symbolon_presence::time::Timestamp;

/// The body of an Offer; the same bytes for every device it goes to. What is agreed to are
/// its terms: all of it but `revision` and `replies`, which only say where to answer.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OfferBody {
    /// The request; the same in all revisions.
    #[n(0)]
    pub request: RequestId,
    /// Rises when the Offer is made again; the highest says where to answer.
    #[n(1)]
    pub revision: u32,
    /// The initiator's name.
    #[n(2)]
    pub name: String,
    /// A line from the initiator.
    #[n(3)]
    pub note: Option<String>,
    /// A reply address for each device of the initiator; the first is the sender's.
    #[n(4)]
    pub replies: Vec<Contact>,
    /// Fresh.
    #[n(5)]
    pub nonce: Nonce,
    /// GroupInfo with tree of a new room that holds the initiator's devices.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub group_info: Vec<u8>,
    /// When made.
    #[n(7)]
    pub created: Timestamp,
    /// Until when it can be accepted.
    #[n(8)]
    pub expires: Timestamp,
    /// The friendship whose room it makes again; absent when it asks for friendship.
    #[n(9)]
    pub renews: Option<Renews>,
    /// Whose the leaves of that room are, each once; at most [`DEVICES_MAX`].
    #[n(10)]
    pub leaves: Vec<LeafOwner>,
}

impl OfferBody {
    /// Whether every part is within its bounds.
    pub fn is_bounded(&self) -> bool {
        codec::encode(self).len() <= OFFER_MAX
            && is_name(&self.name)
            && self.note.as_deref().is_none_or(is_note)
            && !self.replies.is_empty()
            && self.replies.len() <= DEVICES_MAX
            && self.replies.iter().all(Contact::is_bounded)
            && self.replies.first().is_some_and(|contact| contact.chain.is_none())
            && self.group_info.len() <= GROUP_INFO_MAX
            && self.leaves.len() <= DEVICES_MAX
            && self.renews.as_ref().is_none_or(Renews::is_bounded)
    }

    /// The transcript after this Offer: over its terms, so that an answer to one revision is
    /// as good as one to another that changed nothing but addresses.
    pub fn transcript(&self, initiator: &PeerId, responder: &PeerId) -> Digest {
        let terms = Self { revision: 0, replies: Vec::new(), ..self.clone() };
        hash(HASH_OFFER, &[initiator.as_bytes(), responder.as_bytes(), &codec::encode(&terms)])
    }
}

/// The part of an Accept from which the pre-shared key comes.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AcceptHead {
    /// The Offer's request.
    #[n(0)]
    pub request: RequestId,
    /// Fresh.
    #[n(1)]
    pub nonce: Nonce,
    /// The acceptor's name.
    #[n(2)]
    pub name: String,
    /// The accepting device's reply address.
    #[n(3)]
    pub reply: Contact,
    /// The epoch that the external commit enters from.
    #[n(4)]
    pub epoch: EpochId,
    /// The connection room with the initiator that the acceptor leaves for this one, if it
    /// was in one. Tells an Accept that follows a friendship from one that came late.
    #[n(5)]
    pub leaves: Option<RoomId>,
    /// In answer to one that renews: how many texts of the initiator's are held here that the Offer
    /// does not know of.
    #[n(6)]
    pub lacks: Option<u32>,
    /// What opens the credential of the leaf by which the acceptor enters.
    #[n(7)]
    pub leaf_key: Secret,
}

/// The body of an Accept.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AcceptBody {
    /// An [`AcceptHead`] in its encoding.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub head: Vec<u8>,
    /// External commit into the Offer's room, with the pre-shared key of [`connection_psk`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub commit: Vec<u8>,
    /// The acceptor's [`Bundle`](super::Bundle) as the first message of the new epoch.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub bundle: Vec<u8>,
}

impl AcceptBody {
    /// The transcript after this Accept, in its encoding `body`.
    pub fn transcript(offer: &Digest, body: &[u8], acceptor: &DeviceId) -> Digest {
        hash(HASH_ACCEPT, &[offer.as_bytes(), acceptor.as_bytes(), body])
    }
}

/// Identifier and secret of the pre-shared key that binds the room to the transcript.
pub fn connection_psk(offer: &Digest, head: &[u8], acceptor: &Chain) -> ([u8; 32], Secret) {
    let id = hash(HASH_HEAD, &[offer.as_bytes(), head, &codec::encode(acceptor)]);
    let secret = derive(id.as_bytes(), KEY_CONNECTION_PSK, &[]);
    (id.0, secret)
}

/// The body of a Confirm.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ConfirmBody {
    /// The Offer's request.
    #[n(0)]
    pub request: RequestId,
    /// The initiator's [`Bundle`](super::Bundle), sealed in the room. Absent for a device whose Accept came
    /// second: its sibling is in the room already.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub bundle: Option<Vec<u8>>,
}
