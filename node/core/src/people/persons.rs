//! Persons: which rows are of one person.
//!
//! Each device of a friend is a friend of its own, with a room and keys of its own. One of their rows stands for the person,
//! and what is written goes to all of them.

use crate::rows::{Friend, FriendState};
use crate::state::State;
use symbolon_presence::id::{Digest, PeerId};

/// The row that stands for a person: what users see. A person has one as long as they have any.
pub(crate) fn head_of(state: &State, person: &PeerId) -> Option<PeerId> {
    let direct = state.friends.get(person).filter(|friend| friend.follows.is_none() && friend.person() == *person);
    let any = || state.friends.values().find(|friend| friend.person() == *person && friend.follows.is_none());
    direct.or_else(any).map(|friend| friend.peer)
}

/// The row that stands for whom a row is of.
pub(crate) fn head(state: &State, peer: &PeerId) -> PeerId {
    state.friends.get(peer).map_or(*peer, Friend::head)
}

/// Whose row it is; of somebody else it is who is named.
pub(crate) fn person_of(state: &State, peer: &PeerId) -> PeerId {
    state.friends.get(peer).map_or(*peer, Friend::person)
}

/// The hash of a person's second root key, as one of their devices has said it first.
pub(crate) fn second_root(state: &State, person: &PeerId) -> Option<Digest> {
    let head = head_of(state, person)?;
    rows_of(state, &head).iter().find_map(|row| state.friends.get(row)?.second_root)
}

/// The rows of the person for whom a row stands, that one first.
pub(crate) fn rows_of(state: &State, head: &PeerId) -> Vec<PeerId> {
    let follow = state.friends.values().filter(|friend| friend.follows == Some(*head)).map(|friend| friend.peer);
    state.friends.contains_key(head).then_some(*head).into_iter().chain(follow).collect()
}

/// Whether a row is of another device of our own person: no friend, as users see it.
pub(crate) fn is_own(state: &State, friend: &Friend) -> bool {
    friend.person == Some(state.own.person()) || friend.peer == state.own.person()
}

/// Whether users see a row: it stands for somebody else.
pub(crate) fn is_shown(state: &State, friend: &Friend) -> bool {
    friend.follows.is_none() && !is_own(state, friend)
}

/// The devices of ours that take part.
pub(crate) fn siblings(state: &State) -> impl Iterator<Item = &Friend> {
    let stands = |friend: &&Friend| friend.state == FriendState::Mutual && is_own(state, friend);
    let is_there = |friend: &&Friend| state.siblings.get(&friend.peer).is_some_and(|row| row.gone.is_none());
    state.friends.values().filter(stands).filter(is_there)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixture::{NOW, friend, in_turn};
    use symbolon_presence::identity::Identity;
    use symbolon_presence::time::{DAY, EARLIEST};

    #[test]
    fn our_person_is_that_of_the_root_key_that_we_are_under_now() {
        in_turn(|state, turn| {
            let alone = state.own.person();
            assert_eq!([alone, state.own.person()], [state.own.identity.person(); 2]);
            let of_ours = Friend { person: Some(alone), ..friend(1) };
            assert!(is_own(state, &of_ours) && !is_shown(state, &of_ours));
            // As after a pairing: a device of somebody else.
            let other = Identity::generate(turn.rng, EARLIEST, NOW.since(EARLIEST) + DAY);
            state.own.identity.chain = other.chain.clone();
            assert_eq!(state.own.person(), other.person());
            assert!(!is_own(state, &of_ours) && is_own(state, &Friend { person: Some(other.person()), ..friend(1) }));
        });
    }
}
