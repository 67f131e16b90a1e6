//! Rules that are a little wrong. The search must find each of them out.

use super::*;
use std::collections::BTreeSet;
use symbolon_core::order::{Committer, Effect, Ended, Past, Rival, Verdict, Wish, is_final, judge, winner};
use symbolon_presence::id::{EpochId, PeerId};

/// The one that came first.
fn first_come(_: &RoomId, _: u64, rivals: &[Rival]) -> Option<EpochId> {
    rivals.first().map(|rival| rival.epoch)
}

/// The lowest lot, whatever is removed.
fn by_lot(room: &RoomId, number: u64, rivals: &[Rival]) -> Option<EpochId> {
    let plain: Vec<Rival> = rivals.iter().map(|rival| Rival { removes: BTreeSet::new(), ..rival.clone() }).collect();
    winner(room, number, &plain)
}

fn member(rival: &Rival) -> (u32, PeerId, Role) {
    match rival.by {
        Committer::Member { leaf, user, role } => (leaf, user, role),
        Committer::External { .. } => unreachable!("nobody joins from outside"),
    }
}

/// Who is removed by one that stands is out, from the highest role down; of the rest, removals by the lowest lot.
fn dropped_then_by_lot(room: &RoomId, number: u64, rivals: &[Rival]) -> Option<EpochId> {
    let mut stand: Vec<&Rival> = Vec::new();
    for role in [Role::Owner, Role::Admin, Role::Member] {
        let removed: BTreeSet<PeerId> = stand.iter().flat_map(|rival| rival.removes.iter().copied()).collect();
        stand.extend(rivals.iter().filter(|rival| member(rival).2 == role && !removed.contains(&member(rival).1)));
    }
    stand.into_iter().min_by_key(|rival| (rival.removes.is_empty(), commit_rank(room, number, member(rival).0))).map(|rival| rival.epoch)
}

fn found(rules: Rules, script: fn() -> Script, order: [u32; 4]) -> String {
    let (what, way) = run(rules, script(), order, 200_000).wrong.expect("it is found out");
    println!("{what}: {way:?}");
    what
}

#[test]
fn it_is_found_out_if_the_commit_that_comes_first_stands() {
    let rules = Rules { winner: first_come, remembers: true, ..Rules::OURS };
    assert!(found(rules, chain, LOTS[0]).contains("epochs"));
}

#[test]
fn it_is_found_out_if_the_commit_of_somebody_who_is_removed_counts() {
    let rules = Rules { winner: by_lot, ..Rules::OURS };
    assert!(found(rules, chain, LOTS[2]).contains("who was removed beside it"));
}

#[test]
fn it_is_found_out_if_lots_go_before_roles() {
    let rules = Rules { winner: dropped_then_by_lot, remembers: true, ..Rules::OURS };
    assert!(found(rules, three_removals, LOTS[1]).contains("epochs"));
}

#[test]
fn it_is_found_out_if_wishes_to_add_somebody_never_end() {
    fn never(wish: &Wish, roster: &Roster, history: &[Past]) -> Verdict {
        match judge(wish, roster, history) {
            Verdict::Over(Ended::Overtaken) if matches!(wish.what, What::Add { .. }) => Verdict::Stands,
            other => other,
        }
    }
    assert!(found(Rules { judge: never, ..Rules::OURS }, guest, LOTS[0]).contains("in again by an old wish"));
}

#[test]
fn it_is_found_out_if_a_removal_ends_when_somebody_has_come_beside_it() {
    fn hasty(wish: &Wish, roster: &Roster, history: &[Past]) -> Verdict {
        let came =
            |past: &Past| past.number > wish.made_in && matches!(&wish.what, What::Remove(user) if past.effect == Effect::Came(*user));
        if history.iter().any(came) { Verdict::Over(Ended::Overtaken) } else { judge(wish, roster, history) }
    }
    assert!(found(Rules { judge: hasty, ..Rules::OURS }, guest, LOTS[0]).contains("still wants"));
}

#[test]
fn it_is_found_out_if_wishes_keep_their_number_when_the_room_goes_back() {
    assert!(found(Rules { lowers: false, ..Rules::OURS }, guest, LOTS[0]).contains("in again by an old wish"));
}

#[test]
fn it_is_found_out_if_five_epochs_of_anybody_make_one_final() {
    fn five(later: &[PeerId], leaves: &[symbolon_core::order::Ear], age: u64) -> bool {
        later.len() >= 5 || is_final(later, leaves, age)
    }
    assert!(found(Rules { is_final: five, ..Rules::OURS }, quick, LOTS[0]).contains("epoch"));
}

#[test]
fn it_is_found_out_if_an_epoch_is_final_before_its_parent() {
    assert!(found(Rules { in_order: false, ..Rules::OURS }, finals, LOTS[3]).contains("epoch"));
}
