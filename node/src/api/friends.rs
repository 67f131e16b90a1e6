//! Friends: who they are, what they are called here, and the end of a friendship.

use super::ask::{Answer, answer, answer_about};
use super::extract::Json;
use super::json::list;
use super::people::{trust, trust_schema};
use super::rooms;
use super::route::{Resource, change, read};
use super::schema::{self, Schemas, beware, flag, id, number, object, text, text_or_null, texts};
use super::state::ApiState;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use symbolon_core::command::{Build, Command, FriendView, Path, Reply, Who};

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        read("/api/v1/friends", "Friends", "All friends, by name.", || get(all)),
        read(
            "/api/v1/friends/former",
            "Friends",
            "Those whose friendship was ended here, by name; what was written with them stays and can be read.",
            || get(former),
        ),
        change("/api/v1/friends/rename", Some("RenameBody"), "Friend", "Gives a friend another name here.", || post(rename)),
        change(
            "/api/v1/friends/verify",
            Some("VerifyBody"),
            "Friend",
            "Shows a friend's fingerprint words, or compares them with those that the friend read out.",
            || post(verify),
        ),
        change(
            "/api/v1/friends/hide",
            Some("HideBody"),
            "Friend",
            "Hides from a friend where this node is, or shows it again; the friend does not hear of it.",
            || post(hide),
        ),
        change(
            "/api/v1/friends/unfriend",
            Some("UnfriendBody"),
            "Friend",
            "Ends a friendship on this side; the other side does not hear of it. History and name stay.",
            || post(unfriend),
        ),
    ],
    schemas,
};

fn schemas() -> Schemas {
    let friend = json!({
        "id": id(),
        "name": text(),
        "calls_themself": { "type": ["string", "null"], "description": "The friend's own name, as they say it, where it is another one." },
        "words": text(),
        "trust": trust_schema(),
        "introduced_by": texts(),
        "online": { "type": ["boolean", "null"] },
        "path": { "type": ["string", "null"], "enum": ["direct", "lan", "relay", null] },
        "blocked": flag(),
        "hidden": { "type": "boolean", "description": "One's own addresses are kept from this friend." },
        "beware": beware(),
        "build": {
            "type": ["string", "null"],
            "enum": ["older", "newer", null],
            "description": "The friend's version of Symbolon, when it and ours do not understand each other: texts wait until one is updated.",
        },
        "mutual": { "type": "boolean", "description": "Both sides have confirmed; messages wait until then." },
        "unread": number(),
        "devices": schema::list("FriendDevice"),
    });
    let device = json!({ "device": id(), "online": { "type": ["boolean", "null"] } });
    vec![
        ("FriendDevice", object(device, &[])),
        ("Friend", object(friend, &[])),
        ("Friends", object(json!({ "friends": schema::list("Friend") }), &[])),
        ("RenameBody", object(json!({ "friend": text(), "name": text() }), &[])),
        ("VerifyBody", object(json!({ "friend": text(), "words": text_or_null() }), &["words"])),
        ("HideBody", object(json!({ "friend": text(), "hidden": flag() }), &[])),
        ("UnfriendBody", object(json!({ "friend": text(), "leave_rooms": flag() }), &["leave_rooms"])),
    ]
}

/// Shows one friend or all.
pub fn show(reply: &Reply) -> Option<Value> {
    if let Reply::Friends(views) = reply {
        return Some(list("friends", views, view));
    }
    let Reply::Friend(friend) = reply else { return None };
    Some(view(friend))
}

fn view(view: &FriendView) -> Value {
    json!({
        "id": view.id.to_string(),
        "name": view.name,
        "calls_themself": view.says,
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
        "devices": view.devices.iter().map(|(device, online)| json!({ "device": device.to_string(), "online": online })).collect::<Vec<_>>(),
    })
}

async fn all(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Friends, show).await
}

async fn former(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::FormerFriends, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RenameBody {
    friend: String,
    name: String,
}

async fn rename(State(state): State<ApiState>, Json(body): Json<RenameBody>) -> Answer {
    let command = Command::Rename { friend: Who(body.friend.clone()), name: body.name };
    answer_about(&state, &body.friend, command, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyBody {
    friend: String,
    words: Option<String>,
}

async fn verify(State(state): State<ApiState>, Json(body): Json<VerifyBody>) -> Answer {
    let command = Command::Verify { friend: Who(body.friend.clone()), words: body.words };
    answer_about(&state, &body.friend, command, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HideBody {
    friend: String,
    hidden: bool,
}

async fn hide(State(state): State<ApiState>, Json(body): Json<HideBody>) -> Answer {
    let HideBody { friend, hidden } = body;
    answer_about(&state, &friend, Command::Hide { friend: Who(friend.clone()), hidden }, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnfriendBody {
    friend: String,
    leave_rooms: Option<bool>,
}

async fn unfriend(State(state): State<ApiState>, Json(body): Json<UnfriendBody>) -> Answer {
    if body.leave_rooms == Some(true) {
        rooms::leave_with(&state, &body.friend).await?;
    }
    answer_about(&state, &body.friend, Command::Unfriend(Who(body.friend.clone())), show).await
}
