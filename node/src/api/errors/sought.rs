//! What there is not, in words: "not found" says what was looked for.

use symbolon_core::command::Command;

/// What was looked for and is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sought {
    /// What there is not.
    pub detail: &'static str,
    /// Where to look.
    pub hint: &'static str,
}

const fn sought(detail: &'static str, hint: &'static str) -> Sought {
    Sought { detail, hint }
}

/// A request, by its id.
pub const REQUEST: Sought = sought("There is no request of that ID.", "`symbolon requests` lists them with their IDs.");
/// A message, by its id.
pub const MESSAGE: Sought = sought("There is no message of that ID.", "`symbolon read --json` shows the IDs of messages, as `message`.");
const FRIEND: Sought = sought("There is no friend of that name or ID.", "`symbolon friends` lists them.");
const WHOLE_FRIEND: Sought =
    sought("There is no friend of that name or ID.", "`symbolon friends` lists them. Here the whole name is needed, or the ID.");
const FRIEND_OR_ROOM: Sought =
    sought("There is no friend or room of that name or ID.", "`symbolon friends` and `symbolon room list` list them.");
/// A friend or a request.
pub const FRIEND_OR_REQUEST: Sought = sought(
    "There is no friend or request of that name or ID.",
    "`symbolon friends` and `symbolon requests` list them. Here the whole name is needed, or the ID.",
);
/// A room.
pub const ROOM: Sought = sought("There is no room of that name or ID.", "`symbolon room list` lists them.");
/// A room, by its whole name.
pub const WHOLE_ROOM: Sought =
    sought("There is no room of that name or ID.", "`symbolon room list` lists them. Here the whole name is needed, or the ID.");
const ROOM_OR_FRIEND: Sought =
    sought("There is no room of that name or ID, or no friend of that one.", "`symbolon room list` and `symbolon friends` list them.");
const ROOM_OR_MEMBER: Sought = sought(
    "There is no room of that name or ID, or nobody of that one in it.",
    "`symbolon room list` and `symbolon room members ROOM` list them. To remove somebody, or to change their role, the whole name is needed, or the ID.",
);
/// Somebody in a room that there is.
pub const MEMBER: Sought = sought(
    "Nobody of that name or ID is in this room.",
    "`symbolon room members ROOM` lists who is. To remove somebody, or to change their role, the whole name is needed, or the ID.",
);
/// A friend, to come into a room that there is.
pub const NEWCOMER: Sought = sought("The room is there, but no friend of that name or ID.", "`symbolon friends` lists them.");
const INVITE: Sought = sought("There is no invite of that ID.", "`symbolon invite list` lists them with their IDs.");
const RELAY: Sought =
    sought("None of your relays has that ID or link.", "`symbolon relay list` lists them. Four letters of the ID are enough.");
const UNCLAIMED: Sought = sought(
    "No relay that you have added waits for a claim code.",
    "With its link you can add a relay and claim it at once: `symbolon relay add LINK --claim CODE`. `symbolon relay list` lists yours.",
);
const LOOKUP: Sought = sought("None of your lookup servers has that address.", "`symbolon lookup list` lists them.");
const DEVICE: Sought = sought("No device of yours has that name or ID.", "`symbolon device list` lists them.");
const DEVICE_OF_FRIEND: Sought =
    sought("There is no friend of that name or ID, or no device of that ID of theirs.", "`symbolon friends` lists both.");

/// What a command that finds nothing has looked for.
pub fn of(command: &Command) -> Option<Sought> {
    let is = [
        (matches!(command, Command::Send { .. } | Command::Draft { .. } | Command::Read { who: Some(_), since: None, .. }), FRIEND_OR_ROOM),
        (matches!(command, Command::Message(_) | Command::Read { who: None, .. } | Command::Search { .. }), MESSAGE),
        (matches!(command, Command::ReadBefore { who: None, .. }), MESSAGE),
        (
            matches!(
                command,
                Command::Rename { .. }
                    | Command::Verify { .. }
                    | Command::Hide { .. }
                    | Command::Introduce { .. }
                    | Command::DeviceResend(_)
            ),
            FRIEND,
        ),
        (matches!(command, Command::Unfriend(_) | Command::RoomsWith(_)), WHOLE_FRIEND),
        (matches!(command, Command::Block(_) | Command::Unblock(_) | Command::RoomsLeaveWith(_)), FRIEND_OR_REQUEST),
        (matches!(command, Command::BlockDevice(..)), DEVICE_OF_FRIEND),
        (matches!(command, Command::Accept(_) | Command::Ignore(_) | Command::Cancel(_) | Command::RoomVouch(_)), REQUEST),
        (
            matches!(
                command,
                Command::RoomRename { .. }
                    | Command::RoomTopic { .. }
                    | Command::RoomNote { .. }
                    | Command::RoomCard(_)
                    | Command::RoomMembers(_)
            ),
            ROOM,
        ),
        (matches!(command, Command::RoomLeave(_)), WHOLE_ROOM),
        (matches!(command, Command::RoomAdd { .. }), ROOM_OR_FRIEND),
        (matches!(command, Command::RoomRemove { .. } | Command::RoomRole { .. } | Command::RoomBefriend { .. }), ROOM_OR_MEMBER),
        (matches!(command, Command::InviteRevoke(_)), INVITE),
        (matches!(command, Command::RelayRemove(_)), RELAY),
        (matches!(command, Command::RelayClaim(_)), UNCLAIMED),
        (matches!(command, Command::LookupRemove(_)), LOOKUP),
        (matches!(command, Command::DeviceRemove(_)), DEVICE),
    ];
    is.into_iter().find_map(|(is, sought)| is.then_some(sought))
}
