//! Invites made and read by hand: links, and the bodies that lie where they are looked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::Actor;
use crate::sim::run::Sim;
use rand_chacha::ChaCha20Rng;
use std::cell::RefCell;
use std::collections::HashMap;
use symbolon_core::contact::{ContactBody, ContactRecord, InviteMark, VerifiedContact};
use symbolon_core::limits::CONTACT_RECORD_MAX;
use symbolon_core::link::InviteLink;
use symbolon_core::place::Place;
use symbolon_core::wire::Contact;
use symbolon_presence::codec;
use symbolon_presence::id::{LookupId, PeerId};
use symbolon_presence::identity::{Identity, pair_context};
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::kem::{KemPublicBytes, Psk};
use symbolon_presence::labels::SIGN_CONTACT;
use symbolon_presence::record::{Record, day_of};
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::Scope;

thread_local! {
    /// What seals Offers by the invites that this test has read or made, by their packages.
    static PSKS: RefCell<HashMap<Vec<u8>, Psk>> = RefCell::default();
}

/// What seals an Offer to a package that stood in the body of an invite.
pub fn psk_of(package: &KemPublicBytes) -> Option<Psk> {
    PSKS.with_borrow(|psks| psks.get(package.as_bytes()).cloned())
}

fn note_psk(secret: &InviteSecret, maker: &PeerId, contacts: impl Iterator<Item = KemPublicBytes>) {
    let psk = secret.psk(maker);
    PSKS.with_borrow_mut(|psks| psks.extend(contacts.map(|package| (package.as_bytes().to_vec(), psk.clone()))));
}

/// The body of an invite for a day, signed by anybody over anything.
pub fn body(identity: &Identity, said: ContactBody, mark: Option<InviteMark>) -> ContactRecord {
    let body = codec::encode(&ContactBody { invite: mark, ..said });
    let peer = identity.peer();
    let signature = identity.signing.sign(SIGN_CONTACT, &pair_context(&peer, &peer), &body);
    ContactRecord { chain: identity.chain.clone(), body, signature }
}

/// The body of an invite as it lies where it is looked for: the id, and the bytes.
pub fn lying(secret: &InviteSecret, day: u32, number: u64, record: &ContactRecord, rng: &mut ChaCha20Rng) -> (LookupId, Vec<u8>) {
    let slot = secret.slot(day);
    (slot.id().unwrap(), slot.seal(Timestamp(number), &codec::encode(record), rng).unwrap())
}

/// What a contact record says, unchecked.
pub fn said(record: &ContactRecord) -> ContactBody {
    codec::decode(&record.body, CONTACT_RECORD_MAX).unwrap()
}

/// What lies in a record where the body of an invite is looked for.
pub fn open(link: &str, bytes: &[u8], now: Timestamp) -> Option<(u32, ContactRecord)> {
    let link = InviteLink::read(link).unwrap();
    let record = Record::read(bytes, now).ok()?;
    let days = [day_of(now) - 1, day_of(now), day_of(now) + 1];
    let day = days.into_iter().find(|day| link.secret.slot(*day).id() == Ok(record.id))?;
    let content = link.secret.slot(day).open(&record).ok()?;
    Some((day, codec::decode(&content, CONTACT_RECORD_MAX).ok()?))
}

/// What the body of an invite says, verified.
pub fn read(link: &str, bytes: &[u8], now: Timestamp) -> VerifiedContact {
    let (day, record) = open(link, bytes, now).expect("it is the body of this invite");
    let link = InviteLink::read(link).unwrap();
    let Ok(contact) = record.verify_body(now, &link.secret.id(), day, Some(&link.peer)) else { panic!("the body is good") };
    note_psk(&link.secret, &link.peer, contact.contacts.iter().map(|(_, contact)| contact.package.clone()));
    contact
}

impl Actor {
    /// An invite of its own, whose body is found by anyone who looks for it.
    pub fn invite(&mut self, sim: &mut Sim) -> String {
        let expires = sim.now.after(DAY);
        let contact = self.contact(Scope::Contact, expires);
        self.invite_with(sim, "Mallory", expires, vec![contact])
    }

    /// The same, with other ways in.
    pub fn invite_with(&mut self, sim: &mut Sim, name: &str, expires: Timestamp, contacts: Vec<Contact>) -> String {
        let said = ContactBody { name: name.to_owned(), expires, contacts, servers: Vec::new(), invite: None };
        let secret = InviteSecret::random(&mut self.rng);
        let identity = self.identity.clone();
        sim.plant_invite(&secret, &identity, &said)
    }
}

impl Actor {
    /// An invite whose body is fetched at the actor's own places, as a test makes it for a day: the link, and what lies there.
    pub fn invite_at_home(
        &mut self,
        said: &ContactBody,
        now: Timestamp,
        record: impl Fn(&Self, ContactBody, InviteMark) -> ContactRecord,
    ) -> (String, Vec<(LookupId, Vec<u8>)>) {
        let secret = InviteSecret::random(&mut self.rng);
        note_psk(&secret, &self.peer(), said.contacts.iter().map(|contact| contact.package.clone()));
        let today = day_of(now);
        let mut all = Vec::new();
        for day in today - 1..=today + 1 {
            let record = record(self, said.clone(), InviteMark { id: secret.id(), day, number: now.0 });
            all.push(lying(&secret, day, now.0, &record, &mut self.rng));
        }
        let link = InviteLink::new(secret, self.peer(), said.expires, Place::of(&self.places, false), Vec::new());
        (link.text(), all)
    }
}

impl Sim {
    /// Lets the bodies of an invite be found, and answers its link.
    pub fn plant_invite(&mut self, secret: &InviteSecret, identity: &Identity, said: &ContactBody) -> String {
        note_psk(secret, &identity.peer(), said.contacts.iter().map(|contact| contact.package.clone()));
        let today = day_of(self.now);
        for day in today - 1..=today + 1 {
            let mark = InviteMark { id: secret.id(), day, number: self.now.0 };
            self.plant(secret, day, self.now.0, &body(identity, said.clone(), Some(mark)));
        }
        InviteLink::new(secret.clone(), identity.peer(), said.expires, Vec::new(), Vec::new()).text()
    }

    /// Puts a contact record where the body of an invite is looked for on a day.
    pub fn plant(&mut self, secret: &InviteSecret, day: u32, number: u64, record: &ContactRecord) {
        let seed = self.seed();
        let mut rng = <ChaCha20Rng as rand_core::SeedableRng>::from_seed(seed);
        let (id, bytes) = lying(secret, day, number, record, &mut rng);
        self.lookup.planted.insert(id, bytes);
    }

    /// The body of today that a node has for anyone who holds this link.
    pub fn body_at(&mut self, ix: usize, link: &str) -> Option<Vec<u8>> {
        let id = InviteLink::read(link).unwrap().secret.slot(day_of(self.now)).id().unwrap();
        let wire = self.rogue_link(ix);
        let heard = self.rogue_send(wire, Frame::Lookup(id).encode());
        self.rogue_close(wire);
        heard.iter().find_map(|frame| match Frame::decode(frame) {
            Ok(Frame::Found(found)) if found.id == id => found.record,
            Ok(_) | Err(_) => None,
        })
    }

    /// The body of today that the maker of an invite has.
    fn body_of(&mut self, link: &str) -> Vec<u8> {
        let peer = InviteLink::read(link).unwrap().peer;
        let makers: Vec<usize> = (0..self.nodes.len()).filter(|ix| self.nodes[*ix].peer == peer).collect();
        makers.into_iter().find_map(|ix| self.body_at(ix, link)).expect("the node has the body of its invite")
    }

    /// What an invite of a node says.
    pub fn contact_of(&mut self, link: &str) -> VerifiedContact {
        read(link, &self.body_of(link), self.now)
    }

    /// Lets the body of an invite be found by those, too, who do not reach its maker.
    pub fn spread(&mut self, link: &str) {
        let id = InviteLink::read(link).unwrap().secret.slot(day_of(self.now)).id().unwrap();
        let bytes = self.body_of(link);
        self.lookup.planted.insert(id, bytes);
    }
}
