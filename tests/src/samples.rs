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
pub mod devices;
pub mod recovery;
mod relay;
pub mod shared;
pub mod vouching;

pub use before::{envelope_of_before, known_envelope_of_before, lifeline_envelope, standing_statement_of_before};
use core::convert::Infallible;
use rand_chacha::ChaCha20Rng;
use rand_core::{SeedableRng, TryCryptoRng, TryRng};
pub use relay::{carried, left, put, receipt, receipt_body, relay_frames};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use symbolon_core::contact::{ContactBody, ContactRecord, InviteMark};
use symbolon_core::link::InviteLink;
use symbolon_core::place::Place;
use symbolon_core::wire::{
    AcceptBody, AcceptHead, AddPackage, Bundle, BundleDevice, Capabilities, ConfirmBody, Contact, Counted, First, Heard, Introduced,
    Introduction, IntroductionBody, Known, LeafOwner, OfferBody, OwnMailbox, PIECE_LEN, PackageSecrets, Piece, PresenceBody, QueueAddress,
    RelayMailbox, Renews, RoomPayload, RoomStanding, Roster, RosterLeaf, RosterUser, SignedPresence, Standing, Statement, Step, Text, True,
    direct_package, seal_credential, sign_start,
};
use symbolon_presence::address::Address;
use symbolon_presence::blocks::Readers;
use symbolon_presence::body::{Body, BodyInfo};
use symbolon_presence::codec;
use symbolon_presence::envelope::{seal_direct, seal_first};
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::generation::Generation;
use symbolon_presence::header::Header;
use symbolon_presence::id::{DeviceId, Digest, EpochId, GrantId, MessageId, Nonce, PublicKeyBytes, RequestId, RoomId};
use symbolon_presence::identity::{Identity, pair_context};
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::{KemKey, KemPublic};
use symbolon_presence::labels::SIGN_CONTACT;
use symbolon_presence::lan::{Carrier, LanPlace, LanPlaces};
use symbolon_presence::posted::Posted;
use symbolon_presence::record::{Slot, day_of};
use symbolon_presence::seeds::{EnvelopeKey, Ratchet, Seed};
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_presence::wrapping::Wrapping;
use symbolon_relay::grant::{AddressBody, MailboxKeys, Scope};
use symbolon_relay::prove::{Ends, LinkKey, Prove, Role, WIRE_VERSION};
use symbolon_relay::put::MailboxEntry;

/// When every example is made: 2027-01-15T08:00:00Z.
pub const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// Draws that are runs of one byte: `first`, then `first + 1`, and so on, wrapping.
#[derive(Debug, Clone)]
pub struct Runs(u8);

impl Runs {
    /// Begins with runs of `first`.
    pub fn from(first: u8) -> Self {
        Self(first)
    }
}

impl TryRng for Runs {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(self.0);
        self.0 = self.0.wrapping_add(1);
        Ok(())
    }
}

impl TryCryptoRng for Runs {}

/// A person of the examples.
#[derive(Debug)]
pub struct Person {
    /// Root and device keys.
    pub identity: Identity,
    /// The device's own mailbox.
    pub mailbox: MailboxKeys,
    /// The friendship secret, at revision 3.
    pub friendship: FriendshipSecret,
    /// Private half of the contact package in the person's invite.
    pub package: KemKey,
    /// Private half of the package in the person's reply address.
    pub reply: KemKey,
    /// Private half of the device's direct key.
    pub direct: KemKey,
    /// First byte run of the person's seals.
    seals: u8,
}

impl Person {
    /// All of a person's keys are runs of bytes from `first` on; seals use `first + 0x80` on.
    fn from_runs(first: u8) -> Self {
        let entropy = Secret::from_bytes([first; 32]);
        Self {
            // Signing key first + 1, X25519 key first + 2, device id first + 3.
            identity: Identity::certify(entropy, 7, &mut Runs::from(first + 1), NOW, 365 * DAY),
            // X25519 key first + 4, queue secret first + 5, queues first + 6 and first + 7.
            mailbox: MailboxKeys::random(&mut Runs::from(first + 4)),
            friendship: FriendshipSecret { revision: 3, secret: Secret::from_bytes([first + 8; 32]) },
            package: KemKey::from_bytes([first + 9; 32]),
            reply: KemKey::from_bytes([first + 10; 32]),
            direct: KemKey::from_bytes([first + 11; 32]),
            seals: first + 0x80,
        }
    }

    /// The sealed address of a grant and its put key.
    pub fn address(&self, grant: u8, scope: Scope, expires: Timestamp, uses: u32) -> (AddressBody, Vec<u8>, Secret) {
        let queue = match scope {
            Scope::Contact => self.mailbox.contact,
            Scope::Friends(_) | Scope::Guest => self.mailbox.direct,
        };
        let body = AddressBody { queue, grant: GrantId([grant; 16]), scope, expires, uses };
        let sealed = self.mailbox.seal_address(&body, &mut Runs::from(self.seals + grant % 16));
        let key = self.mailbox.put_key(&self.mailbox.id(), &body, &self.friendship);
        (body, sealed, key)
    }

    /// The mailbox entry around a sealed address.
    pub fn entry(&self, address: Vec<u8>) -> MailboxEntry {
        // /ip4/192.0.2.1/udp/4001/quic-v1 (RFC 5737's documentation net)
        let place = Address(vec![0x04, 192, 0, 2, 1, 0x91, 0x02, 0x0f, 0xa1, 0xcd, 0x03]);
        MailboxEntry::own(&self.mailbox, self.identity.signing.public(), address, vec![place])
    }

    /// The way in of the person's invite: one use, seven days.
    pub fn contact(&self) -> Contact {
        let expires = NOW.after(7 * DAY);
        let (_, address, key) = self.address(0x71, Scope::Contact, expires, 1);
        Contact {
            chain: None,
            package: self.package.public().bytes(),
            expires,
            last_resort: false,
            entry: self.entry(address),
            key,
            relay_mailboxes: Vec::new(),
        }
    }

    /// The person's reply address in an Offer or Accept.
    pub fn reply_contact(&self) -> Contact {
        let expires = NOW.after(30 * DAY);
        let (_, address, key) = self.address(0x72, Scope::Guest, expires, 0);
        Contact {
            chain: None,
            package: self.reply.public().bytes(),
            expires,
            last_resort: false,
            entry: self.entry(address),
            key,
            relay_mailboxes: Vec::new(),
        }
    }

    /// The person's lifeline for a friend.
    pub fn lifeline(&self) -> Contact {
        let expires = NOW.after(400 * DAY);
        let (_, address, key) = self.address(0x75, Scope::Guest, expires, 8);
        Contact { package: self.reply.public().bytes(), expires, entry: self.entry(address), key, ..self.reply_contact() }
    }

    /// A contact record of the person's, as an introducer passes it on.
    pub fn contact_record(&self, name: &str) -> ContactRecord {
        self.record(name, None)
    }

    /// The body of the person's invite, for the day of the samples.
    pub fn invite_body(&self, name: &str) -> ContactRecord {
        self.record(name, Some(InviteMark { id: invite_secret().id(), day: day_of(NOW), number: NOW.0 }))
    }

    fn record(&self, name: &str, invite: Option<InviteMark>) -> ContactRecord {
        let body = codec::encode(&ContactBody {
            name: name.to_owned(),
            expires: NOW.after(7 * DAY),
            contacts: vec![self.contact()],
            servers: Vec::new(),
            invite,
        });
        let peer = self.identity.peer();
        let signature = self.identity.signing.sign(SIGN_CONTACT, &pair_context(&peer, &peer), &body);
        ContactRecord { chain: self.identity.chain.clone(), body, signature }
    }

    /// The link of the person's invite: their own node, and a relay with a name.
    pub fn invite_link(&self) -> InviteLink {
        let own = Place::of(&self.contact().entry.places, false);
        // /dns4/relay.example/tcp/4001 and the same with QUIC
        let name = |end: &[u8]| Address([&[0x36, 13], b"relay.example".as_slice(), end].concat());
        let relay = Place::of(&[name(&[0x06, 0x0f, 0xa1]), name(&[0x91, 0x02, 0x0f, 0xa1, 0xcd, 0x03])], true);
        InviteLink::new(invite_secret(), self.identity.peer(), NOW.after(7 * DAY), own, relay)
    }

    /// What the person gives friends.
    pub fn bundle(&self, name: &str) -> Bundle {
        let (_, address, _) = self.address(0x73, Scope::Friends(self.friendship.revision), NOW.after(365 * DAY), 0);
        Bundle {
            name: name.to_owned(),
            second_root: self.identity.second_root,
            friendship: self.friendship.clone(),
            devices: vec![BundleDevice {
                chain: self.identity.chain.clone(),
                entry: self.entry(address),
                relay_mailboxes: Vec::new(),
                direct: self.direct.public().bytes(),
                seed: seed(),
            }],
            presence: None,
        }
    }
}

/// The secret of Ben's invite.
pub fn invite_secret() -> InviteSecret {
    InviteSecret::from_bytes([0x77; 16])
}

/// The record in which the body of Ben's invite lies.
pub fn invite_record() -> Vec<u8> {
    let content = codec::encode(&ben().invite_body("Ben"));
    invite_secret().slot(day_of(NOW)).seal(NOW, &content, &mut Runs::from(0x78)).expect("it fits")
}

/// The one who asks.
pub fn ann() -> Person {
    Person::from_runs(0x10)
}

/// The one who minted an invite.
pub fn ben() -> Person {
    Person::from_runs(0x30)
}

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

/// The three statements of a connection, in order, each with the transcript after it.
#[derive(Debug)]
pub struct Handshake {
    /// Ann's Offer to Ben's invite.
    pub offer: Statement,
    /// The transcript after the Offer.
    pub after_offer: Digest,
    /// Head of Ben's Accept.
    pub head: Vec<u8>,
    /// Ben's Accept to Ann's reply address.
    pub accept: Statement,
    /// The transcript after the Accept.
    pub after_accept: Digest,
    /// Ann's Confirm to Ben's reply address.
    pub confirm: Statement,
}

/// Ann's Offer.
pub fn offer_body() -> OfferBody {
    OfferBody {
        request: RequestId([0x63; 16]),
        revision: 0,
        name: "Ann".to_owned(),
        note: Some("from the harbour".to_owned()),
        replies: vec![ann().reply_contact()],
        nonce: Nonce([0x64; 16]),
        group_info: b"stand-in for a GroupInfo".to_vec(),
        created: NOW,
        expires: NOW.after(30 * DAY),
        renews: None,
        leaves: vec![leaf_owner()],
    }
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

/// Ann's Standing to Ben's device, a question.
pub fn standing() -> Standing {
    let room = |room, epoch| RoomStanding { room, epoch, sent: 7, opened: 5, settled: 6 };
    Standing {
        instance: Nonce([0x71; 16]),
        started: NOW,
        nonce: Nonce([0x72; 16]),
        answers: None,
        at: NOW.after(1_000),
        revision: Some(0),
        next: Some(Counted { seed: seed().number, counter: 9 }),
        opened: Some(Counted { seed: 0x0708_090a, counter: 12 }),
        rooms: vec![room(ROOM, Some(EPOCH)), RoomStanding { sent: 0, settled: 0, ..room(RoomId([0x73; 32]), None) }],
        heard: vec![Heard {
            instance: Nonce([0x74; 16]),
            started: NOW,
            over: Some(Nonce([0x79; 16])),
            word: sign_start(&ben().identity, Nonce([0x74; 16]), NOW),
        }],
        reply: Some(ann().reply_contact()),
        word: sign_start(&ann().identity, Nonce([0x71; 16]), NOW),
        copied: None,
        entered: None,
    }
}

/// Ben's answer to it: he has seen Ann's device seal twice, and waits for a Confirm.
pub fn standing_answer() -> Standing {
    let instance = Nonce([0x71; 16]);
    Standing {
        instance: Nonce([0x74; 16]),
        nonce: Nonce([0x75; 16]),
        answers: Some(Nonce([0x72; 16])),
        heard: vec![Heard { instance, started: NOW, over: None, word: sign_start(&ann().identity, instance, NOW) }],
        reply: Some(ben().reply_contact()),
        word: sign_start(&ben().identity, Nonce([0x74; 16]), NOW),
        copied: Some(True),
        entered: Some(True),
        ..standing()
    }
}

/// What an Offer of Ann's rests on that renews.
pub fn renews() -> Renews {
    let (sent, had) = (vec![MessageId([0x76; 16]), MessageId([0x77; 16])], Some(MessageId([0x78; 16])));
    Renews { room: ROOM, answers: Nonce([0x75; 16]), sent, had }
}

/// The statement of Ann's Standing.
pub fn standing_statement() -> Statement {
    let Person { identity: ben, direct, .. } = ben();
    Statement {
        step: Step::Standing,
        to: ben.peer(),
        device: ben.device,
        package: direct_package(direct.public().bytes().as_bytes(), &ben.device),
        transcript: Digest([0; 32]),
        body: codec::encode(&standing()),
    }
}

/// Ann's Standing in its envelope.
pub fn direct_envelope() -> Vec<u8> {
    let payload = codec::encode(&First::sign(&ann().identity, &standing_statement()));
    seal_direct(&ben().direct.public(), &payload, &mut Runs::from(0xe1)).expect("the payload is short")
}

/// The head of Ben's Accept.
pub fn accept_head() -> AcceptHead {
    AcceptHead {
        leaf_key: Secret::from_bytes([0x7a; 32]),
        leaves: None,
        lacks: None,
        request: RequestId([0x63; 16]),
        nonce: Nonce([0x65; 16]),
        name: "Ben".to_owned(),
        reply: ben().reply_contact(),
        epoch: EPOCH,
    }
}

/// Ben's Accept.
pub fn accept_body() -> AcceptBody {
    AcceptBody {
        head: codec::encode(&accept_head()),
        commit: b"stand-in for an external commit".to_vec(),
        bundle: b"stand-in for a sealed bundle".to_vec(),
    }
}

/// Ann's Confirm.
pub fn confirm_body() -> ConfirmBody {
    ConfirmBody { request: RequestId([0x63; 16]), bundle: Some(b"stand-in for a sealed bundle".to_vec()) }
}

/// A whole connection.
pub fn handshake() -> Handshake {
    let (ann, ben) = (ann(), ben());
    let statement = |step, to: &Person, contact: &Contact, transcript, body| Statement {
        step,
        to: to.identity.peer(),
        device: to.identity.device,
        package: contact.digest(&to.identity.device),
        transcript,
        body,
    };
    let offer = statement(Step::Offer, &ben, &ben.contact(), Digest([0; 32]), codec::encode(&offer_body()));
    let after_offer = offer_body().transcript(&ann.identity.peer(), &ben.identity.peer());
    let body = accept_body();
    let accept = statement(Step::Accept, &ann, &ann.reply_contact(), after_offer, codec::encode(&body));
    let after_accept = AcceptBody::transcript(&after_offer, &accept.body, &ben.identity.device);
    let confirm = statement(Step::Confirm, &ben, &ben.reply_contact(), after_accept, codec::encode(&confirm_body()));
    Handshake { offer, after_offer, head: body.head, accept, after_accept, confirm }
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

/// An owner's secrets of presence.
pub fn generation() -> Generation {
    Generation::random(0, day_of(NOW), &mut ChaCha20Rng::seed_from_u64(0x6d))
}

/// A header for one friend.
pub fn header() -> Header {
    let mut rng = ChaCha20Rng::seed_from_u64(0x6e);
    let readers = Readers { full: (8..16).collect(), limited: BTreeSet::new() };
    Header::wrap(&generation(), &Wrapping::random(1, &mut rng), &readers, &mut rng).expect("one block has a cover")
}

/// The record that the header lies in.
pub fn record() -> Vec<u8> {
    let key = generation().lookup();
    let header = codec::encode(&header());
    let place = Slot::of_header(&key.public(), day_of(NOW));
    place.seal_header(&key, 1, &header, &mut ChaCha20Rng::seed_from_u64(0x6f)).expect("a short header fits")
}

/// Ben's way in for anyone who knows his Peer ID.
pub fn posted() -> Vec<u8> {
    let ben = ben();
    let contact = codec::encode(&ben.contact_record("Ben"));
    Posted::sign(&ben.identity, 7, NOW.after(DAY), contact).expect("an invite fits").encode()
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

/// Where Ben is, as his friends read it.
pub fn signed_presence() -> SignedPresence {
    let ben = ben();
    let bundle = ben.bundle("Ben");
    let device = bundle.devices.into_iter().next().expect("a bundle names a device");
    let body = PresenceBody {
        name: "Ben".into(),
        friendship: bundle.friendship,
        chain: device.chain,
        entry: device.entry,
        relay_mailboxes: Vec::new(),
        lookups: Vec::new(),
        direct: Some(device.direct),
    };
    SignedPresence::sign(&ben.identity.signing, &generation().lookup().public(), 1, &body)
}

/// A body of a day.
pub fn body() -> Body {
    let stamp = BodyInfo { version: 1, day: day_of(NOW), sequence: 1, device: DeviceId([0x6b; 16]), issued: NOW, expires: NOW.after(DAY) };
    let payload = codec::encode(&signed_presence());
    let mut rng = ChaCha20Rng::seed_from_u64(0x70);
    Body::seal(&generation().reader(), &Secret::from_bytes([1; 32]), stamp, &payload, &mut rng).expect("the ratchet is at that day")
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
