//! The same rooms over real OpenMLS: it reads the wall clock, so these stories begin now and jump by less than a day.

use super::*;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};
use symbolon_core::world::RoomCipher;
use symbolon_node::mls::{MemoryRows, MlsCipher};
use symbolon_presence::time::Timestamp;
use symbolon_tests::sim::node::SimNode;
use symbolon_tests::sim::rooms::Rooms;

/// MLS over rows that belong to the turn.
struct MlsRooms {
    live: MlsCipher<Rc<MemoryRows>>,
    rows: Rc<MemoryRows>,
    kept: MemoryRows,
}

impl MlsRooms {
    fn over(kept: MemoryRows) -> Self {
        let rows = Rc::new(kept.clone());
        Self { live: MlsCipher::new(rows.clone()), rows, kept }
    }
}

impl Rooms for MlsRooms {
    fn cipher(&mut self) -> &mut dyn RoomCipher {
        &mut self.live
    }

    fn keep(&mut self) -> bool {
        let flushed = self.live.flush().is_ok();
        if flushed {
            self.kept = (*self.rows).clone();
        }
        flushed
    }

    fn withdraw(&mut self) {
        *self = Self::over(self.kept.clone());
    }
}

/// Friends of each other in a room.
fn crew_over_mls(seed: u64, names: &[&str]) -> Sim {
    let mut sim = Sim::new(seed, Faults::NONE);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    sim.now = Timestamp(u64::try_from(now).unwrap());
    for called in names {
        sim.add_node(SimNode::with_rooms(Box::new(MlsRooms::over(MemoryRows::default())), Some((*called).to_owned())));
    }
    for a in 0..names.len() {
        for b in a + 1..names.len() {
            sim.befriend(a, b);
        }
    }
    sim.run_for(MINUTE);
    create(&mut sim, ANA, "The crew");
    add(&mut sim, ANA, "The crew", &names[1..]);
    sim.run_for(MINUTE);
    let all: Vec<Ix> = (0..names.len()).collect();
    assert_agree(&mut sim, &all, "The crew");
    sim
}

#[test]
fn over_mls_halves_that_were_apart_heal_through_crashes_and_who_is_removed_is_out() {
    let mut sim = crew_over_mls(31, &["Ana", "Ben", "Cem", "Dea"]);
    let all = [ANA, BEN, CEM, DEA];
    for round in 0..3 {
        cut(&mut sim, &[ANA, BEN], &[CEM, DEA], true);
        room(sim.command(ANA, Command::RoomTopic { room: name("The crew"), topic: format!("round {round}") }));
        sim.hurry_commits(CEM);
        sim.run_for(MINUTE);
        sim.hurry_commits(DEA);
        sim.run_for(MINUTE);
        for ix in all {
            say(&mut sim, ix, "The crew", &format!("{ix} in round {round}"));
        }
        sim.run_for(MINUTE);
        sim.crash(BEN, SECOND);
        sim.crash(DEA, SECOND);
        cut(&mut sim, &[ANA, BEN], &[CEM, DEA], false);
        sim.run_for(40 * MINUTE);
        assert_agree(&mut sim, &all, "The crew");
        for ix in all {
            assert_eq!(texts(&mut sim, ix, "The crew").len(), 4 * (round + 1), "of {ix} in round {round}");
            assert_eq!(rooms(&mut sim, ix)[0].topic, format!("round {round}"), "of {ix}");
        }
    }
    cut(&mut sim, &[ANA], &[BEN, CEM, DEA], true);
    room(sim.command(ANA, Command::RoomRemove { room: name("The crew"), who: vec![name("Ben")] }));
    sim.hurry_commits(BEN);
    sim.run_for(MINUTE);
    cut(&mut sim, &[ANA], &[BEN, CEM, DEA], false);
    sim.run_for(40 * MINUTE);
    assert_agree(&mut sim, &[ANA, CEM, DEA], "The crew");
    assert_eq!(standing(&mut sim, BEN), RoomStanding::Removed);
    add(&mut sim, ANA, "The crew", &["Ben"]);
    sim.run_for(MINUTE);
    assert_agree(&mut sim, &all, "The crew");
}
