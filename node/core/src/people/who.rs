//! Who is meant by a name or an id, and rows of friends.

use super::names;
use crate::command::{CommandError, Who};
use crate::rows::Friend;
use crate::seam::Event;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use std::collections::BTreeSet;
use symbolon_presence::id::{PeerId, RequestId};

/// Finds a friend by petname or Peer ID, or by an unambiguous beginning (8 characters) of the
/// id. A whole id means that id, in any case, whatever names there are.
pub(crate) fn resolve(state: &State, who: &Who) -> Result<PeerId, CommandError> {
    let text = who.0.trim();
    let lower = text.to_ascii_lowercase();
    if let Ok(peer) = lower.parse::<PeerId>() {
        return if state.friends.contains_key(&peer) { Ok(peer) } else { Err(CommandError::NotFound) };
    }
    if lower.parse::<RequestId>().is_ok() {
        return Err(CommandError::NotFound);
    }
    let mut found: BTreeSet<PeerId> = state.friends.values().filter(|friend| friend.petname == text).map(|friend| friend.peer).collect();
    if found.is_empty() {
        found = state.friends.values().filter(|friend| names::is_same(&friend.petname, text)).map(|friend| friend.peer).collect();
    }
    // Where a name is also the beginning of somebody else's id, nobody can know who is meant.
    if text.len() >= 8 {
        found.extend(state.friends.keys().filter(|peer| peer.to_string().starts_with(&lower)));
    }
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (None, _) => Err(CommandError::NotFound),
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(CommandError::Ambiguous),
    }
}

/// Changes and saves a friend's row.
pub(crate) fn update(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, change: impl FnOnce(&mut Friend)) -> Result<(), TurnFailed> {
    if state.change_friend(turn, peer, change) {
        turn.notify(Event::Friend(*peer));
    }
    Ok(())
}
