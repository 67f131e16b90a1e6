//! Friends as shown to the user.

use crate::command::{Build, FriendView};
use crate::delivery::Delivery;
use crate::people::{Mirror, introduced};
use crate::rows::{Friend, FriendState};
use crate::state::State;
use symbolon_presence::id::PeerId;
use symbolon_presence::time::Timestamp;
use symbolon_presence::words::fingerprint_words;

/// All friends, by name.
pub(crate) fn all(state: &State, delivery: &Delivery, now: Timestamp) -> Vec<FriendView> {
    let current = state.friends.values().filter(|friend| friend.state != FriendState::Ended);
    let mirror = Mirror::of(state);
    let mut views: Vec<_> = current.filter_map(|friend| view(state, delivery, &mirror, now, &friend.peer)).collect();
    views.sort_by(|a, b| a.name.cmp(&b.name));
    views
}

/// A friend as shown to the user.
pub(crate) fn view(state: &State, delivery: &Delivery, mirror: &Mirror, now: Timestamp, peer: &PeerId) -> Option<FriendView> {
    let friend = state.friends.get(peer)?;
    let online = delivery.is_online(&friend.devices);
    Some(FriendView {
        id: friend.peer,
        name: friend.petname.clone(),
        words: fingerprint_words(&friend.peer),
        trust: friend.trust,
        mutual: friend.state == FriendState::Mutual,
        blocked: friend.blocked,
        online,
        path: delivery.path(&friend.devices),
        unread: friend.unread,
        introduced_by: introduced::introducers_of(state, peer),
        hidden: state.own.presence.is_hidden_from(peer),
        beware: mirror.beware(friend),
        build: build(state, now, friend),
    })
}

/// How a friend's build stands to ours, if it speaks another version.
pub(crate) fn build(state: &State, now: Timestamp, friend: &Friend) -> Option<Build> {
    let stands = friend.stands().then_some(&friend.devices);
    let version = stands?.iter().find_map(|device| state.other_build(now, device))?.version;
    Some(if version < state.own.wire { Build::Older } else { Build::Newer })
}
