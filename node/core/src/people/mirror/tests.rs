#![allow(clippy::unwrap_used)]
use super::*;
use crate::command::{CommandError, Who};
use crate::fixture::{friend, in_turn, peer};
use crate::people;

/// Somebody who becomes a friend under a name of their choosing; answers the petname.
fn befriend(state: &mut State, number: u64, given: &str) -> String {
    let petname = Mirror::of(state).free_petname(&peer(number), given);
    state.friends.insert(peer(number), Friend { petname: petname.clone(), ..friend(number) });
    petname
}

fn who(text: &str) -> Who {
    Who(text.to_owned())
}

#[test]
fn a109_whole_id_means_that_id_in_any_case_and_before_any_name() {
    in_turn(|state, _| {
        befriend(state, 1, "Ben");
        let id = peer(1).to_string();
        let poses = [id.clone(), id.to_uppercase(), format!(" {id}"), format!("\u{200b}{id}"), id[..26].to_owned(), id[..8].to_owned()];
        for (number, pose) in (2..).zip(&poses) {
            let petname = befriend(state, number, pose);
            assert!(petname.ends_with(|c: char| c.is_ascii_digit()) && petname.contains(' '), "{petname}");
        }
        // Also a row of before, in which the id itself is the petname.
        state.friends.insert(peer(99), Friend { petname: id.clone(), ..friend(99) });
        for typed in [id.clone(), id.to_uppercase(), format!(" {id} ")] {
            assert_eq!(people::resolve(state, &who(&typed)), Ok(peer(1)), "{typed}");
        }
        let nobody = peer(1_000).to_string();
        state.friends.insert(peer(98), Friend { petname: nobody.clone(), ..friend(98) });
        assert_eq!(people::resolve(state, &who(&nobody)), Err(CommandError::NotFound), "an id that nobody has is not a name either");
        let mirror = Mirror::of(state);
        for number in (2..8).chain([98, 99]) {
            assert_eq!(mirror.beware(state.friends.get(&peer(number)).unwrap()), Some(Pose::Id.text()), "{number}");
        }
        assert_eq!(mirror.beware(state.friends.get(&peer(1)).unwrap()), None);
    });
}

#[test]
fn a109_name_that_is_also_the_beginning_of_an_id_is_ambiguous() {
    in_turn(|state, _| {
        befriend(state, 1, "Ben");
        let beginning = peer(1).to_string()[..10].to_owned();
        assert_eq!(people::resolve(state, &who(&beginning)), Ok(peer(1)));
        assert_eq!(people::resolve(state, &who(&beginning.to_uppercase())), Ok(peer(1)));
        state.friends.insert(peer(2), Friend { petname: beginning.clone(), ..friend(2) });
        assert_eq!(people::resolve(state, &who(&beginning)), Err(CommandError::Ambiguous));
    });
}

#[test]
fn a109_look_alikes_of_friends_and_of_our_own_name_are_numbered_and_marked() {
    in_turn(|state, _| {
        state.own.name = "Andi".to_owned();
        assert_eq!(befriend(state, 1, "Ben"), "Ben");
        let given = ["ben", "B\u{200b}en", "\u{412}en", "Ben\u{202e}", "\u{ff22}en", "Andi", "\u{410}ndi", "", "\u{3164}"];
        let petnames: Vec<String> = (2..).zip(given).map(|(number, given)| befriend(state, number, given)).collect();
        let expected = ["ben 2", "Ben 3", "\u{412}en 4", "Ben 5", "\u{ff22}en 6", "Andi 2", "\u{410}ndi 3", "Friend 2", "Friend 3"];
        assert_eq!(petnames, expected);
        let mirror = Mirror::of(state);
        let marked = |number: u64| mirror.beware(state.friends.get(&peer(number)).unwrap()).is_some();
        assert!(marked(4) && marked(8), "other scripts");
        assert!(marked(1), "and the one that is looked like");
        assert_eq!(people::resolve(state, &who("Ben")), Ok(peer(1)));
        assert_eq!(people::resolve(state, &who("BEN 3")), Ok(peer(3)));
        for (name, part) in [("Ben", "this name"), ("\u{412}en", "looks like"), ("Andi", "your own name"), ("unfriend", "command")] {
            let said = mirror.namesake(&peer(50), name).unwrap();
            assert!(said.contains(part), "{name}: {said}");
        }
        assert_eq!(mirror.namesake(&peer(50), "Cara"), None);
        assert_eq!(mirror.namesake(&peer(1), "Ben"), None, "the friend themselves");
    });
}

#[test]
fn thousands_of_friends_are_looked_at_in_one_go() {
    in_turn(|state, _| {
        let most = crate::limits::FRIENDS_MAX as u64;
        for number in 1..=most {
            let petname = if number == 1 { "Ben".to_owned() } else { format!("Ben {number}") };
            state.friends.insert(peer(number), Friend { petname, ..friend(number) });
        }
        let mirror = Mirror::of(state);
        assert!(state.friends.values().all(|friend| mirror.beware(friend).is_none()));
        assert_eq!(mirror.free_petname(&PeerId([9; 32]), "Ben"), format!("Ben {}", most + 1));
    });
}

#[test]
fn beginning_of_a_name_is_enough_when_it_is_the_only_one_but_not_for_what_cannot_be_undone() {
    in_turn(|state, _| {
        befriend(state, 1, "Cara \u{1f338}");
        befriend(state, 2, "Ben");
        befriend(state, 3, "Bennet");
        for (typed, meant) in [("Cara", Ok(peer(1))), ("ca", Ok(peer(1))), ("Ben", Ok(peer(2))), ("benn", Ok(peer(3)))] {
            assert_eq!(people::find(state, &who(typed)), meant, "{typed}");
        }
        assert_eq!(people::find(state, &who("Be")), Err(CommandError::Ambiguous));
        for nobody in ["Zoe", "", " ", "ara"] {
            assert_eq!(people::find(state, &who(nobody)), Err(CommandError::NotFound), "{nobody:?}");
        }
        assert_eq!(people::resolve(state, &who("Cara")), Err(CommandError::NotFound), "unfriend, block and remove take whole names");
        // A friend who takes the id of somebody else for a name is not meant by it.
        let id = peer(50).to_string();
        state.friends.insert(peer(4), Friend { petname: format!("{id} x"), ..friend(4) });
        assert_eq!(people::find(state, &who(&id)), Err(CommandError::NotFound));
        assert_eq!(people::find_target(state, &who(&id)), Err(CommandError::NotFound));
        assert_eq!(people::find_target(state, &who("cara")), Ok(people::Target::Friend(peer(1))));
    });
}
