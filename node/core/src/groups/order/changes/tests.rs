//! What a commit may do to a roster, and what no roster lets through.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::limits::{NAME_MAX, TOPIC_MAX};

fn user(n: u8) -> PeerId {
    PeerId([n; 32])
}

fn key(n: u8) -> PublicKeyBytes {
    PublicKeyBytes([n; 32])
}

fn add(n: u8, of: u8) -> Act {
    Act::Add { leaf: key(n), user: user(of), device: DeviceId([n; 16]) }
}

fn remove(n: u8) -> Act {
    Act::Remove { user: user(n) }
}

fn leave(n: u8, said_in: u64) -> Act {
    Act::Leave { user: user(n), said_in }
}

fn role(n: u8, role: Role) -> Act {
    Act::Role { user: user(n), role }
}

/// Leaves sit in the reverse order of their keys, so that neither order stands for the other.
fn seat(key: &PublicKeyBytes) -> Option<u32> {
    Some(u32::from(255 - key.as_bytes()[0]))
}

fn take(roster: &Roster, by: u8, number: u64, acts: &[Act]) -> Result<(Roster, Vec<Effect>), Refused> {
    let commit = Commit { by: key(by), number, acts: acts.to_vec() };
    let taken = roster.after(&commit, &seat);
    if let Ok((after, _)) = &taken {
        assert!(after.is_bounded(), "what is taken leaves a roster");
    }
    taken
}

fn refused(roster: &Roster, by: u8, acts: &[Act]) -> Option<Refused> {
    take(roster, by, 9, acts).err()
}

/// Owner 1; admins 2 and 3; members 4 and 5, of whom 4 has a second device, 14.
fn roster() -> Roster {
    let new = Roster::founded("Crew".into(), key(1), user(1), DeviceId([1; 16]));
    let (new, _) = take(&new, 1, 0, &[add(2, 2), add(4, 4), add(14, 4), role(2, Role::Admin)]).unwrap();
    let (new, _) = take(&new, 2, 1, &[add(3, 3), add(5, 5)]).unwrap();
    take(&new, 1, 2, &[role(3, Role::Admin)]).unwrap().0
}

#[test]
fn a_room_grows_and_each_user_has_the_epoch_that_they_came_in_with() {
    let roster = roster();
    assert_eq!([1, 2, 3, 4, 5].map(|n| roster.user(&user(n)).unwrap().came_in), [0, 1, 2, 1, 2]);
    assert_eq!(
        [1, 2, 3, 4, 5].map(|n| roster.role(&user(n)).unwrap()),
        [Role::Owner, Role::Admin, Role::Admin, Role::Member, Role::Member]
    );
    assert_eq!(roster.leaves_of(&user(4)).count(), 2);
    let (later, effects) = take(&roster, 5, 9, &[add(15, 5)]).unwrap();
    assert_eq!(effects, [Effect::DeviceCame(key(15))], "a further device is nobody who comes");
    assert_eq!((later.user(&user(5)).unwrap().came_in, later.leaf(&key(15)).unwrap().came_in), (2, 10));
}

#[test]
fn an_own_update_changes_nothing() {
    let roster = roster();
    assert_eq!(take(&roster, 5, 9, &[]), Ok((roster.clone(), Vec::new())));
}

#[test]
fn who_removes_a_user_removes_all_their_devices() {
    let (later, effects) = take(&roster(), 2, 9, &[remove(4)]).unwrap();
    assert_eq!(effects, [Effect::Removed(user(4)), Effect::DeviceGone(key(4)), Effect::DeviceGone(key(14))]);
    assert_eq!((later.user(&user(4)), later.leaves_of(&user(4)).count()), (None, 0));
}

#[test]
fn every_commit_that_a_role_does_not_allow_is_refused() {
    let roster = roster();
    let may_not: [(u8, Act); 14] = [
        (2, remove(1)),
        (2, remove(3)),
        (4, remove(5)),
        (5, remove(2)),
        (5, add(6, 6)),
        (5, add(6, 4)),
        (5, Act::Name("Mine".into())),
        (5, Act::Topic("Mine".into())),
        (5, role(5, Role::Admin)),
        (2, role(2, Role::Owner)),
        (2, role(4, Role::Admin)),
        (2, role(3, Role::Member)),
        (4, Act::Drop { leaf: key(5) }),
        (1, Act::Drop { leaf: key(14) }),
    ];
    for (by, act) in may_not {
        assert_eq!(refused(&roster, by, std::slice::from_ref(&act)), Some(Refused::MayNot), "{by}: {act:?}");
    }
}

#[test]
fn admins_cannot_remove_each_other_nor_owners_owners() {
    let (two_owners, _) = take(&roster(), 1, 9, &[role(2, Role::Owner)]).unwrap();
    for (by, of) in [(1, 2), (2, 1)] {
        assert_eq!(refused(&two_owners, by, &[remove(of)]), Some(Refused::MayNot));
        assert_eq!(refused(&two_owners, by, &[role(of, Role::Member)]), Some(Refused::MayNot));
    }
    assert_eq!(refused(&roster(), 2, &[remove(3)]), Some(Refused::MayNot));
}

#[test]
fn no_commit_lends_its_maker_a_role_for_its_own_second_half() {
    // Roles are those of the parent epoch: nobody lowers somebody and removes them in one commit, nor raises themselves first.
    let roster = roster();
    assert_eq!(refused(&roster, 2, &[role(2, Role::Member), remove(3)]), Some(Refused::MayNot));
    let (two_owners, _) = take(&roster, 1, 9, &[role(2, Role::Owner)]).unwrap();
    assert_eq!(refused(&two_owners, 1, &[role(2, Role::Member), remove(2)]), Some(Refused::MayNot));
}

#[test]
fn an_owner_hands_the_room_on_in_one_commit() {
    let (later, _) = take(&roster(), 1, 9, &[role(2, Role::Owner), role(1, Role::Member)]).unwrap();
    assert_eq!((later.role(&user(1)), later.role(&user(2))), (Some(Role::Member), Some(Role::Owner)));
    assert_eq!(refused(&roster(), 1, &[role(1, Role::Member)]), Some(Refused::NoOwner), "but never to nobody");
}

#[test]
fn a_room_whose_last_owner_leaves_goes_to_the_oldest_member_then_to_the_lowest_leaf() {
    let roster = roster();
    // 2 and 4 came together; leaf 14 has the lowest index of theirs.
    let (later, effects) = take(&roster, 5, 9, &[leave(1, 9)]).unwrap();
    assert_eq!(later.role(&user(4)), Some(Role::Owner));
    assert_eq!(effects.last(), Some(&Effect::Inherited(user(4))));
    let (later, _) = take(&roster, 5, 9, &[leave(1, 9), leave(4, 9)]).unwrap();
    assert_eq!(later.role(&user(2)), Some(Role::Owner));
    let (two_owners, _) = take(&roster, 1, 9, &[role(3, Role::Owner)]).unwrap();
    let (later, effects) = take(&two_owners, 5, 10, &[leave(1, 10)]).unwrap();
    assert!(later.role(&user(4)) == Some(Role::Member) && !effects.contains(&Effect::Inherited(user(4))), "another owner stays");
}

#[test]
fn a_device_added_again_does_not_make_its_user_younger() {
    let (later, effects) = take(&roster(), 5, 9, &[Act::Readd { old: key(4), leaf: key(24) }]).unwrap();
    assert_eq!(effects, [Effect::Readded { old: key(4), leaf: key(24) }]);
    assert_eq!((later.user(&user(4)).unwrap().came_in, later.leaf(&key(24)).unwrap().came_in), (1, 10));
    assert_eq!((later.leaf(&key(4)), later.device(&DeviceId([4; 16])).unwrap().leaf), (None, key(24)));
}

#[test]
fn a_leave_of_before_somebody_came_again_throws_nobody_out() {
    let (without, _) = take(&roster(), 1, 9, &[leave(5, 9)]).unwrap();
    let (again, _) = take(&without, 1, 10, &[add(25, 5)]).unwrap();
    assert_eq!(take(&again, 4, 11, &[leave(5, 9)]), Err(Refused::OldLeave));
    assert!(take(&again, 4, 11, &[leave(5, 11)]).is_ok());
}

#[test]
fn a_commit_does_not_both_add_and_remove_but_adds_again_beside_either() {
    let roster = roster();
    for out in [remove(5), leave(5, 9)] {
        assert_eq!(refused(&roster, 1, &[add(6, 6), out.clone()]), Some(Refused::AddsAndRemoves));
        assert_eq!(refused(&roster, 1, &[out, Act::Readd { old: key(4), leaf: key(24) }]), None);
    }
    assert_eq!(refused(&roster, 4, &[Act::Drop { leaf: key(14) }, add(24, 4)]), Some(Refused::AddsAndRemoves));
    assert_eq!(refused(&roster, 1, &[add(6, 6), Act::Readd { old: key(4), leaf: key(24) }]), None);
}

#[test]
fn what_the_tree_and_the_roster_would_read_differently_is_refused() {
    let roster = roster();
    let again = Act::Readd { old: key(4), leaf: key(24) };
    let cases: [(u8, Vec<Act>, Refused); 15] = [
        (77, vec![], Refused::NoMember),
        (1, vec![remove(77)], Refused::NobodySuch),
        (1, vec![remove(4), remove(4)], Refused::NobodySuch),
        (1, vec![role(77, Role::Admin)], Refused::NobodySuch),
        (1, vec![leave(1, 9)], Refused::RemovesItself),
        (1, vec![Act::Readd { old: key(1), leaf: key(21) }], Refused::RemovesItself),
        (4, vec![Act::Drop { leaf: key(4) }], Refused::RemovesItself),
        (4, vec![Act::Drop { leaf: key(14) }, Act::Drop { leaf: key(14) }], Refused::Twice),
        (1, vec![add(4, 6)], Refused::AlreadyThere),
        (1, vec![Act::Add { leaf: key(6), user: user(4), device: DeviceId([4; 16]) }], Refused::AlreadyThere),
        (1, vec![Act::Add { leaf: key(4), user: user(6), device: DeviceId([6; 16]) }], Refused::AlreadyThere),
        (1, vec![again.clone(), again.clone()], Refused::Twice),
        (1, vec![again, remove(4)], Refused::Twice),
        (1, vec![Act::Readd { old: key(4), leaf: key(5) }], Refused::Twice),
        (1, vec![Act::Name("One".into()), Act::Name("Two".into())], Refused::Twice),
    ];
    for (by, acts, why) in cases {
        assert_eq!(refused(&roster, by, &acts), Some(why), "{by}: {acts:?}");
    }
}

#[test]
fn names_and_topics_are_bounded() {
    let roster = roster();
    for name in [String::new(), "x".repeat(NAME_MAX + 1), "Crew\nAna was removed".into()] {
        assert_eq!(refused(&roster, 2, &[Act::Name(name)]), Some(Refused::BadText));
    }
    for topic in ["x".repeat(TOPIC_MAX + 1), "\u{7}".into()] {
        assert_eq!(refused(&roster, 2, &[Act::Topic(topic)]), Some(Refused::BadText));
    }
    let (later, effects) = take(&roster, 2, 9, &[Act::Name("Boat".into()), Act::Topic(String::new())]).unwrap();
    assert_eq!((later.name.as_str(), effects), ("Boat", vec![Effect::Named, Effect::TopicSet]));
}

#[test]
fn a_full_room_takes_nobody_more() {
    let mut full = Roster::founded("Crew".into(), key(0), user(0), DeviceId([0; 16]));
    let acts: Vec<Act> = (1..=255).map(|n| add(n, n)).collect();
    full = take(&full, 0, 0, &acts).unwrap().0;
    assert_eq!(full.leaves.len(), MEMBERS_MAX);
    let (mut leaf, mut device) = ([9; 32], [9; 16]);
    (leaf[0], device[0]) = (10, 10);
    let more = Act::Add { leaf: PublicKeyBytes(leaf), user: user(0), device: DeviceId(device) };
    assert_eq!(refused(&full, 0, &[more]), Some(Refused::Full));
}

#[test]
fn a_refused_commit_leaves_the_roster_as_it_was_and_a_taken_one_too() {
    let roster = roster();
    let before = roster.hash();
    assert!(take(&roster, 1, 9, &[Act::Name("Boat".into()), remove(77)]).is_err());
    assert!(take(&roster, 1, 9, &[Act::Name("Boat".into()), remove(5)]).is_ok());
    assert_eq!(roster.hash(), before);
}

#[test]
fn only_a_removal_counts_as_one() {
    let acts = vec![remove(4), leave(5, 9), Act::Drop { leaf: key(14) }, Act::Readd { old: key(2), leaf: key(22) }];
    assert_eq!(Commit { by: key(1), number: 9, acts }.removes(), [user(4)].into());
}

fn knocks(n: u8) -> Act {
    let hubs = vec![vec![symbolon_presence::address::Address(vec![4, 192, 0, 2, 1, 6, 0, 80])]];
    Act::Knocks(Knocks { alias: symbolon_presence::id::RoomAlias([n; 32]), hubs, is_stale: false })
}

fn vouch(n: u8) -> Act {
    Act::Vouch { leaf: key(n), user: user(n), device: DeviceId([n; 16]) }
}

fn is_stale(roster: &Roster) -> bool {
    roster.knocks.as_ref().unwrap().is_stale
}

#[test]
fn who_may_add_people_opens_a_room_and_then_any_member_vouches() {
    let closed = roster();
    assert_eq!(refused(&closed, 4, &[vouch(6)]), Some(Refused::NoVouching), "nobody may knock yet");
    assert_eq!(refused(&closed, 4, &[knocks(1)]), Some(Refused::MayNot));
    let (open, _) = take(&closed, 2, 3, &[knocks(1)]).unwrap();
    assert!(!is_stale(&open));
    let (after, effects) = take(&open, 4, 4, &[vouch(6)]).unwrap();
    assert_eq!(effects, [Effect::Came(user(6)), Effect::DeviceCame(key(6))]);
    assert_eq!(after.role(&user(6)), Some(Role::Member));
    assert_eq!(refused(&open, 4, &[add(6, 6)]), Some(Refused::MayNot), "to add is another right");
    assert_eq!(refused(&open, 4, &[Act::Vouch { leaf: key(55), user: user(5), device: DeviceId([55; 16]) }]), Some(Refused::NoVouching));
    assert_eq!(refused(&open, 4, &[knocks(2)]), Some(Refused::MayNot), "a fresh secret is drawn again by admins only");
    assert_eq!(refused(&open, 9, &[vouch(6)]), Some(Refused::NoMember));
}

#[test]
fn a54_after_a_departure_nobody_comes_in_by_a_voucher_before_the_secret_is_drawn_again_by_anybody() {
    let (open, _) = take(&roster(), 2, 3, &[knocks(1)]).unwrap();
    for act in [remove(5), leave(5, 3)] {
        let (left, _) = take(&open, 1, 4, &[act]).unwrap();
        assert!(is_stale(&left));
        assert_eq!(refused(&left, 4, &[vouch(6)]), Some(Refused::NoVouching));
        assert_eq!(refused(&left, 5, &[vouch(6)]), Some(Refused::NoMember), "who has gone vouches for nobody");
        assert_eq!(refused(&left, 4, &[knocks(1)]), Some(Refused::KnocksToThoseGone), "those who have gone know this one");
        let Act::Knocks(mut elsewhere) = knocks(2) else { unreachable!() };
        elsewhere.hubs[0][0].0[4] = 9;
        assert_eq!(refused(&left, 4, &[Act::Knocks(elsewhere.clone())]), Some(Refused::MayNot), "another hub");
        assert!(take(&left, 2, 5, &[Act::Knocks(elsewhere)]).is_ok(), "who may add people may move it, too");
        let (fresh, _) = take(&left, 4, 5, &[knocks(2)]).unwrap();
        assert!(!is_stale(&fresh));
        assert!(take(&fresh, 4, 6, &[vouch(6)]).is_ok());
    }
    let (dropped, _) = take(&open, 4, 4, &[Act::Drop { leaf: key(14) }]).unwrap();
    assert!(is_stale(&dropped), "a device that goes may be in other hands");
}

#[test]
fn a_secret_is_never_drawn_in_the_commit_that_those_who_go_can_read() {
    let (open, _) = take(&roster(), 2, 3, &[knocks(1)]).unwrap();
    assert_eq!(refused(&open, 1, &[remove(5), knocks(2)]), Some(Refused::KnocksToThoseGone));
    assert_eq!(refused(&open, 1, &[knocks(2), knocks(3)]), Some(Refused::Twice));
    let Act::Knocks(mut stale) = knocks(2) else { unreachable!() };
    stale.is_stale = true;
    assert_eq!(refused(&open, 1, &[Act::Knocks(stale.clone())]), Some(Refused::KnocksToThoseGone));
    stale.is_stale = false;
    stale.hubs.clear();
    assert_eq!(refused(&open, 1, &[Act::Knocks(stale)]), Some(Refused::KnocksToThoseGone), "nobody could knock");
    assert!(take(&open, 1, 4, &[knocks(2), add(6, 6)]).is_ok());
}

#[test]
fn a59_of_two_vouchers_for_one_newcomer_the_second_adds_nobody() {
    let (open, _) = take(&roster(), 2, 3, &[knocks(1)]).unwrap();
    let (after, _) = take(&open, 4, 4, &[vouch(6)]).unwrap();
    assert_eq!(refused(&after, 5, &[Act::Vouch { leaf: key(66), user: user(6), device: DeviceId([6; 16]) }]), Some(Refused::NoVouching));
    assert_eq!(refused(&open, 5, &[vouch(6), vouch(6)]), Some(Refused::AlreadyThere));
}
