//! Rows of introductions: who was introduced to us by whom.

use crate::command::RequestStatus;
use crate::rows::{IntroRole, Introducing};
use crate::seam::Event;
use crate::state::State;
use crate::table::Table;
use crate::turn::Turn;
use symbolon_presence::id::{PeerId, RequestId};

pub(crate) fn save(state: &mut State, turn: &mut Turn<'_>, row: Introducing) {
    turn.put(Table::Introduction, row.id.as_bytes(), &row);
    turn.notify(Event::Request(row.id));
    state.introductions.insert(row.id, row);
}

/// Changes an introduction's row and saves it.
pub(crate) fn change(state: &mut State, turn: &mut Turn<'_>, id: &RequestId, change: impl FnOnce(&mut Introducing)) {
    if let Some(row) = state.introductions.get_mut(id) {
        change(row);
        turn.put(Table::Introduction, id.as_bytes(), row);
        turn.notify(Event::Request(*id));
    }
}

/// Two have become friends: what introduced them has served its purpose.
pub(crate) fn settled(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) {
    let open = [RequestStatus::Pending, RequestStatus::Ignored, RequestStatus::Accepted];
    let done = |row: &&Introducing| row.role != IntroRole::Introducer && row.other() == *peer && open.contains(&row.status);
    for id in state.introductions.values().filter(done).map(|row| row.id).collect::<Vec<_>>() {
        change(state, turn, &id, |row| row.status = RequestStatus::Confirmed);
    }
}

/// The petnames of those who introduced somebody, as we know them.
pub(crate) fn introducers_of(state: &State, peer: &PeerId) -> Vec<String> {
    let of_peer = |row: &&Introducing| {
        row.role != IntroRole::Introducer
            && row.other() == *peer
            && matches!(row.status, RequestStatus::Accepted | RequestStatus::Confirmed)
    };
    let mut names: Vec<String> = state
        .introductions
        .values()
        .filter(of_peer)
        .filter_map(|row| state.friends.get(&row.introducer))
        .map(|friend| friend.petname.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}
