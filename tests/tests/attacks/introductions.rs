//! Introducers and others who try to make something of an introduction that is not theirs.

use symbolon_core::command::{Command, RequestKind, RequestStatus, Trust};
use symbolon_core::contact::ContactRecord;
use symbolon_core::limits::CONTACT_RECORD_MAX;
use symbolon_core::limits::INTRODUCTIONS_OF_FRIEND_MAX;
use symbolon_core::wire::{Introduced, Introduction, IntroductionBody, Known, PAYLOAD_MAX, RoomPayload};
use symbolon_core::world::Opened;
use symbolon_presence::codec;
use symbolon_presence::id::{Nonce, RequestId};
use symbolon_presence::identity::Identity;
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::put::{Outcome, Refusal};
use symbolon_tests::craft::people::Rows;
use symbolon_tests::craft::{Actor, Bond, outcomes};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, Sim};

const REFUSED: [Outcome; 1] = [Outcome::Refused(Refusal::Refused)];

fn introduced(identity: &Identity, name: &str) -> Introduced {
    Introduced { chain: identity.chain.clone(), name: name.into() }
}

fn said(bond: &Bond, mallory: &mut Actor, payload: &RoomPayload) -> Vec<u8> {
    let sealed = mallory.cipher.seal(bond.room, &codec::encode(payload), &[]).unwrap();
    let known = mallory.next_known(bond, sealed);
    mallory.known_frame(bond, &codec::encode(&known))
}

/// What the node says in the room, read as the friend reads it.
fn heard(bond: &Bond, mallory: &mut Actor, frames: &[Vec<u8>]) -> Vec<RoomPayload> {
    let opener = mallory.opener(bond);
    let puts = frames.iter().filter_map(|frame| if let Ok(Frame::Put(put)) = Frame::decode(frame) { Some(put.envelope) } else { None });
    let opened = puts.filter_map(|envelope| (0..64).find_map(|counter| opener.open(counter, &envelope).ok())).collect::<Vec<_>>();
    let known = opened.iter().filter_map(|payload| codec::decode::<Known>(payload, PAYLOAD_MAX).ok());
    let mut said = Vec::new();
    for known in known {
        if let Ok(Opened::Text { plaintext, .. }) = mallory.cipher.open(bond.room, &known.mls) {
            said.extend(RoomPayload::decode(&plaintext));
        }
    }
    said
}

fn body(now: Timestamp, asker: &Identity, target: Introduced) -> IntroductionBody {
    let asker = introduced(asker, "Tom");
    IntroductionBody { id: RequestId([7; 16]), asker, target, note: None, created: now, expires: now.after(7 * DAY) }
}

fn holger(bond: &Bond) -> Introduced {
    Introduced { chain: bond.bundle.devices[0].chain.clone(), name: "Holger".into() }
}

fn rows(sim: &mut Sim, ix: Ix) -> Vec<RequestStatus> {
    sim.requests(ix).into_iter().filter(|row| row.kind == RequestKind::Introduction).map(|row| row.status).collect()
}

#[test]
fn a82_an_introduction_that_is_not_the_friends_own_or_not_about_us_is_refused() {
    let mut sim = Sim::new(1, Faults::NONE);
    let node = sim.add("Holger");
    let mut mallory = Actor::new(7, sim.now);
    let (bond, link) = mallory.befriend(&mut sim, node);
    let (tom, eve) = (Actor::new(8, sim.now), Actor::new(9, sim.now));
    let target = holger(&bond);
    let honest = body(sim.now, &tom.identity, target.clone());
    let far = sim.now.after(60 * DAY);
    let bad = [
        ("signed by somebody else", Introduction::sign(&eve.identity, &honest)),
        (
            "about two others",
            Introduction::sign(&mallory.identity, &IntroductionBody { target: introduced(&eve.identity, "Eve"), ..honest.clone() }),
        ),
        ("of us to ourselves", Introduction::sign(&mallory.identity, &IntroductionBody { asker: target.clone(), ..honest.clone() })),
        (
            "of the introducer",
            Introduction::sign(&mallory.identity, &IntroductionBody { asker: introduced(&mallory.identity, "I"), ..honest.clone() }),
        ),
        ("without end", Introduction::sign(&mallory.identity, &IntroductionBody { expires: far, ..honest.clone() })),
        (
            "of the future",
            Introduction::sign(&mallory.identity, &IntroductionBody { created: far, expires: far.after(DAY), ..honest.clone() }),
        ),
    ];
    for (what, introduction) in bad {
        let frame = said(&bond, &mut mallory, &RoomPayload::Introduce(introduction));
        assert_eq!(outcomes(&sim.rogue_send(link, frame)), REFUSED, "{what}");
        assert!(rows(&mut sim, node).is_empty(), "{what}");
    }
    let own = Introduction::sign(&mallory.identity, &honest);
    let frame = said(&bond, &mut mallory, &RoomPayload::Introduce(own));
    assert_eq!(outcomes(&sim.rogue_send(link, frame)), [Outcome::Delivered]);
    assert_eq!(rows(&mut sim, node), [RequestStatus::Pending]);
}

#[test]
fn a81_the_way_in_made_for_one_who_is_introduced_is_good_for_nobody_else() {
    let mut sim = Sim::new(2, Faults::NONE);
    let node = sim.add("Holger");
    let mut mallory = Actor::new(7, sim.now);
    let (bond, link) = mallory.befriend(&mut sim, node);
    let mut tom = Actor::new(8, sim.now);
    let mut eve = Actor::new(9, sim.now);
    let target = holger(&bond);
    let statement = Introduction::sign(&mallory.identity, &body(sim.now, &tom.identity, target));
    let frame = said(&bond, &mut mallory, &RoomPayload::Introduce(statement));
    assert_eq!(outcomes(&sim.rogue_send(link, frame)), [Outcome::Delivered]);
    sim.command(node, Command::Accept(RequestId([7; 16]))).unwrap();
    let frames = sim.rogue_take(link);
    let consent = heard(&bond, &mut mallory, &frames)
        .into_iter()
        .find_map(|said| if let RoomPayload::Consent(consent) = said { Some(consent) } else { None });
    let contact = consent.expect("Holger has agreed").contact.expect("with a way in");
    let way: ContactRecord = codec::decode(&contact, CONTACT_RECORD_MAX).unwrap();
    let way = way.verify(sim.now).unwrap();
    // The introducer hands it to somebody else.
    let offer = eve.offer(sim.now);
    let frame = eve.offer_frame(&way, Nonce([1; 16]), &offer);
    let stranger = sim.rogue_link(node);
    let before: Rows = sim.rows(node);
    assert_eq!(outcomes(&sim.rogue_send(stranger, frame)), REFUSED);
    assert!(sim.rows(node) == before, "nothing is kept, and the way in is not used up");
    // The one it is for needs no further question.
    let offer = tom.offer(sim.now);
    let frame = tom.offer_frame(&way, Nonce([2; 16]), &offer);
    let toms = sim.rogue_link(node);
    assert!(matches!(outcomes(&sim.rogue_send(toms, frame)).as_slice(), [Outcome::Stored(_)]));
    let row = sim.requests(node).into_iter().find(|row| row.peer == tom.peer() && row.kind == RequestKind::Friend).unwrap();
    assert_eq!((row.status, row.trust), (RequestStatus::Accepted, Trust::Introduced));
}

#[test]
fn a82_two_keys_under_one_name_are_pointed_out_before_anybody_accepts() {
    let mut sim = Sim::new(4, Faults::NONE);
    let node = sim.add("Holger");
    let (mut mallory, mut bea) = (Actor::new(7, sim.now), Actor::new(11, sim.now));
    let (bond, link) = mallory.befriend(&mut sim, node);
    let (other_bond, other_link) = bea.befriend(&mut sim, node);
    let (tom, eve) = (Actor::new(8, sim.now), Actor::new(9, sim.now));
    let faults = |sim: &mut Sim| {
        let views = sim.requests(node).into_iter().filter(|view| view.status == RequestStatus::Pending);
        views.map(|view| view.fault.is_some()).collect::<Vec<_>>()
    };
    let first = Introduction::sign(&bea.identity, &body(sim.now, &tom.identity, holger(&other_bond)));
    let frame = said(&other_bond, &mut bea, &RoomPayload::Introduce(first));
    assert_eq!(outcomes(&sim.rogue_send(other_link, frame)), [Outcome::Delivered]);
    assert_eq!(faults(&mut sim), [false]);
    // Mallory introduces Eve under Tom's name.
    let second = IntroductionBody { id: RequestId([8; 16]), ..body(sim.now, &eve.identity, holger(&bond)) };
    let second = Introduction::sign(&mallory.identity, &second);
    let frame = said(&bond, &mut mallory, &RoomPayload::Introduce(second));
    assert_eq!(outcomes(&sim.rogue_send(link, frame)), [Outcome::Delivered]);
    assert_eq!(faults(&mut sim), [true, true], "which of them is Tom is not for the node to say");
    let fault = sim.requests(node)[0].fault.unwrap();
    assert!(fault.contains("compare the words"), "{fault}");
}

#[test]
fn a_friend_has_only_so_many_introductions_that_wait_for_an_answer() {
    let mut sim = Sim::new(5, Faults::NONE);
    let node = sim.add("Holger");
    let mut mallory = Actor::new(7, sim.now);
    let (bond, link) = mallory.befriend(&mut sim, node);
    let mut taken = 0;
    for number in 0..INTRODUCTIONS_OF_FRIEND_MAX as u64 + 4 {
        let somebody = Actor::new(100 + number, sim.now);
        let id = RequestId([u8::try_from(number).unwrap(); 16]);
        let said_body = IntroductionBody { id, ..body(sim.now, &somebody.identity, holger(&bond)) };
        let introduction = Introduction::sign(&mallory.identity, &said_body);
        let frame = said(&bond, &mut mallory, &RoomPayload::Introduce(introduction));
        taken += usize::from(outcomes(&sim.rogue_send(link, frame)) == [Outcome::Delivered]);
    }
    assert_eq!((taken, rows(&mut sim, node).len()), (INTRODUCTIONS_OF_FRIEND_MAX, INTRODUCTIONS_OF_FRIEND_MAX));
}
