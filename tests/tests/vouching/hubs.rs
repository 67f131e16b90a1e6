//! Hubs that tell two stories, turn things round, or see more than they should; members and newcomers who vanish half-way.

use super::attacks::{body_of, chain_of};
use super::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use symbolon_presence::id::Nonce;
use symbolon_relay::knock::{Answer, Say};

/// Whether any of these bytes hold those.
fn holds(seen: &[Vec<u8>], word: &[u8]) -> bool {
    seen.iter().any(|bytes| bytes.windows(word.len()).any(|window| window == word))
}

#[test]
fn a55_a_hub_that_hands_each_newcomer_what_is_for_the_other_brings_neither_in() {
    thread_local! {
        /// The newest knock, and the word, that came under each number.
        static WORDS: RefCell<BTreeMap<Nonce, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
        static LAST: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
    }
    let (mut sim, hub) = scene(51);
    sim.befriend(CEM, EVA);
    sim.run_for(HOUR);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    // Each word goes to the newcomer who is not meant, and each answer to the voucher who is not.
    sim.hub(hub).distort = Some(|answer| {
        let turned = |bytes: Vec<u8>| LAST.replace(Some(bytes.clone())).unwrap_or(bytes);
        match answer {
            Answer::Said(number, sealed) => Answer::Said(number, turned(sealed)),
            Answer::Knocks(nonce, sealed) => {
                WORDS.with_borrow_mut(|words| words.insert(nonce, sealed.clone()));
                let other = WORDS.with_borrow(|words| words.iter().find(|(of, _)| **of != nonce).map(|(_, sealed)| sealed.clone()));
                Answer::Knocks(nonce, other.unwrap_or(sealed))
            }
            other @ (Answer::Ack | Answer::Refused(_) | Answer::Nothing | Answer::Responds(..) | Answer::Closed) => other,
        }
    });
    // Before any word has come, one that is made up stands in for it.
    LAST.set(Some(vec![7; symbolon_relay::knock::KNOCK_LEN]));
    knock(&mut sim, DEA, &card);
    knock(&mut sim, EVA, &card);
    sim.run_for(30 * MINUTE);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA, EVA]), [3, 3, 3, 0, 0]);
    // Nobody is listed under another's number, either: what is sealed names its number.
    sim.hub(hub).distort = None;
    for ix in [DEA, EVA] {
        knock(&mut sim, ix, &card);
        assert!(comes_to(&mut sim, ix, RequestStatus::Confirmed, 2 * HOUR), "{ix}: {:?}", status(&mut sim, ix));
    }
    sim.run_for(MINUTE);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA, EVA]), [5; 5]);
}

#[test]
fn a55_a_hub_that_turns_the_order_round_lets_in_whom_a_member_knows_and_nobody_else() {
    let (mut sim, hub) = scene(52);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    sim.hub(hub).turns_round = true;
    knock(&mut sim, EVA, &card);
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 6 * HOUR), "{:?}", status(&mut sim, DEA));
    sim.run_for(10 * MINUTE);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA, EVA]), [4, 4, 4, 4, 0]);
}

#[test]
fn a55_of_two_hubs_that_tell_two_stories_the_honest_one_is_enough() {
    let (mut sim, liar) = scene(53);
    let (second, link) = sim.add_relay();
    sim.add_hub(second);
    assert!(sim.command(ANA, Command::RelayAdd { link, claim: None }).is_ok());
    sim.run_for(MINUTE);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    assert_eq!(body_of(&mut sim, liar, &card).body.hubs.len(), 2);
    // One takes every knock, hands none on, and says that all were asked.
    sim.hub(liar).distort = Some(|answer| match answer {
        Answer::Knocks(..) | Answer::Responds(..) | Answer::Said(..) | Answer::Nothing => Answer::Closed,
        other @ (Answer::Ack | Answer::Refused(_) | Answer::Closed) => other,
    });
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 10 * MINUTE), "{:?}", status(&mut sim, DEA));
    sim.run_for(MINUTE);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA]), [4; 4]);
    // And when one of them cannot be reached, no node says that none takes the knock.
    sim.set_gone(liar, true);
    knock(&mut sim, EVA, &card);
    assert!(comes_to(&mut sim, EVA, RequestStatus::Expired, 10 * MINUTE), "{:?}", status(&mut sim, EVA));
    assert!(knocks(&mut sim, EVA, Direction::Out)[0].fault.unwrap().contains("not vouched"));
}

#[test]
fn a_hub_holds_no_key_of_the_room_or_of_anybody_and_knows_a_knock_by_its_number_alone() {
    let (mut sim, hub) = scene(54);
    let link = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    let body = body_of(&mut sim, hub, &link).body;
    knock(&mut sim, DEA, &link);
    knock(&mut sim, EVA, &link);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 5 * MINUTE));
    say(&mut sim, DEA, "hello to all of you");
    sim.run_for(MINUTE);
    let seen = sim.hub(hub).seen.clone();
    // The device keys of a member, what is sealed to, and what is said in the room.
    let chain = chain_of(&mut sim, hub, &link);
    let certificate = chain.body().unwrap();
    let keys = [certificate.signing.as_bytes().to_vec(), certificate.dh.as_bytes().to_vec(), chain.root.as_bytes().to_vec()];
    for key in keys.iter().chain([&body.key.as_bytes()[..32].to_vec(), &certificate.device.as_bytes().to_vec()]) {
        assert!(!holds(&seen, key), "{key:?}");
    }
    assert!(!holds(&seen, b"hello to all of you") && !holds(&seen, ROOM.as_bytes()));
    // All questions of a newcomer name the room's alias and the number of the knock; two people are two numbers.
    let numbers: std::collections::BTreeSet<Nonce> = seen
        .iter()
        .filter_map(|bytes| match Ask::decode(bytes) {
            Ok(Ask::Knock(knock)) => Some(knock.nonce),
            Ok(Ask::Await(wait)) => Some(wait.nonce),
            Ok(Ask::Respond(respond)) => Some(respond.nonce),
            Ok(Ask::Say(Say { nonce, .. })) => Some(nonce),
            Ok(Ask::Listen(_)) | Err(_) => None,
        })
        .collect();
    assert_eq!(numbers.len(), 2);
    // The room is another thing at the hub after each departure, so it cannot say who was in it before.
    let before = aliases(&mut sim, hub);
    assert!(sim.command(ANA, Command::RoomRemove { room: name(ROOM), who: vec![name("Cem")] }).is_ok());
    sim.run_for(5 * MINUTE);
    sim.hub(hub).seen.clear();
    sim.run_for(MINUTE);
    assert!(before.is_disjoint(&aliases(&mut sim, hub)));
}

#[test]
fn a_newcomer_who_vanishes_once_they_have_answered_is_in_when_they_come_back() {
    let (mut sim, _) = scene(55);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Accepted, 3 * MINUTE));
    // The answer is on its way, and she is gone before anybody adds her.
    sim.crash(DEA, 5 * HOUR);
    sim.run_for(HOUR);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM]), [4; 3]);
    say(&mut sim, ANA, "are you there?");
    sim.run_for(5 * HOUR);
    assert_eq!(status(&mut sim, DEA), RequestStatus::Confirmed);
    assert_eq!(texts(&mut sim, DEA), ["are you there?"]);
}

#[test]
fn a_newcomer_who_vanishes_before_they_answer_leaves_nothing_behind() {
    let (mut sim, _) = scene(56);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Pending, MINUTE));
    sim.crash(DEA, 30 * HOUR);
    sim.run_for(26 * HOUR);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM]), [3; 3]);
    for ix in [ANA, BEN, CEM] {
        assert!(knocks(&mut sim, ix, Direction::In).is_empty(), "of {ix}");
    }
    sim.run_for(5 * HOUR);
    assert_eq!(status(&mut sim, DEA), RequestStatus::Expired);
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 10 * MINUTE), "{:?}", status(&mut sim, DEA));
}

#[test]
fn a_newcomer_with_a_member_s_name_is_shown_by_their_id_beside_it() {
    let (mut sim, _) = scene(57);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    assert!(sim.command(DEA, Command::SetName("Cem".into())).is_ok());
    sim.run_for(MINUTE);
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 5 * MINUTE));
    sim.run_for(MINUTE);
    let id = sim.nodes[DEA].peer.to_string();
    let called = members(&mut sim, ANA);
    assert!(
        called.contains(&"Cem".to_owned()) && called.iter().any(|name| name.starts_with("Cem ") && name.contains(&id[..8])),
        "{called:?}"
    );
}
