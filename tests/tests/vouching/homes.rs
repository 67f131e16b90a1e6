//! Rooms whose hub is a member's own node.

use super::attacks::body_of;
use super::*;
use symbolon_presence::id::{ListenerId, Nonce};
use symbolon_presence::sign::SigningKey;
use symbolon_relay::knock::{Answer, KNOCK_LEN, Knock, Listen, Refusal};

/// A room of Ana, Ben and Cem, whose hub is Ana's node; Dea, whom Ben knows, and Eva, whom nobody does. Relays keep
/// mailboxes and are no hubs.
fn home(seed: u64) -> (Sim, Ix) {
    let (mut sim, relay) = scene(seed);
    sim.hubs.remove(&relay);
    sim.nodes[ANA].is_hub = true;
    sim.crash(ANA, SECOND);
    sim.run_for(MINUTE);
    (sim, relay)
}

#[test]
fn a_member_s_own_node_is_the_hub_of_its_room_and_takes_in_whom_a_member_knows() {
    let (mut sim, _) = home(41);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 5 * MINUTE), "{:?}", status(&mut sim, DEA));
    sim.run_for(MINUTE);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA]), [4; 4]);
    // Somebody whom nobody knows is turned away by it, and whom its own user knows comes in by itself.
    knock(&mut sim, EVA, &card);
    assert!(comes_to(&mut sim, EVA, RequestStatus::Expired, 5 * MINUTE), "{:?}", status(&mut sim, EVA));
    sim.befriend(EVA, ANA);
    sim.run_for(MINUTE);
    knock(&mut sim, EVA, &card);
    assert!(comes_to(&mut sim, EVA, RequestStatus::Confirmed, 5 * MINUTE), "{:?}", status(&mut sim, EVA));
    sim.run_for(MINUTE);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA, EVA]), [5; 5]);
}

#[test]
fn a_room_follows_its_hub_to_another_address_and_outlasts_its_starts() {
    let (mut sim, _) = home(42);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    sim.move_house(ANA);
    sim.run_for(30 * MINUTE);
    sim.crash(ANA, MINUTE);
    sim.run_for(10 * MINUTE);
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 10 * MINUTE), "{:?}", status(&mut sim, DEA));
    sim.run_for(MINUTE);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA]), [4; 4]);
}

#[test]
fn a_node_is_the_hub_of_its_own_rooms_alone_and_of_none_unless_its_user_has_said_so() {
    let (mut sim, relay) = home(43);
    let link = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    let alias = body_of(&mut sim, relay, &link).body.alias;
    let (nonce, sealed) = (Nonce([9; 16]), vec![9; KNOCK_LEN]);
    let of_room = Ask::Knock(Knock { alias, nonce, sealed: sealed.clone() });
    let of_another = Ask::Knock(Knock { alias: RoomAlias([9; 32]), nonce, sealed });
    let listen = Ask::Listen(Listen::sign(&SigningKey::from_seed(&[9; 32]), ListenerId([9; 16]), 0));
    assert_eq!(sim.ask_node_as_stranger(ANA, &of_room), Some(Answer::Ack));
    for ask in [&of_another, &listen] {
        assert_eq!(sim.ask_node_as_stranger(ANA, ask), Some(Answer::Refused(Refusal::Unknown)));
    }
    for ask in [&of_room, &of_another, &listen] {
        assert_eq!(sim.ask_node_as_stranger(BEN, ask), None, "it is no hub");
    }
}
