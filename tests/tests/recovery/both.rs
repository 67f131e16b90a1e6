//! Two friends who have both lost their devices, and both restored them from backups.

use super::*;

/// A fresh folder of a person's backup, of whom a lost device is there.
fn restored(sim: &mut Sim, lost: Ix, entropy: &Secret, parts: &[BackupPart]) -> Ix {
    let ix = restore(sim, entropy, parts);
    sim.nodes[ix].peer = sim.nodes[lost].peer;
    ix
}

#[test]
fn r14_two_who_were_both_restored_are_the_same_friends_again_by_one_invite_and_have_what_they_wrote() {
    let mut sim = friends(21);
    say(&mut sim, ANA, "Ben", "before, by Ana");
    say(&mut sim, BEN, "Ana", "before, by Ben");
    have(&mut sim, &[ANA, BEN], &["before, by Ana", "before, by Ben"]);
    let kept = [ANA, BEN].map(|ix| {
        let entropy = phrase(&mut sim, ix);
        let parts = backup(&mut sim, ix, &entropy);
        (ix, entropy, parts)
    });
    // Neither is there when the other one comes back, and what either had is gone.
    for ix in [ANA, BEN] {
        sim.stop(ix, 2_000 * DAY);
    }
    sim.run_for(HOUR);
    let [ana, ben] = kept.map(|(lost, entropy, parts)| {
        let fresh = restored(&mut sim, lost, &entropy, &parts);
        sim.run_for(DAY);
        fresh
    });
    // Each knows the other's lost device alone. What is written waits, and nobody has lost a friend.
    let waits = say(&mut sim, ana, "Ben", "to the lost one");
    sim.run_for(2 * DAY);
    assert!(
        friend_views(&mut sim, ana).iter().any(|view| view.name == "Ben")
            && friend_views(&mut sim, ben).iter().any(|view| view.name == "Ana")
    );
    let state = |sim: &mut Sim| sim.history(ana).into_iter().find(|view| view.message == waits).map(|view| view.state);
    assert_eq!(state(&mut sim), Some(MessageState::Queued));
    let link = sim.invite(ana);
    sim.run_for(MINUTE);
    sim.ask(ben, &link).unwrap();
    assert!(sim.run_until(HOUR, |sim| sim.pending(ana).is_some() || texts(sim, ben).contains("to the lost one")));
    if let Some(id) = sim.pending(ana) {
        sim.accept(ana, id).unwrap();
    }
    have(&mut sim, &[ben], &["before, by Ana", "before, by Ben", "to the lost one"]);
    say(&mut sim, ben, "Ana", "found");
    have(&mut sim, &[ana], &["before, by Ana", "before, by Ben", "found"]);
    for (ix, name) in [(ana, "Ben"), (ben, "Ana")] {
        let named: Vec<String> = friend_views(&mut sim, ix).into_iter().map(|view| view.name).filter(|all| all.starts_with(name)).collect();
        assert_eq!(named, [name], "one friend, under the name of before");
    }
}
