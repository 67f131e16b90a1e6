//! All names and ids that somebody's name could be taken for.
//!
//! Built once for a command and then asked about many names: comparing each name with each
//! other one would take seconds with thousands of friends.

use super::names::{Look, Pose, clean, pose};
use super::persons;
use crate::command::RequestStatus;
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
        for friend in state.friends.values().filter(|friend| persons::is_shown(state, friend)) {
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
    /// their numbers distinguish two of one name, and do not distinguish two that only look so.
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
mod tests;
