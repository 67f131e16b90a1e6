//! What the devices of one person say to each other, and what a device says to a friend of a sibling. The protocol page is
//! `docs/protocol/devices.md`.
//!
//! Devices of one person are friends of each other under Peer IDs of their own, so all of this is said in the rooms of
//! friendships. Nothing of it is believed from anybody whose certificate is of another root.

use super::bounds::{is_name, is_text};
use super::group::Befriend;
use crate::command::{MessageState, Trust};
use crate::limits::{DEVICES_MAX, PERSONS_SAID, RELAY_MAILBOXES_MAX, TEXTS_SAID};
use minicbor::{Decode, Encode};
use symbolon_presence::id::{Digest, MessageId, PeerId, PublicKeyBytes, RoomId, SignatureBytes};
use symbolon_presence::identity::{Chain, Device, Identity};
use symbolon_presence::kdf::hash;
use symbolon_presence::labels::{HASH_CONTEXT, SIGN_GONE};
use symbolon_presence::sign::{SigningKey, VerifyingKey};
use symbolon_presence::time::Timestamp;
use symbolon_relay::link::RELAY_LINK_MAX;

/// The first device has certified one that asked by a pairing code.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct JoinedBody {
    /// The certificate of the new device.
    #[n(0)]
    pub chain: Chain,
    /// Hash of the person's second root key.
    #[n(1)]
    pub second_root: Digest,
    /// The person's name.
    #[n(2)]
    pub name: String,
}

/// What one device says to another one of the same person.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum OwnSaid {
    /// How the person stands to others; at most [`PERSONS_SAID`].
    #[n(0)]
    Persons(#[n(0)] Vec<PersonSaid>),
    /// Texts, in the order in which they arrived; at most [`TEXTS_SAID`].
    #[n(1)]
    Texts(#[n(0)] Vec<TextSaid>),
    /// Hand this to a friend's device: the sender asks it for a friendship of its own.
    #[n(2)]
    Ask(#[n(0)] PeerId, #[n(1)] Box<Befriend>),
    /// A person's texts were read up to this one.
    #[n(3)]
    Read(#[n(0)] PeerId, #[n(1)] MessageId),
    /// What the sending device is called.
    #[n(4)]
    Label(#[n(0)] String),
    /// A newer certificate of the hearer.
    #[n(5)]
    Certificate(#[n(0)] Chain),
    /// How far texts of the person have got; at most [`TEXTS_SAID`].
    #[n(6)]
    States(#[n(0)] Vec<(MessageId, MessageState)>),
    /// The relays that the sender uses; at most as many as a device has.
    #[n(7)]
    Relays(#[n(0)] Vec<RelaySaid>),
    /// A device of the person was removed.
    #[n(8)]
    Gone(#[n(0)] Box<Gone>),
    /// A friend's device was shut out, by the user of the sender; others of that friend's were not.
    #[n(9)]
    Barred(#[n(0)] Chain),
}

impl OwnSaid {
    /// Whether every part is within its bounds.
    pub fn is_bounded(&self) -> bool {
        match self {
            Self::Persons(persons) => persons.len() <= PERSONS_SAID && persons.iter().all(PersonSaid::is_bounded),
            Self::Texts(texts) => texts.len() <= TEXTS_SAID && texts.iter().all(|text| is_text(&text.text)),
            Self::Ask(_, befriend) => befriend.is_bounded(),
            Self::Label(label) => is_name(label),
            Self::States(states) => states.len() <= TEXTS_SAID,
            Self::Relays(relays) => relays.len() <= RELAY_MAILBOXES_MAX && relays.iter().all(RelaySaid::is_bounded),
            Self::Read(..) | Self::Certificate(_) | Self::Gone(_) | Self::Barred(_) => true,
        }
    }
}

/// How the person stands to somebody: of two that differ the one with the higher version counts, then the one of the
/// higher Peer ID.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PersonSaid {
    /// To whom; to themselves, it says the person's own name.
    #[n(0)]
    pub person: PeerId,
    /// Rises with each change.
    #[n(1)]
    pub version: u64,
    /// The device that has made the change.
    #[n(2)]
    pub by: PeerId,
    /// The petname.
    #[n(3)]
    pub petname: String,
    /// How the identity is known.
    #[n(4)]
    pub trust: Trust,
    /// Friends, or not any more.
    #[n(5)]
    pub standing: PersonStanding,
    /// Where their texts are filed.
    #[n(6)]
    pub conversation: RoomId,
    /// Their devices with which the sender is friends, by the Peer IDs of those; at most [`DEVICES_MAX`].
    #[n(7)]
    pub peers: Vec<PeerId>,
}

impl PersonSaid {
    fn is_bounded(&self) -> bool {
        is_name(&self.petname) && self.peers.len() <= DEVICES_MAX
    }
}

/// How a person stands to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum PersonStanding {
    /// They are friends.
    #[n(0)]
    Friend,
    /// The friendship was ended.
    #[n(1)]
    Ended,
    /// They are blocked.
    #[n(2)]
    Blocked,
}

/// A text of a conversation with somebody.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TextSaid {
    /// With whom.
    #[n(0)]
    pub person: PeerId,
    /// Its id.
    #[n(1)]
    pub id: MessageId,
    /// When written, by the writer's clock.
    #[n(2)]
    pub at: Timestamp,
    /// Whether the devices' own person has written it.
    #[n(3)]
    pub mine: bool,
    /// How far it has got.
    #[n(4)]
    pub state: MessageState,
    /// The text.
    #[n(5)]
    pub text: String,
}

/// A relay that a device uses.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RelaySaid {
    /// Its link.
    #[n(0)]
    pub link: String,
    /// What shows a relay that serves its owner alone that a device is the owner's.
    #[n(1)]
    pub claim: Option<String>,
}

/// Longest claim code, in bytes of text.
const CLAIM_MAX: usize = 32;

impl RelaySaid {
    fn is_bounded(&self) -> bool {
        self.link.len() <= RELAY_LINK_MAX && self.claim.as_ref().is_none_or(|claim| claim.len() <= CLAIM_MAX)
    }
}

/// A device of a person is theirs no more. Said by an older device of the person.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Gone {
    /// The certificate of the device that has signed.
    #[n(0)]
    pub chain: Chain,
    /// The certificate of the device that is gone.
    #[n(1)]
    pub device: Chain,
    /// By the device of `chain`.
    #[n(2)]
    pub signature: SignatureBytes,
    /// By the root key, where the device holds it: it outranks every device.
    #[n(3)]
    pub root: Option<SignatureBytes>,
}

impl Gone {
    /// Says that a device is gone.
    pub fn sign(me: &Identity, device: &Chain) -> Self {
        let sign = |key: &SigningKey| key.sign(SIGN_GONE, &context(&me.chain.root), &device.cert);
        Self { chain: me.chain.clone(), device: device.clone(), signature: sign(&me.signing), root: me.root.as_ref().map(sign) }
    }

    /// The device that is gone, if a device of the same person has signed it that may say so: one with the root key, or one
    /// whose certificate is older.
    pub fn verify(&self, sure: Timestamp) -> Option<Device> {
        let by = self.chain.verify_known(sure).ok()?;
        let device = self.device.verify_known(sure).ok()?;
        by.signing.verify(SIGN_GONE, &context(&by.root), &self.device.cert, &self.signature).ok()?;
        let root = self.root.as_ref().map(|root| {
            let key = VerifyingKey::parse(&by.root).ok()?;
            key.verify(SIGN_GONE, &context(&by.root), &self.device.cert, root).ok()
        });
        let outranks = match root {
            Some(signed) => signed.is_some(),
            None => device.peer != device.person && by.serial < device.serial,
        };
        (by.person == device.person && by.device != device.device && outranks).then_some(device)
    }
}

fn context(root: &PublicKeyBytes) -> Digest {
    hash(HASH_CONTEXT, &[root.as_bytes()])
}

macro_rules! opaque_debug {
    ($($name:ident)*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
opaque_debug!(JoinedBody OwnSaid PersonSaid RelaySaid TextSaid);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand_core::SeedableRng;
    use symbolon_presence::time::{DAY, EARLIEST};

    #[test]
    fn only_an_older_device_of_the_same_person_says_that_one_is_gone() {
        let mut rng = rand_chacha::ChaCha20Rng::from_seed([1; 32]);
        let mut draw = || Identity::generate(&mut rng, EARLIEST, 10 * DAY);
        let (first, stranger) = (draw(), draw());
        let mut further = |serial| {
            let mut me = draw();
            let keys = (me.signing.public(), me.dh.public().bytes());
            let chain = first.certify_further(keys, serial, EARLIEST, EARLIEST.after(DAY)).unwrap();
            assert!(me.become_further(&chain, first.second_root, EARLIEST));
            me
        };
        let (second, third) = (further(5), further(9));
        for (by, gone, holds) in [
            (&first, &second, true),
            (&second, &third, true),
            (&third, &second, false),
            (&second, &first, false),
            (&second, &second, false),
            (&stranger, &second, false),
        ] {
            let said = Gone::sign(by, &gone.chain);
            assert_eq!(said.verify(EARLIEST).is_some(), holds);
            assert!(Gone { device: third.chain.clone(), ..said.clone() }.verify(EARLIEST).is_none() || gone.device == third.device);
            let by_stranger = Gone::sign(&stranger, &gone.chain).root;
            assert!(Gone { root: by_stranger, ..said }.verify(EARLIEST).is_none(), "another root");
        }
        // A device that holds the root key outranks the first one.
        let mut returned = draw();
        let entropy = first.entropy.clone().unwrap();
        returned.return_as_further(&Identity::root_of(&entropy), 99, EARLIEST, EARLIEST.after(DAY));
        assert!(Gone::sign(&returned, &first.chain).verify(EARLIEST).is_some());
        assert!(Gone { root: None, ..Gone::sign(&returned, &first.chain) }.verify(EARLIEST).is_none());
    }
}
