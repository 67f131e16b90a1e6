//! What the API shows, as JSON. The one place where field names stand.
//!
//! Ids are lower-case base32, times RFC 3339 in UTC, enumerations lower-case words. What
//! this version does not have yet is shown as what it is: off, or an empty list.

use super::qr::Qr;
use serde_json::{Map, Value, json};
use symbolon_core::command::{
    Build, Direction, FriendView, IdentityView, InviteState, InviteView, LookupView, MessageState, MessageView, Path, RelayView, Reply,
    RequestKind, RequestStatus, RequestView, StatusView, Trust,
};
use symbolon_core::seam::{Event, Warning};
use symbolon_presence::time::Timestamp;
use time::{Duration, OffsetDateTime};

/// The answer to a command. Lists stand in an object under their own name.
pub fn reply(reply: &Reply) -> Value {
    match reply {
        Reply::Identity(view) => identity(view),
        Reply::Invite { link, expires, warning } => json!({
            "link": link,
            "expires": time(*expires),
            "warning": warning,
            "qr": Qr::link(link).map(|qr| qr.svg()),
        }),
        Reply::Invites(views) => json!({ "invites": views.iter().map(invite).collect::<Vec<_>>() }),
        Reply::InviteRevoked(view) => invite(view),
        Reply::Request(view) => request(view),
        Reply::Requests(views) => json!({ "requests": views.iter().map(request).collect::<Vec<_>>() }),
        Reply::Friend(view) => friend(view),
        Reply::Friends(views) => json!({ "friends": views.iter().map(friend).collect::<Vec<_>>() }),
        Reply::Message(view) => message(view),
        Reply::Messages(views) => json!({ "messages": views.iter().map(message).collect::<Vec<_>>() }),
        Reply::Relay(view) => relay(view),
        Reply::Relays(views) => json!({ "relays": views.iter().map(relay).collect::<Vec<_>>() }),
        Reply::Lookup(view) => lookup(view),
        Reply::Lookups(views) => json!({ "lookups": views.iter().map(lookup).collect::<Vec<_>>() }),
        Reply::Confirmed(had_stopped) => json!({ "device": "confirmed", "had_stopped": had_stopped }),
        Reply::Resent(texts) => json!({ "resent": texts }),
        Reply::Status(view) => status(view),
        // Shown as checks, together with what the shell knows: see `doctor`.
        Reply::Doctor(view) => json!({ "problems": view.problems }),
    }
}

fn identity(view: &IdentityView) -> Value {
    json!({
        "id": view.id.to_string(),
        "words": view.words,
        "name": view.name,
        "device": view.device.to_string(),
        "findable": view.findable,
        "beware": view.beware,
    })
}

fn invite(view: &InviteView) -> Value {
    json!({
        "invite": view.invite.to_string(),
        "expires": time(view.expires),
        "used": view.state == InviteState::Used,
        "state": match view.state {
            InviteState::Open => "open",
            InviteState::Used => "used",
            InviteState::Expired => "expired",
            InviteState::Revoked => "revoked",
        },
    })
}

fn request(view: &RequestView) -> Value {
    let is_introduction = view.kind == RequestKind::Introduction;
    json!({
        "request": view.request.to_string(),
        "introduction": is_introduction.then(|| view.request.to_string()),
        "kind": if is_introduction { "introduction" } else { "friend" },
        "direction": match view.direction {
            Direction::In => "in",
            Direction::Out => "out",
        },
        "peer": view.peer.to_string(),
        "name": view.name,
        "words": view.words,
        "trust": trust(view.trust),
        "note": view.note,
        "status": request_status(view.status),
        "fault": view.fault,
        "introduced_by": view.introduced_by,
        "created": time(view.created),
    })
}

fn friend(view: &FriendView) -> Value {
    json!({
        "id": view.id.to_string(),
        "name": view.name,
        "words": view.words,
        "trust": trust(view.trust),
        "mutual": view.mutual,
        "introduced_by": view.introduced_by,
        "online": view.online,
        "path": view.path.map(|path| match path {
            Path::Direct => "direct",
            Path::Lan => "lan",
            Path::Relay => "relay",
        }),
        "blocked": view.blocked,
        "hidden": view.hidden,
        "beware": view.beware,
        "build": view.build.map(Build::name),
        "unread": view.unread,
    })
}

fn message(view: &MessageView) -> Value {
    json!({
        "message": view.message.to_string(),
        "conversation": view.conversation_name,
        "conversation_id": view.conversation.to_string(),
        "from": view.from_name,
        "from_id": view.from.to_string(),
        "text": view.text,
        "file": null,
        "at": time(view.at),
        "state": message_state(view.state),
        "reason": view.reason,
        "mine": view.mine,
    })
}

fn status(view: &StatusView) -> Value {
    json!({
        "peers": view.peers,
        "lan": if view.lan.is_some() { "on" } else { "off" },
        "nearby": view.lan.as_ref().map(|lan| json!({
            "friends": lan.friends,
            "visible_until": lan.visible_until.map(time),
            "strangers": lan.strangers,
        })),
        "dht": match (view.dht.servers, view.dht.neighbours) {
            (0, 0) => "off",
            (0, _) => "lan",
            _ => "on",
        },
        "lookup": {
            "servers": view.dht.servers,
            "own": view.dht.lookups.1,
            "own_answering": view.dht.lookups.0,
            "read_back": view.dht.read_back.map(time),
        },
        "relays": view.relays.iter().map(relay).collect::<Vec<_>>(),
        "queue": view.queue,
        "problems": view.problems,
        "sent_frames": counters(&view.sent_frames),
        "dropped_frames": counters(&view.dropped_frames),
    })
}

fn lookup(view: &LookupView) -> Value {
    json!({
        "lookup": crate::net::address_to_text(&view.lookup),
        "state": match view.answers {
            Some(true) => "answers",
            Some(false) => "unreachable",
            None => "not_asked",
        },
    })
}

fn relay(view: &RelayView) -> Value {
    json!({
        "relay": view.relay.to_string(),
        "role": "mailbox",
        "state": view.state.name(),
        "problem": view.state.problem(&view.relay),
        // What may lie there is known once the relay has said so.
        "quota": (view.entries_max > 0).then(|| json!({
            "entries": view.entries,
            "entries_max": view.entries_max,
            "bytes": view.bytes,
            "bytes_max": view.bytes_max,
        })),
    })
}

fn counters(counters: &[(&'static str, u64)]) -> Value {
    Value::Object(counters.iter().map(|(kind, count)| ((*kind).to_owned(), Value::from(*count))).collect::<Map<_, _>>())
}

fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Verified => "verified",
        Trust::Introduced => "introduced",
        Trust::Invited | Trust::InvitedOrCompared => "invited",
        Trust::Room => "room",
        Trust::Unknown => "unknown",
    }
}

fn request_status(status: RequestStatus) -> &'static str {
    match status {
        RequestStatus::Unresolved => "unresolved",
        RequestStatus::Pending => "pending",
        RequestStatus::Accepted => "accepted",
        RequestStatus::Confirmed => "confirmed",
        RequestStatus::Ignored => "ignored",
        RequestStatus::Blocked => "blocked",
        RequestStatus::Expired => "expired",
        RequestStatus::Cancelled => "cancelled",
    }
}

/// How far a message got, as a word.
pub fn message_state(state: MessageState) -> &'static str {
    match state {
        MessageState::Queued => "queued",
        MessageState::Stored => "stored",
        MessageState::Delivered => "delivered",
        MessageState::Read => "read",
        MessageState::Failed => "failed",
    }
}

/// A word for a state, read back.
pub fn parse_message_state(word: &str) -> Option<MessageState> {
    [MessageState::Queued, MessageState::Stored, MessageState::Delivered, MessageState::Read, MessageState::Failed]
        .into_iter()
        .find(|state| message_state(*state) == word)
}

/// An event's name and data. Names only what changed; the content is read by its own route.
pub fn event(event: &Event) -> (&'static str, Value) {
    match event {
        Event::Message { room, message } => ("message", json!({ "conversation_id": room.to_string(), "message": message.to_string() })),
        Event::MessageState { message } => ("message_state", json!({ "message": message.to_string() })),
        Event::Request(request) => ("request", json!({ "request": request.to_string() })),
        Event::Friend(peer) => ("friend", json!({ "id": peer.to_string() })),
        Event::Online { peer, online } => ("online", json!({ "id": peer.to_string(), "online": online })),
        Event::Warning(warning) => {
            let (kind, text) = warning_text(*warning);
            ("warning", json!({ "warning": kind, "text": text }))
        }
    }
}

fn warning_text(warning: Warning) -> (&'static str, &'static str) {
    match warning {
        Warning::InviteReused => (
            "invite_reused",
            "An invite of yours that was used already was tried again by somebody else. If you shared it in public, make a new one for each person.",
        ),
        Warning::InviteExpired => {
            ("invite_expired", "Somebody tried an invite of yours that has expired. Make a new one if you still expect somebody.")
        }
        Warning::KeysChanged => {
            ("keys_changed", "A friend request came again with other keys. Compare the words with that person before you accept.")
        }
        Warning::OlderCopy => (
            "older_copy",
            "This folder is an older copy of itself: a friend has seen a newer state. The room with that friend is made again; nothing that waits here is lost.",
        ),
        Warning::SecondCopy => (
            "second_copy",
            "Another copy of this folder runs. This one has stopped: run `symbolon device confirm` where you want to go on.",
        ),
        Warning::FriendReturned => (
            "friend_returned",
            "A friend's device came back from an older copy of its folder. If that friend did not do it, somebody may have copied their folder: ask them.",
        ),
    }
}

/// RFC 3339 in UTC with milliseconds; a moment beyond the calendar is shown as its last one.
pub fn time(at: Timestamp) -> String {
    const LAST: u64 = 253_402_300_799_999;
    let millis = at.0.min(LAST);
    let at = OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::milliseconds(i64::try_from(millis).unwrap_or(i64::MAX)));
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_and_never_panic() {
        assert_eq!(time(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(Timestamp(1_795_218_529_250)), "2026-11-20T23:48:49.250Z");
        assert_eq!(time(Timestamp(u64::MAX)), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn message_states_read_back() {
        for word in ["queued", "stored", "delivered", "read", "failed"] {
            assert_eq!(parse_message_state(word).map(message_state), Some(word));
        }
        assert_eq!(parse_message_state("sent"), None);
    }
}
