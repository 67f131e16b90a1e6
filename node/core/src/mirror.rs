//! All names and ids that somebody's name could be taken for.
//!
//! Built once for a command and then asked about many names: comparing each name with each
//! other one would take seconds with thousands of friends.

use crate::command::RequestStatus;
use crate::names::{Look, Pose, clean, pose};
use crate::rows::{Friend, FriendState, IntroRole, Introducing};
use crate::state::State;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use symbolon_presence::id::PeerId;

/// Names by how they look. The same name of the same person stands there once.
#[derive(Default)]
struct Looks {
    seen: BTreeMap<String, BTreeSet<(String, PeerId)>>,
    small: BTreeMap<String, BTreeSet<(String, PeerId)>>,
}

impl Looks {
    fn add(&mut self, name: &str, peer: PeerId) {
        let Look { folded, seen, small } = Look::of(name);
        self.seen.entry(seen).or_default().insert((folded.clone(), peer));
        self.small.entry(small).or_default().insert((folded, peer));
    }

    /// The folded names of other people that look like this one.
    fn like<'a>(&'a self, look: &Look, peer: &'a PeerId) -> impl Iterator<Item = &'a str> {
        let found = [self.seen.get(&look.seen), self.small.get(&look.small)];
        found.into_iter().flatten().flatten().filter(move |(_, other)| other != peer).map(|(folded, _)| folded.as_str())
    }
}

/// What names are held against.
pub(crate) struct Mirror {
    own: PeerId,
    /// Petnames as they are, those of ended friendships among them, and our own name.
    taken: Looks,
    /// Petnames of standing friendships.
    friends: Looks,
    /// The same without the number behind them, and our own name.
    bases: Looks,
    /// People whom friends introduce.
    introduced: Looks,
    /// Ids of people and requests, each with the person that it is of.
    ids: BTreeMap<String, PeerId>,
}

impl Mirror {
    /// Looks at every name and id that there is.
    pub fn of(state: &State) -> Self {
        let own = state.own.peer;
        let mut mirror = Self {
            own,
            taken: Looks::default(),
            friends: Looks::default(),
            bases: Looks::default(),
            introduced: Looks::default(),
            ids: BTreeMap::from([(own.to_string(), own)]),
        };
        mirror.taken.add(&state.own.name, own);
        mirror.bases.add(&state.own.name, own);
        for friend in state.friends.values() {
            mirror.taken.add(&friend.petname, friend.peer);
            mirror.ids.insert(friend.peer.to_string(), friend.peer);
            if friend.state != FriendState::Ended {
                mirror.friends.add(&friend.petname, friend.peer);
                mirror.bases.add(base_of(&friend.petname), friend.peer);
            }
        }
        let is_open = |row: &&Introducing| {
            row.role != IntroRole::Introducer
                && matches!(row.status, RequestStatus::Pending | RequestStatus::Ignored | RequestStatus::Accepted)
        };
        for row in state.introductions.values().filter(is_open) {
            mirror.introduced.add(&row.name, row.other());
        }
        for row in state.requests.values() {
            mirror.ids.insert(row.id.to_string(), row.peer);
        }
        mirror
    }

    /// A petname for somebody: the name that they gave, without what cannot be seen; with
    /// ` 2`, ` 3`, … behind it when it could be taken for something else.
    pub fn free_petname(&self, peer: &PeerId, given: &str) -> String {
        let given = clean(given);
        let base = if given.is_empty() { "Friend" } else { given.as_str() };
        let is_taken = |look: &Look| self.taken.like(look, peer).next().is_some();
        let look = Look::of(base);
        if pose(base).is_none() && !self.begins_an_id(&look, peer) && !is_taken(&look) {
            return base.to_owned();
        }
        (2u64..).map(|n| format!("{base} {n}")).find(|name| !is_taken(&Look::of(name))).unwrap_or_default()
    }

    /// What to tell the user about the name that somebody gives themselves: one of two who
    /// seem to have one name may not be who they seem.
    pub fn namesake(&self, peer: &PeerId, name: &str) -> Option<&'static str> {
        if name.trim().is_empty() {
            return None;
        }
        let look = Look::of(name);
        let own = |looks: &Looks| looks.like(&look, peer).next().is_some();
        if self.friends.like(&look, peer).any(|other| other == look.folded) {
            Some("a friend of yours has this name, and another key: compare the words before you accept")
        } else if own(&self.friends) {
            Some("a friend of yours has a name that looks like this one, and another key: compare the words before you accept")
        } else if own(&self.introduced) {
            Some("somebody else of this name, with another key, is introduced to you: compare the words before you accept")
        } else if *peer != self.own && own(&self.taken) {
            Some("this is your own name, or that of a former friend, with another key: compare the words before you accept")
        } else if self.begins_an_id(&look, peer) {
            Some(Pose::Id.text())
        } else {
            pose(name).map(Pose::text)
        }
    }

    /// What to tell the user about the petname of a friend, as long as it can mislead. A
    /// number behind it shows that somebody else has that name, so it is looked at without:
    /// two of one name are told apart by their numbers, two that only look so are not.
    pub fn beware(&self, friend: &Friend) -> Option<&'static str> {
        let given = base_of(&friend.petname);
        let look = Look::of(given);
        if let Some(pose) = pose(given) {
            Some(pose.text())
        } else if self.begins_an_id(&look, &friend.peer) {
            Some(Pose::Id.text())
        } else if self.bases.like(&look, &friend.peer).any(|other| other != look.folded) {
            Some("this name looks like another one; it is not the same person")
        } else {
            None
        }
    }

    /// Whether a name is the beginning of the id of somebody else.
    fn begins_an_id(&self, look: &Look, peer: &PeerId) -> bool {
        look.beginnings().any(|name| {
            let from = (Bound::Included(name.as_str()), Bound::Unbounded);
            self.ids.range::<str, _>(from).take_while(|(id, _)| id.starts_with(&name)).any(|(_, other)| other != peer)
        })
    }
}

/// A petname without the number that tells it from others.
fn base_of(petname: &str) -> &str {
    let is_number = |tail: &str| !tail.is_empty() && tail.chars().all(|c| c.is_ascii_digit());
    match petname.rsplit_once(' ') {
        Some((head, tail)) if is_number(tail) => head,
        Some(_) | None => petname,
    }
}

#[cfg(test)]
mod tests {
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
}
