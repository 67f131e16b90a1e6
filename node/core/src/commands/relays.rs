//! What the user does with relays and lookup servers.

use super::machines::Machines;
use crate::command::{RelayState, Reply};
use crate::delivery::relays as depot;
use crate::friendships::moved;
use crate::presence::lookup_servers;
use crate::rows::OwnDepot;
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
    let own = depot::add(state, turn, link, claim)?;
    machines.depots.add_own(&own, turn.now);
    state.republish = true;
    moved(state, machines.delivery, turn)?;
    Ok(Reply::Relay(machines.depots.view(&own)))
}

pub(super) fn claim(state: &mut State, machines: &mut Machines<'_>, turn: &mut Turn<'_>, code: &str) -> Result<Reply, Failed> {
    let depots = &mut *machines.depots;
    let unkept = |own: &OwnDepot| depots.view(own).state != RelayState::Connected;
    let told = depot::claim(state, turn, code, unkept)?;
    for own in &told {
        depots.renew_own(state, turn, own);
    }
    Ok(Reply::Relays(told.iter().map(|own| depots.view(own)).collect()))
}

pub(super) fn remove(state: &mut State, machines: &mut Machines<'_>, turn: &mut Turn<'_>, id: &str) -> Result<Reply, Failed> {
    let own = depot::remove(state, turn, id)?;
    machines.depots.remove_own(state, turn, &own);
    state.republish = true;
    moved(state, machines.delivery, turn)?;
    Ok(Reply::Relay(machines.depots.view(&own)))
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
