//! People made by hand who were friends of a node that runs: anyone who was blocked or ended meets what a stranger meets.

use super::by_hand::{Wire, somebody};
use super::called::Called;
use super::friend::Friend;
use super::server::now;
use std::time::Duration;
use symbolon_core::seam::Address;
use symbolon_core::wire::Contact;
use symbolon_presence::id::LookupId;
use symbolon_presence::kdf::Secret;
use symbolon_presence::record::{Slot, day_of};
use symbolon_relay::frame::Frame;
use symbolon_relay::records::Found;
use symbolon_tests::craft::put;
use symbolon_tests::node::{Carrier, Node, start_named, within};

const SOON: Duration = Duration::from_secs(20);

/// A friend whose node is called there.
fn friend_at(node: &Node, seed: u64, address: &Address) -> Friend {
    let mut actor = somebody(seed);
    actor.places = vec![address.clone()];
    Friend::of(node, actor)
}

/// What comes by a link of its own, by which somebody says so many frames that it ends.
fn traced(node: &Node, mut frame: impl FnMut(&Wire, u8) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut wire = Wire::call(node);
    let frames: Vec<Vec<u8>> = (0..64).map(|number| frame(&wire, number)).collect();
    wire.until_it_ends(&frames)
}

/// An envelope to such an address, under a key that nobody was given.
fn under_no_key(to: &Contact, number: u8) -> Vec<u8> {
    let to = Contact { key: Secret::from_bytes([7; 32]), ..to.clone() };
    put(&to, None, [vec![1, 4], vec![number; 8_190]].concat())
}

#[test]
fn a103_a32_who_was_blocked_or_ended_meets_at_a_running_node_what_a_stranger_meets_and_is_called_by_nobody() {
    let home = tempfile::tempdir().unwrap();
    let mut andi = start_named(&home.path().join("andi"), Carrier::Tcp, "Andi").unwrap();
    let [mut at_kept, mut at_out] = [(); 2].map(|()| Called::start());
    let mut kept = friend_at(&andi, 40, &at_kept.address);
    let [mut blocked, mut ended] = [41, 42].map(|seed| friend_at(&andi, seed, &at_out.address));
    // As long as they are friends, all of this is answered.
    for friend in [&mut kept, &mut blocked, &mut ended] {
        friend.writes("hello");
        friend.proves();
        friend.wire.hear("the node proves itself, too", |frame| matches!(Frame::decode(frame), Ok(Frame::Prove(_))).then_some(()));
        // From now on they are not here: a node that takes another transport key says so to those first who are.
        friend.wire = Wire::call(&andi);
    }
    for (verb, friend) in [("block", &blocked), ("unfriend", &ended)] {
        andi.json(&[verb, &friend.actor.peer().to_string()]).unwrap();
        let former: Vec<_> = andi.json(&["friends", "--former"]).unwrap().into_iter().map(|one| one["id"].clone()).collect();
        assert_eq!(former.contains(&friend.actor.peer().to_string().into()), verb == "unfriend", "who is blocked is a friend still");
        kept.wire.call_by_another_key(&andi);
    }

    // They write.
    let silence: Vec<Vec<u8>> = Vec::new();
    assert_eq!(traced(&andi, |_, number| under_no_key(&kept.reply, number)), silence, "a stranger");
    for (what, former) in [("blocked", &mut blocked), ("ended", &mut ended)] {
        let Friend { actor, bond, reply, .. } = former;
        assert_eq!(traced(&andi, |_, _| actor.say(bond, "are you there?", now())), silence, "{what}: writes");
        // By the way in that came with the answer to their request.
        assert_eq!(traced(&andi, |_, _| put(reply, None, actor.seal_payload(reply, b"x"))), silence, "{what}: answers");
        // They say that they are behind the link.
        assert_eq!(traced(&andi, |wire, _| Frame::Prove(wire.proof(actor, bond)).encode()), silence, "{what}: proves");
    }
    let nobody = somebody(77);
    assert_eq!(traced(&andi, |wire, _| Frame::Prove(wire.proof(&nobody, &kept.bond)).encode()), silence, "a stranger proves");

    // They look up where the node is, by an id that friends alone can compute; a stranger by any.
    let any = LookupId([0x11; 32]);
    let strangers = traced(&andi, |_, _| Frame::Lookup(any).encode());
    assert_eq!(strangers.len(), 31, "each is answered that there is nothing, and the next one ends the link");
    for former in [&blocked, &ended] {
        let lookup = former.bond.bundle.presence.as_ref().unwrap().reader.lookup;
        let id = Slot::of_header(&lookup, day_of(now())).id(&lookup).unwrap();
        let expected: Vec<Vec<u8>> = strangers.iter().map(|_| Frame::Found(Found { id, record: None }).encode()).collect();
        assert_eq!(traced(&andi, |_, _| Frame::Lookup(id).encode()), expected);
    }

    // Nor does a start or a stop show: the friend who stays is called, and nobody else. As long as they were friends, they were, too.
    let is_proof = |frame: &[u8]| matches!(Frame::decode(frame), Ok(Frame::Prove(_)));
    andi.interrupt().unwrap();
    let before = (at_kept.count(is_proof), at_out.count(|_| true));
    andi.restart().unwrap();
    within(SOON, "the friend is called", || Ok((at_kept.count(is_proof) > before.0).then_some(()))).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(at_out.count(|_| true), before.1);
    assert_eq!(andi.json(&["read", "--peek"]).unwrap().len(), 3, "their first texts alone");
    andi.calm().unwrap();
}
