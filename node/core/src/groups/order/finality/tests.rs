//! When nothing can take an epoch's place any more, and which of two branches stands.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::super::rank::Committer;
use super::*;
use crate::wire::{Role, commit_rank};
use symbolon_presence::time::DAY;

const ROOM: RoomId = RoomId([9; 32]);
const DEAF: Ear = Ear { past: false, unheard: DAY };
const HEARS: Ear = Ear { past: true, unheard: 0 };

fn user(n: u8) -> PeerId {
    PeerId([n; 32])
}

fn users(list: &[u8]) -> BTreeSet<PeerId> {
    list.iter().map(|n| user(*n)).collect()
}

fn committed(list: &[u8]) -> Vec<PeerId> {
    list.iter().map(|n| user(*n)).collect()
}

#[test]
fn an_epoch_that_somebody_may_not_have_is_final_after_a_week() {
    assert!(!is_final(&[], &[HEARS, DEAF], 0));
    assert!(!is_final(&[], &[HEARS, DEAF], 7 * DAY - 1));
    assert!(is_final(&[], &[HEARS, DEAF], 7 * DAY));
}

#[test]
fn an_epoch_that_every_leaf_was_heard_past_is_final_at_once() {
    assert!(is_final(&[], &[HEARS, HEARS], 0));
    assert!(is_final(&[], &[HEARS], 0), "who is alone waits for nobody");
}

#[test]
fn a_leaf_that_was_not_heard_for_half_a_year_holds_nothing_up() {
    let gone = Ear { past: false, unheard: 180 * DAY };
    assert!(gone.is_gone());
    assert!(is_final(&[], &[HEARS, gone], 0));
    assert!(!is_final(&[], &[HEARS, Ear { unheard: 180 * DAY - 1, ..gone }], 0));
}

#[test]
fn five_quick_commits_of_somebody_who_is_being_removed_make_nothing_final() {
    assert!(!is_final(&committed(&[2, 2, 2, 2, 2]), &[HEARS, DEAF], 0));
    assert!(!is_final(&committed(&[2; 100]), &[HEARS, DEAF], 6 * DAY), "nor a hundred");
    assert!(!is_final(&committed(&[2, 3, 2, 3, 2]), &[HEARS, DEAF], 0), "nor with one helper");
}

#[test]
fn five_epochs_of_three_users_make_an_epoch_final() {
    assert!(is_final(&committed(&[1, 2, 3, 1, 2]), &[HEARS, DEAF], 0));
    assert!(!is_final(&committed(&[1, 2, 3, 1]), &[HEARS, DEAF], 0), "four are too few");
}

fn branch(n: u8, role: Role, removes: &[u8], heard: &[u8]) -> Branch {
    let by = Committer::Member { leaf: u32::from(n), user: user(n), role };
    Branch { first: Rival { epoch: EpochId([n; 32]), by, removes: users(removes) }, heard: users(heard) }
}

fn stands(number: u64, users: &BTreeSet<PeerId>, branches: &[Branch]) -> u8 {
    let one = strongest(&ROOM, number, users, branches).unwrap();
    let turned: Vec<Branch> = branches.iter().rev().cloned().collect();
    assert_eq!(strongest(&ROOM, number, users, &turned), Some(one), "in whatever order they are seen");
    one.as_bytes()[0]
}

#[test]
fn the_branch_with_more_people_stands() {
    let all = users(&[1, 2, 3, 4, 5]);
    let (few, many) = (branch(1, Role::Owner, &[], &[1, 2]), branch(3, Role::Member, &[], &[3, 4, 5]));
    for number in 0..32 {
        assert_eq!(stands(number, &all, &[few.clone(), many.clone()]), 3);
    }
    assert_eq!(strongest(&ROOM, 0, &all, &[]), None);
}

#[test]
fn who_speaks_in_both_branches_counts_in_neither() {
    let all = users(&[1, 2, 3, 4, 5]);
    // Three of the four of the second branch speak in the first one, too: one against one and the lot decides.
    let first = branch(1, Role::Owner, &[], &[1, 3, 4]);
    let second = branch(2, Role::Member, &[], &[2, 3, 4]);
    for number in 0..32 {
        let lot = |leaf| commit_rank(&ROOM, number, leaf);
        assert_eq!(stands(number, &all, &[first.clone(), second.clone()]), if lot(1) < lot(2) { 1 } else { 2 });
    }
    let alone = branch(2, Role::Member, &[], &[2, 5, 3, 4]);
    assert_eq!(stands(0, &all, &[first, alone]), 2);
}

#[test]
fn people_whom_a_branch_has_added_have_no_voice() {
    let all = users(&[1, 2, 3]);
    let crowd = branch(1, Role::Owner, &[], &[1, 20, 21, 22, 23]);
    assert_eq!(stands(0, &all, &[crowd, branch(2, Role::Member, &[], &[2, 3])]), 2);
}

#[test]
fn a_removed_user_alone_does_not_outweigh_the_remover() {
    let all = users(&[1, 2, 3]);
    for number in 0..32 {
        let removal = branch(1, Role::Owner, &[2], &[1]);
        assert_eq!(stands(number, &all, &[removal, branch(2, Role::Admin, &[3], &[2])]), 1);
    }
}

#[test]
fn a_lost_text_goes_again_by_itself_only_to_those_it_was_written_for() {
    let written_for = users(&[1, 2, 3]);
    assert!(may_resend(&written_for, &users(&[1, 2, 3])));
    assert!(may_resend(&written_for, &users(&[1, 3])), "somebody has gone");
    assert!(!may_resend(&written_for, &users(&[1, 2, 3, 4])), "somebody has come");
    assert!(!may_resend(&written_for, &users(&[1, 2, 4])), "somebody has come for another one");
}
