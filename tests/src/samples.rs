//! Two people with fixed keys, and one valid example of everything that travels.
//!
//! Known-answer vectors, the seeds of the fuzz corpus and the mutation tests are all made
//! from these values. Every "random" draw is a run of one byte, so that a reader of a
//! vector sees at once which draw went where.
//!
//! GroupInfo, commit and sealed bundle are stand-ins here: MLS bytes are RFC 9420's and
//! opaque to everything around them.

#![allow(clippy::expect_used, reason = "the values are constants; one that does not fit is a mistake in this file")]

mod before;
mod connection;
pub mod devices;
mod people;
mod presence;
pub mod recovery;
mod relay;
mod runs;
pub mod shared;
pub mod vouching;

pub use before::{envelope_of_before, known_envelope_of_before, lifeline_envelope, standing_statement_of_before};
pub use connection::{
    Handshake, accept_body, accept_head, confirm_body, direct_envelope, handshake, offer_body, renews, standing, standing_answer,
    standing_statement,
};
pub use people::{Person, ann, ben, invite_record, invite_secret};
pub use presence::{body, generation, header, posted, record, signed_presence};
pub use relay::{carried, left, put, receipt, receipt_body, relay_frames};
pub use runs::Runs;
use std::net::{Ipv4Addr, Ipv6Addr};
use symbolon_core::wire::{
    AddPackage, Capabilities, First, Introduced, Introduction, IntroductionBody, Known, LeafOwner, OwnMailbox, PIECE_LEN, PackageSecrets,
    Piece, QueueAddress, RelayMailbox, RoomPayload, Roster, RosterLeaf, RosterUser, Text, seal_credential,
};
use symbolon_presence::codec;
use symbolon_presence::envelope::seal_first;
use symbolon_presence::id::{DeviceId, EpochId, MessageId, PublicKeyBytes, RequestId, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::KemPublic;
use symbolon_presence::lan::{Carrier, LanPlace, LanPlaces};
use symbolon_presence::seeds::{EnvelopeKey, Ratchet, Seed};
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_relay::grant::Scope;
use symbolon_relay::prove::{Ends, LinkKey, Prove, Role, WIRE_VERSION};

/// When every example is made: 2027-01-15T08:00:00Z.
pub const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// The room of the examples.
pub const ROOM: RoomId = RoomId([0x61; 32]);
/// The epoch of the examples.
pub const EPOCH: EpochId = EpochId([0x62; 32]);

/// Ben's seed for Ann's device.
pub fn seed() -> Seed {
    Seed { number: 0x0102_0304_0506, secret: Secret::from_bytes([0x7a; 32]) }
}

/// The keys of known envelopes from Ann's device to Ben's.
pub fn ratchet() -> Ratchet {
    let (ann, ben) = (ann().identity, ben().identity);
    Ratchet::agree(&seed(), &ann.dh, &ben.dh.public(), &ann.device, &ben.device)
}

/// One of them.
pub fn known_key(counter: u64) -> EnvelopeKey {
    ratchet().ahead(counter).expect("the counter is low")
}

/// The payload of a known envelope, around stand-in MLS bytes.
pub fn known() -> Known {
    Known { room: ROOM, epoch: EPOCH, sequence: Some(5), mls: b"stand-in for an MLS message".to_vec(), piece: None }
}

/// The roster of a room that Ann has made, to whose admins Ben belongs, with two devices.
pub fn roster() -> Roster {
    let (ann, ben) = (ann().identity, ben().identity);
    let mut roster = Roster::founded("Crew".into(), PublicKeyBytes(LEAF), ann.peer(), ann.device);
    roster.topic = "Who sails on Sunday".into();
    roster.users.push(RosterUser { user: ben.peer(), role: symbolon_core::wire::Role::Admin, came_in: 1 });
    for (leaf, device, came_in) in [([0x73; 32], ben.device, 1), ([0x72; 32], DeviceId([0x74; 16]), 5)] {
        roster.leaves.push(RosterLeaf { leaf: PublicKeyBytes(leaf), user: ben.peer(), device, came_in });
    }
    roster.users.sort_by_key(|user| user.user);
    roster.leaves.sort_by_key(|leaf| leaf.leaf);
    roster
}

/// A message that is longer than an envelope.
pub fn whole() -> Vec<u8> {
    vec![0x5a; 2 * PIECE_LEN + 16]
}

/// The payload of a known envelope with the last piece of it.
pub fn piece() -> Known {
    let whole = whole();
    let (piece, part) = Piece::split(&whole).pop().expect("there is a last piece");
    Known { mls: part.to_vec(), piece, ..known() }
}

/// A known envelope from Ann to Ben under counter 9.
pub fn known_envelope() -> Vec<u8> {
    known_key(9).seal(&[0x66; 12], &codec::encode(&known())).expect("the payload is short")
}

/// Where what is for Ben's leaf may be left, as his KeyPackage says: a mailbox at a relay, with a grant of its own.
pub fn queue_address() -> QueueAddress {
    QueueAddress { relay: Some(ben().entry(ben().address(0x76, Scope::Guest, NOW.after(400 * DAY), 0).1)) }
}

/// What Ann is to know of Ben's package.
pub fn package_secrets() -> PackageSecrets {
    let ben = ben();
    let (_, address, key) = ben.address(0x76, Scope::Guest, NOW.after(400 * DAY), 0);
    PackageSecrets {
        revision: ben.friendship.revision,
        chain: ben.identity.chain.clone(),
        key: Secret::from_bytes([0x7b; 32]),
        seed: seed(),
        capabilities: Capabilities::ROOMS,
        put: Some(key.clone()),
        own: OwnMailbox { mailbox: ben.mailbox.id(), address, key: key.clone() },
        more: vec![RelayMailbox { entry: ben.entry(ben.address(0x76, Scope::Guest, NOW.after(400 * DAY), 0).1), key }],
    }
}

/// A package of Ben's, around a stand-in for its KeyPackage.
pub fn add_package() -> AddPackage {
    let key_package = b"stand-in for a KeyPackage".to_vec();
    AddPackage::seal(&ben().friendship.fek(), key_package, &package_secrets(), &[0x7c; 12]).expect("it fits")
}

/// Where a node says that it listens on a LAN: QUIC and TCP at one address, and TCP at one of the cable.
pub fn lan_places() -> LanPlaces {
    let house = Ipv4Addr::new(192, 0, 2, 7).into();
    let cable = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x62).into();
    let places = [(house, Carrier::Quic, 4_002), (house, Carrier::Tcp, 4_001), (cable, Carrier::Tcp, 4_001)];
    LanPlaces::new(places.map(|(ip, carrier, port)| LanPlace { ip, carrier, port })).expect("somebody can answer there")
}

/// Ann's Offer as the payload of a first envelope.
pub fn first() -> First {
    First::sign(&ann().identity, &handshake().offer)
}

/// Ann's Offer sealed to the package of Ben's invite.
pub fn first_envelope() -> Vec<u8> {
    let psk = invite_secret().psk(&ben().identity.peer());
    seal_first(&ben().package.public(), Some(&psk), &codec::encode(&first()), &mut Runs::from(0xe0)).expect("the payload fits an envelope")
}

/// A first envelope whose encapsulation comes from 64 bytes of 0xe0.
pub fn seal_to(key: &KemPublic, payload: &[u8]) -> Vec<u8> {
    seal_first(key, None, payload, &mut Runs::from(0xe0)).expect("the payload fits an envelope")
}

/// A text.
pub fn text() -> RoomPayload {
    RoomPayload::Text(Text { id: MessageId([0x6a; 16]), at: NOW, text: "Grüße vom Hafen ⚓".to_owned() })
}

/// The leaf key of [`credential`].
pub const LEAF: [u8; 32] = [0x6b; 32];

/// Ann's device says that a leaf is its own.
pub fn credential() -> Vec<u8> {
    seal_credential(&ann().identity, &LEAF, &leaf_owner().key)
}

/// Whose that leaf is.
pub fn leaf_owner() -> LeafOwner {
    LeafOwner { leaf: PublicKeyBytes(LEAF), chain: None, key: Secret::from_bytes([0x79; 32]) }
}

/// Ann has dialled Ben: what she says first on the link, and what he answers; with the keys of
/// the two ends and the key that the two devices share.
pub fn proofs() -> ([Prove; 2], Ends, LinkKey) {
    let (ann, ben) = (ann(), ben());
    let ends = Ends { dialler: PublicKeyBytes([0x51; 32]), dialled: PublicKeyBytes([0x52; 32]) };
    let key = LinkKey::agree(&ann.identity.dh, &ben.identity.dh.public(), &ann.identity.device, &ben.identity.device);
    let question = Prove::new(&key, Role::Dialler, &ends, [0x53; 16], WIRE_VERSION, [0x54; 16]);
    let answer = Prove::new(&key, Role::Dialled, &ends, [0x55; 16], WIRE_VERSION, [0x56; 16]);
    ([question, answer], ends, key)
}

/// Ben introduces Ann to Ben's other self of the samples: no matter who signs, it reads.
pub fn introduction() -> Introduction {
    let (ann, ben) = (ann(), ben());
    let person = |person: &Person, name: &str| Introduced { chain: person.identity.chain.clone(), name: name.into() };
    let body = IntroductionBody {
        id: RequestId([0x71; 16]),
        asker: person(&ann, "Ann"),
        target: person(&ben, "Ben"),
        note: Some("you two".into()),
        created: NOW,
        expires: NOW.after(DAY),
    };
    Introduction::sign(&ben.identity, &body)
}
