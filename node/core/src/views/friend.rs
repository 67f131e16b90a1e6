//! Friends as shown to the user.

use crate::command::{Build, FriendView};
use crate::delivery::Delivery;
use crate::people::{Mirror, introduced, names, persons};
use crate::rows::{Friend, FriendState};
use crate::state::State;
use symbolon_presence::id::{DeviceId, PeerId};
use symbolon_presence::time::Timestamp;
use symbolon_presence::words::fingerprint_words;

/// All friends, by name.
pub(crate) fn all(state: &State, delivery: &Delivery, now: Timestamp) -> Vec<FriendView> {
    views(state, delivery, now, |friend| friend.state != FriendState::Ended)
}

/// Those whose friendship was ended here, by name: their conversations stay.
pub(crate) fn former(state: &State, delivery: &Delivery, now: Timestamp) -> Vec<FriendView> {
    views(state, delivery, now, |friend| friend.state == FriendState::Ended)
}

fn views(state: &State, delivery: &Delivery, now: Timestamp, is_asked: fn(&Friend) -> bool) -> Vec<FriendView> {
    let shown = state.friends.values().filter(|friend| is_asked(friend) && persons::is_shown(state, friend));
    let mirror = Mirror::of(state);
    let mut views: Vec<_> = shown.filter_map(|friend| view(state, delivery, &mirror, now, &friend.peer)).collect();
    views.sort_by(|a, b| a.name.cmp(&b.name));
    views
}

/// A friend as shown to the user.
pub(crate) fn view(state: &State, delivery: &Delivery, mirror: &Mirror, now: Timestamp, peer: &PeerId) -> Option<FriendView> {
    let friend = state.friends.get(peer)?;
    let rows = || persons::rows_of(state, peer).into_iter().filter_map(|row| state.friends.get(&row));
    let devices: Vec<DeviceId> = rows().flat_map(|row| row.devices.iter().copied()).collect();
    Some(FriendView {
        id: friend.person(),
        name: friend.petname.clone(),
        says: friend.says.as_deref().map(names::clean).filter(|says| !says.is_empty() && *says != friend.petname),
        words: fingerprint_words(&friend.person()),
        trust: friend.trust,
        mutual: rows().any(|row| row.state == FriendState::Mutual),
        blocked: friend.blocked,
        online: delivery.is_online(&devices),
        path: delivery.path(&devices),
        unread: friend.unread,
        introduced_by: introduced::introducers_of(state, peer),
        hidden: state.own.presence.is_hidden_from(peer),
        beware: mirror.beware(friend),
        build: build(state, now, friend),
        devices: devices.iter().map(|device| (*device, delivery.is_online(&[*device]))).collect(),
    })
}

/// How a friend's build stands to ours, if it speaks another version.
pub(crate) fn build(state: &State, now: Timestamp, friend: &Friend) -> Option<Build> {
    let stands = friend.stands().then_some(&friend.devices);
    let version = stands?.iter().find_map(|device| state.other_build(now, device))?.version;
    Some(if version < state.own.wire { Build::Older } else { Build::Newer })
}
