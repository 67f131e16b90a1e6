//! What newcomers say of themselves in the new epoch, false or said again. The numbers are those of the list of attacks.

use super::*;
use symbolon_core::limits::STEPS_MAX;
use symbolon_core::table::Table;
use symbolon_core::wire::RoomPayload;
use symbolon_core::world::Sealed;
use symbolon_presence::id::EpochId;
use symbolon_tests::sim::rows::{FriendRow, read};

/// A hello like one that was heard, with another name, sealed and given to nobody.
fn sealed(sim: &mut Sim, by: Ix, (heard_at, of): (Ix, Ix), name: &str) -> Sealed {
    let (now, room, of) = (sim.now, id(sim, heard_at), sim.nodes[of].peer);
    let mut ways = sim.nodes[heard_at].with_core(|core, _| core.heard_of(room, of)).expect("it was heard");
    ways.name = name.to_owned();
    let payload = RoomPayload::Ways(Box::new(ways));
    sim.nodes[by].with_core(|core, world| core.seal_in_room(now, room, &payload, world)).unwrap()
}

/// Somebody gives Ana these bytes.
fn give(sim: &mut Sim, by: Ix, place: (RoomId, EpochId), bytes: &[u8]) {
    let (now, to) = (sim.now, sim.nodes[ANA].peer);
    sim.nodes[by].with_core(|core, world| core.give_in_room(now, place, (to, bytes), world)).unwrap();
    // It leaves with the next turn.
    counts(sim, &[by]);
    sim.run_for(MINUTE);
}

/// A room into which Dea came by Ben: Ana has her name from her own hello alone.
fn let_in(seed: u64) -> (Sim, RoomId) {
    let (mut sim, _) = scene(seed);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 3 * MINUTE));
    sim.run_for(MINUTE);
    assert_eq!(members(&mut sim, ANA), ["Ana", "Ben", "Cem", "Dea"]);
    let room = id(&mut sim, ANA);
    (sim, room)
}

#[test]
fn a60_a_hello_in_anothers_name_or_by_one_who_has_not_sealed_it_is_refused() {
    let (mut sim, room) = let_in(40);
    // Dea says that she is whom Cem's device belongs to.
    let theirs = sealed(&mut sim, DEA, (ANA, CEM), "Cem");
    // Cem says as his own what she has sealed and not said.
    let hers = sealed(&mut sim, DEA, (ANA, DEA), "Deb");
    for (by, hello) in [(DEA, theirs), (CEM, hers)] {
        let before = sim.dropped(ANA, "forged");
        give(&mut sim, by, (room, hello.epoch), &hello.bytes);
        assert_eq!(sim.dropped(ANA, "forged"), before + 1, "of {by}");
        assert_eq!(members(&mut sim, ANA), ["Ana", "Ben", "Cem", "Dea"], "of {by}");
    }
    // Her own by herself is heard.
    let own = sealed(&mut sim, DEA, (ANA, DEA), "Dora");
    give(&mut sim, DEA, (room, own.epoch), &own.bytes);
    assert_eq!(members(&mut sim, ANA), ["Ana", "Ben", "Cem", "Dora"]);
}

#[test]
fn a60_a_hello_that_was_heard_is_not_heard_again_whoever_gives_it() {
    let (mut sim, room) = let_in(41);
    let first = sealed(&mut sim, DEA, (ANA, DEA), "Deb");
    give(&mut sim, DEA, (room, first.epoch), &first.bytes);
    assert_eq!(members(&mut sim, ANA), ["Ana", "Ben", "Cem", "Deb"]);
    let second = sealed(&mut sim, DEA, (ANA, DEA), "Dora");
    give(&mut sim, DEA, (room, second.epoch), &second.bytes);
    for by in [DEA, BEN, CEM] {
        give(&mut sim, by, (room, first.epoch), &first.bytes);
        assert_eq!(members(&mut sim, ANA), ["Ana", "Ben", "Cem", "Dora"], "of {by}");
    }
}

#[test]
fn a60_a_hello_for_another_epoch_or_room_or_by_one_who_was_not_let_in_is_not_heard() {
    let (mut sim, room) = let_in(42);
    sim.befriend(ANA, EVA);
    sim.run_for(HOUR);
    let (named, now) = (members(&mut sim, ANA), sim.now);
    let before = sealed(&mut sim, DEA, (ANA, DEA), "Deb");
    // Sealed in an epoch that the room has left for good, and given as one of then, and as one of now.
    for _ in 0..=STEPS_MAX {
        sim.hurry_commits(ANA);
        sim.run_for(MINUTE);
    }
    let after = sealed(&mut sim, CEM, (ANA, CEM), "Cem");
    assert_ne!(before.epoch, after.epoch);
    for epoch in [before.epoch, after.epoch] {
        give(&mut sim, DEA, (room, epoch), &before.bytes);
        assert_eq!(members(&mut sim, ANA), named);
    }
    // In the room of two friends.
    let ben = sim.nodes[BEN].peer;
    let (_, row) = sim.nodes[ANA].store.rows(Table::Friend).find(|(key, _)| key.as_slice() == ben.as_bytes()).unwrap();
    let ours = read::<FriendRow>(row).room;
    let hello = sealed(&mut sim, BEN, (ANA, BEN), "Benedict");
    let place = sim.nodes[BEN].with_core(|core, world| core.seal_in_room(now, ours, &RoomPayload::Skip, world)).unwrap().epoch;
    give(&mut sim, BEN, (ours, place), &hello.bytes);
    assert_eq!(members(&mut sim, ANA), named);
    // By a friend who was not let in, of whom nothing in the room is heard.
    let hello = sealed(&mut sim, DEA, (ANA, DEA), "Dina");
    let dropped = sim.dropped(ANA, "unexpected");
    give(&mut sim, EVA, (room, hello.epoch), &hello.bytes);
    assert!(sim.dropped(ANA, "unexpected") > dropped, "it came");
    assert_eq!(members(&mut sim, ANA), named);
    assert_eq!(members(&mut sim, EVA), Vec::<String>::new());
}
