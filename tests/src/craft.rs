//! A person whose every frame a test makes by hand: what a hostile node can do.
//!
//! An [`Actor`] has an identity, a mailbox and a room cipher like a node, but no core. It
//! signs whatever a test gives it, for anyone, and opens what comes back. Each step of a
//! connection is apart, so that a test can alter any part between two of them. Not a node:
//! it keeps no rows, checks nothing, retries nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod friend;
pub mod invites;
pub mod people;

use crate::sim::run::{ROGUE, Sim, nowhere};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use symbolon_core::clear_cipher::ClearCipher;
use symbolon_core::contact::{ContactBody, ContactRecord, VerifiedContact};
use symbolon_core::seam::LinkId;
use symbolon_core::wire::{
    AcceptBody, AcceptHead, Bundle, BundleDevice, ConfirmBody, Contact, First, Known, LeafOwner, OfferBody, PAYLOAD_MAX, RoomPayload,
    Statement, Step, Text, connection_psk, seal_credential,
};
use symbolon_core::world::{LeafKey, Lifetime, Opened, RoomCipher, Sealed};
use symbolon_presence::address::Address;
use symbolon_presence::codec;
use symbolon_presence::envelope::{Kind, frame_id, kind, open_first, seal_first};
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{Digest, FrameId, GrantId, MessageId, Nonce, PeerId, PublicKeyBytes, RequestId, RoomId};
use symbolon_presence::identity::{CERT_MAX, Chain, Device, DeviceCertBody, Identity, pair_context};
use symbolon_presence::kdf::{Secret, hash};
use symbolon_presence::kem::{KemKey, KemPublic, KemPublicBytes, Psk};
use symbolon_presence::labels::{HASH_CONTEXT, SIGN_CONTACT, SIGN_DEVICE};
use symbolon_presence::seeds::{Opener, Ratchet, Seed};
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::{AddressBody, MailboxKeys, Scope};
use symbolon_relay::prove::{Ends, LinkKey, Prove, Role, WIRE_VERSION};
use symbolon_relay::put::{MailboxEntry, Outcome, Put, Receipt, ReceiptBody, ReceiptItem};

/// A person driven by a test.
pub struct Actor {
    /// Where its random numbers come from.
    pub rng: ChaCha20Rng,
    /// Its keys.
    pub identity: Identity,
    /// Its mailbox.
    pub mailbox: MailboxKeys,
    /// Its friendship secret.
    pub friendship: FriendshipSecret,
    /// Its rooms, in clear text unless a test gives it others.
    pub cipher: Box<dyn RoomCipher>,
    /// Private half of the package it gives out, in invites and as reply address.
    pub package: KemKey,
    /// Private half of its direct key.
    pub direct: KemKey,
    /// The one seed that it says to everybody.
    pub seed: Seed,
    /// Counter of its next known envelope.
    pub counter: u64,
    /// Sequence number of its next ordered frame.
    pub sequence: u64,
    /// Where its mailbox is.
    pub places: Vec<Address>,
    /// Its mailboxes at relays, as friends hear of them.
    pub relays: Vec<MailboxEntry>,
}

/// A step that was opened, its signature verified.
pub struct Heard {
    /// The envelope that brought it.
    pub frame: FrameId,
    /// Who signed.
    pub device: Device,
    /// As it came.
    pub first: First,
    /// What was signed.
    pub statement: Statement,
}

/// A friend as an actor knows it.
pub struct Bond {
    /// The friend's device.
    pub device: Device,
    /// The connection room.
    pub room: RoomId,
    /// The friend's bundle.
    pub bundle: Bundle,
}

impl Actor {
    /// A person with a device.
    pub fn new(seed: u64, now: Timestamp) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = Identity::generate(&mut rng, now, 365 * DAY);
        Self::with_identity(identity, seed)
    }

    /// A device whose identity is given.
    pub fn with_identity(identity: Identity, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0xAC70);
        let mailbox = MailboxKeys::random(&mut rng);
        let friendship = FriendshipSecret { revision: 0, secret: Secret::random(&mut rng) };
        let (package, direct) = (KemKey::random(&mut rng), KemKey::random(&mut rng));
        let cipher = Box::new(ClearCipher::new(*Secret::random(&mut rng).expose()));
        let seed = Seed::draw(None, &mut rng);
        let (places, relays) = (vec![nowhere()], Vec::new());
        Self { rng, identity, mailbox, friendship, cipher, package, direct, seed, counter: 0, sequence: 0, places, relays }
    }

    /// Its Peer ID.
    pub fn peer(&self) -> PeerId {
        self.identity.peer()
    }

    /// A mailbox entry of its own with the key that goes with the address.
    pub fn entry(&mut self, scope: Scope) -> (MailboxEntry, Secret) {
        let queue = if scope == Scope::Contact { self.mailbox.contact } else { self.mailbox.direct };
        let body = AddressBody { queue, grant: GrantId([1; 16]), scope, expires: Timestamp(u64::MAX), uses: 0 };
        let key = self.mailbox.put_key(&self.mailbox.id(), &body, &self.friendship);
        let sealed = self.mailbox.seal_address(&body, &mut self.rng);
        (MailboxEntry::own(&self.mailbox, self.identity.signing.public(), sealed, self.places.clone()), key)
    }

    /// How it can be written to by somebody who is no friend.
    pub fn contact(&mut self, scope: Scope, expires: Timestamp) -> Contact {
        let (entry, key) = self.entry(scope);
        Contact {
            chain: None,
            package: self.package.public().bytes(),
            expires,
            last_resort: false,
            entry,
            key,
            relay_mailboxes: Vec::new(),
        }
    }

    /// A contact record over these contacts.
    pub fn record(&self, name: &str, expires: Timestamp, contacts: Vec<Contact>) -> ContactRecord {
        let body = codec::encode(&ContactBody { name: name.to_owned(), expires, contacts, servers: Vec::new(), invite: None });
        let signature = self.identity.signing.sign(SIGN_CONTACT, &pair_context(&self.peer(), &self.peer()), &body);
        ContactRecord { chain: self.identity.chain.clone(), body, signature }
    }

    /// A fresh leaf with the credential of some identity, and what says whose it is.
    pub fn leaf(&mut self, of: &Identity) -> (LeafKey, Vec<u8>, LeafOwner) {
        let (leaf, key) = (self.cipher.fresh_leaf().unwrap(), Secret::random(&mut self.rng));
        let credential = seal_credential(of, &leaf.0, &key);
        (leaf, credential, LeafOwner { leaf: PublicKeyBytes(leaf.0), chain: None, key })
    }

    /// An honest Offer in a room of its own.
    pub fn offer(&mut self, now: Timestamp) -> OfferBody {
        let room = RoomId::random(&mut self.rng);
        let (leaf, credential, owner) = self.leaf(&self.identity.clone());
        self.cipher.create(room, leaf, &credential, lifetime(now), None).unwrap();
        let reply = self.contact(Scope::Guest, now.after(30 * DAY));
        OfferBody {
            request: RequestId::random(&mut self.rng),
            revision: 0,
            name: "Mallory".into(),
            note: Some("hello".into()),
            replies: vec![reply],
            nonce: Nonce::random(&mut self.rng),
            group_info: self.cipher.offer(room).unwrap(),
            created: now,
            expires: now.after(30 * DAY),
            renews: None,
            leaves: vec![owner],
        }
    }

    /// Signs and seals a step to a device's package.
    pub fn seal(&mut self, step: Step, to: &Device, contact: &Contact, transcript: Digest, body: Vec<u8>) -> Vec<u8> {
        let statement = statement(step, to, contact, transcript, body);
        let first = First::sign(&self.identity, &statement);
        self.seal_payload(contact, &codec::encode(&first))
    }

    /// Seals any payload to a package.
    pub fn seal_payload(&mut self, contact: &Contact, payload: &[u8]) -> Vec<u8> {
        let psk = invites::psk_of(&contact.package);
        self.seal_behind(contact, psk.as_ref(), payload)
    }

    /// Seals any payload to a package, behind any secret.
    pub fn seal_behind(&mut self, contact: &Contact, psk: Option<&Psk>, payload: &[u8]) -> Vec<u8> {
        seal_first(&KemPublic::parse(&contact.package).unwrap(), psk, payload, &mut self.rng).unwrap()
    }

    /// The frame of an Offer to the first device of a contact.
    pub fn offer_frame(&mut self, to: &VerifiedContact, usage: Nonce, body: &OfferBody) -> Vec<u8> {
        let (device, contact) = to.contacts[0].clone();
        let envelope = self.seal(Step::Offer, &device, &contact, Digest([0; 32]), codec::encode(body));
        put(&contact, Some(usage), envelope)
    }

    /// Opens a step that was sealed to the actor's package.
    pub fn hear(&self, frame: &[u8], now: Timestamp) -> Option<Heard> {
        let Ok(Frame::Put(put)) = Frame::decode(frame) else { return None };
        let psk = invites::psk_of(&self.package.public().bytes());
        let payload =
            open_first(&self.package, psk.as_ref(), &put.envelope).or_else(|_| open_first(&self.package, None, &put.envelope)).ok()?;
        let first: First = codec::decode(&payload, PAYLOAD_MAX).ok()?;
        let (device, statement) = first.verify(&self.peer(), now)?;
        Some(Heard { frame: put.frame, device, first, statement })
    }

    /// A receipt over frames.
    pub fn receipt(&self, now: Timestamp, frames: &[FrameId], outcome: Outcome) -> Vec<u8> {
        let items = frames.iter().map(|frame| ReceiptItem { frame: *frame, outcome }).collect();
        let body = ReceiptBody { at: now, items };
        Frame::Receipt(Receipt::sign(&self.identity.signing, &self.mailbox.id(), &body)).encode()
    }

    /// Its own bundle.
    pub fn bundle(&mut self) -> Bundle {
        let (entry, _) = self.entry(Scope::Friends(self.friendship.revision));
        Bundle {
            name: "Mallory".into(),
            second_root: self.identity.second_root,
            friendship: self.friendship.clone(),
            devices: vec![BundleDevice {
                chain: self.identity.chain.clone(),
                entry,
                relay_mailboxes: self.relays.clone(),
                direct: self.direct.public().bytes(),
                seed: self.seed.clone(),
            }],
            presence: None,
        }
    }

    /// Makes the body of an Accept of an Offer; also enters its room.
    pub fn accept(&mut self, offer: &Heard, now: Timestamp) -> (AcceptBody, OfferBody) {
        let leaf_of = self.identity.clone();
        self.accept_as(offer, &self.peer(), &leaf_of, now)
    }

    /// The same, in the place of another person or with a leaf of another identity.
    pub fn accept_as(&mut self, offer: &Heard, asked: &PeerId, leaf_of: &Identity, now: Timestamp) -> (AcceptBody, OfferBody) {
        let body: OfferBody = codec::decode(&offer.statement.body, PAYLOAD_MAX).unwrap();
        let transcript = body.transcript(&offer.device.peer, asked);
        let view = self.cipher.inspect(&body.group_info).unwrap();
        let (leaf, credential, owner) = self.leaf(leaf_of);
        let head = AcceptHead {
            leaf_key: owner.key,
            leaves: None,
            lacks: None,
            request: body.request,
            nonce: Nonce::random(&mut self.rng),
            name: "Mallory".into(),
            reply: self.contact(Scope::Guest, now.after(DAY)),
            epoch: view.epoch,
        };
        let head = codec::encode(&head);
        let (psk, secret) = connection_psk(&transcript, &head, &self.identity.chain);
        self.cipher.share_psk(&psk, secret.expose()).unwrap();
        let joined = self.cipher.join_external(&body.group_info, &psk, leaf, &credential, lifetime(now)).unwrap();
        let bundle = RoomPayload::Bundle(self.bundle());
        let bundle = self.cipher.seal(joined.room, &codec::encode(&bundle), &[]).unwrap();
        (AcceptBody { head, commit: joined.commit, bundle: bundle.bytes }, body)
    }

    /// The frame of an Accept, behind the Offer's true transcript.
    pub fn accept_frame(&mut self, offer: &Heard, accept: &AcceptBody) -> Vec<u8> {
        let body: OfferBody = codec::decode(&offer.statement.body, PAYLOAD_MAX).unwrap();
        let transcript = body.transcript(&offer.device.peer, &self.peer());
        let envelope = self.seal(Step::Accept, &offer.device, &body.replies[0], transcript, codec::encode(accept));
        put(&body.replies[0], None, envelope)
    }

    /// Takes in the answer to its own Offer; also makes the Confirm that completes it.
    pub fn complete(&mut self, offer: &OfferBody, accept: &Heard, now: Timestamp) -> (Bond, Vec<u8>) {
        let transcript = offer.transcript(&self.peer(), &accept.device.peer);
        assert!(accept.statement.transcript == transcript, "the Accept is one of this Offer");
        let body: AcceptBody = codec::decode(&accept.statement.body, PAYLOAD_MAX).unwrap();
        let head: AcceptHead = codec::decode(&body.head, PAYLOAD_MAX).unwrap();
        let (psk, secret) = connection_psk(&transcript, &body.head, &accept.first.chain);
        self.cipher.share_psk(&psk, secret.expose()).unwrap();
        let room = self.cipher.inspect(&offer.group_info).unwrap().room;
        let Opened::Commit(staged) = self.cipher.open(room, &body.commit).unwrap() else { panic!("an Accept carries a commit") };
        self.cipher.adopt(room, staged.epoch).unwrap();
        let bundle = self.open_bundle(room, &body.bundle);
        let bond = Bond { device: accept.device.clone(), room, bundle };
        let accepted = AcceptBody::transcript(&transcript, &accept.statement.body, &accept.device.device);
        let own = RoomPayload::Bundle(self.bundle());
        let sealed = self.cipher.seal(room, &codec::encode(&own), &[]).unwrap();
        let confirm = codec::encode(&ConfirmBody { request: head.request, bundle: Some(sealed.bytes) });
        let envelope = self.seal(Step::Confirm, &accept.device, &head.reply, accepted, confirm);
        let _ = now;
        (bond, put(&head.reply, None, envelope))
    }

    /// Opens a bundle that came as a room message.
    pub fn open_bundle(&mut self, room: RoomId, sealed: &[u8]) -> Bundle {
        let Opened::Text { plaintext, .. } = self.cipher.open(room, sealed).unwrap() else { panic!("a bundle is a text") };
        let Some(RoomPayload::Bundle(bundle)) = RoomPayload::decode(&plaintext) else { panic!("a bundle reads back") };
        bundle
    }
}

/// A statement with every binding as it should be.
pub fn statement(step: Step, to: &Device, contact: &Contact, transcript: Digest, body: Vec<u8>) -> Statement {
    Statement { step, to: to.peer, device: to.device, package: contact.digest(&to.device), transcript, body }
}

/// The frame that puts an envelope to a contact.
pub fn put(contact: &Contact, usage: Option<Nonce>, envelope: Vec<u8>) -> Vec<u8> {
    Frame::Put(Put::new(contact.entry.address.clone(), &contact.key, 3600, usage, envelope).unwrap()).encode()
}

/// The envelope of a frame that puts a first one.
fn step_of(frame: &[u8]) -> Option<FrameId> {
    match Frame::decode(frame) {
        Ok(Frame::Put(put)) if kind(&put.envelope) == Some(Kind::First) => Some(put.frame),
        _ => None,
    }
}

/// The lines of all receipts among some frames.
pub fn outcomes(frames: &[Vec<u8>]) -> Vec<Outcome> {
    let receipts = frames.iter().filter_map(|frame| match Frame::decode(frame) {
        Ok(Frame::Receipt(receipt)) => codec::decode::<ReceiptBody>(&receipt.body, 1 << 16).ok(),
        _ => None,
    });
    receipts.flat_map(|body| body.items.into_iter().map(|item| item.outcome)).collect()
}

/// The id of the envelope in a Put.
pub fn put_id(frame: &[u8]) -> Option<FrameId> {
    match Frame::decode(frame) {
        Ok(Frame::Put(put)) => Some(frame_id(&put.envelope)),
        _ => None,
    }
}

/// A public key as bytes that no honest node sends.
pub fn weak_key(index: usize) -> PublicKeyBytes {
    let mut one = [0; 32];
    one[0] = 1;
    let mut beyond = [0xff; 32];
    beyond[0] = 0xed;
    beyond[31] = 0x7f;
    PublicKeyBytes([[0; 32], one, beyond][index % 3])
}

/// A certificate with one field changed, signed properly.
pub fn certify(identity: &Identity, change: impl Fn(&mut DeviceCertBody)) -> Chain {
    let mut body: DeviceCertBody = codec::decode(&identity.chain.cert, CERT_MAX).unwrap();
    change(&mut body);
    let cert = codec::encode(&body);
    let signature = identity.root.as_ref().unwrap().sign(SIGN_DEVICE, &hash(HASH_CONTEXT, &[identity.peer().as_bytes()]), &cert);
    Chain { root: identity.chain.root, cert, signature }
}

/// A public key of X-Wing whose X25519 half is weak; it comes behind ML-KEM's.
pub fn weak_kem(strong: &KemPublicBytes, weak: PublicKeyBytes) -> KemPublicBytes {
    let strong = strong.as_bytes();
    KemPublicBytes::new([&strong[..strong.len() - 32], weak.as_bytes()].concat()).unwrap()
}

fn lifetime(now: Timestamp) -> Lifetime {
    Lifetime { not_before: Timestamp(now.0 - DAY), not_after: now.after(365 * DAY) }
}
