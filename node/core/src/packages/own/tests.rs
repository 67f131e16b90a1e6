//! How many packages of ours there are, what uses them, and when they go.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::fixture::{in_turn, own_relay, peer};
use crate::invites::grants::{Standing, standing};
use crate::packages::stock;
use crate::rows::Stocked;

fn at(turn: &mut Turn<'_>, moment: Timestamp) {
    (turn.now, turn.sure, turn.stamp) = (moment, moment, moment);
}

/// Makes one, and answers its leaf.
fn made(state: &mut State, turn: &mut Turn<'_>, lies: Lies, last_resort: bool) -> PublicKeyBytes {
    let before: Vec<PublicKeyBytes> = state.packages.all().map(|row| row.leaf).collect();
    make(state, turn, lies, last_resort).unwrap();
    state.packages.all().map(|row| row.leaf).find(|leaf| !before.contains(leaf)).unwrap()
}

fn is_good(state: &State, turn: &Turn<'_>, grant: &GrantId) -> bool {
    standing(state, grant, turn.now) == Standing::Good
}

#[test]
fn a_package_becomes_a_seat_once_and_one_of_last_resort_as_often_as_it_is_used() {
    in_turn(|state, turn| {
        let [once, last] = [false, true].map(|last_resort| made(state, turn, Lies::WithFriend(peer(1)), last_resort));
        assert_eq!(used(state, turn, &once).unwrap().seats, 1);
        assert!(used(state, turn, &once).is_none());
        assert_eq!([0, 0].map(|_| used(state, turn, &last).unwrap().seats), [1, 2]);
        assert!(used(state, turn, &PublicKeyBytes([9; 32])).is_none(), "none of ours");
        assert_eq!(own(state, &once).unwrap().seats, 1);
    });
}

#[test]
fn the_grant_of_a_seat_ends_with_its_last_room_and_our_relays_hear_of_it() {
    in_turn(|state, turn| {
        own_relay(state, turn, 1);
        let leaf = made(state, turn, Lies::WithFriend(peer(1)), true);
        let grant = own(state, &leaf).unwrap().grant;
        assert!(used(state, turn, &leaf).is_some() && used(state, turn, &leaf).is_some());
        replace(state, turn, |_| true);
        left(state, turn, &leaf).unwrap();
        assert!(is_good(state, turn, &grant) && state.own.revoked.is_empty(), "there is another room");
        left(state, turn, &leaf).unwrap();
        assert!(!is_good(state, turn, &grant) && own(state, &leaf).is_none());
        assert_eq!(state.own.revoked.iter().map(|revoked| revoked.grant).collect::<Vec<_>>(), [grant]);
        // Of last resort, and still handed out: others are on their way.
        let leaf = made(state, turn, Lies::WithFriend(peer(1)), true);
        used(state, turn, &leaf).unwrap();
        left(state, turn, &leaf).unwrap();
        left(state, turn, &leaf).unwrap();
        assert_eq!(own(state, &leaf).unwrap().seats, 0);
    });
}

#[test]
fn members_of_rooms_are_told_ways_that_stay_good_as_long_as_the_seat_is_taken() {
    in_turn(|state, turn| {
        own_relay(state, turn, 1);
        let begin = turn.now;
        let leaf = made(state, turn, Lies::WithFriend(peer(1)), false);
        used(state, turn, &leaf).unwrap();
        let until = |state: &mut State, turn: &mut Turn<'_>| {
            let (node, relays) = ways(state, turn, &leaf).unwrap();
            assert_eq!((relays.len(), node.entry.places.len()), (1, 0));
            state.own.admission.keys().open_address(&node.entry.address).unwrap().expires
        };
        let first = until(state, turn);
        assert_eq!(first, begin.after(PACKAGE_GRANT_LIFE));
        at(turn, begin.after(PACKAGE_GRANT_LIFE / 2 - DAY));
        assert_eq!(until(state, turn), first);
        at(turn, begin.after(PACKAGE_GRANT_LIFE / 2 + DAY));
        assert!(until(state, turn) > first.after(DAY));
        sweep(state, turn).unwrap();
        let grant = own(state, &leaf).unwrap().grant;
        assert!(is_good(state, turn, &grant), "a seat is not swept away");
        at(turn, begin.after(3 * PACKAGE_GRANT_LIFE));
        assert!(!is_good(state, turn, &grant));
    });
}

#[test]
fn what_was_replaced_is_erased_after_thirty_days_and_what_was_never_used_with_its_time() {
    in_turn(|state, turn| {
        let begin = turn.now;
        let [replaced, kept] = [1, 2].map(|number| made(state, turn, Lies::WithFriend(peer(number)), false));
        let last = made(state, turn, Lies::WithFriend(peer(3)), true);
        used(state, turn, &last).unwrap();
        replace(state, turn, |row| row.leaf == replaced || row.leaf == last);
        at(turn, begin.after(PACKAGE_GRACE - DAY));
        sweep(state, turn).unwrap();
        assert_eq!(state.packages.all().count(), 3);
        at(turn, begin.after(PACKAGE_GRACE));
        // The clock alone erases nothing.
        turn.sure = begin;
        sweep(state, turn).unwrap();
        assert_eq!(state.packages.all().count(), 3);
        turn.sure = turn.now;
        sweep(state, turn).unwrap();
        assert!(own(state, &replaced).is_none() && own(state, &kept).is_some());
        assert!(own(state, &last).is_some_and(|row| row.seats == 1), "the seat stays");
        assert!(used(state, turn, &last).is_none(), "and nobody is added by it again");
        at(turn, begin.after(PACKAGE_LIFE + 3 * DAY));
        sweep(state, turn).unwrap();
        assert_eq!(state.packages.all().map(|row| row.leaf).collect::<Vec<_>>(), [last]);
    });
}

#[test]
fn a30_one_friend_holds_sixteen_that_nobody_used_and_all_together_a_thousand() {
    in_turn(|state, turn| {
        let mailbox = own_relay(state, turn, 1).id();
        let stocked: Vec<PublicKeyBytes> = (0..3).map(|place| made(state, turn, Lies::AtRelay(mailbox, place), false)).collect();
        let begin = turn.now;
        let first = made(state, turn, Lies::WithFriend(peer(1)), false);
        let seat = made(state, turn, Lies::WithFriend(peer(1)), false);
        used(state, turn, &seat).unwrap();
        for second in 1..=PACKAGES_UNUSED_OF_FRIEND as u64 {
            at(turn, begin.after(second * 1_000));
            make(state, turn, Lies::WithFriend(peer(1)), false).unwrap();
        }
        assert!(own(state, &first).is_none(), "the oldest gives way");
        assert_eq!(unused(state).count(), PACKAGES_UNUSED_OF_FRIEND + stocked.len());
        for number in 0..PACKAGES_KEPT_MAX as u64 {
            at(turn, begin.after(100_000 + number));
            make(state, turn, Lies::WithFriend(peer(2 + number)), false).unwrap();
        }
        assert_eq!(unused(state).count(), PACKAGES_KEPT_MAX);
        assert!(stocked.iter().chain([&seat]).all(|leaf| own(state, leaf).is_some()), "what others wait for stays, and every seat");
    });
}

#[test]
fn what_a_friend_holds_is_worth_nothing_once_they_are_none() {
    in_turn(|state, turn| {
        own_relay(state, turn, 1);
        let [theirs, anothers, seat] = [1, 2, 1].map(|number| made(state, turn, Lies::WithFriend(peer(number)), false));
        used(state, turn, &seat).unwrap();
        let grant = own(state, &theirs).unwrap().grant;
        parted(state, turn, &peer(1)).unwrap();
        assert!(own(state, &theirs).is_none() && own(state, &anothers).is_some() && own(state, &seat).is_some());
        assert_eq!(state.own.revoked.iter().map(|revoked| revoked.grant).collect::<Vec<_>>(), [grant]);
    });
}

#[test]
fn a_welcome_to_a_package_of_a_relay_shows_how_many_are_gone() {
    in_turn(|state, turn| {
        let mailbox = own_relay(state, turn, 1).id();
        let leaves: Vec<PublicKeyBytes> = (0..4).map(|place| made(state, turn, Lies::AtRelay(mailbox, place), false)).collect();
        let (at, revision) = (turn.now, state.own.friendship.revision);
        let stocked =
            Stocked { mailbox, version: 1, at, revision, record: 1, is_there: false, gone: 0, looks: 0, looked: None, drained: None };
        state.save_stocked(turn, &mailbox, Some(stocked));
        used(state, turn, &leaves[2]).unwrap();
        used(state, turn, &leaves[0]).unwrap();
        assert_eq!(state.packages.stocked(&mailbox).map(|stocked| (stocked.is_there, stocked.gone)), Some((true, 3)));
        stock::begin_again(state, turn);
        assert_eq!(state.packages.stocked(&mailbox).map(|stocked| stocked.at), Some(Timestamp(0)));
        replace_at(state, turn, &mailbox);
        used(state, turn, &leaves[3]).unwrap();
        assert_eq!(state.packages.stocked(&mailbox).map(|stocked| stocked.gone), Some(3), "of those before");
    });
}

#[test]
fn the_grant_that_somebody_knows_who_went_ends_when_all_who_stay_have_another_one() {
    in_turn(|state, turn| {
        own_relay(state, turn, 1);
        let begin = turn.now;
        let leaf = made(state, turn, Lies::WithFriend(peer(1)), false);
        used(state, turn, &leaf).unwrap();
        let grant = |state: &State| own(state, &leaf).unwrap().grant;
        let waits = |of: &[u8]| of.iter().map(|n| Awaited { device: DeviceId([*n; 16]), number: 5 }).collect::<Vec<_>>();
        let first = grant(state);
        renew_grant(state, turn, &leaf, waits(&[1, 2]));
        let second = grant(state);
        assert!(first != second && is_good(state, turn, &first) && is_good(state, turn, &second));
        heard(state, turn, &leaf, &DeviceId([1; 16]), 5);
        heard(state, turn, &leaf, &DeviceId([2; 16]), 4);
        assert!(is_good(state, turn, &first), "the second has what was said before");
        heard(state, turn, &leaf, &DeviceId([2; 16]), 5);
        assert!(!is_good(state, turn, &first) && is_good(state, turn, &second));
        assert_eq!(state.own.revoked.iter().map(|revoked| revoked.grant).collect::<Vec<_>>(), [first]);

        // Who does not come back keeps the right of others alive for so long.
        renew_grant(state, turn, &leaf, waits(&[3]));
        let mut row = own(state, &leaf).unwrap().clone();
        at(turn, begin.after(GRANT_OVERLAP - DAY));
        end_former(state, turn, row.clone());
        assert!(is_good(state, turn, &second));
        at(turn, begin.after(GRANT_OVERLAP));
        end_former(state, turn, row);
        assert!(!is_good(state, turn, &second) && is_good(state, turn, &grant(state)));

        // So many are remembered.
        for _ in 0..3 * FORMER_GRANTS_MAX {
            renew_grant(state, turn, &leaf, waits(&[4]));
        }
        row = own(state, &leaf).unwrap().clone();
        assert_eq!(row.former().len(), FORMER_GRANTS_MAX);
        assert!(row.former().iter().all(|former| former.ended.is_none() && is_good(state, turn, &former.grant)));
        let all: Vec<GrantId> = row.grants().collect();
        left(state, turn, &leaf).unwrap();
        assert!(all.iter().all(|grant| !is_good(state, turn, grant) && state.own.revoked.iter().any(|of| of.grant == *grant)));
    });
}

#[test]
fn who_went_themselves_is_waited_for_no_more_and_what_ended_long_ago_is_forgotten() {
    in_turn(|state, turn| {
        let begin = turn.now;
        let leaf = made(state, turn, Lies::WithFriend(peer(1)), false);
        used(state, turn, &leaf).unwrap();
        let first = own(state, &leaf).unwrap().grant;
        renew_grant(state, turn, &leaf, vec![Awaited { device: DeviceId([1; 16]), number: 1 }]);
        assert!(is_good(state, turn, &first));
        // No room of this leaf has that device.
        sweep(state, turn).unwrap();
        assert!(!is_good(state, turn, &first));
        assert_eq!(own(state, &leaf).unwrap().former().len(), 1, "what lies at a relay by it is taken yet");
        at(turn, begin.after(FORMER_GRANT_LIFE));
        sweep(state, turn).unwrap();
        assert!(own(state, &leaf).unwrap().former.is_none());
    });
}
