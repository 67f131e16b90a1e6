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
const VOUCH: &str = "vouch";
const ON: &str = "on";
const OFF: &str = "off";

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        read("/api/v1/settings", "Settings", "All settings of this device.", || get(all)),
        change(
            "/api/v1/settings",
            Some("Setting"),
            "Settings",
            "Changes a setting. `rooms`: `join` shows a room to which a friend adds me at once, `ask` asks me first. `vouch`: `on` vouches for friends who knock at a room, `off` leaves it to me.",
            || post(set),
        ),
    ],
    schemas,
};

fn schemas() -> Schemas {
    vec![
        ("Setting", object(json!({ "setting": word(&[ROOMS, VOUCH]), "value": text() }), &[])),
        ("Settings", object(json!({ "settings": schema::list("Setting") }), &[])),
    ]
}

fn show(reply: &Reply) -> Option<Value> {
    let Reply::Settings(view) = reply else { return None };
    let rooms = if view.asks_for_rooms { ASK } else { JOIN };
    let vouch = if view.vouches { ON } else { OFF };
    Some(list("settings", &[(ROOMS, rooms), (VOUCH, vouch)], |(setting, value)| json!({ "setting": setting, "value": value })))
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
    let command = match (body.setting.as_str(), body.value.as_str()) {
        (ROOMS, ASK) => Command::SetAsksForRooms(true),
        (ROOMS, JOIN) => Command::SetAsksForRooms(false),
        (VOUCH, ON) => Command::SetVouches(true),
        (VOUCH, OFF) => Command::SetVouches(false),
        _ => return Err(Fault::BadRequest.into()),
    };
    answer(&state, command, show).await
}
