//! Blocks: of friends, and of people who have asked.

use super::ask::{Answer, answer, answer_about, request_id};
use super::errors::sought::FRIEND_OR_REQUEST;
use super::errors::{Fault, Problem};
use super::extract::Json;
use super::route::{Resource, change};
use super::schema::{Schemas, flag, object, reference, text};
use super::state::ApiState;
use super::{friends, requests, rooms};
use axum::extract::State;
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Value, json};
use symbolon_core::command::{Command, CommandError, Reply, Who};

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        change("/api/v1/block", Some("BlockBody"), "FriendOrRequest", "Blocks a friend or a request's sender.", || post(block)),
        change("/api/v1/unblock", Some("WhoBody"), "FriendOrRequest", "Unblocks somebody.", || post(unblock)),
    ],
    schemas,
};

fn schemas() -> Schemas {
    vec![
        ("FriendOrRequest", json!({ "oneOf": [reference("Friend"), reference("Request")] })),
        ("BlockBody", object(json!({ "who": text(), "leave_rooms": flag(), "device": text() }), &["leave_rooms", "device"])),
        ("WhoBody", object(json!({ "who": text() }), &[])),
    ]
}

fn show(reply: &Reply) -> Option<Value> {
    friends::show(reply).or_else(|| requests::show(reply))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BlockBody {
    who: String,
    leave_rooms: Option<bool>,
    /// One device of a friend: the others stay.
    device: Option<String>,
}

async fn block(State(state): State<ApiState>, Json(body): Json<BlockBody>) -> Answer {
    if let Some(device) = body.device {
        return answer_about(&state, &body.who, Command::BlockDevice(Who(body.who.clone()), device), show).await;
    }
    if body.leave_rooms == Some(true) {
        rooms::leave_with(&state, &body.who).await?;
    }
    or_request(&state, &body.who, Command::Block).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhoBody {
    who: String,
}

async fn unblock(State(state): State<ApiState>, Json(body): Json<WhoBody>) -> Answer {
    or_request(&state, &body.who, Command::Unblock).await
}

/// As typed; where nobody has that name, as the beginning of a request's id.
async fn or_request(state: &ApiState, who: &str, command: fn(Who) -> Command) -> Answer {
    match answer_about(state, who, command(Who(who.to_owned())), show).await {
        Err(problem) if problem.fault == Fault::Command(CommandError::NotFound) => {
            let named = request_id(state, who).await;
            let request = named.map_err(|problem| Problem { sought: problem.sought.map(|_| FRIEND_OR_REQUEST), ..problem })?;
            answer(state, command(Who(request.to_string())), show).await
        }
        other => other,
    }
}
