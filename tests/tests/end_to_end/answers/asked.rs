//! A person made by hand whom a running node has asked, and what is tried on that node.

use super::{SOON, again};
use crate::by_hand::{Wire, bytes, dropped, people, somebody};
use crate::called::Called;
use crate::server::now;
use serde_json::Value;
use symbolon_core::command::{MessageState, Trust};
use symbolon_core::wire::{
    AcceptBody, ConfirmBody, Contact, DraftPlace, DraftSaid, OfferBody, OwnSaid, PAYLOAD_MAX, PersonSaid, PersonStanding, RoomPayload,
    SettingSaid, Step, TextSaid,
};
use symbolon_presence::codec;
use symbolon_presence::id::{Digest, MessageId, RoomId};
use symbolon_presence::time::DAY;
use symbolon_relay::put::{Outcome, Refusal};
use symbolon_tests::craft::{Actor, Bond, Heard, put};
use symbolon_tests::node::{Carrier, Node, start_named, wait_for_friend, within};
use tempfile::TempDir;

/// A node has asked a person made by hand, who has the Offer.
pub(super) struct Asked {
    pub(super) andi: Node,
    pub(super) called: Called,
    pub(super) ben: Actor,
    pub(super) offer: Heard,
    pub(super) link: Wire,
    pub(super) home: TempDir,
}

impl Asked {
    pub(super) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let andi = start_named(&home.path().join("andi"), Carrier::Tcp, "Andi").unwrap();
        Self::by(andi, somebody(11), home)
    }

    pub(super) fn by(andi: Node, mut ben: Actor, home: TempDir) -> Self {
        let mut called = Called::start();
        let invite = called.invite(&mut ben);
        assert_eq!(called.add(&andi, &invite)["status"], "pending");
        let (mut link, offer) = called.hear("the Offer", |frame| ben.hear(frame, now()));
        assert_eq!((offer.statement.step, offer.device.peer.to_string()), (Step::Offer, andi.ready["id"].as_str().unwrap().to_owned()));
        link.say(&ben.receipt(now(), &[offer.frame], Outcome::Stored(now().after(DAY))));
        Self { andi, called, ben, offer, link, home }
    }

    pub(super) fn offered(&self) -> OfferBody {
        codec::decode(&self.offer.statement.body, PAYLOAD_MAX).unwrap()
    }

    pub(super) fn reply(&self) -> Contact {
        self.offered().replies[0].clone()
    }

    pub(super) fn transcript(&self) -> Digest {
        self.offered().transcript(&self.offer.device.peer, &self.ben.peer())
    }

    /// Ben himself, by rooms in which he has answered nothing yet.
    pub(super) fn ben_again(&self, seed: u64) -> Actor {
        again(&self.ben.identity, seed)
    }

    /// Puts an envelope into the mailbox of the one who asked; what the mailbox signs.
    pub(super) fn answer(&mut self, envelope: Vec<u8>) -> Outcome {
        let reply = self.reply();
        self.link.put(&reply.entry, &put(&reply, None, envelope))
    }

    /// An answer that is not believed: refused in writing, counted, and the user sees what they saw before.
    pub(super) fn refused(&mut self, envelope: Vec<u8>, what: &str) {
        let before = (people(&self.andi), dropped(&self.andi));
        assert_eq!(self.answer(envelope), Outcome::Refused(Refusal::Refused), "{what}");
        assert_eq!(people(&self.andi), before.0, "{what}: the user sees nothing of it");
        assert!(dropped(&self.andi) > before.1, "{what}: it is counted");
    }

    /// An answer by its body, honestly signed and sealed by Ben.
    pub(super) fn misanswered(&mut self, transcript: Digest, body: &AcceptBody, what: &str) {
        let (device, reply) = (self.offer.device.clone(), self.reply());
        let envelope = self.ben.seal(Step::Accept, &device, &reply, transcript, bytes(body));
        self.refused(envelope, what);
    }

    /// The row of the request, as its user sees it.
    pub(super) fn row(&self) -> Value {
        self.andi.json(&["requests"]).unwrap().into_iter().find(|row| row["peer"] == self.ben.peer().to_string()).unwrap()
    }

    /// The honest answer: the asker's mailbox signs for it, both are friends, and Ben is heard in their room.
    pub(super) fn completes(&mut self, mut ben: Actor, accept: &AcceptBody) -> (Actor, Bond) {
        assert_eq!((&self.row()["status"], self.andi.json(&["friends"]).unwrap().len()), (&Value::from("pending"), 0));
        let (device, reply, transcript) = (self.offer.device.clone(), self.reply(), self.transcript());
        let envelope = ben.seal(Step::Accept, &device, &reply, transcript, bytes(accept));
        assert!(matches!(self.answer(envelope), Outcome::Stored(_)), "the mailbox says so");
        let confirm = self.link.hear("the Confirm", |frame| ben.hear(frame, now()));
        assert_eq!((confirm.statement.step, confirm.device.device), (Step::Confirm, device.device));
        assert!(confirm.statement.transcript == AcceptBody::transcript(&transcript, &bytes(accept), &ben.identity.device));
        let body: ConfirmBody = codec::decode(&confirm.statement.body, PAYLOAD_MAX).unwrap();
        let room = ben.cipher.inspect(&self.offered().group_info).unwrap().room;
        let bundle = ben.open_bundle(room, &body.bundle.unwrap());
        let bond = Bond { device, room, bundle };
        self.link.say(&ben.receipt(now(), &[confirm.frame], Outcome::Stored(now().after(DAY))));
        wait_for_friend(&self.andi, "Mallory").unwrap();
        let text = ben.say(&bond, "it is me", now());
        assert_eq!(self.link.put(&bond.bundle.devices[0].entry, &text), Outcome::Delivered);
        assert_eq!(self.andi.json(&["read"]).unwrap()[0]["text"], "it is me");
        self.andi.calm().unwrap();
        (ben, bond)
    }

    /// A friend speaks as a device of Andi's own: counted as forged, and nothing is changed by it.
    pub(super) fn poses_as_own(&mut self, mut ben: Actor, bond: &Bond) {
        let (own, friend) = (bond.device.peer, ben.peer());
        let text = self.andi.json(&["read", "--peek"]).unwrap()[0]["message"].as_str().unwrap().parse().unwrap();
        let person = |person, petname: &str, standing| PersonSaid {
            person,
            version: 9,
            by: friend,
            petname: petname.into(),
            trust: Trust::Verified,
            standing,
            conversation: RoomId([0; 32]),
            peers: vec![friend],
        };
        let chain = ben.identity.chain.clone();
        let forged = [
            OwnSaid::Persons(vec![person(own, "Mallory", PersonStanding::Friend)]),
            OwnSaid::Persons(vec![person(friend, "Cleo", PersonStanding::Blocked)]),
            OwnSaid::Texts(vec![TextSaid {
                person: friend,
                id: MessageId([1; 16]),
                at: now(),
                mine: true,
                state: MessageState::Delivered,
                text: "never written".into(),
            }]),
            OwnSaid::Read(friend, text),
            OwnSaid::Label("laptop".into()),
            OwnSaid::States(vec![(text, MessageState::Failed)]),
            OwnSaid::Relays(Vec::new()),
            OwnSaid::Certificate(chain.clone()),
            OwnSaid::Barred(chain),
            OwnSaid::RoomReads(vec![text]),
            OwnSaid::Settings(vec![SettingSaid { number: 1, version: 9, by: own, is_on: false }]),
            OwnSaid::Drafts(vec![DraftSaid { place: DraftPlace::Person(friend), version: 9, by: own, text: "never written".into() }]),
        ];
        let seen = |andi: &Node| {
            (
                people(andi),
                ["id", "device list", "relay list", "settings"].map(|words| andi.json(&words.split(' ').collect::<Vec<_>>()).unwrap()),
            )
        };
        let before = seen(&self.andi);
        for said in forged {
            let forged = || self.andi.json(&["status"]).unwrap()[0]["dropped_frames"]["forged"].as_u64().unwrap_or(0);
            let counted = forged();
            let sealed = ben.cipher.seal(bond.room, &bytes(&RoomPayload::Own(Box::new(said))), &[]).unwrap();
            let known = ben.next_known(bond, sealed);
            let frame = ben.known_frame(bond, &bytes(&known));
            self.link.say(&frame);
            within(SOON, "it is counted", || Ok((forged() > counted).then_some(()))).unwrap();
            assert_eq!(seen(&self.andi), before, "nothing of it is done");
        }
        // And that friend is heard as before.
        let text = ben.say(bond, "only me", now());
        assert_eq!(self.link.put(&bond.bundle.devices[0].entry, &text), Outcome::Delivered);
        self.andi.calm().unwrap();
    }
}
