//! Friend requests in both directions, introductions among them.

use super::ask::{Answer, answer, ask, ask_while, request_id};
use super::errors::Fault;
use super::extract::Json;
use super::json::{self, list};
use super::people::{trust, trust_schema};
use super::route::{Resource, change, read};
use super::schema::{self, Schemas, id, object, text, text_or_null, texts, time, word};
use super::state::ApiState;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use symbolon_core::command::{Command, Direction, Reply, RequestKind, RequestStatus, RequestView};
use symbolon_core::link::is_link;

/// How long the answer to somebody who adds an invite waits for what the invite says.
const ADD_PATIENCE: Duration = Duration::from_secs(3);
/// How often it looks.
const ADD_PAUSE: Duration = Duration::from_millis(40);

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        read("/api/v1/requests", "Requests", "All friend requests, newest first.", || get(all)),
        change("/api/v1/requests", Some("AddBody"), "Request", "Asks somebody for friendship, by invite link or Peer ID.", || post(add)),
        change(
            "/api/v1/requests/{request}/accept",
            None,
            "Request",
            "Accepts a request, or comes into a room, by its id or a beginning of it that fits no other.",
            || post(accept),
        ),
        change(
            "/api/v1/requests/{request}/ignore",
            None,
            "Request",
            "Sets a request aside, or leaves a room that one was asked about, by its id or a beginning of it that fits no other.",
            || post(ignore),
        ),
        change(
            "/api/v1/requests/{request}/cancel",
            None,
            "Request",
            "Takes an own request back, by its id or a beginning of it that fits no other.",
            || post(cancel),
        ),
    ],
    schemas,
};

fn schemas() -> Schemas {
    let request = json!({
        "request": id(),
        "introduction": { "type": ["string", "null"], "description": "The same id, when it is an introduction." },
        "kind": word(&["friend", "introduction", "room"]),
        "direction": word(&["in", "out"]),
        "peer": id(),
        "name": text(),
        "words": text(),
        "trust": trust_schema(),
        "note": text_or_null(),
        "status": word(&["unresolved", "pending", "accepted", "confirmed", "ignored", "blocked", "expired", "cancelled"]),
        "fault": { "type": ["string", "null"], "description": "Why it cannot proceed, or why to look twice." },
        "introduced_by": texts(),
        "room": { "type": ["string", "null"], "description": "The room into which this friend has brought me, if that is the question." },
        "room_name": text_or_null(),
        "members": { "type": "array", "items": text(), "description": "Who else is in that room." },
        "parted": { "type": "array", "items": text(), "description": "Those of them whom I have blocked, or with whom my friendship has ended." },
        "created": time(),
    });
    vec![
        ("Request", object(request, &[])),
        ("Requests", object(json!({ "requests": schema::list("Request") }), &[])),
        ("AddBody", object(json!({ "target": text(), "note": text_or_null() }), &["note"])),
    ]
}

/// Shows one request or all.
pub fn show(reply: &Reply) -> Option<Value> {
    if let Reply::Requests(views) = reply {
        return Some(list("requests", views, view));
    }
    let Reply::Request(request) = reply else { return None };
    Some(view(request))
}

fn view(view: &RequestView) -> Value {
    let is_introduction = view.kind == RequestKind::Introduction;
    let room = view.room.as_ref();
    json!({
        "request": view.request.to_string(),
        "introduction": is_introduction.then(|| view.request.to_string()),
        "kind": match view.kind {
            RequestKind::Friend => "friend",
            RequestKind::Introduction => "introduction",
            RequestKind::Room => "room",
            RequestKind::Knock => "knock",
        },
        "direction": match view.direction {
            Direction::In => "in",
            Direction::Out => "out",
        },
        "peer": view.peer.to_string(),
        "name": view.name,
        "words": view.words,
        "trust": trust(view.trust),
        "note": view.note,
        "status": status(view.status),
        "fault": view.fault,
        "introduced_by": view.introduced_by,
        "room": room.map(|room| room.id.to_string()),
        "room_name": room.map(|room| &room.name),
        "members": room.map(|room| room.members.clone()).unwrap_or_default(),
        "parted": room.map(|room| room.parted.clone()).unwrap_or_default(),
        "created": json::time(view.created),
    })
}

fn status(status: RequestStatus) -> &'static str {
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

async fn all(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Requests, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddBody {
    target: String,
    note: Option<String>,
}

async fn add(State(state): State<ApiState>, Json(body): Json<AddBody>) -> Answer {
    let reads = is_link(body.target.trim());
    let mut reply = ask(&state, Command::Add { target: body.target, note: body.note }).await?;
    if let Reply::Request(RequestView { request, status: RequestStatus::Unresolved, .. }) = &reply
        && reads
    {
        let id = *request;
        let find = |all: &Reply| {
            let Reply::Requests(all) = all else { return None };
            all.iter().find(|row| row.request == id).cloned()
        };
        // What an invite says is fetched first: most of the time, that is done before anybody looks.
        let waits = |all: &Reply| find(all).is_some_and(|row| row.status == RequestStatus::Unresolved);
        let all = ask_while(&state, || Command::Requests, (ADD_PATIENCE, ADD_PAUSE), waits).await?;
        if let Some(now) = find(&all) {
            reply = Reply::Request(now);
        }
    }
    Ok(axum::Json(show(&reply).ok_or(Fault::Internal)?))
}

async fn accept(State(state): State<ApiState>, Path(request): Path<String>) -> Answer {
    let request = request_id(&state, &request).await?;
    answer(&state, Command::Accept(request), show).await
}

async fn ignore(State(state): State<ApiState>, Path(request): Path<String>) -> Answer {
    let request = request_id(&state, &request).await?;
    answer(&state, Command::Ignore(request), show).await
}

async fn cancel(State(state): State<ApiState>, Path(request): Path<String>) -> Answer {
    let request = request_id(&state, &request).await?;
    answer(&state, Command::Cancel(request), show).await
}
