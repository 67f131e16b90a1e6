//! What the user does with relays and lookup servers.

use super::machines::Machines;
use crate::command::{RelayState, Reply};
use crate::delivery::relays;
use crate::presence::lookup_servers;
use crate::rows::OwnRelayMailbox;
use crate::seam::Address;
use crate::state::State;
use crate::turn::{Failed, Turn};

pub(super) fn add(
    state: &mut State,
    machines: &mut Machines<'_>,
    turn: &mut Turn<'_>,
    link: &str,
    claim: Option<&str>,
) -> Result<Reply, Failed> {
    let own = relays::add(state, turn, link, claim)?;
    machines.relays.add_own(&own, turn.now);
    Ok(Reply::Relay(machines.relays.view(&own)))
}

pub(super) fn claim(state: &mut State, machines: &mut Machines<'_>, turn: &mut Turn<'_>, code: &str) -> Result<Reply, Failed> {
    let relays = &mut *machines.relays;
    let unkept = |own: &OwnRelayMailbox| relays.view(own).state != RelayState::Connected;
    let told = relays::claim(state, turn, code, unkept)?;
    for own in &told {
        relays.renew_own(state, turn, own);
    }
    Ok(Reply::Relays(told.iter().map(|own| relays.view(own)).collect()))
}

pub(super) fn remove(state: &mut State, machines: &mut Machines<'_>, turn: &mut Turn<'_>, id: &str) -> Result<Reply, Failed> {
    let own = relays::remove(state, turn, id)?;
    machines.relays.remove_own(state, turn, &own);
    Ok(Reply::Relay(machines.relays.view(&own)))
}

pub(super) fn add_lookup(state: &mut State, machines: &Machines<'_>, turn: &mut Turn<'_>, address: &Address) -> Result<Reply, Failed> {
    lookup_servers::add(state, turn, address.clone())?;
    Ok(Reply::Lookup(machines.presence.lookup_servers.view(address)))
}

pub(super) fn remove_lookup(state: &mut State, machines: &Machines<'_>, turn: &mut Turn<'_>, address: &Address) -> Result<Reply, Failed> {
    let view = machines.presence.lookup_servers.view(address);
    lookup_servers::remove(state, turn, address)?;
    Ok(Reply::Lookup(view))
}
