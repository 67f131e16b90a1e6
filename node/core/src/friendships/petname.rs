//! What the user says about a friend: a petname, and that the words were compared.

use crate::command::{CommandError, Trust};
use crate::people::{self, names, persons};
use crate::rows::Friend;
use crate::state::State;
use crate::turn::{Failed, Turn};
use crate::wire::is_name;
use symbolon_presence::id::{PeerId, RequestId};
use symbolon_presence::words::words_match;

/// Gives a friend another petname.
pub(crate) fn rename(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, name: &str) -> Result<(), Failed> {
    if !is_name(name.trim()) {
        return Err(CommandError::BadName.into());
    }
    let name = names::clean(name);
    let name = name.as_str();
    // By a whole id only that id can be named, so no friend is called like one.
    let is_id = name.to_ascii_lowercase().parse::<PeerId>().is_ok() || name.to_ascii_lowercase().parse::<RequestId>().is_ok();
    if name.is_empty() || is_id {
        return Err(CommandError::BadName.into());
    }
    if state
        .friends
        .values()
        .filter(|friend| persons::is_shown(state, friend))
        .any(|friend| friend.peer != *peer && names::is_same(&friend.petname, name))
    {
        return Err(CommandError::NameTaken.into());
    }
    Ok(people::update(state, turn, peer, |friend| name.clone_into(&mut friend.petname))?)
}

/// Compares fingerprint words; the friend is verified when they match.
pub(crate) fn verify(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, words: Option<&str>) -> Result<(), Failed> {
    if let Some(words) = words {
        let person = state.friends.get(peer).map_or(*peer, Friend::person);
        if !words_match(&person, words) {
            return Err(CommandError::WordsDiffer.into());
        }
        people::update(state, turn, peer, |friend| friend.trust = Trust::Verified)?;
    }
    Ok(())
}
