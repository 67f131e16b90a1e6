//! Rooms: who is in them, and what they are called.

use super::ask::{Answer, answer, answer_about, ask, request_id};
use super::errors::{Fault, Problem, Sought, sought};
use super::extract::{Json, Query};
use super::json::{list, time as time_of};
use super::people::{trust, trust_schema};
use super::qr::Qr;
use super::requests;
use super::route::{Resource, Route, change, read};
use super::schema::{self, Schemas, flag, id, number, object, text, text_or_null, texts, time, word};
use super::state::ApiState;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use symbolon_core::command::{CardView, Command, CommandError, MemberView, Reply, RoomRole, RoomStanding, RoomView, Who};
use symbolon_core::names::is_same;

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        read("/api/v1/rooms", "Rooms", "All rooms that this node is in or was in, by name.", || get(all)),
        Route {
            query: &[("who", "string", true, "A friend, or a request: its name, or its id or the beginning of that.")],
            ..read("/api/v1/rooms/with", "Rooms", "The rooms that I am in with somebody, by name.", || get(with))
        },
        change("/api/v1/rooms", Some("NewRoomBody"), "Room", "Makes a room, with nobody else in it yet.", || post(create)),
        Route {
            query: &[("room", "string", true, "The room: its name, or its id or the beginning of that.")],
            ..read("/api/v1/rooms/members", "Members", "Who is in a room: oneself first, then by name.", || get(members))
        },
        change(
            "/api/v1/rooms/add",
            Some("RoomPeopleBody"),
            "Room",
            "Adds friends to a room; answers once that is durable here. Who cannot be reached yet is `invited` until then.",
            || post(add),
        ),
        change(
            "/api/v1/rooms/remove",
            Some("RoomPeopleBody"),
            "Room",
            "Removes people from a room, or takes back that they are invited.",
            || post(remove),
        ),
        change(
            "/api/v1/rooms/befriend",
            Some("RoomBefriendBody"),
            "Request",
            "Asks somebody in a room for friendship; they see a request like any other.",
            || post(befriend),
        ),
        change(
            "/api/v1/rooms/card",
            Some("RoomBody"),
            "Card",
            "Makes a card by which people knock at a room; the first card opens the room to knocks.",
            || post(card),
        ),
        change("/api/v1/rooms/knock", Some("CardBody"), "Request", "Knocks at a room by its card.", || post(knock)),
        change("/api/v1/rooms/vouch", Some("VouchBody"), "Request", "Vouches for somebody who knocks at a room.", || post(vouch)),
        change("/api/v1/rooms/leave", Some("RoomBody"), "Room", "Leaves a room; its history stays.", || post(leave)),
        change("/api/v1/rooms/rename", Some("RoomNameBody"), "Room", "Gives a room another name, for all who are in it.", || post(rename)),
        change("/api/v1/rooms/topic", Some("RoomTopicBody"), "Room", "Says what a room is about; an empty text takes that back.", || {
            post(topic)
        }),
        change("/api/v1/rooms/role", Some("RoomRoleBody"), "Room", "Gives somebody in a room another role.", || post(role)),
        change(
            "/api/v1/rooms/note",
            Some("RoomNoteBody"),
            "Room",
            "Mutes or archives a room, or stops that; on this side alone. What is absent stays.",
            || post(note),
        ),
    ],
    schemas,
};

fn roles() -> Value {
    word(&[RoomRole::Member.name(), RoomRole::Admin.name(), RoomRole::Owner.name()])
}

fn schemas() -> Schemas {
    let standings = [
        RoomStanding::Member,
        RoomStanding::Asked,
        RoomStanding::Leaving,
        RoomStanding::Left,
        RoomStanding::Removed,
        RoomStanding::Elsewhere,
    ];
    let room = json!({
        "room": id(),
        "name": text(),
        "topic": { "type": "string", "description": "Empty for none." },
        "epoch": { "type": "integer", "minimum": 0, "description": "Rises with each change of who is in it, or of its settings." },
        "members": { "type": "integer", "minimum": 0, "description": "How many people are in it, oneself among them." },
        "role": { "type": ["string", "null"], "enum": ["member", "admin", "owner", null] },
        "standing": word(&standings.map(RoomStanding::name)),
        "unread": number(),
        "muted": flag(),
        "archived": flag(),
        "invited": { "type": "array", "items": text(), "description": "Who is to come in, and was not reached yet." },
        "added_by": text_or_null(),
        "heirs": {
            "type": "array",
            "items": text(),
            "description": "Where one is the only owner: who becomes one when one leaves; where several have been there longest, one of them.",
        },
    });
    let member = json!({ "id": id(), "name": text(), "words": text(), "trust": trust_schema(), "role": roles(), "me": flag() });
    vec![
        ("Room", object(room, &[])),
        ("Rooms", object(json!({ "rooms": schema::list("Room") }), &[])),
        ("Member", object(member, &[])),
        ("Members", object(json!({ "members": schema::list("Member") }), &[])),
        ("NewRoomBody", object(json!({ "name": text() }), &[])),
        ("RoomBody", object(json!({ "room": text() }), &[])),
        ("Card", object(json!({ "card": text(), "expires": time(), "qr": text_or_null() }), &[])),
        ("CardBody", object(json!({ "card": text() }), &[])),
        ("VouchBody", object(json!({ "request": text() }), &[])),
        ("RoomPeopleBody", object(json!({ "room": text(), "who": texts() }), &[])),
        ("RoomBefriendBody", object(json!({ "room": text(), "who": text(), "note": text_or_null() }), &["note"])),
        ("RoomNameBody", object(json!({ "room": text(), "name": text() }), &[])),
        ("RoomTopicBody", object(json!({ "room": text(), "topic": text() }), &[])),
        ("RoomRoleBody", object(json!({ "room": text(), "who": text(), "role": roles() }), &[])),
        ("RoomNoteBody", object(json!({ "room": text(), "muted": flag(), "archived": flag() }), &["muted", "archived"])),
    ]
}

/// Shows one room or all, or who is in one.
fn show(reply: &Reply) -> Option<Value> {
    if let Reply::Rooms(views) = reply {
        return Some(list("rooms", views, view));
    }
    if let Reply::Members(views) = reply {
        return Some(list("members", views, member));
    }
    let Reply::Room(room) = reply else { return None };
    Some(view(room))
}

fn view(view: &RoomView) -> Value {
    json!({
        "room": view.room.to_string(),
        "name": view.name,
        "topic": view.topic,
        "epoch": view.epoch,
        "members": view.members,
        "role": view.role.map(RoomRole::name),
        "standing": view.standing.name(),
        "unread": view.unread,
        "muted": view.is_muted,
        "archived": view.is_archived,
        "invited": view.invited,
        "added_by": view.added_by,
        "heirs": view.heirs,
    })
}

fn member(view: &MemberView) -> Value {
    json!({
        "id": view.id.to_string(),
        "name": view.name,
        "words": view.words,
        "trust": trust(view.trust),
        "role": view.role.name(),
        "me": view.is_me,
    })
}

async fn all(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Rooms, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRoomBody {
    name: String,
}

async fn create(State(state): State<ApiState>, Json(body): Json<NewRoomBody>) -> Answer {
    answer(&state, Command::RoomCreate(body.name), show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomBody {
    room: String,
}

async fn members(State(state): State<ApiState>, Query(query): Query<RoomBody>) -> Answer {
    answer_about(&state, &query.room, Command::RoomMembers(Who(query.room.clone())), show).await
}

async fn with(State(state): State<ApiState>, Query(query): Query<WithQuery>) -> Answer {
    answer_about(&state, &query.who, Command::RoomsWith(Who(query.who.clone())), show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithQuery {
    who: String,
}

async fn card(State(state): State<ApiState>, Json(body): Json<RoomBody>) -> Answer {
    let show = |reply: &Reply| {
        let Reply::Card(CardView { card, expires }) = reply else { return None };
        Some(json!({ "card": card, "expires": time_of(*expires), "qr": Qr::link(card).map(|qr| qr.svg()) }))
    };
    answer_about(&state, &body.room, Command::RoomCard(Who(body.room.clone())), show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CardBody {
    card: String,
}

async fn knock(State(state): State<ApiState>, Json(body): Json<CardBody>) -> Answer {
    answer(&state, Command::RoomKnock(body.card), requests::show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VouchBody {
    request: String,
}

async fn vouch(State(state): State<ApiState>, Json(body): Json<VouchBody>) -> Answer {
    let request = request_id(&state, &body.request).await?;
    answer(&state, Command::RoomVouch(request), requests::show).await
}

async fn leave(State(state): State<ApiState>, Json(body): Json<RoomBody>) -> Answer {
    answer_about(&state, &body.room, Command::RoomLeave(Who(body.room.clone())), show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomPeopleBody {
    room: String,
    who: Vec<String>,
}

async fn add(State(state): State<ApiState>, Json(body): Json<RoomPeopleBody>) -> Answer {
    people(&state, body, |room, who| Command::RoomAdd { room, who }).await
}

async fn remove(State(state): State<ApiState>, Json(body): Json<RoomPeopleBody>) -> Answer {
    people(&state, body, |room, who| Command::RoomRemove { room, who }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomBefriendBody {
    room: String,
    who: String,
    note: Option<String>,
}

async fn befriend(State(state): State<ApiState>, Json(body): Json<RoomBefriendBody>) -> Answer {
    let RoomBefriendBody { room, who, note } = body;
    answer(&state, Command::RoomBefriend { room: Who(room), who: Who(who), note }, requests::show).await
}

/// Of several names that may be ambiguous, those whom the first such one could mean are answered.
async fn people(state: &ApiState, body: RoomPeopleBody, command: fn(Who, Vec<Who>) -> Command) -> Answer {
    let RoomPeopleBody { room, who } = body;
    if who.is_empty() {
        return Err(Fault::BadRequest.into());
    }
    let command = command(Who(room.clone()), who.iter().cloned().map(Who).collect());
    about_each(state, std::iter::once(room).chain(who), command).await
}

/// Asks; an ambiguous name comes back with what the first of these that means several could mean.
async fn about_each(state: &ApiState, names: impl IntoIterator<Item = String>, command: Command) -> Answer {
    let (mut names, whole, adds) =
        (names.into_iter(), matches!(command, Command::RoomRemove { .. }), matches!(command, Command::RoomAdd { .. }));
    let mut problem = match answer(state, command, show).await {
        Err(problem) if problem.is_ambiguous() => problem,
        Err(problem) if problem.fault == Fault::Command(CommandError::NotFound) => {
            let person = if adds { sought::NEWCOMER } else { sought::MEMBER };
            let room = missing_room(state, names.next().unwrap_or_default(), whole).await;
            return Err(Problem { sought: Some(room.unwrap_or(person)), ..problem });
        }
        other => return other,
    };
    for name in names {
        let candidates = super::ask::candidates(state, &name).await;
        if candidates.len() > 1 {
            problem = Problem { candidates, ..problem };
            break;
        }
    }
    Err(problem)
}

/// What to say where it is the room that there is not, and not the person. To remove somebody, the room's whole name is needed.
async fn missing_room(state: &ApiState, room: String, whole: bool) -> Option<Sought> {
    if !whole {
        return ask(state, Command::RoomMembers(Who(room))).await.is_err().then_some(sought::ROOM);
    }
    let Ok(Reply::Rooms(rooms)) = ask(state, Command::Rooms).await else { return Some(sought::WHOLE_ROOM) };
    let is_it = |view: &RoomView| is_same(&view.name, room.trim()) || view.room.to_string().eq_ignore_ascii_case(room.trim());
    (!rooms.iter().any(is_it)).then_some(sought::WHOLE_ROOM)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomNameBody {
    room: String,
    name: String,
}

async fn rename(State(state): State<ApiState>, Json(body): Json<RoomNameBody>) -> Answer {
    answer_about(&state, &body.room, Command::RoomRename { room: Who(body.room.clone()), name: body.name }, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomTopicBody {
    room: String,
    topic: String,
}

async fn topic(State(state): State<ApiState>, Json(body): Json<RoomTopicBody>) -> Answer {
    answer_about(&state, &body.room, Command::RoomTopic { room: Who(body.room.clone()), topic: body.topic }, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomRoleBody {
    room: String,
    who: String,
    role: String,
}

async fn role(State(state): State<ApiState>, Json(body): Json<RoomRoleBody>) -> Answer {
    let role = RoomRole::parse(&body.role).ok_or(Fault::BadRequest)?;
    let command = Command::RoomRole { room: Who(body.room.clone()), who: Who(body.who.clone()), role };
    about_each(&state, [body.room, body.who], command).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomNoteBody {
    room: String,
    muted: Option<bool>,
    archived: Option<bool>,
}

async fn note(State(state): State<ApiState>, Json(body): Json<RoomNoteBody>) -> Answer {
    let command = Command::RoomNote { room: Who(body.room.clone()), muted: body.muted, archived: body.archived };
    answer_about(&state, &body.room, command, show).await
}

/// Leaves the rooms that one is in with somebody, before a friendship with them ends or they are blocked.
pub async fn leave_with(state: &ApiState, who: &str) -> Result<(), Problem> {
    match answer_about(state, who, Command::RoomsLeaveWith(Who(who.to_owned())), show).await {
        Err(problem) if problem.fault == Fault::Command(CommandError::NotFound) => {
            let named = request_id(state, who).await;
            let request = named.map_err(|problem| Problem { sought: problem.sought.map(|_| sought::FRIEND_OR_REQUEST), ..problem })?;
            ask(state, Command::RoomsLeaveWith(Who(request.to_string()))).await.map(|_| ())
        }
        other => other.map(|_| ()),
    }
}
