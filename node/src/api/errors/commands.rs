//! What each error of a command is to users.

use super::entry::Entry;
use symbolon_core::command::CommandError;

/// The entry of a command's error.
pub(super) fn entry(error: CommandError) -> Entry {
    let (kind, status, title, detail, hint) = match error {
        CommandError::NotFound => (
            "not_found",
            404,
            "Not found",
            "There is no friend, room, request or message of that name or id.",
            "`symbolon friends`, `symbolon room list` and `symbolon requests` list names and IDs.",
        ),
        CommandError::Ambiguous => ("ambiguous", 409, "Ambiguous", "More than one fits.", "Say which one by its whole id."),
        CommandError::BadLink => (
            "bad_link",
            422,
            "Damaged link",
            "The link is damaged, or a link of another kind.",
            "Copy the whole link again, from `symbolon:` to its last letter.",
        ),
        CommandError::OldLink => (
            "old_link",
            410,
            "Invite of an older version",
            "The invite was made by an older version of Symbolon, which made long links.",
            "Ask its maker to start the present version and to make a new one: `symbolon invite`.",
        ),
        CommandError::BadAddress => (
            "bad_address",
            422,
            "Malformed address",
            "This is not an address that can be dialled.",
            "Write it like /ip4/192.0.2.1/tcp/4001, /dns4/relay.example.org/tcp/4001 or /ip4/192.0.2.1/udp/4001/quic-v1; instead of /dnsaddr write the address that it stands for.",
        ),
        CommandError::LinkExpired => {
            ("link_expired", 410, "Expired invite", "The invite is too old.", "Ask for a new invite, and check that both clocks are right.")
        }
        CommandError::WrongClock => (
            "wrong_clock",
            409,
            "Clocks apart",
            "The invite was made at a time that is still to come by this machine's clock.",
            "Set this machine's clock, or ask its maker to look at theirs; then add the same link again.",
        ),
        CommandError::OwnIdentity => (
            "own_identity",
            422,
            "Your own invite",
            "This invite or Peer ID is your own.",
            "Give it to the person you want as a friend; to add somebody, use the link they gave you.",
        ),
        CommandError::BadTarget => (
            "bad_target",
            422,
            "Not an invite",
            "This is neither an invite link nor a Peer ID.",
            "An invite begins with `symbolon:`. A Peer ID has 52 letters and digits.",
        ),
        CommandError::AlreadyFriends => {
            ("already_friends", 409, "Friends already", "You are friends with this person already.", "Just write a message.")
        }
        CommandError::IsBlocked => (
            "is_blocked",
            409,
            "Blocked",
            "You have blocked this person.",
            "Unblock them first (`symbolon unblock`), if that is what you want.",
        ),
        CommandError::WrongStatus => (
            "wrong_status",
            409,
            "Too late for that",
            "The request cannot be answered like that any more.",
            "Look at where it stands now in the list of requests.",
        ),
        CommandError::BadName => (
            "bad_name",
            422,
            "Not a usable name",
            "The name is empty, too long, or has characters that cannot be shown.",
            "A name has room for 64 bytes: 64 letters of English, some 32 of Russian or Greek, 21 of Chinese. Choose a shorter one.",
        ),
        CommandError::NameTaken => {
            ("name_taken", 409, "Name taken", "Another friend has this name here.", "Choose a name that is not in use yet.")
        }
        CommandError::BadText => (
            "bad_text",
            422,
            "Not a usable text",
            "The text is empty or too long: a text has room for 16 KiB, which is 16,000 letters of English, or some 8,000 of Russian.",
            "Write something, or split it into several messages.",
        ),
        CommandError::BadSearch => (
            "bad_search",
            422,
            "Nothing to search for",
            "There is no letter, digit or emoji in it to search for, or it is longer than 256 bytes.",
            "Search for one or a few words.",
        ),
        CommandError::BadNote => (
            "bad_note",
            422,
            "Not a usable note",
            "The note is too long (it has room for 512 bytes, some 250 to 500 letters) or has characters that cannot be shown.",
            "Make it one short line.",
        ),
        CommandError::WordsDiffer => (
            "words_differ",
            409,
            "The words differ",
            "These are not this friend's words. Somebody may stand between you.",
            "Compare again by voice or in person. If they still differ, do not trust this connection.",
        ),
        CommandError::NotFriends => (
            "not_friends",
            409,
            "Not friends",
            "The friendship has ended, or is not there yet.",
            "Wait until the request is confirmed; when it has ended, `symbolon add` with a new invite makes it again.",
        ),
        CommandError::Full => {
            ("full", 409, "Full", "There are too many of these already.", "Deal with old requests, or let invites expire, and try again.")
        }
        CommandError::BadLifetime => (
            "bad_lifetime",
            422,
            "Not a usable lifetime",
            "The time must be more than zero, and for an invite at most 90 days.",
            "Write something like 12h or 7d.",
        ),
        CommandError::NotInRoom => (
            "not_in_room",
            409,
            "Not in the room",
            "You have left this room, or were removed from it; its history stays.",
            "Ask a member to add you again. A device that you restored needs nobody to ask: it comes in once an owner or admin who is your friend has been online.",
        ),
        CommandError::NoRight => (
            "no_right",
            403,
            "Not allowed in this room",
            "Your role in the room does not allow that.",
            "See who may by `symbolon room members ROOM`, and ask one of them.",
        ),
        CommandError::OldBuild => (
            "old_build",
            409,
            "Their version is older",
            "One of them runs an older version of Symbolon, which knows no rooms.",
            "Ask them to update, then try again.",
        ),
        CommandError::NotFirstDevice => (
            "not_first_device",
            409,
            "Not the first device",
            "Only your first device, or one that you restored, can let another one in: it holds your root key.",
            "Run `symbolon device pair` there; `symbolon device list` shows which one it is.",
        ),
        CommandError::BadBackup => (
            "bad_backup",
            400,
            "Not a part of a backup",
            "A part of this backup cannot be read.",
            "Use another copy of it, or a newer version of Symbolon.",
        ),
        CommandError::WrongPhrase => (
            "wrong_phrase",
            400,
            "Not the right words",
            "These words are not the recovery phrase of this person.",
            "Look whether all 24 are there, in the right order, and of the right person.",
        ),
        CommandError::PhraseGone => (
            "phrase_gone",
            409,
            "The words are not kept here any more",
            "The recovery phrase was confirmed as written down, and erased here.",
            "Use what you have written down. It cannot be shown again.",
        ),
        CommandError::BadCode => (
            "bad_code",
            400,
            "Not a pairing code",
            "This is not a pairing code, or a letter of it is wrong.",
            "A code has 26 letters and digits. Copy it again from your first device: “Add a device” on its page, or `symbolon device pair`.",
        ),
        CommandError::NotFresh => (
            "not_fresh",
            409,
            "Folder in use",
            "This folder has friends, requests, invites or texts of its own, which would be lost.",
            "Start a node on a new folder with `symbolon --data DIR up`, and join from there.",
        ),
        CommandError::OnlyDevice => (
            "only_device",
            409,
            "Only device",
            "This is the only device of that friend that this one knows.",
            "Block the friend instead: `symbolon block FRIEND`.",
        ),
        CommandError::OlderDevice => (
            "older_device",
            409,
            "The older device stands",
            "Of two devices of yours the one that was there first can remove the other one, not the other way round.",
            "Remove it from your first device, or from one that is older than both.",
        ),
        CommandError::DevicesKept => (
            "devices_kept",
            409,
            "Your words decide",
            "You have said by your recovery phrase which devices are yours: nothing else adds one or takes one away.",
            "To take one away: `symbolon device keep` with the others. A new one comes by `symbolon backup restore`.",
        ),
        CommandError::DeviceGone => (
            "device_gone",
            409,
            "Device removed",
            "Another device of yours has removed this one. Its history stays readable; nothing is sent from it any more.",
            "Start a new folder and pair it again, if this device is still yours.",
        ),
        CommandError::DeviceExpired => (
            "device_expired",
            409,
            "Certificate expired",
            "The certificate of this device has ended: nobody who does not know it yet would believe it. What you write to friends still goes.",
            "Start your first device, so that both meet: it renews this one.",
        ),
        CommandError::NoHub => (
            "no_hub",
            409,
            "No hub for the room",
            "People knock at a room by a hub: a relay, or a member's node. This node has no relay and is none.",
            "Run a relay with `symbolon relay run --hub` and add it with `symbolon relay add`, or start this node with `symbolon up --hub`. Then make the card again.",
        ),
        CommandError::IsCard => {
            ("is_card", 422, "A room's card", "This is the card of a room.", "Knock at the room with `symbolon room knock CARD`.")
        }
        CommandError::IsInvite => {
            ("is_invite", 422, "An invite", "This is an invite to friendship.", "Ask its maker for friendship with `symbolon add LINK`.")
        }
        CommandError::IsRelay => {
            ("is_relay_link", 422, "A relay's link", "This is the link of a relay.", "Keep a mailbox there with `symbolon relay add LINK`.")
        }
        CommandError::BadClaim => (
            "bad_claim",
            422,
            "Not a claim code",
            "This is not a claim code, or a letter of it is wrong.",
            "A claim code has 26 letters and digits. `symbolon relay info` prints it on the relay's machine.",
        ),
        CommandError::StoreFailed => (
            "store_failed",
            507,
            "Not stored",
            "The change could not be written to disk, so nothing was changed.",
            "Check that the disk is healthy and not read-only, then try again.",
        ),
        CommandError::StoreFull => (
            "store_full",
            507,
            "Disk full",
            "The disk is full, so nothing was changed; everything accepted before is safe.",
            "Free some space, then try again: the node continues automatically.",
        ),
    };
    Entry { kind, status, title, detail, hint }
}
