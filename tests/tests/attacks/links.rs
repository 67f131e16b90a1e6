//! Who is behind a link: what is carried by somebody else proves nothing, and who is no friend
//! any longer meets what a stranger meets.

use symbolon_core::command::{Build, Command, MessageState, Who};
use symbolon_core::seam::LinkId;
use symbolon_presence::id::{LookupId, PublicKeyBytes};
use symbolon_presence::kdf::Secret;
use symbolon_presence::record::{Slot, day_of};
use symbolon_presence::time::{HOUR, MINUTE, SECOND};
use symbolon_relay::frame::Frame;
use symbolon_relay::prove::{Ends, Prove, Role, WIRE_VERSION};
use symbolon_relay::put::{Outcome, Put, Refusal};
use symbolon_relay::records::Found;
use symbolon_tests::craft::{Actor, Bond, outcomes, put_id};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, ROGUE, Sim};

/// Faults after which a link is closed: the same for everybody.
const FAULTS: usize = 32;

/// A node that publishes its records, and its friend, whose link is closed.
fn scene(seed: u64) -> (Sim, Ix, Actor, Bond) {
    let mut sim = Sim::new(seed, Faults::NONE);
    sim.lookup.is_there = true;
    let node = sim.add("Andi");
    let mut ben = Actor::new(seed + 100, sim.now);
    let (bond, link) = ben.befriend(&mut sim, node);
    sim.run_for(MINUTE);
    sim.rogue_close(link);
    sim.run_for(SECOND);
    (sim, node, ben, bond)
}

/// The id of the node's header of today, as its friends compute it.
fn header_id(sim: &Sim, bond: &Bond) -> LookupId {
    let lookup = bond.bundle.presence.as_ref().unwrap().reader.lookup;
    Slot::of_header(&lookup, day_of(sim.now)).id(&lookup).unwrap()
}

/// What a node answers to a look-up on a link.
fn look_up(sim: &mut Sim, link: LinkId, id: LookupId) -> Option<Vec<u8>> {
    let frames = sim.rogue_send(link, Frame::Lookup(id).encode());
    let found = frames.iter().find_map(|frame| match Frame::decode(frame) {
        Ok(Frame::Found(Found { record, .. })) => Some(record),
        _ => None,
    });
    found.expect("every question is answered")
}

fn is_online(sim: &mut Sim, node: Ix, ben: &Actor) -> bool {
    sim.friend(node, &ben.peer()).unwrap().online == Some(true)
}

/// The next link that a node opens to where the test sits; what it says first waits there.
pub(crate) fn called(sim: &mut Sim) -> LinkId {
    let count = |sim: &Sim| sim.rogue_links.as_ref().map_or(0, Vec::len);
    let before = count(sim);
    assert!(sim.run_until(HOUR, |sim| count(sim) > before), "the node calls");
    sim.run_for(SECOND);
    *sim.rogue_links.as_ref().unwrap().last().unwrap()
}

/// Somebody else takes the friends' key away from all but those who stay: Mallory is blocked.
fn take_somebody_out(sim: &mut Sim, node: Ix, seed: u64) -> (Actor, Bond) {
    let mut mallory = Actor::new(seed, sim.now);
    let (bond, _) = mallory.befriend(sim, node);
    sim.command(node, Command::Block(Who(mallory.peer().to_string()))).unwrap();
    sim.run_for(MINUTE);
    (mallory, bond)
}

#[test]
fn a103_an_envelope_that_somebody_hands_on_is_taken_and_makes_nothing_proved() {
    let (mut sim, node, mut ben, bond) = scene(1);
    sim.command(node, Command::Send { to: Who(ben.peer().to_string()), text: "for Ben alone".into(), lifetime: None }).unwrap();
    let header = header_id(&sim, &bond);
    // Eve sat at Andi's old address, took what Ben put there, and brings it unchanged.
    let carried = ben.say(&bond, "carried", sim.now);
    let eve = sim.rogue_link(node);
    let frames = sim.rogue_send(eve, carried);
    assert_eq!(outcomes(&frames), [Outcome::Delivered]);
    assert_eq!(sim.texts(node), ["for Ben alone", "carried"]);
    assert_eq!(frames.len(), 1, "nothing of Andi's for Ben goes into Eve's link");
    sim.run_for(MINUTE);
    assert!(sim.rogue_take(eve).iter().all(|frame| put_id(frame).is_none()));
    assert!(!is_online(&mut sim, node, &ben));
    assert_eq!(look_up(&mut sim, eve, header), None, "nor is Eve shown Andi's records");
    // Ben himself is, and gets what waits.
    let link = sim.rogue_link(node);
    let frames = ben.prove(&mut sim, node, &bond, link);
    assert!(frames.iter().any(|frame| put_id(frame).is_some()));
    assert!(is_online(&mut sim, node, &ben));
    assert!(look_up(&mut sim, link, header).is_some());
}

#[test]
fn a103_a_proof_that_somebody_hands_on_is_met_with_silence() {
    let (mut sim, node, mut ben, bond) = scene(2);
    // Ben dials Eve at Andi's old address, and proves himself to anyone who is there.
    let key = ben.link_key(&bond);
    let to_eve = Ends { dialler: PublicKeyBytes([0xbe; 32]), dialled: sim.transport_key(ROGUE) };
    let for_eve = Prove::new(&key, Role::Dialler, &to_eve, [1; 16], WIRE_VERSION, [2; 16]);
    // The same, as if Andi were there; and Andi's own answer of before, shown back.
    let for_andi = Prove::new(&key, Role::Dialler, &Ends { dialled: sim.transport_key(node), ..to_eve }, [1; 16], WIRE_VERSION, [2; 16]);
    let own = Ends { dialler: sim.transport_key(ROGUE), dialled: sim.transport_key(node) };
    let shown_back = Prove::new(&key, Role::Dialled, &own, [1; 16], WIRE_VERSION, [2; 16]);
    for prove in [for_eve, for_andi, shown_back] {
        let eve = sim.rogue_link(node);
        assert!(sim.rogue_send(eve, Frame::Prove(prove).encode()).is_empty());
        assert!(!is_online(&mut sim, node, &ben));
    }
    // One that was good on a link of before this start is good no longer.
    let before = ben.proof(&sim, node, &bond);
    let link = sim.rogue_link(node);
    assert!(!sim.rogue_send(link, Frame::Prove(before.clone()).encode()).is_empty());
    sim.restart(node);
    let link = sim.rogue_link(node);
    assert!(sim.rogue_send(link, Frame::Prove(before).encode()).is_empty());
    ben.call(&mut sim, node, &bond);
    assert!(is_online(&mut sim, node, &ben));
}

#[test]
fn a103_an_old_key_is_called_old_to_a_friend_who_has_proved_the_link_and_to_nobody_else() {
    let (mut sim, node, mut ben, bond) = scene(3);
    let (mut mallory, out) = take_somebody_out(&mut sim, node, 7);
    let stale = [Outcome::Refused(Refusal::Stale)];
    // Ben missed the change. What is his, brought by anybody:
    let frame = ben.say(&bond, "under the old key", sim.now);
    let eve = sim.rogue_link(node);
    assert!(sim.rogue_send(eve, frame.clone()).is_empty());
    // By himself:
    let link = ben.call(&mut sim, node, &bond);
    assert_eq!(outcomes(&sim.rogue_send(link, frame)), stale);
    // Mallory, who was taken out, proves and puts what he likes, on any link.
    let link = sim.rogue_link(node);
    let proof = mallory.proof(&sim, node, &out);
    assert!(sim.rogue_send(link, Frame::Prove(proof).encode()).is_empty());
    let frame = mallory.say(&out, "is this Andi's address?", sim.now);
    assert!(sim.rogue_send(link, frame).is_empty());
}

/// What somebody sends of whom a node must not say whether it knows them, until the link is
/// closed: how many frames it took, and every answer.
fn until_closed(sim: &mut Sim, node: Ix, mut frame: impl FnMut(&mut Sim) -> Vec<u8>) -> (usize, Vec<Vec<u8>>) {
    let link = sim.rogue_link(node);
    let mut answers = Vec::new();
    for count in 0.. {
        if !sim.is_open(link) {
            return (count, answers);
        }
        let frame = frame(sim);
        answers.extend(sim.rogue_send(link, frame));
    }
    unreachable!("the link is closed")
}

#[test]
fn a13_a32_who_was_blocked_or_ended_gets_the_silence_the_faults_and_the_close_of_a_stranger() {
    for is_ended in [false, true] {
        let (mut sim, node, _, kept) = scene(4);
        let mut mallory = Actor::new(9, sim.now);
        let (bond, link) = mallory.befriend(&mut sim, node);
        sim.run_for(MINUTE);
        let who = Who(mallory.peer().to_string());
        sim.command(node, if is_ended { Command::Unfriend(who) } else { Command::Block(who) }).unwrap();
        assert!(!sim.is_open(link), "what he had is closed");
        sim.run_for(MINUTE);

        // A stranger who has found out the address of the friends' queue.
        let (address, ttl) = (bond.bundle.devices[0].entry.address.clone(), 3600);
        let keys = mallory.ratchet(&kept);
        let stranger = |counter: u64| {
            let envelope = keys.ahead(counter).unwrap().seal(&[7; 12], b"knock").unwrap();
            Frame::Put(Put::new(address.clone(), &Secret::from_bytes([7; 32]), ttl, None, envelope).unwrap()).encode()
        };
        let mut counter = 1_000;
        let strangers = until_closed(&mut sim, node, |_| {
            counter += 1;
            stranger(counter)
        });
        let formers = until_closed(&mut sim, node, |sim| mallory.say(&bond, "are you there?", sim.now));
        assert_eq!(strangers, (FAULTS, Vec::new()));
        assert_eq!(formers, strangers, "ended: {is_ended}");

        // And the same for proofs: the first costs nothing, each further one a fault.
        let nobody = |sim: &mut Sim| {
            Frame::Prove(Prove::new(&Actor::new(77, sim.now).link_key(&bond), Role::Dialler, &ends(sim, node), [3; 16], 1, [4; 16]))
                .encode()
        };
        let strangers = until_closed(&mut sim, node, nobody);
        let formers = until_closed(&mut sim, node, |sim| Frame::Prove(mallory.proof(sim, node, &bond)).encode());
        assert_eq!(strangers, (FAULTS + 1, Vec::new()));
        assert_eq!(formers, strangers);

        // And for questions: who names the id of Andi's header hears what who names any id hears.
        let (header, any) = (header_id(&sim, &bond), LookupId([0x11; 32]));
        let ask = |id: LookupId| move |_: &mut Sim| Frame::Lookup(id).encode();
        let (count, answers) = until_closed(&mut sim, node, ask(any));
        let expected: Vec<Vec<u8>> = answers.iter().map(|_| Frame::Found(Found { id: header, record: None }).encode()).collect();
        assert_eq!(until_closed(&mut sim, node, ask(header)), (count, expected));
    }
}

fn ends(sim: &Sim, node: Ix) -> Ends {
    Ends { dialler: sim.transport_key(ROGUE), dialled: sim.transport_key(node) }
}

#[test]
fn a103_who_is_at_a_friends_old_address_gets_one_proof_and_no_envelope() {
    let (mut sim, node, mut ben, bond) = scene(5);
    sim.rogue_links = Some(Vec::new());
    let text = sim.command(node, Command::Send { to: Who(ben.peer().to_string()), text: "not for Eve".into(), lifetime: None });
    assert!(text.is_ok());
    sim.run_for(HOUR);
    let links = sim.rogue_links.clone().unwrap();
    assert!(links.len() > 3, "Andi calls again and again");
    for link in &links {
        let frames = sim.rogue_take(*link);
        assert!(matches!(frames.iter().map(|frame| Frame::decode(frame)).collect::<Vec<_>>().as_slice(), [Ok(Frame::Prove(_))]));
    }
    // Each of them was given up within ten seconds.
    assert!(links.iter().rev().skip(1).all(|link| !sim.is_open(*link)));
    // Ben comes back to the address.
    let link = called(&mut sim);
    let answer = ben.answer(&sim, node, &bond);
    let frames = sim.rogue_send(link, Frame::Prove(answer).encode());
    assert!(frames.iter().any(|frame| put_id(frame).is_some()), "now the text goes");
}

#[test]
fn a103_a_friend_from_whom_we_hide_is_answered_where_we_call_and_not_where_the_friend_does() {
    let (mut sim, node, mut ben, bond) = scene(6);
    sim.command(node, Command::Hide { friend: Who(ben.peer().to_string()), hidden: true }).unwrap();
    sim.rogue_links = Some(Vec::new());
    sim.run_for(MINUTE);
    // Ben knows the address of before.
    let link = sim.rogue_link(node);
    let proof = ben.proof(&sim, node, &bond);
    assert!(sim.rogue_send(link, Frame::Prove(proof).encode()).is_empty());
    assert!(!is_online(&mut sim, node, &ben));
    let header = header_id(&sim, &bond);
    assert_eq!(look_up(&mut sim, link, header), None);
    // Andi calls.
    let link = called(&mut sim);
    assert!(matches!(Frame::decode(&sim.rogue_take(link)[0]), Ok(Frame::Prove(_))));
    let answer = ben.answer(&sim, node, &bond);
    sim.rogue_send(link, Frame::Prove(answer).encode());
    assert!(is_online(&mut sim, node, &ben));
}

#[test]
fn builds_that_differ_keep_texts_queued_and_both_ends_say_whose_is_older() {
    let mut sim = Sim::new(8, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    let (relay, link) = sim.add_relay();
    for node in [a, b] {
        sim.command(node, Command::RelayAdd { link: link.clone(), claim: None }).unwrap();
    }
    sim.run_for(MINUTE);
    sim.befriend(a, b);
    let (andi, ben) = (sim.nodes[a].peer, sim.nodes[b].peer);
    assert_eq!((sim.friend(a, &ben).unwrap().build, sim.friend(b, &andi).unwrap().build), (None, None));
    // Ben updates, Andi does not.
    sim.nodes[b].build = Some(WIRE_VERSION + 1);
    sim.restart(b);
    sim.run_for(MINUTE);
    let [to_b, to_a] = [sim.say(a, b, "one").unwrap(), sim.say(b, a, "two").unwrap()];
    sim.run_for(2 * HOUR);
    assert_eq!([sim.message_state(a, to_b), sim.message_state(b, to_a)], [MessageState::Queued; 2]);
    assert_eq!(sim.relay(relay).entries(), 0, "nothing is left where it would not be understood");
    assert_eq!(sim.friend(a, &ben).unwrap().build, Some(Build::Newer));
    assert_eq!(sim.friend(b, &andi).unwrap().build, Some(Build::Older));
    assert!(sim.report(a).problems.iter().any(|problem| problem.contains("newer version") && problem.contains("Update Symbolon")));
    assert!(sim.report(b).problems.iter().any(|problem| problem.contains("older version")));
    assert!(sim.friend(a, &ben).unwrap().online != Some(true));
    // Andi follows.
    sim.nodes[a].build = Some(WIRE_VERSION + 1);
    sim.restart(a);
    assert!(sim.run_until(HOUR, |sim| sim.texts(a).len() == 2 && sim.texts(b).len() == 2));
    sim.run_for(MINUTE);
    assert_eq!([sim.message_state(a, to_b), sim.message_state(b, to_a)], [MessageState::Delivered; 2]);
    assert_eq!((sim.friend(a, &ben).unwrap().build, sim.friend(b, &andi).unwrap().build), (None, None));
    assert!(sim.report(b).problems.iter().all(|problem| !problem.contains("version")));
    sim.check(true);
}

#[test]
fn a_friend_whose_build_proves_no_links_is_said_to_be_older() {
    let (mut sim, node, mut ben, bond) = scene(9);
    let build = |sim: &mut Sim, ben: &Actor| sim.friend(node, &ben.peer()).unwrap().build;
    let link = sim.rogue_link(node);
    let frame = ben.say(&bond, "I know nothing of proofs", sim.now);
    assert_eq!(outcomes(&sim.rogue_send(link, frame)), [Outcome::Delivered], "nothing is lost");
    assert_eq!(build(&mut sim, &ben), Some(Build::Older));
    assert!(sim.report(node).problems.iter().any(|problem| problem.contains("older version")));
    // An update is seen at the first link.
    ben.call(&mut sim, node, &bond);
    assert_eq!(build(&mut sim, &ben), None);
}
