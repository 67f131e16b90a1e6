//! What the user does with relays and lookup servers.

use super::machines::Machines;
use crate::command::{CommandError, RelayState, Reply};
use crate::delivery::relays;
use crate::invites::link::{InviteLink, LinkError};
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
    let own = relays::add(state, turn, link, claim).map_err(|failed| other_kind(link, failed))?;
    match machines.relays.view(&own).state {
        // What it said to another claim code, or at another place, is of no interest any more.
        RelayState::Refused | RelayState::Full | RelayState::Unreachable | RelayState::Replaced => {
            machines.relays.renew_own(state, turn, &own);
        }
        RelayState::Connecting | RelayState::Connected => machines.relays.add_own(&own, turn.now),
    }
    Ok(Reply::Relay(machines.relays.view(&own)))
}

/// A link that is not a relay's is named as what it is.
fn other_kind(link: &str, failed: Failed) -> Failed {
    if !matches!(failed, Failed::Command(CommandError::BadLink)) {
        return failed;
    }
    match InviteLink::find(link) {
        Ok(_) | Err(LinkError::Old | LinkError::Invite) => CommandError::IsInvite.into(),
        Err(LinkError::Card) => CommandError::IsCard.into(),
        Err(LinkError::Bad | LinkError::Relay) => failed,
    }
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
