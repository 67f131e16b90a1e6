//! What the user sets for this device.

use super::ask::{Answer, answer};
use super::errors::Fault;
use super::extract::Json;
use super::json::list;
use super::route::{Resource, change, read};
use super::schema::{self, Schemas, object, text, word};
use super::state::ApiState;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use symbolon_core::command::{Command, Reply};

const ROOMS: &str = "rooms";
const ASK: &str = "ask";
const JOIN: &str = "join";

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        read("/api/v1/settings", "Settings", "All settings of this device.", || get(all)),
        change(
            "/api/v1/settings",
            Some("Setting"),
            "Settings",
            "Changes a setting. `rooms`: `join` shows a room to which a friend adds me at once, `ask` asks me first.",
            || post(set),
        ),
    ],
    schemas,
};

fn schemas() -> Schemas {
    vec![
        ("Setting", object(json!({ "setting": word(&[ROOMS]), "value": text() }), &[])),
        ("Settings", object(json!({ "settings": schema::list("Setting") }), &[])),
    ]
}

fn show(reply: &Reply) -> Option<Value> {
    let Reply::Settings(view) = reply else { return None };
    let rooms = if view.asks_for_rooms { ASK } else { JOIN };
    Some(list("settings", &[(ROOMS, rooms)], |(setting, value)| json!({ "setting": setting, "value": value })))
}

async fn all(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Settings, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingBody {
    setting: String,
    value: String,
}

async fn set(State(state): State<ApiState>, Json(body): Json<SettingBody>) -> Answer {
    let asks = match (body.setting.as_str(), body.value.as_str()) {
        (ROOMS, ASK) => true,
        (ROOMS, JOIN) => false,
        _ => return Err(Fault::BadRequest.into()),
    };
    answer(&state, Command::SetAsksForRooms(asks), show).await
}
