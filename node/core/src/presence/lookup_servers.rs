//! Lookup servers: those that the user has named, and our relays. Friends read in our records which ones
//! are named, and look for our records there, too. The protocol page is `docs/protocol/lookup.md`.

use crate::command::{CommandError, LookupView};
use crate::identity;
use crate::limits::{LOOKUPS_MAX, LOOKUPS_TOLD};
use crate::seam::{Address, NetAction};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn};

/// How each server answers, as the world says. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct LookupServers {
    /// The servers that the world knows of from us, each by its addresses.
    announced: Vec<Vec<Address>>,
    standing: Vec<(Vec<Address>, Option<bool>)>,
}

impl LookupServers {
    /// Tells the world which servers are ours, if they are others than before.
    pub fn follow(&mut self, state: &State, turn: &mut Turn<'_>) {
        let servers = own_servers(state);
        if servers != self.announced {
            self.announced.clone_from(&servers);
            turn.act(NetAction::Lookups(servers));
        }
    }

    /// How our servers answer. Whether one answers that did not before.
    pub fn stand(&mut self, standing: Vec<(Vec<Address>, Option<bool>)>) -> bool {
        let before = self.answering();
        self.standing = standing;
        self.answering() > before
    }

    /// How many of our servers answered when they were last asked.
    pub fn answering(&self) -> usize {
        self.standing.iter().filter(|(_, answers)| *answers == Some(true)).count()
    }

    /// How many there are.
    pub fn all(&self) -> usize {
        self.announced.len()
    }

    /// The servers that the user has named.
    pub fn views(&self, state: &State) -> Vec<LookupView> {
        named(state).map(|address| self.view(address)).collect()
    }

    /// One of them.
    pub fn view(&self, address: &Address) -> LookupView {
        let answers = self.standing.iter().find(|(places, _)| places.as_slice() == std::slice::from_ref(address));
        LookupView { lookup: address.clone(), answers: answers.and_then(|(_, answers)| *answers) }
    }
}

fn named(state: &State) -> impl Iterator<Item = &Address> {
    let now = state.own.lookups_now.iter().filter(|address| !state.own.lookups.contains(address));
    state.own.lookups.iter().chain(now)
}

/// All servers of ours: the named ones, and our relays, which serve look-ups, too.
fn own_servers(state: &State) -> Vec<Vec<Address>> {
    let relays = state.own.relay_mailboxes.values().map(|mailbox| mailbox.link.places.clone());
    named(state).map(|address| vec![address.clone()]).chain(relays).filter(|places| !places.is_empty()).collect()
}

/// Those that friends read of in our records; at most [`LOOKUPS_TOLD`].
pub(crate) fn named_for_friends(state: &State) -> Vec<Address> {
    named(state).take(LOOKUPS_TOLD).cloned().collect()
}

/// Whether we have any.
pub(crate) fn has_own(state: &State) -> bool {
    named(state).next().is_some() || state.own.relay_mailboxes.values().any(|mailbox| !mailbox.link.places.is_empty())
}

/// Where a friend's records are kept beside the DHT.
pub(crate) fn of_friend(state: &State, peer: &symbolon_presence::id::PeerId) -> Vec<Vec<Address>> {
    let Some(friend) = state.friends.get(peer) else { return Vec::new() };
    let named = friend.presence.iter().flat_map(|presence| &presence.lookups).map(|address| vec![address.clone()]);
    let devices = friend.devices.iter().filter_map(|device| state.devices.get(device));
    let relays = devices.flat_map(|device| &device.relay_mailboxes).map(|mailbox| mailbox.entry.places.clone());
    let mut all: Vec<Vec<Address>> = named.chain(relays).filter(|places| !places.is_empty()).collect();
    all.sort();
    all.dedup();
    all
}

/// Names a server; one that is there stays as it is.
pub(crate) fn add(state: &mut State, turn: &mut Turn<'_>, address: Address) -> Result<(), Failed> {
    if !address.is_bounded() {
        return Err(CommandError::BadAddress.into());
    }
    if state.own.lookups.contains(&address) {
        return Ok(());
    }
    if state.own.lookups.len() >= LOOKUPS_MAX {
        return Err(CommandError::Full.into());
    }
    state.own.lookups.push(address);
    turn.put(Table::Meta, b"lookups", &state.own.lookups);
    identity::records_changed(turn);
    Ok(())
}

/// Names a server no longer.
pub(crate) fn remove(state: &mut State, turn: &mut Turn<'_>, address: &Address) -> Result<(), Failed> {
    let before = named(state).count();
    state.own.lookups.retain(|known| known != address);
    state.own.lookups_now.retain(|known| known != address);
    if named(state).count() == before {
        return Err(CommandError::NotFound.into());
    }
    turn.put(Table::Meta, b"lookups", &state.own.lookups);
    identity::records_changed(turn);
    Ok(())
}

#[cfg(test)]
mod tests;
