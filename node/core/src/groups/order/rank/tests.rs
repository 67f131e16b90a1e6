//! Which of several commits stands: every cycle, flood and re-try that a committer could think of.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

const ROOM: RoomId = RoomId([9; 32]);

fn user(n: u8) -> PeerId {
    PeerId([n; 32])
}

fn epoch(n: u8) -> EpochId {
    EpochId([n; 32])
}

/// A commit of the user `n`, whose leaf has the index `n`.
fn rival(n: u8, role: Role, removes: &[u8]) -> Rival {
    let by = Committer::Member { leaf: u32::from(n), user: user(n), role };
    Rival { epoch: epoch(n), by, removes: removes.iter().map(|n| user(*n)).collect() }
}

/// The one with the lowest lot in the epoch `number`.
fn lowest(number: u64, leaves: &[u8]) -> u8 {
    *leaves.iter().min_by_key(|leaf| commit_rank(&ROOM, number, u32::from(**leaf))).unwrap()
}

/// An epoch number in which this leaf has the lowest lot of all.
fn lucky(leaf: u8, leaves: &[u8]) -> u64 {
    (0..1_000).find(|number| lowest(*number, leaves) == leaf).unwrap()
}

/// The winner, which is the same in whatever order the rivals are seen.
fn winner_in_any_order(number: u64, rivals: &[Rival]) -> EpochId {
    let first = winner(&ROOM, number, rivals).unwrap();
    let mut turned = rivals.to_vec();
    for _ in 0..rivals.len() {
        turned.rotate_left(1);
        assert_eq!(winner(&ROOM, number, &turned), Some(first));
        let back: Vec<Rival> = turned.iter().rev().cloned().collect();
        assert_eq!(winner(&ROOM, number, &back), Some(first));
    }
    first
}

#[test]
fn none_wins_over_nobody_and_one_wins_over_none() {
    assert_eq!(winner(&ROOM, 3, &[]), None);
    assert_eq!(winner(&ROOM, 3, &[rival(1, Role::Member, &[])]), Some(epoch(1)));
}

#[test]
fn who_removes_somebody_wins_over_who_does_not_and_among_equals_the_lot_decides() {
    for number in 0..64 {
        let plain = [rival(1, Role::Member, &[]), rival(2, Role::Owner, &[]), rival(3, Role::Admin, &[])];
        assert_eq!(winner_in_any_order(number, &plain), epoch(lowest(number, &[1, 2, 3])), "a role alone decides nothing");
        let removal = [rival(1, Role::Owner, &[]), rival(2, Role::Admin, &[4]), rival(3, Role::Admin, &[])];
        assert_eq!(winner_in_any_order(number, &removal), epoch(2));
        let removals = [rival(1, Role::Owner, &[]), rival(2, Role::Admin, &[4]), rival(3, Role::Admin, &[5])];
        assert_eq!(winner_in_any_order(number, &removals), epoch(lowest(number, &[2, 3])));
    }
}

#[test]
fn a_removed_user_does_not_undo_their_removal_by_any_commit() {
    let number = lucky(2, &[1, 2]);
    for (role, removes) in [(Role::Member, vec![]), (Role::Admin, vec![]), (Role::Admin, vec![3]), (Role::Admin, vec![3, 4])] {
        assert_eq!(winner_in_any_order(number, &[rival(1, Role::Owner, &[2]), rival(2, role, &removes)]), epoch(1), "{role:?}");
    }
}

#[test]
fn a_removed_user_s_other_device_does_not_undo_it_either() {
    let mut second = rival(2, Role::Admin, &[3]);
    second.epoch = epoch(7);
    second.by = Committer::Member { leaf: 7, user: user(2), role: Role::Admin };
    let number = lucky(7, &[1, 2, 7]);
    assert_eq!(winner_in_any_order(number, &[rival(1, Role::Owner, &[2]), rival(2, Role::Admin, &[3]), second]), epoch(1));
}

#[test]
fn of_two_removals_that_of_the_higher_role_stands() {
    // By the lot alone, who sees 2 and 3 would follow 2, who sees all would follow 3, and nobody would send 1 any more.
    let number = (0..1_000).find(|number| lowest(*number, &[1, 2, 3]) == 2 && lowest(*number, &[1, 3]) == 3).unwrap();
    let rivals = [rival(1, Role::Owner, &[2]), rival(2, Role::Admin, &[4]), rival(3, Role::Admin, &[5])];
    assert_eq!(winner_in_any_order(number, &rivals), epoch(1));
    assert_eq!(winner_in_any_order(number, &rivals[1..]), epoch(2));
    assert_eq!(winner_in_any_order(number, &rivals[..2]), epoch(1));
}

#[test]
fn a_removal_whose_maker_is_removed_does_not_stand() {
    for number in 0..64 {
        let rivals = [rival(1, Role::Owner, &[2]), rival(2, Role::Admin, &[3]), rival(3, Role::Member, &[])];
        assert_eq!(winner_in_any_order(number, &rivals), epoch(1));
    }
}

#[test]
fn removals_in_a_circle_are_decided_alike_by_all_who_saw_any_part_of_them() {
    // No valid commits make a circle. Those that no roster lets through decide nothing here either.
    let circle = [rival(1, Role::Admin, &[2]), rival(2, Role::Admin, &[3]), rival(3, Role::Admin, &[1])];
    for number in 0..64 {
        assert_eq!(winner_in_any_order(number, &circle), epoch(lowest(number, &[1, 2, 3])));
        for (a, b) in [(0, 1), (1, 2), (0, 2)] {
            let leaves = [u8::try_from(a + 1).unwrap(), u8::try_from(b + 1).unwrap()];
            assert_eq!(winner_in_any_order(number, &[circle[a].clone(), circle[b].clone()]), epoch(lowest(number, &leaves)));
        }
    }
}

#[test]
fn the_best_of_all_is_the_best_of_each_part_that_has_it() {
    // So members settle on one as soon as all have seen it, whichever of the others they saw.
    let roles = [Role::Owner, Role::Admin, Role::Admin, Role::Member, Role::Member];
    let removes: [&[u8]; 5] = [&[2], &[4], &[5], &[], &[]];
    let rivals: Vec<Rival> = (0..5).map(|i| rival(u8::try_from(i + 1).unwrap(), roles[i], removes[i])).collect();
    for number in 0..64 {
        let best = winner(&ROOM, number, &rivals).unwrap();
        for seen in 1..32_u8 {
            let part: Vec<Rival> = (0..5).filter(|i| seen & (1 << i) != 0).map(|i| rivals[i].clone()).collect();
            if part.iter().any(|rival| rival.epoch == best) {
                assert_eq!(winner(&ROOM, number, &part), Some(best), "{seen:05b}");
            }
        }
    }
}

#[test]
fn ground_bytes_of_an_epoch_win_over_nobody_else() {
    let number = lucky(1, &[1, 2]);
    let mut ground = rival(2, Role::Member, &[]);
    ground.epoch = epoch(0);
    assert_eq!(winner_in_any_order(number, &[rival(1, Role::Member, &[]), ground.clone()]), epoch(1));
    // Between two commits of one leaf something must decide; that leaf is caught at it.
    let both = [rival(2, Role::Member, &[]), ground];
    assert_eq!(winner_in_any_order(number, &both), epoch(0));
    assert_eq!(doubles(&both), [2].into());
}

#[test]
fn one_commit_seen_twice_is_no_double() {
    let one = rival(2, Role::Member, &[]);
    assert_eq!(doubles(&[one.clone(), rival(1, Role::Owner, &[]), one]), BTreeSet::new());
}

#[test]
fn devices_that_join_stand_behind_members_and_are_ranked_by_what_they_are() {
    let joiner =
        |n: u8| Rival { epoch: epoch(n), by: Committer::External { user: user(n), device: DeviceId([n; 16]) }, removes: BTreeSet::new() };
    let lot = |n: u8| joiner(n).by.lot(&ROOM, 5);
    for n in 10..20 {
        assert_eq!(winner_in_any_order(5, &[rival(1, Role::Member, &[]), joiner(n)]), epoch(1));
        let first = if lot(n) < lot(n + 1) { n } else { n + 1 };
        assert_eq!(winner_in_any_order(5, &[joiner(n), joiner(n + 1)]), epoch(first));
    }
    // A further device of somebody who is being removed is not in the race.
    assert_eq!(winner_in_any_order(5, &[rival(1, Role::Owner, &[10]), joiner(10)]), epoch(1));
}
