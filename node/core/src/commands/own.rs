//! What the user asks about this device: name, being findable, invites.

use crate::command::{CommandError, InviteState, InviteView, Reply, SettingsView};
use crate::devices::{self, Setting};
use crate::friendships;
use crate::groups;
use crate::invites::{self, Minted};
use crate::presence;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn};
use crate::views;
use crate::wire::is_name;

pub(super) fn identity(state: &State) -> Reply {
    Reply::Identity(views::identity(state))
}

pub(super) fn set_name(state: &mut State, turn: &mut Turn<'_>, name: &str) -> Result<Reply, Failed> {
    let name = name.trim().to_owned();
    if name.is_empty() || !is_name(&name) {
        return Err(CommandError::BadName.into());
    }
    if state.own.name == name {
        return Ok(identity(state));
    }
    turn.put(Table::Meta, b"name", &name);
    state.own.name = name;
    groups::changed(state, turn)?;
    friendships::tell_name(state, turn)?;
    Ok(identity(state))
}

pub(super) fn set_findable(state: &mut State, turn: &mut Turn<'_>, is_findable: bool) -> Reply {
    presence::set_findable(state, turn, is_findable);
    identity(state)
}

pub(super) fn settings(state: &State) -> Reply {
    Reply::Settings(SettingsView { asks_for_rooms: state.own.asks_for_rooms, vouches: state.own.vouches })
}

pub(super) fn set_asks_for_rooms(state: &mut State, turn: &mut Turn<'_>, asks: bool) -> Reply {
    devices::set_setting(state, turn, Setting::AsksForRooms, asks);
    settings(state)
}

pub(super) fn set_vouches(state: &mut State, turn: &mut Turn<'_>, vouches: bool) -> Reply {
    devices::set_setting(state, turn, Setting::Vouches, vouches);
    settings(state)
}

pub(super) fn invite(state: &mut State, turn: &mut Turn<'_>, lifetime: u64, no_ip: bool, auto_accept: bool) -> Result<Reply, Failed> {
    let Minted { link, expires, warning, invite } = invites::invite(state, turn, lifetime, no_ip, auto_accept)?;
    Ok(Reply::Invite { link, expires, warning, invite, awaits_servers: presence::lookup_servers::has_own(state) })
}

pub(super) fn revoke_invite(state: &mut State, turn: &mut Turn<'_>, id: &str) -> Result<Reply, Failed> {
    let invite = invites::withdraw(state, turn, id)?;
    Ok(Reply::InviteRevoked(InviteView { state: InviteState::Revoked, ..views::invite::view(state, &invite, turn.now) }))
}
