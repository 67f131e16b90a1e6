//! The order and healing of shared rooms, searched through: four members who commit, miss and pass on in every order. The rules are
//! those that a node uses (`symbolon_core::order`); mutants of them must each be found out. `docs/protocol/order.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

#[path = "order_model/mutants.rs"]
mod mutants;
#[path = "order_model/room.rs"]
mod room;
#[path = "order_model/state.rs"]
mod state;

use room::Room;
use state::{GUEST, Rules, Script, Step, Want, When, user};
use symbolon_core::order::What;
use symbolon_core::wire::{Role, Roster, commit_rank};
use symbolon_presence::id::{DeviceId, RoomId};
use symbolon_tests::search::{Found, search};

const ROLES: [Role; 4] = [Role::Owner, Role::Admin, Role::Member, Role::Member];
const TWO_ADMINS: [Role; 4] = [Role::Owner, Role::Admin, Role::Admin, Role::Member];

/// A room in which the lots of the first epoch fall in this order.
fn room(order: [u32; 4]) -> RoomId {
    let falls = |room: &RoomId| {
        let mut leaves = [0, 1, 2, 3];
        leaves.sort_by_key(|leaf| commit_rank(room, 0, *leaf));
        leaves == order
    };
    (0..=u16::MAX).map(|n| RoomId([n.to_be_bytes(); 16].concat().try_into().unwrap())).find(falls).unwrap()
}

type Wanted = (u8, What, When);

fn script(updates: [u8; 4], wanted: &[Wanted]) -> Script {
    let wants = wanted.iter().map(|(by, what, when)| Want { by: *by, what: what.clone(), when: *when }).collect();
    Script { roles: ROLES, updates, wants, stubborn: None, away: None, finals: false, week: false }
}

fn add_guest() -> What {
    What::Add { user: user(GUEST), device: DeviceId([GUEST; 16]) }
}

fn remove(who: u8) -> What {
    What::Remove(user(who))
}

fn name(name: &str) -> What {
    What::Name(name.to_owned())
}

fn has_guest(roster: &Roster) -> bool {
    roster.user(&user(GUEST)).is_some()
}

/// The owner removes a member, who commits six times at once to those who have not heard of it, and continues as if nothing were.
fn quick() -> Script {
    Script { stubborn: Some(2), away: Some(1), finals: true, ..script([0, 0, 6, 0], &[(0, remove(2), When::Start)]) }
}

/// The owner removes the admin, who removes a member, while the members renew their keys.
fn chain() -> Script {
    script([0, 0, 1, 1], &[(0, remove(1), When::Start), (1, remove(2), When::Start)])
}

/// Two admins remove the same member; the owner removes one of the two.
fn three_removals() -> Script {
    Script {
        roles: TWO_ADMINS,
        ..script([0, 0, 0, 1], &[(0, remove(1), When::Start), (1, remove(3), When::Start), (2, remove(3), When::Start)])
    }
}

/// Two admins want to add somebody whom the owner takes out as soon as they are seen.
fn guest() -> Script {
    let wanted = [(1, add_guest(), When::Start), (2, add_guest(), When::Whenever), (0, remove(GUEST), When::Once(has_guest))];
    Script { roles: TWO_ADMINS, ..script([0, 0, 0, 1], &wanted) }
}

/// The admin names the room and adds somebody, while the owner names it and makes the admin a member.
fn names() -> Script {
    let demoted = What::Role(user(1), Role::Member);
    let wanted =
        [(0, name("Boat"), When::Whenever), (0, demoted, When::Start), (1, name("Ship"), When::Start), (1, add_guest(), When::Start)];
    script([0, 0, 0, 1], &wanted)
}

/// The owner leaves, which others commit, while the admin removes a member and names the room.
fn leave() -> Script {
    let wanted = [(0, What::Leave { said_in: 0 }, When::Start), (1, remove(3), When::Start), (1, name("Ship"), When::Start)];
    script([0, 0, 0, 1], &wanted)
}

/// All renew their keys, the owner at last removes somebody who has done so beside the admin, and epochs become final.
fn finals() -> Script {
    Script { finals: true, ..script([0, 1, 0, 1], &[(0, remove(3), When::Whenever)]) }
}

/// The room is cut for more than a week while the owner removes a member who renews their keys, and the admin adds somebody.
fn week() -> Script {
    Script { week: true, ..script([0, 0, 1, 0], &[(0, remove(2), When::Whenever), (1, add_guest(), When::Start)]) }
}

/// Its name, what happens, and with how many of the lots it is looked at.
type Story = (&'static str, fn() -> Script, usize);

const STORIES: [Story; 8] = [
    ("five later commits", quick, 1),
    ("a chain of removals", chain, 4),
    ("three removals", three_removals, 4),
    ("a guest", guest, 4),
    ("names and a role", names, 4),
    ("the owner leaves", leave, 2),
    ("final epochs", finals, 2),
    ("a week apart", week, 2),
];

fn run(rules: Rules, script: Script, order: [u32; 4], most: usize) -> Found<Step> {
    search(&mut Room::new(rules, script, room(order)), most)
}

/// How the lots may fall: each member is first once, and once last.
const LOTS: [[u32; 4]; 4] = [[0, 1, 2, 3], [1, 2, 0, 3], [2, 3, 1, 0], [3, 2, 0, 1]];

fn look_through(stories: &[Story], most: usize) {
    let mut all = (0, 0);
    for (name, script, lots) in stories {
        for order in &LOTS[..*lots] {
            let found = run(Rules::OURS, script(), *order, most);
            assert_eq!(found.wrong, None, "{name}, lots {order:?}");
            assert!(found.rests > 1, "{name} has more than one end");
            println!("{name}, lots {order:?}: {} states, {} at rest", found.states, found.rests);
            all = (all.0 + found.states, all.1 + found.rests);
        }
    }
    println!("all: {} states, {} at rest", all.0, all.1);
}

#[test]
fn every_way_ends_in_one_epoch_with_nobody_back_and_nothing_lost() {
    look_through(&STORIES, 100_000);
}

#[test]
#[ignore = "takes minutes"]
fn every_way_of_longer_stories_does_too() {
    let all_there = || Script { away: None, ..quick() };
    let busy_leave = || Script { updates: [0, 0, 1, 1], ..leave() };
    let busy_week = || Script { updates: [0, 0, 1, 1], ..week() };
    let busy_guest = || Script { updates: [0, 0, 1, 2], ..guest() };
    let busy_finals = || Script { updates: [0, 1, 1, 1], ..finals() };
    let stories: [Story; 5] = [
        ("five later commits, all there", all_there, 1),
        ("the owner leaves, all busy", busy_leave, 2),
        ("a guest, a busy member", busy_guest, 2),
        ("final epochs, all busy", busy_finals, 1),
        ("a week apart, all busy", busy_week, 1),
    ];
    look_through(&stories, 5_000_000);
}
