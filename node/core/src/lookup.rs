//! Lookup servers: those that the user has named, and our relays. Friends are told of the
//! named ones, and look for our records there, too.

use crate::command::{CommandError, LookupView};
use crate::limits::{LOOKUPS_MAX, LOOKUPS_TOLD};
use crate::seam::{Address, NetAction};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn};

/// How each server answers, as the world says. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    /// The servers that the world was told of, each by its addresses.
    told: Vec<Vec<Address>>,
    standing: Vec<(Vec<Address>, Option<bool>)>,
}

impl Lookups {
    /// Tells the world which servers are ours, if they are others than before.
    pub fn follow(&mut self, state: &State, turn: &mut Turn<'_>) {
        let servers = own_servers(state);
        if servers != self.told {
            self.told.clone_from(&servers);
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
        self.told.len()
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
    let relays = state.own.depots.values().map(|depot| depot.link.places.clone());
    named(state).map(|address| vec![address.clone()]).chain(relays).filter(|places| !places.is_empty()).collect()
}

/// What friends are told.
pub(crate) fn told(state: &State) -> Vec<Address> {
    named(state).take(LOOKUPS_TOLD).cloned().collect()
}

/// Whether we have any.
pub(crate) fn has_own(state: &State) -> bool {
    named(state).next().is_some() || state.own.depots.values().any(|depot| !depot.link.places.is_empty())
}

/// Where a friend's records are kept beside the DHT.
pub(crate) fn of_friend(state: &State, peer: &symbolon_presence::id::PeerId) -> Vec<Vec<Address>> {
    let Some(friend) = state.friends.get(peer) else { return Vec::new() };
    let named = friend.presence.iter().flat_map(|presence| &presence.lookups).map(|address| vec![address.clone()]);
    let devices = friend.devices.iter().filter_map(|device| state.devices.get(device));
    let relays = devices.flat_map(|device| &device.depots).map(|depot| depot.entry.places.clone());
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
    state.republish = true;
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
    state.republish = true;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixture::in_turn;

    fn address(number: u8) -> Address {
        Address(vec![4, 192, 0, 2, number])
    }

    #[test]
    fn named_servers_are_bounded_and_naming_one_again_is_naming_it_once() {
        in_turn(|state, turn| {
            for number in (0..LOOKUPS_MAX as u8).chain(0..2) {
                add(state, turn, address(number)).unwrap();
            }
            assert!(matches!(add(state, turn, address(99)), Err(Failed::Command(CommandError::Full))));
            assert_eq!(own_servers(state).len(), LOOKUPS_MAX);
            assert_eq!(told(state), [address(0), address(1), address(2)]);
            remove(state, turn, &address(1)).unwrap();
            assert!(matches!(remove(state, turn, &address(1)), Err(Failed::Command(CommandError::NotFound))));
            add(state, turn, address(99)).unwrap();
            let long = Address(vec![4; Address::MAX_LEN + 1]);
            assert!(matches!(add(state, turn, long), Err(Failed::Command(CommandError::BadAddress))));
        });
    }

    #[test]
    fn the_world_is_told_of_servers_when_they_change_only() {
        in_turn(|state, turn| {
            let mut lookups = Lookups::default();
            lookups.follow(state, turn);
            assert!(turn.out.actions.is_empty());
            state.own.lookups_now = vec![address(1)];
            add(state, turn, address(1)).unwrap();
            for _ in 0..2 {
                lookups.follow(state, turn);
            }
            assert_eq!(turn.out.actions.len(), 1, "and one that is named twice is one");
            assert!(lookups.stand(vec![(vec![address(1)], Some(true))]));
            assert!(!lookups.stand(vec![(vec![address(1)], Some(false))]));
            assert_eq!((lookups.answering(), lookups.all()), (0, 1));
        });
    }
}
