//! By which right members write to each other, and who has lost it.

use super::*;
use symbolon_tests::sim::relays::RELAYS;

const EDA: Ix = 4;

/// Cem reaches nobody but the relays of Ben, Dea and Eda, and hears nothing.
fn cut_cem_off(sim: &mut Sim, is_cut: bool) {
    sim.set_apart(ANA, CEM, is_cut);
    for relay in [ANA, CEM] {
        sim.set_gone(RELAYS + relay, is_cut);
    }
}

#[test]
fn who_was_removed_leaves_nothing_at_the_mailboxes_of_those_who_stay_and_these_go_on_hearing_each_other() {
    let mut sim = scene(8, Faults::NONE, &["Ana", "Ben", "Cem", "Dea", "Eda"]);
    create(&mut sim, ANA, "The crew");
    add(&mut sim, ANA, "The crew", &["Ben", "Cem", "Dea", "Eda"]);
    sim.run_for(HOUR);
    cut_cem_off(&mut sim, true);
    let before = say(&mut sim, CEM, "The crew", "still a member");
    sim.run_for(MINUTE);
    assert_eq!(sim.message(CEM, before.message).state, MessageState::Stored, "Cem is not heard by any way that is left");

    // Eda is away when Cem is removed. Cem does not hear of it.
    sim.crash(EDA, 3 * DAY);
    room(sim.command(ANA, Command::RoomRemove { room: name("The crew"), who: vec![name("Cem")] }));
    sim.set_gone(RELAYS + ANA, false);
    sim.run_for(4 * DAY);
    cut_cem_off(&mut sim, true);
    let after = say(&mut sim, CEM, "The crew", "nobody takes this");
    sim.run_for(HOUR);
    assert_eq!(sim.message(CEM, after.message).state, MessageState::Queued, "a mailbox of those who stay has taken it");

    // All others have new rights, also who was away.
    for (by, text) in [(BEN, "Ben is here"), (DEA, "Dea is here"), (EDA, "Eda is here")] {
        let sent = say(&mut sim, by, "The crew", text);
        sim.run_for(HOUR);
        assert_eq!(sim.message(by, sent.message).tally.map(|tally| (tally.delivered, tally.members)), Some((3, 3)), "{text}");
    }
}

#[test]
fn strangers_who_are_in_two_rooms_hear_each_other_in_the_one_that_is_left() {
    for (seed, gone, left) in [(9, "The crew", "The band"), (10, "The band", "The crew")] {
        let mut sim = scene(seed, Faults::NONE, &["Ana", "Ben", "Cem"]);
        for called in ["The crew", "The band"] {
            create(&mut sim, ANA, called);
            add(&mut sim, ANA, called, &["Ben", "Cem"]);
            sim.run_for(MINUTE);
        }
        // Each has said it in both rooms; what was said last counts.
        for ix in [BEN, CEM] {
            assert!(sim.command(ix, Command::SetName(format!("Stranger {ix}"))).is_ok());
        }
        sim.run_for(HOUR);
        room(sim.command(ANA, Command::RoomRemove { room: name(gone), who: vec![name("Cem")] }));
        sim.run_for(9 * DAY);
        say(&mut sim, BEN, left, "from Ben");
        say(&mut sim, CEM, left, "from Cem");
        sim.run_for(HOUR);
        for ix in [BEN, CEM] {
            assert_eq!(texts(&mut sim, ix, left), ["from Ben", "from Cem"], "{left} of {ix}");
        }
    }
}
