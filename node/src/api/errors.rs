//! Everything that can go wrong with a request, in one table: a stable kind, an HTTP
//! status, a sentence and a hint (RFC 9457, `application/problem+json`).
//!
//! No entry repeats what the user typed or names a person: the texts may be shown, kept
//! and pasted into a report. The ids that an ambiguous name could mean travel in a member
//! of their own.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use symbolon_core::command::CommandError;

/// Why a request was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The node refused the command.
    Command(CommandError),
    /// No token, or not a good one.
    Unauthorized,
    /// The `Host` header names somebody else: another site's name that leads here.
    WrongHost,
    /// The request was made by another site's page.
    ForeignOrigin,
    /// No such address.
    NoRoute,
    /// The address does not know this method.
    WrongMethod,
    /// Body, query or header is not what the route takes.
    BadRequest,
    /// The body is over [`BODY_MAX`](super::limits::BODY_MAX).
    TooLarge,
    /// The body is not declared as JSON.
    NotJson,
    /// No answer within [`REQUEST_TIMEOUT`](super::limits::REQUEST_TIMEOUT).
    TimedOut,
    /// The node is stopping.
    Stopping,
    /// A fault of this program.
    Internal,
}

/// What the table says about one fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Stable name for programs.
    pub kind: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Short heading, the same for every case of this kind.
    pub title: &'static str,
    /// What happened, for people.
    pub detail: &'static str,
    /// What to do about it.
    pub hint: &'static str,
}

impl Fault {
    /// Every fault once, in the order of the API's description.
    pub const ALL: [Self; 49] = [
        Self::Command(CommandError::NotFound),
        Self::Command(CommandError::Ambiguous),
        Self::Command(CommandError::BadLink),
        Self::Command(CommandError::BadAddress),
        Self::Command(CommandError::LinkExpired),
        Self::Command(CommandError::OldLink),
        Self::Command(CommandError::WrongClock),
        Self::Command(CommandError::OwnIdentity),
        Self::Command(CommandError::BadTarget),
        Self::Command(CommandError::AlreadyFriends),
        Self::Command(CommandError::IsBlocked),
        Self::Command(CommandError::WrongStatus),
        Self::Command(CommandError::BadName),
        Self::Command(CommandError::NameTaken),
        Self::Command(CommandError::BadText),
        Self::Command(CommandError::BadSearch),
        Self::Command(CommandError::BadNote),
        Self::Command(CommandError::WordsDiffer),
        Self::Command(CommandError::NotFriends),
        Self::Command(CommandError::NotInRoom),
        Self::Command(CommandError::NoRight),
        Self::Command(CommandError::OldBuild),
        Self::Command(CommandError::NoHub),
        Self::Command(CommandError::IsCard),
        Self::Command(CommandError::IsInvite),
        Self::Command(CommandError::Full),
        Self::Command(CommandError::NotFirstDevice),
        Self::Command(CommandError::BadBackup),
        Self::Command(CommandError::WrongPhrase),
        Self::Command(CommandError::PhraseGone),
        Self::Command(CommandError::BadCode),
        Self::Command(CommandError::NotFresh),
        Self::Command(CommandError::OnlyDevice),
        Self::Command(CommandError::OlderDevice),
        Self::Command(CommandError::DeviceGone),
        Self::Command(CommandError::BadLifetime),
        Self::Command(CommandError::StoreFailed),
        Self::Command(CommandError::StoreFull),
        Self::Unauthorized,
        Self::WrongHost,
        Self::ForeignOrigin,
        Self::NoRoute,
        Self::WrongMethod,
        Self::BadRequest,
        Self::TooLarge,
        Self::NotJson,
        Self::TimedOut,
        Self::Stopping,
        Self::Internal,
    ];

    /// The table.
    pub fn entry(self) -> Entry {
        let (kind, status, title, detail, hint) = match self {
            Self::Command(error) => return command_entry(error),
            Self::Unauthorized => (
                "unauthorized",
                401,
                "Not signed in",
                "This request carries no good token.",
                "Run `symbolon page` for a fresh address of the page, or send the token of the data folder as `Authorization: Bearer`.",
            ),
            Self::WrongHost => (
                "wrong_host",
                403,
                "Wrong host",
                "The request was addressed to another host name than this node's own.",
                "Use 127.0.0.1 or localhost with the node's port.",
            ),
            Self::ForeignOrigin => (
                "foreign_origin",
                403,
                "Foreign page",
                "The request was made by a page that is not this node's own.",
                "Use the node's own page, or a program that sends the token as `Authorization: Bearer`.",
            ),
            Self::NoRoute => {
                ("no_route", 404, "No such address", "There is nothing at this address.", "All addresses stand in /api/v1/openapi.json.")
            }
            Self::WrongMethod => (
                "wrong_method",
                405,
                "Wrong method",
                "This address does not take this method.",
                "The methods of every address stand in /api/v1/openapi.json.",
            ),
            Self::BadRequest => (
                "bad_request",
                400,
                "Malformed request",
                "The body, a parameter or a header is not what this address takes.",
                "The fields of every address stand in /api/v1/openapi.json.",
            ),
            Self::TooLarge => ("too_large", 413, "Too large", "The request is longer than 64 KiB.", "Make it shorter, or split it."),
            Self::NotJson => {
                ("not_json", 415, "Not JSON", "The body is not declared as JSON.", "Send it with `Content-Type: application/json`.")
            }
            Self::TimedOut => (
                "timed_out",
                504,
                "No answer in time",
                "The node did not answer within 30 seconds.",
                "The command may still be carried out: look before you repeat it.",
            ),
            Self::Stopping => {
                ("stopping", 503, "Stopping", "The node is stopping and takes no more commands.", "Start it again with `symbolon up`.")
            }
            Self::Internal => (
                "internal",
                500,
                "Internal fault",
                "Something went wrong inside the node.",
                "Restart the node; if it happens again, please report it.",
            ),
        };
        Entry { kind, status, title, detail, hint }
    }
}

fn command_entry(error: CommandError) -> Entry {
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
            "An invite begins with `symbolon:`; a Peer ID has 52 letters and digits.",
        ),
        CommandError::AlreadyFriends => {
            ("already_friends", 409, "Friends already", "You are friends with this person already.", "Just write a message.")
        }
        CommandError::IsBlocked => (
            "is_blocked",
            409,
            "Blocked",
            "You have blocked this person.",
            "Take the block back first (`symbolon unblock`), if that is what you want.",
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
            "The name is empty, longer than 64 bytes, or has characters that cannot be shown.",
            "Choose a short name of ordinary letters.",
        ),
        CommandError::NameTaken => {
            ("name_taken", 409, "Name taken", "Another friend has this name here.", "Choose a name that is not in use yet.")
        }
        CommandError::BadText => (
            "bad_text",
            422,
            "Not a usable text",
            "The text is empty or longer than 16 KiB.",
            "Write something, or split it into several messages.",
        ),
        CommandError::BadSearch => (
            "bad_search",
            422,
            "Nothing to search for",
            "There is no letter or digit in it to search for, or it is longer than 256 bytes.",
            "Search for one or a few words.",
        ),
        CommandError::BadNote => (
            "bad_note",
            422,
            "Not a usable note",
            "The note is longer than 512 bytes or has characters that cannot be shown.",
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
            "The friendship is over, or not there yet.",
            "Wait until the request is confirmed; when it is over, `symbolon add` with a new invite makes it again.",
        ),
        CommandError::Full => {
            ("full", 409, "Full", "There are too many of these already.", "Deal with old requests, or let invites expire, and try again.")
        }
        CommandError::BadLifetime => (
            "bad_lifetime",
            422,
            "Not a usable lifetime",
            "The lifetime is zero, or that of an invite longer than 90 days.",
            "Choose something like 7 days.",
        ),
        CommandError::NotInRoom => (
            "not_in_room",
            409,
            "Not in the room",
            "You have left this room, or were removed from it; its history stays.",
            "Ask a member to add you again.",
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
            "Not the words of this backup",
            "These words are not the recovery phrase of the person whose backup this is.",
            "Look whether they are in the right order, and of the right person.",
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
            "A code has 26 letters and digits. Run `symbolon device pair` on your first device and copy what it prints.",
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
        CommandError::DeviceGone => (
            "device_gone",
            409,
            "Device removed",
            "Another device of yours has removed this one. Its history stays readable; nothing is sent from it any more.",
            "Start a new folder and pair it again, if this device is still yours.",
        ),
        CommandError::NoHub => (
            "no_hub",
            409,
            "No hub for the room",
            "People knock at a room by a relay that is a hub, and this node has no relay.",
            "Run one with `symbolon relay run --hub`, add it with `symbolon relay add`, and make the card again.",
        ),
        CommandError::IsCard => (
            "is_card",
            422,
            "A room's card",
            "This is the card of a room, and no invite.",
            "Knock at the room with `symbolon room knock CARD`.",
        ),
        CommandError::IsInvite => (
            "is_invite",
            422,
            "An invite",
            "This is an invite to friendship, and no room's card.",
            "Ask its maker for friendship with `symbolon add LINK`.",
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
            "Free some space, then try again: the node goes on by itself.",
        ),
    };
    Entry { kind, status, title, detail, hint }
}

/// A fault on its way to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What went wrong.
    pub fault: Fault,
    /// What an ambiguous name could mean; at most [`CANDIDATES_MAX`].
    pub candidates: Vec<Candidate>,
}

/// One of those whom an ambiguous name could mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// A whole id.
    pub id: String,
    /// The name that goes with it.
    pub name: String,
}

/// Most ids listed for an ambiguous name.
pub const CANDIDATES_MAX: usize = 16;

impl Problem {
    /// Whether a name or the beginning of an id could mean several.
    pub fn is_ambiguous(&self) -> bool {
        self.fault == Fault::Command(CommandError::Ambiguous)
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self { fault, candidates: Vec::new() }
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        Fault::Command(error).into()
    }
}

/// RFC 9457, with the members `error`, `hint`, `candidates` (ids) and `choices` (ids and names) of our own.
#[derive(Debug, Serialize)]
struct ProblemView {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'static str,
    error: &'static str,
    hint: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    choices: Vec<Candidate>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Entry { kind, status, title, detail, hint } = self.fault.entry();
        let view = ProblemView {
            r#type: format!("/api/v1/openapi.json#/components/x-problems/{kind}"),
            title,
            status,
            detail,
            error: kind,
            hint,
            candidates: self.candidates.iter().map(|one| one.id.clone()).collect(),
            choices: self.candidates,
        };
        // A struct of strings and one number always serialises.
        let body = serde_json::to_vec(&view).unwrap_or_default();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_fault_has_its_own_kind_a_sentence_and_a_hint() {
        let mut kinds = BTreeSet::new();
        for fault in Fault::ALL {
            let entry = fault.entry();
            assert!(kinds.insert(entry.kind), "{} stands twice", entry.kind);
            assert!((400..600).contains(&entry.status));
            assert!(entry.kind.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            for text in [entry.detail, entry.hint] {
                assert!(text.ends_with('.') && text.len() > 10, "{}: {text}", entry.kind);
            }
        }
    }
}
