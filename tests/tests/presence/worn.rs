//! Somebody whose tree and header have had very many readers.

use super::*;

/// What makes a node's records, as it lies in its store.
#[derive(Encode, Decode)]
#[cbor(map)]
struct OwnPresence {
    #[n(0)]
    generation: Generation,
    #[n(1)]
    blocks: Blocks,
    #[n(2)]
    granted: BTreeMap<PeerId, Vec<Block>>,
    #[n(3)]
    hidden: BTreeSet<PeerId>,
    #[n(4)]
    wrapping: Wrapping,
    #[n(5)]
    sequence: u64,
}

/// Andi has parted from very many before; every other one of those was passed over and stays a reader.
fn worn(sim: &Sim) -> OwnPresence {
    let mut rng = ChaCha20Rng::from_seed([4; 32]);
    let mut blocks = Blocks::default();
    for _ in 0..245 {
        let leaves = blocks.issue(1, &mut rng).unwrap();
        blocks.issue(1, &mut rng).unwrap();
        blocks.revoke(leaves);
    }
    OwnPresence {
        generation: Generation::random(7, day_of(sim.now), &mut rng),
        blocks,
        granted: BTreeMap::new(),
        hidden: BTreeSet::new(),
        wrapping: Wrapping::random(0, &mut rng),
        sequence: 0,
    }
}

#[test]
fn friends_of_somebody_who_has_parted_from_very_many_get_a_new_generation_and_find_each_other_by_it() {
    let mut sim = Sim::new(10, Faults::NONE);
    sim.lookup.is_there = true;
    let row = codec::encode(&worn(&sim));
    sim.add_prepared("Andi", |node| node.store.apply(&Change::Put(Table::Meta, b"presence".to_vec(), row)).unwrap());
    let generation = |sim: &Sim| {
        let row = sim.nodes[0].store.get(Table::Meta, b"presence").unwrap().unwrap();
        codec::decode::<OwnPresence>(&row, 1 << 20).unwrap().generation.number
    };
    for (ix, name) in [(1, "Ben"), (2, "Cleo"), (3, "Dora")] {
        assert_eq!(sim.add(name), ix);
        sim.befriend(0, ix);
    }
    sim.run_for(MINUTE);
    assert_eq!(generation(&sim), 7);
    // Ben is away while it happens, and Cleo is blocked.
    sim.crash(1, 3 * DAY);
    let cleo = who(&sim, 2);
    sim.command(0, Command::Block(cleo.clone())).unwrap();
    let mut parted = 0;
    while generation(&sim) == 7 {
        for leaves in [true, false] {
            let other = sim.add(&format!("Guest {parted} {leaves}"));
            sim.befriend(0, other);
            if leaves {
                let guest = who(&sim, other);
                sim.command(0, Command::Unfriend(guest)).unwrap();
            }
            sim.crash(other, 1_000 * DAY);
        }
        sim.run_for(MINUTE);
        parted += 1;
        assert!(parted < 50, "at some time no header holds them");
    }
    sim.run_for(HOUR);
    assert_eq!(generation(&sim), 8, "one is enough");
    let problems = sim.report(0).problems;
    assert!(!problems.iter().any(|problem| problem.contains("Too many friends")), "{problems:?}");
    assert!(sim.run_until(4 * DAY, |sim| sim.nodes[1].is_up()));
    sim.run_for(HOUR);
    sim.command(0, Command::Unblock(cleo)).unwrap();
    sim.run_for(HOUR);
    // All have it by now, and find Andi after a move that only a record tells of.
    for other in [1, 2, 3] {
        both_move(&mut sim, 0, other);
        sim.say(other, 0, &format!("found by {other}")).unwrap();
        assert!(sim.run_until(HOUR, |sim| sim.texts(0).contains(&format!("found by {other}"))), "{other}");
    }
}
