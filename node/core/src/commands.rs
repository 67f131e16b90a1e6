//! Commands: what users ask, each led to the machine that it is for, and the answers.
//!
//! Here names that users typed become ids. Nothing here holds a protocol.

mod devices;
mod friends;
mod machines;
mod own;
mod relays;
mod requests;
mod rooms;
mod texts;

pub(crate) use machines::Machines;

use crate::command::{Command, CommandError, Reply};
use crate::conversations::history::Part;
use crate::copies;
use crate::devices as own_devices;
use crate::people;
use crate::state::State;
use crate::turn::{Failed, Turn};
use crate::views;
use crate::wire::BackupPart;

/// Does what the user asks.
pub(crate) fn run(state: &mut State, machines: &mut Machines<'_>, turn: &mut Turn<'_>, command: Command) -> Result<Reply, Failed> {
    if state.own.gone.is_some() && changes(&command) {
        return Err(CommandError::DeviceGone.into());
    }
    if offers(&command) && state.own.is_expired(turn.stamp) {
        return Err(CommandError::DeviceExpired.into());
    }
    match command {
        Command::Identity => Ok(own::identity(state)),
        Command::SetName(name) => own::set_name(state, turn, &name),
        Command::SetFindable(is_findable) => Ok(own::set_findable(state, turn, is_findable)),
        Command::Invite { lifetime, no_ip, auto_accept } => own::invite(state, turn, lifetime, no_ip, auto_accept),
        Command::Invites => Ok(Reply::Invites(views::invite::views(state, turn.now))),
        Command::InviteRevoke(id) => own::revoke_invite(state, turn, &id),
        Command::DeviceConfirm => Ok(Reply::Confirmed(machines.standings.confirm(state, turn))),
        Command::Phrase => {
            let words = own_devices::show_phrase(state, turn)?;
            Ok(Reply::Phrase { words: Some(words), relays: own_devices::relays_of_phrase(state) })
        }
        Command::PhraseConfirm => {
            own_devices::confirm_phrase(state, turn)?;
            Ok(Reply::Phrase { words: None, relays: own_devices::relays_of_phrase(state) })
        }
        Command::Backup(cursor) => devices::backup(state, turn, cursor),
        Command::Restore { entropy, part } => {
            let part = BackupPart::decode(&part).ok_or(CommandError::BadBackup)?;
            own_devices::restore(state, turn, &entropy, part)?;
            Ok(own::identity(state))
        }
        Command::MoveKeys => Ok(Reply::MoveKeys(Box::new(copies::keys(state, turn)?))),
        Command::Move { keys, part } => {
            let part = BackupPart::decode(&part).ok_or(CommandError::BadBackup)?;
            own_devices::become_own(state, turn, &keys, part)?;
            Ok(own::identity(state))
        }
        Command::DevicePair { tell } => devices::pair(state, turn, tell),
        Command::DeviceJoin(code) => devices::join(state, machines, turn, &code),
        Command::Devices => Ok(devices::all(state, machines)),
        Command::DeviceRemove(which) => devices::remove(state, machines, turn, &which),
        Command::DeviceKeep { entropy, devices: others } => devices::keep(state, machines, turn, &entropy, &others),
        Command::DeviceRename(name) => devices::rename(state, machines, turn, &name),
        Command::DeviceResend(who) => texts::resend(state, turn, &who),
        Command::Status => Ok(Reply::Status(views::status::view(state, &machines.shown(), turn.now))),
        Command::Doctor => {
            let status = views::status::view(state, &machines.shown(), turn.now);
            Ok(Reply::Doctor(views::doctor::view(state, (machines.delivery, machines.capsules), turn, &status)?))
        }

        Command::Add { target, note } => requests::add(state, machines, turn, &target, note),
        Command::Requests => Ok(Reply::Requests(views::request::all(state))),
        Command::Introduce { asker, target, note } => requests::introduce(state, turn, &asker, &target, note),
        Command::Accept(id) => requests::accept(state, machines, turn, &id),
        Command::Ignore(id) => requests::ignore(state, turn, &id),
        Command::Cancel(id) => requests::cancel(state, turn, &id),

        Command::BlockDevice(who, device) => friends::block_device(state, machines.delivery, turn, &who, &device),
        Command::Block(who) => friends::block(state, machines.delivery, turn, &who, true),
        Command::Unblock(who) => friends::block(state, machines.delivery, turn, &who, false),
        Command::Friends => Ok(Reply::Friends(views::friend::all(state, machines.delivery, turn.now))),
        Command::FormerFriends => Ok(Reply::Friends(views::friend::former(state, machines.delivery, turn.now))),
        Command::Rename { friend, name } => friends::rename(state, machines.delivery, turn, &friend, &name),
        Command::Unfriend(friend) => friends::unfriend(state, machines.delivery, turn, &friend),
        Command::Hide { friend, hidden } => friends::hide(state, machines.delivery, turn, &friend, hidden),
        Command::Verify { friend, words } => friends::verify(state, machines.delivery, turn, &friend, words.as_deref()),

        Command::Send { to, text, lifetime } => texts::send(state, turn, &to, text, lifetime),
        Command::Drafts => Ok(texts::drafts(state)),
        Command::Draft { to, text } => texts::draft(state, turn, &to, text),
        Command::Message(id) => texts::message(state, turn, &id),
        Command::Read { who, since, limit, peek } => {
            let of = who.map(|who| people::find_target(state, &who)).transpose()?;
            let part = since.map_or(Part::All, Part::After);
            texts::read(state, turn, of, part, limit, peek)
        }
        Command::ReadBefore { who, before, limit, peek } => {
            let of = who.map(|who| people::find_target(state, &who)).transpose()?;
            texts::read(state, turn, of, Part::Before(before), limit, peek)
        }
        // Answered at the end of its turn and never led here.
        Command::Search { .. } => Ok(Reply::Messages(Vec::new())),

        Command::RoomCreate(name) => rooms::create(state, turn, &name),
        Command::RoomAdd { room, who } => rooms::add(state, turn, &room, &who),
        Command::RoomRemove { room, who } => rooms::remove(state, turn, &room, &who),
        Command::RoomLeave(room) => rooms::leave(state, turn, &room),
        Command::RoomRename { room, name } => rooms::rename(state, turn, &room, &name),
        Command::RoomTopic { room, topic } => rooms::set_topic(state, turn, &room, &topic),
        Command::RoomRole { room, who, role } => rooms::set_role(state, turn, &room, &who, role),
        Command::RoomNote { room, muted, archived } => rooms::note(state, turn, &room, muted, archived),
        Command::Settings => Ok(own::settings(state)),
        Command::RoomCard(room) => rooms::card(state, turn, &room),
        Command::RoomKnock(card) => rooms::knock(state, machines, turn, &card),
        Command::RoomVouch(id) => rooms::vouch(state, machines, turn, &id),
        Command::SetVouches(vouches) => Ok(own::set_vouches(state, turn, vouches)),
        Command::SetAsksForRooms(asks) => Ok(own::set_asks_for_rooms(state, turn, asks)),
        Command::Rooms => Ok(Reply::Rooms(views::room::all(state))),
        Command::RoomMembers(room) => rooms::members(state, &room),
        Command::RoomBefriend { room, who, note } => rooms::befriend(state, turn, &room, &who, note),
        Command::RoomsWith(who) => rooms::with(state, &who),
        Command::RoomsLeaveWith(who) => rooms::leave_with(state, turn, &who),

        Command::RelayAdd { link, claim } => relays::add(state, machines, turn, &link, claim.as_deref()),
        Command::RelayClaim(code) => relays::claim(state, machines, turn, &code),
        Command::RelayRemove(id) => relays::remove(state, machines, turn, &id),
        Command::Relays => Ok(Reply::Relays(state.own.relay_mailboxes.values().map(|own| machines.relays.view(own)).collect())),
        Command::LookupAdd(address) => relays::add_lookup(state, machines, turn, &address),
        Command::LookupRemove(address) => relays::remove_lookup(state, machines, turn, &address),
        Command::Lookups => Ok(Reply::Lookups(machines.presence.lookup_servers.views(state))),
    }
}

/// Whether a command shows our certificate to somebody who does not know this device, or brings somebody in by it.
fn offers(command: &Command) -> bool {
    matches!(
        command,
        Command::Invite { .. }
            | Command::Add { .. }
            | Command::Introduce { .. }
            | Command::Accept(_)
            | Command::SetFindable(true)
            | Command::DevicePair { .. }
            | Command::RoomCreate(_)
            | Command::RoomAdd { .. }
            | Command::RoomBefriend { .. }
            | Command::RoomCard(_)
            | Command::RoomKnock(_)
            | Command::RoomVouch(_)
    )
}

/// Whether a command does more than look.
fn changes(command: &Command) -> bool {
    !matches!(
        command,
        Command::Identity
            | Command::Requests
            | Command::Invites
            | Command::Friends
            | Command::FormerFriends
            | Command::Message(_)
            | Command::Drafts
            | Command::Read { .. }
            | Command::Search { .. }
            | Command::Relays
            | Command::Lookups
            | Command::Settings
            | Command::Rooms
            | Command::RoomMembers(_)
            | Command::RoomsWith(_)
            | Command::Devices
            | Command::Backup(_)
            | Command::Status
            | Command::Doctor
    )
}
