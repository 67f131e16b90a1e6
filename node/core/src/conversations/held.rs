//! Texts that wait for the other side, or for a room: they are sealed once it is there.

use super::texts::seal_and_queue;
use crate::delivery::outbox;
use crate::limits::RELEASE_MAX;
use crate::notice::ConversationsNotice;
use crate::rows::{Friend, FriendState, Message, message_key};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use std::collections::BTreeSet;
use symbolon_presence::id::PeerId;

/// Friends whose rooms are there, and for whom texts are held.
#[derive(Debug, Default)]
pub(crate) struct Held(BTreeSet<PeerId>);

impl Held {
    /// After a start: texts that were held when it ended.
    pub fn start(&mut self, state: &State) {
        let waiting = state.friends.values().filter(|friend| !friend.held.is_empty() && is_ready(state, friend));
        self.0 = waiting.map(|friend| friend.peer).collect();
    }

    /// Texts are held for a friend whose room is there.
    pub fn note(&mut self, friend: PeerId) {
        self.0.insert(friend);
    }

    /// Whether some of them can be sealed now.
    pub fn can_release(&self, state: &State) -> bool {
        let mut waiting = self.0.iter().filter_map(|peer| state.friends.get(peer));
        waiting.any(|friend| !friend.held.is_empty() && is_ready(state, friend) && has_room(state, friend))
    }

    /// Sends some of them.
    pub fn follow(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        for peer in std::mem::take(&mut self.0) {
            release_held(state, turn, &peer)?;
        }
        Ok(())
    }
}

/// Sends what was written before the other side confirmed, some in each turn.
pub(crate) fn release_held(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let Some(friend) = state.friends.get(peer) else { return Ok(()) };
    if friend.held.is_empty() || !is_ready(state, friend) {
        return Ok(());
    }
    if !has_room(state, friend) {
        // Looked at again when the oldest have been delivered.
        turn.tell(ConversationsNotice::Held(*peer));
        return Ok(());
    }
    let (room, conversation) = (friend.room, friend.conversation);
    let Some(friend) = state.friends.get_mut(peer) else { return Ok(()) };
    let rest = friend.held.split_off(friend.held.len().min(RELEASE_MAX));
    let held = std::mem::replace(&mut friend.held, rest);
    if !friend.held.is_empty() {
        turn.tell(ConversationsNotice::Held(*peer));
    }
    for arrival in held {
        if let Some(message) = turn.row::<Message>(Table::Message, &message_key(&conversation, arrival))? {
            seal_and_queue(state, turn, room, &conversation, arrival, &message)?;
        }
    }
    // Those that are sealed are not held any more.
    state.change_friend(turn, peer, |_| ());
    Ok(())
}

/// Whether held texts of a friend may be sealed.
fn is_ready(state: &State, friend: &Friend) -> bool {
    friend.state == FriendState::Mutual && friend.renewing.is_none() && !state.own.is_halted
}

fn has_room(state: &State, friend: &Friend) -> bool {
    friend.devices.iter().all(|device| outbox::has_room_for(state, device, RELEASE_MAX as u64))
}
