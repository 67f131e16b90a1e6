//! Which wishes still stand after what a room has done since.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::wire::{RosterLeaf, RosterUser};

const ANA: PeerId = PeerId([1; 32]);
const BEN: PeerId = PeerId([2; 32]);
const CEM: PeerId = PeerId([3; 32]);
const EVE: PeerId = PeerId([4; 32]);
const PHONE: DeviceId = DeviceId([3; 16]);
const LAPTOP: DeviceId = DeviceId([33; 16]);

/// Eve owns the room; the others have these roles, and one device each.
fn room(people: &[(PeerId, Role)]) -> Roster {
    let mut roster = Roster::founded("Crew".into(), PublicKeyBytes([4; 32]), EVE, DeviceId([4; 16]));
    for (user, role) in people {
        let n = user.as_bytes()[0];
        roster.users.push(RosterUser { user: *user, role: *role, came_in: 1 });
        roster.leaves.push(RosterLeaf { leaf: PublicKeyBytes([n; 32]), user: *user, device: DeviceId([n; 16]), came_in: 1 });
    }
    roster.users.sort_by_key(|row| row.user);
    roster.leaves.sort_by_key(|row| row.leaf);
    assert!(roster.is_bounded());
    roster
}

/// A wish of Ana, made in epoch 5.
fn wish(what: What) -> Wish {
    Wish { id: MessageId([7; 16]), what, maker: ANA, made_in: 5 }
}

fn add(device: DeviceId) -> Wish {
    wish(What::Add { user: CEM, device })
}

fn past(number: u64, by: PeerId, effect: Effect) -> Past {
    Past { number, by, effect }
}

const STANDS: Verdict = Verdict::Stands;
const GONE: Verdict = Verdict::Over(Ended::MakerGone);
const MAY_NOT: Verdict = Verdict::Over(Ended::MayNot);
const ALREADY: Verdict = Verdict::Over(Ended::Already);
const OVERTAKEN: Verdict = Verdict::Over(Ended::Overtaken);

#[test]
fn a_wish_stands_while_nothing_of_it_has_happened() {
    let roster = room(&[(ANA, Role::Admin), (BEN, Role::Member)]);
    let others =
        [past(6, EVE, Effect::Came(BEN)), past(7, EVE, Effect::Readded { old: PublicKeyBytes([8; 32]), leaf: PublicKeyBytes([9; 32]) })];
    for what in [What::Add { user: CEM, device: PHONE }, What::Leave { said_in: 5 }, What::Name("Boat".into()), What::Topic("Sails".into())]
    {
        assert_eq!(judge(&wish(what), &roster, &others), STANDS);
    }
    assert_eq!(judge(&wish(What::Remove(BEN)), &roster, &[]), STANDS);
}

#[test]
fn an_old_wish_does_not_bring_back_who_was_removed() {
    // Ana wants Cem in, who is offline; Ben adds Cem; Eve removes Cem; Ana's node comes back.
    let roster = room(&[(ANA, Role::Admin), (BEN, Role::Admin)]);
    let history = [past(6, BEN, Effect::Came(CEM)), past(7, EVE, Effect::Removed(CEM))];
    assert_eq!(judge(&add(PHONE), &roster, &history), OVERTAKEN);
    assert_eq!(judge(&add(PHONE), &roster, &[past(7, ANA, Effect::Removed(CEM))]), OVERTAKEN, "no matter who removed them");
    assert_eq!(judge(&add(PHONE), &roster, &[past(7, BEN, Effect::Left(CEM))]), OVERTAKEN, "nor who has left");
    let later = Wish { made_in: 7, ..add(PHONE) };
    assert_eq!(judge(&later, &roster, &history), STANDS, "but a wish that was made since does");
}

#[test]
fn what_the_winner_of_a_fork_did_is_later_than_a_wish_of_the_lost_branch() {
    // Ana was in epoch 8 of her branch. The one that stands parts from it at 5 and has removed Cem in its epoch 6.
    let roster = room(&[(ANA, Role::Admin)]);
    let history = [past(6, EVE, Effect::Removed(CEM))];
    let mut lost = Wish { made_in: 8, ..add(PHONE) };
    lost.rewound(5);
    assert_eq!(judge(&lost, &roster, &history), OVERTAKEN);
    lost.rewound(20);
    assert_eq!(lost.made_in, 5, "going back to a later epoch makes no wish younger");
}

#[test]
fn two_people_with_the_same_wish_make_one_leaf() {
    let roster = room(&[(ANA, Role::Admin), (BEN, Role::Admin), (CEM, Role::Member)]);
    assert_eq!(judge(&add(PHONE), &roster, &[past(6, BEN, Effect::Came(CEM))]), ALREADY);
    assert_eq!(judge(&add(LAPTOP), &roster, &[past(6, BEN, Effect::Came(CEM))]), OVERTAKEN, "Cem's phone brings the laptop in");
    assert_eq!(judge(&add(LAPTOP), &roster, &[past(6, ANA, Effect::Came(CEM))]), STANDS, "Ana continues with whom she has begun to add");
}

#[test]
fn a_wish_of_somebody_who_may_not_any_more_is_over() {
    let demoted = room(&[(ANA, Role::Member), (BEN, Role::Member)]);
    for what in [What::Add { user: CEM, device: PHONE }, What::Remove(BEN), What::Name("Boat".into()), What::Topic("Sails".into())] {
        assert_eq!(judge(&wish(what), &demoted, &[]), MAY_NOT);
    }
    assert_eq!(judge(&wish(What::Role(BEN, Role::Admin)), &room(&[(ANA, Role::Admin), (BEN, Role::Member)]), &[]), MAY_NOT);
    let raised = room(&[(ANA, Role::Admin), (BEN, Role::Admin)]);
    assert_eq!(judge(&wish(What::Remove(BEN)), &raised, &[]), MAY_NOT, "whom one wants to remove was raised");
}

#[test]
fn a_wish_ends_with_its_maker_even_if_they_come_back() {
    let without = room(&[(BEN, Role::Member)]);
    let with = room(&[(ANA, Role::Admin), (BEN, Role::Member)]);
    for effect in [Effect::Removed(ANA), Effect::Left(ANA)] {
        let history = [past(6, EVE, effect), past(9, EVE, Effect::Came(ANA))];
        assert_eq!(judge(&add(PHONE), &without, &history[..1]), GONE);
        assert_eq!(judge(&add(PHONE), &with, &history), GONE);
        assert_eq!(judge(&wish(What::Leave { said_in: 5 }), &with, &history), GONE);
    }
}

#[test]
fn a_leave_of_an_earlier_stay_is_over_without_any_history() {
    let mut roster = room(&[(ANA, Role::Member)]);
    roster.users[0].came_in = 8;
    assert_eq!(judge(&Wish { made_in: 9, ..wish(What::Leave { said_in: 7 }) }, &roster, &[]), OVERTAKEN);
    assert_eq!(judge(&Wish { made_in: 9, ..wish(What::Leave { said_in: 8 }) }, &roster, &[]), STANDS);
}

#[test]
fn a_removal_is_not_put_off_by_a_further_device_or_one_that_is_added_again() {
    let roster = room(&[(ANA, Role::Admin), (BEN, Role::Member)]);
    let history = [
        past(6, BEN, Effect::DeviceCame(PublicKeyBytes([22; 32]))),
        past(7, EVE, Effect::Readded { old: PublicKeyBytes([22; 32]), leaf: PublicKeyBytes([23; 32]) }),
        past(8, BEN, Effect::DeviceGone(PublicKeyBytes([23; 32]))),
    ];
    assert_eq!(judge(&wish(What::Remove(BEN)), &roster, &history), STANDS);
}

#[test]
fn a_removal_does_not_follow_somebody_into_their_next_stay() {
    let roster = room(&[(ANA, Role::Admin), (BEN, Role::Member)]);
    let history = [past(6, EVE, Effect::Removed(BEN)), past(7, EVE, Effect::Came(BEN))];
    assert_eq!(judge(&wish(What::Remove(BEN)), &roster, &history), OVERTAKEN);
    assert_eq!(judge(&wish(What::Remove(BEN)), &room(&[(ANA, Role::Admin)]), &history[..1]), ALREADY);
}

#[test]
fn a_removal_means_who_came_on_both_branches_of_a_fork() {
    // Ben was added on the branch that Ana was in, by another one beside it on the branch that stands, and at no time taken out.
    let roster = room(&[(ANA, Role::Owner), (BEN, Role::Member)]);
    let history = [past(6, EVE, Effect::Came(BEN))];
    let mut lost = wish(What::Remove(BEN));
    lost.rewound(4);
    assert_eq!(judge(&lost, &roster, &history), STANDS);
    let mut role = wish(What::Role(BEN, Role::Admin));
    role.rewound(4);
    assert_eq!(judge(&role, &roster, &history), STANDS);
}

#[test]
fn a_rename_does_not_overwrite_a_later_one() {
    let roster = room(&[(ANA, Role::Admin), (BEN, Role::Member)]);
    let (name, topic) = (wish(What::Name("Boat".into())), wish(What::Topic("Sails".into())));
    assert_eq!(judge(&name, &roster, &[past(6, EVE, Effect::Named)]), OVERTAKEN);
    assert_eq!(judge(&name, &roster, &[past(5, EVE, Effect::Named), past(6, EVE, Effect::TopicSet)]), STANDS, "an earlier one, or a topic");
    assert_eq!(judge(&topic, &roster, &[past(6, EVE, Effect::TopicSet)]), OVERTAKEN);
    let mut named = roster;
    named.name = "Boat".into();
    assert_eq!(judge(&name, &named, &[past(6, EVE, Effect::Named)]), ALREADY);
}

#[test]
fn a_role_is_for_one_stay_and_gives_way_to_a_later_one() {
    let roster = room(&[(ANA, Role::Owner), (BEN, Role::Member)]);
    let raise = wish(What::Role(BEN, Role::Admin));
    assert_eq!(judge(&raise, &roster, &[]), STANDS);
    assert_eq!(judge(&raise, &roster, &[past(6, EVE, Effect::RoleSet(CEM, Role::Admin))]), STANDS, "another one's");
    assert_eq!(judge(&raise, &roster, &[past(6, EVE, Effect::RoleSet(BEN, Role::Member))]), OVERTAKEN);
    assert_eq!(judge(&raise, &roster, &[past(6, EVE, Effect::Removed(BEN)), past(7, EVE, Effect::Came(BEN))]), OVERTAKEN);
    let heir = room(&[(ANA, Role::Owner), (BEN, Role::Owner)]);
    assert_eq!(judge(&wish(What::Role(BEN, Role::Member)), &heir, &[past(6, CEM, Effect::Inherited(BEN))]), OVERTAKEN);
    assert_eq!(judge(&raise, &room(&[(ANA, Role::Owner)]), &[]), MAY_NOT, "nobody there");
}

#[test]
fn what_takes_somebody_out_goes_first_and_alone() {
    let out = [wish(What::Remove(BEN)), wish(What::Leave { said_in: 5 })];
    let rest = [add(PHONE), wish(What::Name("Boat".into()))];
    let all = [rest[0].clone(), out[0].clone(), rest[1].clone(), out[1].clone()];
    assert_eq!(next(&all), [&out[0], &out[1]]);
    assert_eq!(next(&rest), [&rest[0], &rest[1]]);
    assert!(next(&[]).is_empty());
}

#[test]
fn a_wish_becomes_what_a_commit_does_as_soon_as_there_is_a_package_for_it() {
    let leaf = PublicKeyBytes([9; 32]);
    assert_eq!(add(PHONE).act(None), None);
    assert_eq!(add(PHONE).act(Some(leaf)), Some(Act::Add { leaf, user: CEM, device: PHONE }));
    let mut leave = wish(What::Leave { said_in: 5 });
    leave.rewound(2);
    assert_eq!(leave.act(None), Some(Act::Leave { user: ANA, said_in: 5 }), "what was signed stays");
}

fn knocks(alias: u8) -> Knocks {
    let hubs = vec![vec![symbolon_presence::address::Address(vec![4, 192, 0, 2, 1, 6, 0, 80])]];
    Knocks { alias: RoomAlias([alias; 32]), hubs, is_stale: false }
}

#[test]
fn a_wish_to_vouch_stands_while_the_room_is_called_as_the_newcomer_signed_and_ends_when_they_are_in() {
    let wish = wish(What::Vouch { user: CEM, device: PHONE, alias: RoomAlias([1; 32]) });
    let mut roster = room(&[(ANA, Role::Member), (BEN, Role::Member)]);
    assert_eq!(judge(&wish, &roster, &[]), MAY_NOT, "nobody may knock there");
    roster.knocks = Some(knocks(1));
    assert_eq!(judge(&wish, &roster, &[]), STANDS);
    roster.knocks = Some(Knocks { is_stale: true, ..knocks(1) });
    assert_eq!(judge(&wish, &roster, &[]), MAY_NOT);
    roster.knocks = Some(knocks(2));
    assert_eq!(judge(&wish, &roster, &[]), MAY_NOT, "somebody has gone since");
    roster.knocks = Some(knocks(1));
    assert_eq!(judge(&wish, &roster, &[past(6, EVE, Effect::Removed(CEM))]), OVERTAKEN);
    let mut with = room(&[(ANA, Role::Member), (CEM, Role::Member)]);
    with.knocks = Some(knocks(1));
    assert_eq!(judge(&wish, &with, &[]), ALREADY, "another member was first");
    let mut without = room(&[(BEN, Role::Member)]);
    without.knocks = Some(knocks(1));
    assert_eq!(judge(&wish, &without, &[]), GONE);
}

#[test]
fn a_wish_for_another_secret_is_anybodys_once_somebody_has_gone_and_over_once_it_is_so() {
    let wish = wish(What::Knocks(knocks(2)));
    let mut roster = room(&[(ANA, Role::Member)]);
    assert_eq!(judge(&wish, &roster, &[]), MAY_NOT);
    assert_eq!(judge(&wish, &room(&[(ANA, Role::Admin)]), &[]), STANDS);
    roster.knocks = Some(Knocks { is_stale: true, ..knocks(1) });
    assert_eq!(judge(&wish, &roster, &[]), STANDS);
    roster.knocks = Some(knocks(3));
    assert_eq!(judge(&wish, &roster, &[]), ALREADY, "what somebody else has drawn is as good");
}

#[test]
fn a_wish_for_other_hubs_is_for_those_who_may_add_people_and_over_once_they_are_there() {
    let elsewhere = Knocks { hubs: vec![vec![symbolon_presence::address::Address(vec![9])]], ..knocks(2) };
    let wish = wish(What::Hubs(elsewhere.clone()));
    let mut roster = room(&[(ANA, Role::Admin)]);
    assert_eq!(judge(&wish, &roster, &[]), MAY_NOT, "nobody knocks there yet");
    for is_stale in [false, true] {
        roster.knocks = Some(Knocks { is_stale, ..knocks(1) });
        assert_eq!(judge(&wish, &roster, &[]), STANDS);
        let with = Roster { knocks: roster.knocks.clone(), ..room(&[(ANA, Role::Member)]) };
        assert_eq!(judge(&wish, &with, &[]), MAY_NOT);
    }
    roster.knocks = Some(Knocks { alias: knocks(3).alias, ..elsewhere });
    assert_eq!(judge(&wish, &roster, &[]), ALREADY);
}
