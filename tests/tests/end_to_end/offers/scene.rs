//! A running node, and a stranger made by hand who holds an invite of it.

use super::{NONE, SOON};
use crate::by_hand::{Wire, bytes, dropped, invite, people, somebody};
use symbolon_core::contact::VerifiedContact;
use symbolon_core::wire::{Contact, First, OfferBody, Statement, Step};
use symbolon_presence::id::Nonce;
use symbolon_relay::put::{Outcome, Refusal};
use symbolon_tests::craft::{Actor, put, statement};
use symbolon_tests::node::{Carrier, Node, start_named, within};
use tempfile::TempDir;

/// A node, and a stranger who holds an invite of it.
pub(super) struct Scene {
    pub(super) andi: Node,
    pub(super) mallory: Actor,
    pub(super) to: VerifiedContact,
    pub(super) usage: Nonce,
    pub(super) wire: Wire,
    pub(super) _home: TempDir,
}

impl Scene {
    pub(super) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let andi = start_named(&home.path().join("andi"), Carrier::Tcp, "Andi").unwrap();
        let mut wire = Wire::call(&andi);
        let (_, to) = wire.contact_of(&invite(&andi));
        Self { andi, mallory: somebody(1), to, usage: Nonce([9; 16]), wire, _home: home }
    }

    /// Puts an envelope in the node's mailbox; what the mailbox has signed.
    pub(super) fn put(&mut self, contact: &Contact, envelope: Vec<u8>) -> Outcome {
        self.wire.put(&contact.entry, &put(contact, Some(self.usage), envelope))
    }

    /// Sends an envelope that must be refused in writing; the user sees nothing of it.
    pub(super) fn refused(&mut self, contact: &Contact, envelope: Vec<u8>, as_: Refusal, what: &str) {
        let before = (people(&self.andi), dropped(&self.andi));
        assert_eq!(self.put(contact, envelope), Outcome::Refused(as_), "{what}");
        assert_eq!(people(&self.andi), before.0, "{what}: the user sees nothing of it");
        assert!(dropped(&self.andi) > before.1, "{what}: it is counted");
    }

    /// Sends an envelope without the right to: nothing is signed for it, and the user sees nothing.
    pub(super) fn unheard(&mut self, contact: &Contact, envelope: &[u8], what: &str) {
        let before = (people(&self.andi), dropped(&self.andi));
        self.wire.say(&put(contact, Some(self.usage), envelope.to_vec()));
        within(SOON, what, || Ok((dropped(&self.andi) > before.1).then_some(()))).unwrap();
        assert!(self.wire.is_silent(), "{what}");
        assert_eq!(people(&self.andi), before.0, "{what}: the user sees nothing of it");
    }

    /// A statement of the stranger's, as it should be.
    pub(super) fn said(&self, body: &OfferBody) -> Statement {
        let (device, contact) = &self.to.contacts[0];
        statement(Step::Offer, device, contact, NONE, bytes(body))
    }

    /// Sends what must be refused by the way in of the invite.
    pub(super) fn forged(&mut self, first: &First, what: &str) {
        let contact = self.to.contacts[0].1.clone();
        let envelope = self.mallory.seal_payload(&contact, &bytes(first));
        self.refused(&contact, envelope, Refusal::Refused, what);
    }
}
