//! A friend made by hand before a node that runs: what somebody can do who has every key of a friend, and says in the room of the
//! friendship what a test wants.

use super::by_hand::{Wire, befriends, bytes, dropped, invite, people, somebody};
use super::server::now;
use super::vouchers::stolen;
use rand_core::Rng;
use serde_json::Value;
use std::time::Duration;
use symbolon_core::contact::ContactRecord;
use symbolon_core::limits::CONTACT_RECORD_MAX;
use symbolon_core::wire::{Bundle, Contact, Introduced, Introduction, IntroductionBody, Known, PAYLOAD_MAX, RoomPayload, Text};
use symbolon_core::world::{Lifetime, Opened, PackageKind, Proposals, RoomCipher, Sealed};
use symbolon_node::mls::{MemoryRows, MlsCipher, MlsRows};
use symbolon_presence::codec;
use symbolon_presence::envelope::{Kind, kind};
use symbolon_presence::id::{EpochId, FrameId, MessageId, Nonce, RequestId, RoomId};
use symbolon_presence::identity::Identity;
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::put::{Outcome, Put, Refusal};
use symbolon_tests::campaign::files;
use symbolon_tests::craft::{Actor, Bond};
use symbolon_tests::node::{Carrier, Node, start_named, within};

const SOON: Duration = Duration::from_secs(20);
const REFUSED: Outcome = Outcome::Refused(Refusal::Refused);

/// A friend of a node, and their link to it.
pub(super) struct Friend {
    pub(super) actor: Actor,
    pub(super) bond: Bond,
    pub(super) wire: Wire,
    /// The way in that came with the answer to their request.
    pub(super) reply: Contact,
    /// What the node has said in the room of the friendship, and in which envelope.
    heard: Vec<(FrameId, RoomPayload)>,
    /// Whether what the node says is signed for at once.
    signs: bool,
}

impl Friend {
    /// Somebody new befriends a node.
    pub(super) fn of(node: &Node, mut actor: Actor) -> Self {
        let mut wire = Wire::call(node);
        let (bond, reply) = befriends(node, &mut wire, &mut actor);
        Self { actor, bond, wire, reply, heard: Vec::new(), signs: true }
    }

    /// Proves to be behind the link: from then on the node speaks.
    pub(super) fn proves(&mut self) {
        let proof = self.wire.proof(&self.actor, &self.bond);
        self.wire.say(&Frame::Prove(proof).encode());
    }

    /// Puts a frame; what the node's mailbox signs.
    pub(super) fn puts(&mut self, frame: &[u8]) -> Outcome {
        let entry = self.bond.bundle.devices[0].entry.clone();
        self.wire.put(&entry, frame)
    }

    /// The frame of what was sealed in the room, under the next place.
    fn known(&mut self, sealed: Sealed) -> Vec<u8> {
        let known = self.actor.next_known(&self.bond, sealed);
        self.actor.known_frame(&self.bond, &bytes(&known))
    }

    /// Says anything in the room; what the node's mailbox signs.
    pub(super) fn says(&mut self, payload: &[u8]) -> Outcome {
        let sealed = self.actor.cipher.seal(self.bond.room, payload, &[]).unwrap();
        let frame = self.known(sealed);
        self.puts(&frame)
    }

    /// An honest text, which must arrive.
    pub(super) fn writes(&mut self, text: &str) {
        let frame = self.actor.say(&self.bond, text, now());
        assert_eq!(self.puts(&frame), Outcome::Delivered, "{text}");
    }

    /// Takes what the node has said.
    fn takes(&mut self) {
        let put = |frame: &[u8]| if let Ok(Frame::Put(put)) = Frame::decode(frame) { Some(put) } else { None };
        while let Some(put) = self.wire.heard(put) {
            if kind(&put.envelope) == Some(Kind::First) {
                let stored = self.actor.receipt(now(), &[put.frame], Outcome::Stored(now().after(DAY)));
                self.wire.say(&stored);
                continue;
            }
            let opener = self.actor.opener(&self.bond);
            let opened = (0..64).find_map(|counter| opener.open(counter, &put.envelope).ok());
            let known = opened.and_then(|payload| codec::decode::<Known>(&payload, PAYLOAD_MAX).ok()).expect("it is for this friend");
            if let Ok(Opened::Text { plaintext, .. }) = self.actor.cipher.open(self.bond.room, &known.mls) {
                self.heard.extend(RoomPayload::decode(&plaintext).map(|said| (put.frame, said)));
            }
            if self.signs {
                self.signs_for(put.frame, Outcome::Delivered);
            }
        }
    }

    fn signs_for(&mut self, frame: FrameId, outcome: Outcome) {
        let receipt = self.actor.receipt(now(), &[frame], outcome);
        self.wire.say(&receipt);
    }

    /// The first thing that the node says in the room and that is wanted.
    fn hears<T>(&mut self, what: &str, wanted: impl Fn(&RoomPayload) -> Option<T>) -> (FrameId, T) {
        within(SOON, what, || {
            self.takes();
            Ok(self.heard.iter().find_map(|(frame, said)| Some((*frame, wanted(said)?))))
        })
        .unwrap()
    }
}

impl Friend {
    /// Waits for a text of the node's, and signs that it is here.
    pub(super) fn takes_text(&mut self, wanted: &str) {
        self.hears("the text", |said| matches!(said, RoomPayload::Text(text) if text.text == wanted).then_some(()));
    }
}

fn text(text: &str) -> Vec<u8> {
    bytes(&RoomPayload::Text(Text { id: MessageId([5; 16]), at: now(), text: text.into() }))
}

fn texts(node: &Node) -> Vec<String> {
    node.json(&["read", "--peek"]).unwrap().iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

/// Frames of a friend's that must be refused in writing, however often they come, and of which the user sees nothing.
fn refused(andi: &Node, ben: &mut Friend, frame: &[u8], what: &str) {
    let before = (people(andi), dropped(andi));
    for _ in 0..2 {
        assert_eq!(ben.puts(frame), REFUSED, "{what}");
    }
    assert_eq!(people(andi), before.0, "{what}: the user sees nothing of it");
    assert!(dropped(andi) > before.1, "{what}: it is counted");
}

/// Nothing is signed for it.
fn unanswered(andi: &Node, ben: &mut Friend, frame: &[u8], what: &str) {
    let before = (people(andi), dropped(andi));
    ben.wire.say(frame);
    assert!(ben.wire.is_silent(), "{what}");
    assert_eq!(people(andi), before.0, "{what}: the user sees nothing of it");
}

/// Commits that are not a friend's to make, a text of an epoch that is none, and a true one that names another.
fn of_another_epoch(andi: &Node, ben: &mut Friend) {
    let room = ben.bond.room;
    let leaf = ben.actor.cipher.fresh_leaf().unwrap();
    let lifetime = Lifetime { not_before: Timestamp(now().0 - DAY), not_after: now().after(DAY) };
    let add = vec![ben.actor.cipher.key_package(leaf, b"another", lifetime, &PackageKind::default()).unwrap()];
    for (what, proposals) in [
        ("somebody is added", Proposals { add, ..Proposals::default() }),
        ("the other one is removed", Proposals { remove: vec![1], ..Proposals::default() }),
    ] {
        let Ok(pending) = ben.actor.cipher.commit(room, &proposals, b"") else { panic!("{what}: the commit is made") };
        ben.actor.cipher.reject(room).unwrap();
        let frame = ben.known(Sealed { epoch: pending.parent, bytes: pending.commit });
        refused(andi, ben, &frame, what);
    }
    let pending = ben.actor.cipher.commit(room, &Proposals::default(), b"").unwrap();
    ben.actor.cipher.adopt(room, pending.epoch).unwrap();
    let sealed = ben.actor.cipher.seal(room, &text("ahead"), &[]).unwrap();
    let frame = ben.known(sealed);
    ben.actor.sequence -= 1;
    unanswered(andi, ben, &frame, "of an epoch that nobody has heard of");
    ben.actor.cipher.rewind(room, pending.parent).unwrap();
    let sealed = ben.actor.cipher.seal(room, &text("true"), &[]).unwrap();
    let known = Known { epoch: EpochId([0xee; 32]), ..ben.actor.next_known(&ben.bond, sealed) };
    let frame = ben.actor.known_frame(&ben.bond, &bytes(&known));
    assert_eq!(ben.puts(&frame), Outcome::Delivered, "the epoch that is named outside decides nothing");
}

/// Garbage in every layer of what a friend says.
fn garbage(andi: &Node, ben: &mut Friend) {
    let room = ben.bond.room;
    for round in 0..3u8 {
        let mut noise = vec![0; 300];
        ben.actor.rng.fill_bytes(&mut noise);
        let frame = ben.actor.known_frame(&ben.bond, &noise);
        refused(andi, ben, &frame, "noise inside the envelope");
        let sealed = ben.actor.cipher.seal(room, &[round; 40], &[]).unwrap();
        let frame = ben.known(sealed);
        refused(andi, ben, &frame, "noise inside the room");
        let mut sealed = ben.actor.cipher.seal(room, b"x", &[]).unwrap();
        let at = sealed.bytes.len() / 2;
        sealed.bytes[at] ^= 1 << round;
        let frame = ben.known(sealed);
        refused(andi, ben, &frame, "a changed room message");
        let sealed = ben.actor.cipher.seal(room, b"x", &[]).unwrap();
        let known = Known { room: RoomId([1; 32]), ..ben.actor.next_known(&ben.bond, sealed) };
        ben.actor.sequence -= 1;
        let frame = ben.actor.known_frame(&ben.bond, &bytes(&known));
        unanswered(andi, ben, &frame, "of a room that both do not share");
    }
}

/// Texts and bundles that are too long, and the longest one that is not.
fn over_long(andi: &Node, ben: &mut Friend) {
    let bundle: Bundle = ben.actor.bundle();
    let long = [text(&"t".repeat(16 * 1024 + 1)), text(""), text(&"t".repeat(200_000))];
    let named = bytes(&RoomPayload::Bundle(Bundle { name: "n".repeat(65), ..bundle }));
    for payload in long.into_iter().chain([named]) {
        let sealed = ben.actor.cipher.seal(ben.bond.room, &payload, &[]).unwrap();
        let frame = ben.known(sealed);
        refused(andi, ben, &frame, "too long");
    }
    assert_eq!(ben.says(&text(&"t".repeat(16 * 1024))), Outcome::Delivered);
}

/// An envelope under a key far ahead of its place.
fn far_ahead(andi: &Node, ben: &mut Friend) {
    for far in [4_096, 70_000] {
        let mut keys = ben.actor.ratchet(&ben.bond);
        (0..ben.actor.counter + far).for_each(|_| drop(keys.turn()));
        let sealed = ben.actor.cipher.seal(ben.bond.room, &text("from far ahead"), &[]).unwrap();
        let known = ben.actor.next_known(&ben.bond, sealed);
        ben.actor.sequence -= 1;
        let envelope = keys.turn().seal(&[7; 12], &bytes(&known)).unwrap();
        let entry = &ben.bond.bundle.devices[0].entry;
        let put = Put::new(entry.address.clone(), &ben.bond.bundle.friendship.put(&entry.mailbox), 3_600, None, envelope).unwrap();
        unanswered(andi, ben, &Frame::Put(put).encode(), "under a key that is far ahead");
    }
}

/// A text of the node's own is called delivered once its friend has signed just that.
fn delivered_when_signed(andi: &Node, ben: &mut Friend) {
    ben.signs = false;
    let message = andi.json(&["send", "Mallory", "is it there?"]).unwrap().remove(0)["message"].clone();
    let is_it = |said: &RoomPayload| matches!(said, RoomPayload::Text(text) if text.text == "is it there?").then_some(());
    let (frame, ()) = ben.hears("the text", is_it);
    let state = || {
        let row = andi.json(&["read", "--peek"]).unwrap().into_iter().find(|row| row["message"] == message).unwrap();
        row["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(), "queued");
    let other = FrameId([3; 32]);
    ben.signs_for(other, Outcome::Delivered);
    // By somebody else's key.
    let by = somebody(77).receipt(now(), &[frame], Outcome::Delivered);
    ben.wire.say(&by);
    ben.writes("behind all that");
    assert_ne!(state(), "delivered", "somewhere, and not on the friend's disk");
    ben.signs_for(frame, Outcome::Delivered);
    within(SOON, "it is delivered", || Ok((state() == "delivered").then_some(()))).unwrap();
    ben.signs = true;
}

/// Somebody who has stolen all that lies in the node's folder speaks to it as its friend.
fn with_stolen_keys(andi: &mut Node, ben: &mut Friend) {
    andi.interrupt().unwrap();
    let home = andi.folder().with_extension("stolen");
    let (own, _) = stolen(andi, &home);
    let rows = files::rows(&home.join(format!("copy {}", andi.pid()))).unwrap();
    let loot = MemoryRows::default();
    let of_mls = rows.iter().filter(|((table, _), _)| table == "mls");
    of_mls.for_each(|((_, key), value)| loot.put(key, value).unwrap());
    let mut rooms = MlsCipher::new(loot);
    andi.restart().unwrap();
    ben.wire = Wire::call(andi);
    // What the folder holds opens what a friend is going to send, so it seals that, too. Inside, there is its own leaf alone.
    let sealed = rooms.seal(ben.bond.room, &text("not me"), &[]).unwrap();
    let frame = ben.known(sealed);
    refused(andi, ben, &frame, "sealed by a leaf that is not the friend's");
    // A request in the friend's name: his certificate, and keys that are not his.
    let friend = ben.actor.identity.clone();
    let mut thief = Actor::with_identity(Identity { chain: friend.chain, device: friend.device, ..own }, 2);
    thief.cipher = Box::new(MlsCipher::new(MemoryRows::default()));
    let (_, to) = ben.wire.contact_of(&invite(andi));
    let (offer, before) = (thief.offer(now()), people(andi));
    let frame = thief.offer_frame(&to, Nonce([9; 16]), &offer);
    assert_eq!(ben.wire.put(&to.contacts[0].1.entry, &frame), REFUSED);
    assert_eq!(people(andi), before);
}

#[test]
fn a90_a91_r1_r7_r10_r15_what_a_friend_or_a_thief_says_wrongly_changes_nothing_at_a_running_node_and_what_is_said_well_arrives() {
    let home = tempfile::tempdir().unwrap();
    let mut andi = start_named(&home.path().join("andi"), Carrier::Tcp, "Andi").unwrap();
    let mut ben = Friend::of(&andi, somebody(7));
    of_another_epoch(&andi, &mut ben);
    // By links of their own: too many faults end one.
    ben.wire = Wire::call(&andi);
    garbage(&andi, &mut ben);
    ben.writes("after the garbage");
    ben.wire = Wire::call(&andi);
    over_long(&andi, &mut ben);
    far_ahead(&andi, &mut ben);
    ben.writes("after the long ones");
    ben.wire = Wire::call(&andi);
    ben.proves();
    delivered_when_signed(&andi, &mut ben);
    with_stolen_keys(&mut andi, &mut ben);
    ben.writes("it is me");
    let heard: Vec<String> = texts(&andi).into_iter().filter(|text| text.len() < 100 && text != "is it there?").collect();
    assert_eq!(heard, ["true", "after the garbage", "after the long ones", "behind all that", "it is me"]);
    andi.calm().unwrap();
}

fn introduced(identity: &Identity, name: &str) -> Introduced {
    Introduced { chain: identity.chain.clone(), name: name.into() }
}

/// Tom is introduced to the node's user.
fn body(number: u8, tom: &Identity, to: &Friend) -> IntroductionBody {
    let target = Introduced { chain: to.bond.bundle.devices[0].chain.clone(), name: "Holger".into() };
    let (id, created) = (RequestId([number; 16]), now());
    IntroductionBody { id, asker: introduced(tom, "Tom"), target, note: None, created, expires: created.after(7 * DAY) }
}

/// The introductions that a user sees.
fn introductions(node: &Node) -> Vec<Value> {
    node.json(&["requests"]).unwrap().into_iter().filter(|row| row["kind"] == "introduction").collect()
}

#[test]
fn a81_a82_s4_40_a_running_node_believes_an_introduction_of_its_friend_s_own_alone_and_lets_in_by_it_just_the_one_whom_it_names() {
    let home = tempfile::tempdir().unwrap();
    let holger = start_named(&home.path().join("holger"), Carrier::Tcp, "Holger").unwrap();
    let [mut mallory, mut bea] = [7, 11].map(|seed| Friend::of(&holger, somebody(seed)));
    let [mut tom, mut eve] = [8, 9].map(somebody);
    mallory.proves();
    let honest = body(7, &tom.identity, &mallory);
    let by = mallory.actor.identity.clone();
    let far = now().after(60 * DAY);
    let bad = [
        ("signed by somebody else", Introduction::sign(&eve.identity, &honest)),
        ("about two others", Introduction::sign(&by, &IntroductionBody { target: introduced(&eve.identity, "Eve"), ..honest.clone() })),
        ("of us to ourselves", Introduction::sign(&by, &IntroductionBody { asker: honest.target.clone(), ..honest.clone() })),
        ("of the introducer", Introduction::sign(&by, &IntroductionBody { asker: introduced(&by, "I"), ..honest.clone() })),
        ("without end", Introduction::sign(&by, &IntroductionBody { expires: far, ..honest.clone() })),
        ("of the future", Introduction::sign(&by, &IntroductionBody { created: far, expires: far.after(DAY), ..honest.clone() })),
    ];
    for (what, introduction) in bad {
        assert_eq!(mallory.says(&bytes(&RoomPayload::Introduce(introduction))), REFUSED, "{what}");
        assert_eq!(introductions(&holger), Vec::<Value>::new(), "{what}");
    }
    let own = Introduction::sign(&by, &honest);
    assert_eq!(mallory.says(&bytes(&RoomPayload::Introduce(own))), Outcome::Delivered);
    let row = introductions(&holger).remove(0);
    assert_eq!((&row["status"], &row["name"]), (&"pending".into(), &"Tom".into()));
    assert_eq!((row["introduced_by"][0].as_str(), &row["fault"]), (Some("Mallory"), &Value::Null), "it says who introduces");

    // Another one says that Tom has another key: which of them is Tom is not for the node to say.
    let other = Introduction::sign(&bea.actor.identity, &body(8, &eve.identity, &bea));
    assert_eq!(bea.says(&bytes(&RoomPayload::Introduce(other))), Outcome::Delivered);
    let rows = introductions(&holger);
    let warned = |row: &Value| row["fault"].as_str().is_some_and(|fault| fault.contains("compare the words"));
    assert!(rows.len() == 2 && rows.iter().all(warned), "{rows:?}");

    // The one who is introduced asks before he was introduced by a way in that is not his: there is none for him yet.
    holger.json(&["accept", row["request"].as_str().unwrap()]).unwrap();
    let consent = |said: &RoomPayload| if let RoomPayload::Consent(consent) = said { consent.contact.clone() } else { None };
    let (_, contact) = mallory.hears("Holger's yes, with a way in", consent);
    let way: ContactRecord = codec::decode(&contact, CONTACT_RECORD_MAX).unwrap();
    let way = way.verify(now()).unwrap();
    // The introducer hands it to somebody else.
    let mut wire = Wire::call(&holger);
    let (offer, before) = (eve.offer(now()), people(&holger));
    let frame = eve.offer_frame(&way, Nonce([1; 16]), &offer);
    assert_eq!(wire.put(&way.contacts[0].1.entry, &frame), REFUSED);
    assert_eq!(people(&holger), before, "nothing is kept");
    // The one for whom it is needs no further question.
    let offer = tom.offer(now());
    let frame = tom.offer_frame(&way, Nonce([2; 16]), &offer);
    assert!(matches!(wire.put(&way.contacts[0].1.entry, &frame), Outcome::Stored(_)));
    let id = tom.peer().to_string();
    let row = holger.json(&["requests"]).unwrap().into_iter().find(|row| row["kind"] == "friend" && row["peer"] == id.as_str()).unwrap();
    assert_eq!((&row["status"], &row["trust"]), (&"accepted".into(), &"introduced".into()));
    holger.calm().unwrap();
}
