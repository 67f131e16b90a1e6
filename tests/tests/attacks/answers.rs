//! Attacks by an Accept or Confirm: forged, unsolicited, for something else, again.

#[path = "answers/grant.rs"]
mod grant;

use super::Scene;
use symbolon_core::command::{Command, CommandError, RequestStatus, Who};
use symbolon_core::limits::ANSWERS_MAX;
use symbolon_core::seam::{Address, Input, LinkId};
use symbolon_core::table::Table;
use symbolon_core::wire::{AcceptBody, AcceptHead, BundleDevice, ConfirmBody, Contact, First, OfferBody, PAYLOAD_MAX, RoomPayload, Step};
use symbolon_presence::codec;
use symbolon_presence::id::{Digest, EpochId, RequestId};
use symbolon_presence::identity::Identity;
use symbolon_presence::kdf::Secret;
use symbolon_presence::seeds::Ratchet;
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::Scope;
use symbolon_relay::put::{Outcome, Put, Refusal};
use symbolon_tests::craft::{Actor, Bond, Heard, outcomes, put, statement};
use symbolon_tests::sim::run::Ix;
use symbolon_tests::sim::{Faults, Sim};

/// A node has asked an actor, who holds the Offer in hand.
struct Asked {
    sim: Sim,
    node: Ix,
    ben: Actor,
    request: RequestId,
    offer: Heard,
    link: LinkId,
}

impl Asked {
    fn new(seed: u64) -> Self {
        let mut sim = Sim::new(seed, Faults::NONE);
        sim.rogue_links = Some(Vec::new());
        let node = sim.add("Andi");
        let mut ben = Actor::new(seed + 30, sim.now);
        let invite = ben.invite(&mut sim);
        let request = sim.ask(node, &invite).unwrap();
        sim.run_for(MINUTE / 6);
        let link = *sim.rogue_links.as_ref().unwrap().last().unwrap();
        let frames = sim.rogue_take(link);
        let offer = frames.iter().find_map(|frame| ben.hear(frame, sim.now)).unwrap();
        let stored = ben.receipt(sim.now, &[offer.frame], Outcome::Stored(sim.now.after(DAY)));
        sim.rogue_send(link, stored);
        Self { sim, node, ben, request, offer, link }
    }

    fn send(&mut self, frame: Vec<u8>) -> Vec<Outcome> {
        outcomes(&self.sim.rogue_send(self.link, frame))
    }

    /// Sends an answer that must not be believed, and holds the row against it.
    fn refused(&mut self, frame: Vec<u8>, what: &str) {
        let before = self.sim.rows(self.node);
        let heard = self.send(frame);
        assert_eq!(heard, [Outcome::Refused(Refusal::Refused)], "{what}");
        assert!(self.sim.rows(self.node) == before, "{what}: nothing changes");
        assert_eq!(self.sim.status_of(self.node, self.request), RequestStatus::Pending, "{what}");
        assert!(self.sim.friends(self.node).is_empty(), "{what}");
    }

    /// The honest answer still completes the connection.
    fn completes(&mut self) {
        let (accept, _) = self.ben.accept(&self.offer, self.sim.now);
        let frame = self.ben.accept_frame(&self.offer, &accept);
        let heard = self.send(frame);
        assert!(matches!(heard.as_slice(), [Outcome::Stored(_)]), "{heard:?}");
        assert!(self.sim.is_friend(self.node, &self.ben.peer()));
    }

    fn offered(&self) -> OfferBody {
        codec::decode(&self.offer.statement.body, PAYLOAD_MAX).unwrap()
    }
}

#[test]
fn a02_r5_an_accept_forged_by_somebody_who_read_everything_is_refused_and_the_row_stays_pending() {
    let mut asked = Asked::new(1);
    let offered = asked.offered();
    let reply = offered.replies[0].clone();
    let mut relay = Actor::new(90, asked.sim.now);

    // Under the relay's own key, everything else as the asked person would make it.
    let (by, own) = (asked.ben.peer(), relay.identity.clone());
    let (accept, _) = relay.accept_as(&asked.offer, &by, &own, asked.sim.now);
    let transcript = asked.offered().transcript(&asked.offer.device.peer, &asked.ben.peer());
    let device = asked.offer.device.clone();
    let envelope = relay.seal(Step::Accept, &device, &reply, transcript, codec::encode(&accept));
    asked.refused(put(&reply, None, envelope), "another person's answer");

    // Under the asked person's certificate, signed by the relay.
    let said = statement(Step::Accept, &device, &reply, transcript, codec::encode(&accept));
    let first = First { chain: asked.ben.identity.chain.clone(), ..First::sign(&relay.identity, &said) };
    let envelope = relay.seal_payload(&reply, &codec::encode(&first));
    asked.refused(put(&reply, None, envelope), "a certificate that did not sign");

    // The asked person's own statement of another step.
    let first = First::sign(&asked.ben.identity, &statement(Step::Confirm, &device, &reply, transcript, codec::encode(&accept)));
    let envelope = relay.seal_payload(&reply, &codec::encode(&first));
    asked.refused(put(&reply, None, envelope), "a Confirm to the one who asked");
    let first = First::sign(&asked.ben.identity, &statement(Step::Offer, &device, &reply, transcript, codec::encode(&accept)));
    let envelope = relay.seal_payload(&reply, &codec::encode(&first));
    asked.refused(put(&reply, None, envelope), "an Offer to a reply address");

    asked.completes();
}

#[test]
fn a02_an_honestly_signed_accept_with_any_part_of_another_one_is_refused() {
    let mut asked = Asked::new(1);
    let reply = asked.offered().replies[0].clone();
    let device = asked.offer.device.clone();
    let transcript = asked.offered().transcript(&device.peer, &asked.ben.peer());
    let (honest, _) = asked.ben.accept(&asked.offer, asked.sim.now);
    let head: AcceptHead = codec::decode(&honest.head, PAYLOAD_MAX).unwrap();
    let mut second = Actor::with_identity(asked.ben.identity.clone(), 91);
    let (other, _) = second.accept(&asked.offer, asked.sim.now);
    let with_head = |change: fn(&mut AcceptHead)| {
        let mut head = head.clone();
        change(&mut head);
        AcceptBody { head: codec::encode(&head), ..honest.clone() }
    };
    let cases = [
        ("head of another answer: the pre-shared key differs", AcceptBody { head: other.head.clone(), ..honest.clone() }),
        ("commit of another answer", AcceptBody { commit: other.commit.clone(), ..honest.clone() }),
        ("bundle of another answer", AcceptBody { bundle: other.bundle.clone(), ..honest.clone() }),
        ("no commit", AcceptBody { commit: Vec::new(), ..honest.clone() }),
        ("no bundle", AcceptBody { bundle: Vec::new(), ..honest.clone() }),
        ("a bundle where the commit belongs", AcceptBody { commit: honest.bundle.clone(), ..honest.clone() }),
        ("another request", with_head(|head| head.request.0[0] ^= 1)),
        ("another epoch", with_head(|head| head.epoch = EpochId([7; 32]))),
        ("a name too long", with_head(|head| head.name = "n".repeat(65))),
        ("another nonce", with_head(|head| head.nonce.0[0] ^= 1)),
    ];
    for (what, body) in cases {
        let envelope = asked.ben.seal(Step::Accept, &device, &reply, transcript, codec::encode(&body));
        asked.refused(put(&reply, None, envelope), what);
    }
    for (what, wrong) in [("no transcript", Digest([0; 32])), ("another transcript", Digest([9; 32]))] {
        let envelope = asked.ben.seal(Step::Accept, &device, &reply, wrong, codec::encode(&honest));
        asked.refused(put(&reply, None, envelope), what);
    }
    // After all of that the honest answer is still good: nothing was used up.
    let frame = asked.ben.accept_frame(&asked.offer, &honest);
    let heard = asked.send(frame);
    assert!(matches!(heard.as_slice(), [Outcome::Stored(_)]), "{heard:?}");
    assert!(asked.sim.is_friend(asked.node, &asked.ben.peer()));
}

#[test]
fn an_accept_whose_bundle_names_foreign_devices_or_mailboxes_is_refused() {
    let mut asked = Asked::new(1);
    let mut other = Actor::new(92, asked.sim.now);
    let foreign = other.bundle().devices[0].clone();
    let cases: [fn(&mut Vec<BundleDevice>, BundleDevice); 4] = [
        |devices, foreign| devices.push(foreign),
        |devices, foreign| *devices = vec![foreign],
        |devices, foreign| devices[0].entry = foreign.entry,
        |devices, _| devices.clear(),
    ];
    for (index, change) in cases.into_iter().enumerate() {
        let mut ben = Actor::with_identity(asked.ben.identity.clone(), 200 + index as u64);
        let (mut accept, offer) = ben.accept(&asked.offer, asked.sim.now);
        let mut bundle = ben.bundle();
        change(&mut bundle.devices, foreign.clone());
        let room = ben.cipher.inspect(&offer.group_info).unwrap().room;
        accept.bundle = ben.cipher.seal(room, &codec::encode(&RoomPayload::Bundle(bundle)), &[]).unwrap().bytes;
        let frame = ben.accept_frame(&asked.offer, &accept);
        asked.refused(frame, &format!("bundle {index}"));
    }
    asked.completes();
}

#[test]
fn an_accept_again_changes_nothing_and_another_one_is_told_that_it_is_settled() {
    let mut asked = Asked::new(1);
    let (accept, offer) = asked.ben.accept(&asked.offer, asked.sim.now);
    let frame = asked.ben.accept_frame(&asked.offer, &accept);
    let heard = asked.sim.rogue_send(asked.link, frame.clone());
    assert!(asked.sim.is_friend(asked.node, &asked.ben.peer()));
    let confirm = heard.iter().find_map(|frame| asked.ben.hear(frame, asked.sim.now)).unwrap();
    assert_eq!(confirm.statement.step, Step::Confirm);
    let (rows, events) = (asked.sim.rows(asked.node), asked.sim.events[asked.node].len());
    for _ in 0..3 {
        assert!(matches!(asked.send(frame.clone()).as_slice(), [Outcome::Stored(_)]));
    }
    assert!(asked.sim.rows(asked.node) == rows);
    assert_eq!(asked.sim.events[asked.node].len(), events);

    // A second Accept of the same person: settled, without a bundle.
    let mut again = Actor::with_identity(asked.ben.identity.clone(), 93);
    again.package = asked.ben.package.clone();
    let (accept, _) = again.accept(&asked.offer, asked.sim.now);
    let frame = again.accept_frame(&asked.offer, &accept);
    let before = asked.sim.friend(asked.node, &asked.ben.peer()).unwrap();
    let heard = asked.sim.rogue_send(asked.link, frame);
    let settled = heard.iter().find_map(|frame| again.hear(frame, asked.sim.now)).unwrap();
    let body: ConfirmBody = codec::decode(&settled.statement.body, PAYLOAD_MAX).unwrap();
    assert!(body.bundle.is_none() && body.request == offer.request);
    assert!(asked.sim.friend(asked.node, &asked.ben.peer()).unwrap() == before);
}

#[test]
fn a11_an_unsolicited_accept_or_confirm_is_dropped() {
    let mut scene = Scene::new(1);
    let (device, contact) = scene.to.contacts[0].clone();
    let before = scene.rows();
    for step in [Step::Accept, Step::Confirm] {
        // To the contact queue, under the invite's own package: there is no row that waits for it.
        let envelope = scene.mallory.seal(step, &device, &contact, Digest([0; 32]), b"x".to_vec());
        let heard = scene.send(put(&contact, Some(scene.usage), envelope));
        assert!(matches!(heard.as_slice(), [Outcome::Refused(_)]), "{heard:?}");
    }
    assert!(scene.rows() == before, "nothing is stored");
    // The invite is not used up by it.
    let body = scene.mallory.offer(scene.sim.now);
    let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
    scene.taken(frame);
}

#[test]
fn an_accept_that_was_on_its_way_when_the_asker_moved_counts() {
    let mut asked = Asked::new(1);
    // Two revisions later; the actor has heard of neither.
    for host in ["/ip4/192.0.2.7/tcp/1", "/ip4/192.0.2.8/tcp/1"] {
        asked.sim.input(asked.node, Input::Addresses(vec![Address(host.into())]));
    }
    asked.completes();
    assert_eq!(asked.sim.status_of(asked.node, asked.request), RequestStatus::Accepted);
}

#[test]
fn an_offer_that_only_moved_gets_the_accept_that_was_made_before() {
    let mut scene = Scene::new(1);
    let body = scene.mallory.offer(scene.sim.now);
    let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
    scene.taken(frame);
    let id = scene.sim.pending(scene.node).unwrap();
    scene.sim.accept(scene.node, id).unwrap();
    let frames = scene.sim.rogue_take(scene.link);
    let first = frames.iter().find_map(|frame| scene.mallory.hear(frame, scene.sim.now)).unwrap();

    // Written to another grant of the same package from then on.
    let reply = scene.mallory.contact(Scope::Guest, scene.sim.now.after(DAY));
    let reply = Contact { package: body.replies[0].package.clone(), expires: body.replies[0].expires, ..reply };
    let moved = OfferBody { revision: 1, replies: vec![reply.clone()], ..body.clone() };
    let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &moved);
    let frames = scene.sim.rogue_send(scene.link, frame);
    assert!(matches!(outcomes(&frames).as_slice(), [Outcome::Stored(_)]));
    let puts: Vec<Put> = frames
        .iter()
        .filter_map(|frame| match Frame::decode(frame) {
            Ok(Frame::Put(put)) => Some(put),
            _ => None,
        })
        .collect();
    assert!(puts.iter().any(|put| put.frame == first.frame && put.address == reply.entry.address), "the same envelope, to the new address");
    assert!(puts.iter().all(|put| put.frame == first.frame), "and no other answer");
    scene.mallory.complete(&moved, &first, scene.sim.now);
}

#[test]
fn a12_a_confirm_with_another_transcript_is_dropped_and_no_bundle_is_stored() {
    let mut scene = Scene::new(1);
    let body = scene.mallory.offer(scene.sim.now);
    let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
    scene.taken(frame);
    let id = scene.sim.pending(scene.node).unwrap();
    scene.sim.accept(scene.node, id).unwrap();
    let frames = scene.sim.rogue_take(scene.link);
    let heard = frames.iter().find_map(|frame| scene.mallory.hear(frame, scene.sim.now)).unwrap();
    let stored = scene.mallory.receipt(scene.sim.now, &[heard.frame], Outcome::Stored(scene.sim.now.after(DAY)));
    scene.sim.rogue_send(scene.link, stored);
    let accept: AcceptBody = codec::decode(&heard.statement.body, PAYLOAD_MAX).unwrap();
    let head: AcceptHead = codec::decode(&accept.head, PAYLOAD_MAX).unwrap();
    let (bond, honest) = scene.mallory.complete(&body, &heard, scene.sim.now);
    let sealed = scene.mallory.cipher.seal(bond.room, b"no bundle", &[]).unwrap().bytes;
    let confirm = |request, bundle: Option<Vec<u8>>| codec::encode(&ConfirmBody { request, bundle });
    let transcript =
        AcceptBody::transcript(&body.transcript(&scene.mallory.peer(), &heard.device.peer), &heard.statement.body, &heard.device.device);
    let offer_only = heard.statement.transcript;
    let cases = [
        ("no transcript", Digest([0; 32]), confirm(body.request, None)),
        ("the Offer's transcript", offer_only, confirm(body.request, None)),
        ("another request", transcript, confirm(RequestId([8; 16]), None)),
        ("no bundle in the bundle", transcript, confirm(body.request, Some(sealed))),
        ("garbage for a bundle", transcript, confirm(body.request, Some(vec![1, 2, 3]))),
    ];
    for (what, transcript, confirm) in cases {
        let envelope = scene.mallory.seal(Step::Confirm, &heard.device, &head.reply, transcript, confirm);
        scene.refused(put(&head.reply, None, envelope), what);
        assert!(!scene.sim.is_friend(scene.node, &scene.mallory.peer()), "{what}");
    }
    // Somebody else who learnt the reply address.
    let mut other = Actor::new(94, scene.sim.now);
    let envelope = other.seal(Step::Confirm, &heard.device, &head.reply, transcript, confirm(body.request, None));
    scene.refused(put(&head.reply, None, envelope), "another person");
    scene.taken(honest);
    assert!(scene.sim.is_friend(scene.node, &scene.mallory.peer()));
    assert_eq!(scene.sim.status_of(scene.node, id), RequestStatus::Confirmed);
}

#[test]
fn a20_a_put_with_the_key_of_another_friendship_secret_is_refused() {
    let mut sim = Sim::new(1, Faults::NONE);
    let a = sim.add("Andi");
    let mut ben = Actor::new(7, sim.now);
    let (mut bond, link) = ben.befriend(&mut sim, a);
    bond.bundle.friendship.secret = Secret::from_bytes([1; 32]);
    let frame = ben.say(&bond, "old key", sim.now);
    // Nothing is signed for anyone who does not prove the right to write.
    assert!(sim.rogue_send(link, frame).is_empty());
    assert!(sim.texts(a).is_empty());
}

#[test]
fn an_accept_that_lets_in_a_leaf_of_somebody_else_is_refused() {
    let mut asked = Asked::new(1);
    let by = asked.ben.peer();
    let mut ben = Actor::with_identity(asked.ben.identity.clone(), 95);
    let other = Actor::new(96, asked.sim.now).identity;
    let sibling = Identity::certify(ben.identity.entropy.clone().unwrap(), 2, &mut ben.rng, asked.sim.now, DAY);
    for (what, leaf_of) in [("another person's leaf", other), ("a sibling device's leaf", sibling)] {
        let mut ben = Actor::with_identity(asked.ben.identity.clone(), 97);
        let (accept, _) = ben.accept_as(&asked.offer, &by, &leaf_of, asked.sim.now);
        let frame = ben.accept_frame(&asked.offer, &accept);
        asked.refused(frame, what);
    }
    asked.completes();
}

impl Asked {
    /// The honest answer, taken in: it befriends. Its frame, what was offered, and the Confirm.
    fn accepted(&mut self) -> (Vec<u8>, OfferBody, Heard) {
        let (accept, offered) = self.ben.accept(&self.offer, self.sim.now);
        let frame = self.ben.accept_frame(&self.offer, &accept);
        let frames = self.sim.rogue_send(self.link, frame.clone());
        assert!(matches!(outcomes(&frames).as_slice(), [Outcome::Stored(_)]));
        assert!(self.sim.is_friend(self.node, &self.ben.peer()));
        let confirm = frames.iter().find_map(|frame| self.ben.hear(frame, self.sim.now)).expect("the Confirm comes by the same link");
        (frame, offered, confirm)
    }

    /// Another answer under the same reply address, never sent before.
    fn another(&mut self) -> Vec<u8> {
        let mut again = Actor::with_identity(self.ben.identity.clone(), self.sim.now.0);
        let (accept, _) = again.accept(&self.offer, self.sim.now);
        again.accept_frame(&self.offer, &accept)
    }

    /// A fresh link: too many faults end one.
    fn on_a_fresh_link(&mut self, frame: Vec<u8>) -> Vec<Outcome> {
        self.link = self.sim.rogue_link(self.node);
        self.send(frame)
    }

    fn who(&self) -> Who {
        Who(self.ben.peer().to_string())
    }
}
