//! Own devices.

use super::ask::{Answer, answer};
use super::errors::Fault;
use super::extract::{Json, Perhaps};
use super::json::list;
use super::qr::Qr;
use super::route::{Resource, change, read};
use super::schema::{self, Schemas, flag, id, number, object, text, text_or_null, time};
use super::state::ApiState;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use symbolon_core::command::{Command, CommandError, OwnDeviceView, OwnDevicesView, PairingView, Reply};
use symbolon_presence::words::read_recovery_words;
use zeroize::Zeroizing;

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        read("/api/v1/devices", "Devices", "My devices, and how far this one is that asks to be somebody's.", || get(all)),
        change(
            "/api/v1/devices/pair",
            Some("PairBody"),
            "Pairing",
            "Makes a code by which one further device becomes mine; friends are written `tell` once it was used.",
            || post(pair),
        ),
        change("/api/v1/devices/join", Some("JoinBody"), "Devices", "Becomes a further device of who has made this code.", || post(join)),
        change("/api/v1/devices/remove", Some("DeviceBody"), "Devices", "Removes a device of mine; friends learn of it.", || post(remove)),
        change(
            "/api/v1/devices/keep",
            Some("KeepBody"),
            "Devices",
            "Says by my recovery phrase which devices are mine; friends refuse all others.",
            || post(keep),
        ),
        change("/api/v1/devices/rename", Some("DeviceNameBody"), "Devices", "Gives this device a name among mine.", || post(rename)),
    ],
    schemas,
};

fn schemas() -> Schemas {
    let joining = json!({ "anyOf": [schema::reference("Joining"), { "type": "null" }] });
    vec![
        (
            "OwnDevice",
            object(
                json!({
                    "device": id(), "name": text(), "serial": number(), "this": flag(), "first": flag(), "words": text(),
                    "online": { "type": ["boolean", "null"] }, "heard": text_or_null(), "settled": flag(), "removed": text_or_null(),
                }),
                &[],
            ),
        ),
        ("Joining", object(json!({ "over": flag(), "reason": text_or_null() }), &[])),
        ("Devices", object(json!({ "devices": schema::list("OwnDevice"), "joining": joining }), &[])),
        ("Pairing", object(json!({ "code": text(), "expires": time(), "qr": text_or_null() }), &[])),
        ("PairBody", object(json!({ "tell": text_or_null() }), &["tell"])),
        ("JoinBody", object(json!({ "code": text() }), &[])),
        ("DeviceBody", object(json!({ "device": text() }), &[])),
        ("KeepBody", object(json!({ "phrase": text(), "devices": { "type": "array", "items": text(), "maxItems": 7 } }), &[])),
        ("DeviceNameBody", object(json!({ "name": text() }), &[])),
    ]
}

fn show(reply: &Reply) -> Option<Value> {
    let Reply::Devices(OwnDevicesView { devices, joining }) = reply else { return None };
    let mut shown = list("devices", devices, view);
    let joining = joining.map(|joining| json!({ "over": joining.is_over, "reason": joining.reason }));
    shown.as_object_mut()?.insert("joining".to_owned(), joining.unwrap_or(Value::Null));
    Some(shown)
}

fn view(view: &OwnDeviceView) -> Value {
    json!({
        "device": view.device.to_string(),
        "name": view.name,
        "serial": view.serial,
        "this": view.this,
        "first": view.first,
        "words": view.words,
        "online": view.online,
        "heard": view.heard.map(super::json::time),
        "settled": view.settled,
        "removed": view.removed.map(super::json::time),
    })
}

fn show_code(reply: &Reply) -> Option<Value> {
    let Reply::Paired(PairingView { code, expires }) = reply else { return None };
    let qr = Qr::link(code).map(|qr| qr.svg());
    Some(json!({ "code": code, "expires": super::json::time(*expires), "qr": qr }))
}

async fn all(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Devices, show).await
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PairBody {
    #[serde(default)]
    tell: Option<String>,
}

async fn pair(State(state): State<ApiState>, Perhaps(body): Perhaps<PairBody>) -> Answer {
    answer(&state, Command::DevicePair { tell: body.tell }, show_code).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JoinBody {
    code: String,
}

async fn join(State(state): State<ApiState>, Json(body): Json<JoinBody>) -> Answer {
    answer(&state, Command::DeviceJoin(body.code), show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceBody {
    device: String,
}

async fn remove(State(state): State<ApiState>, Json(body): Json<DeviceBody>) -> Answer {
    answer(&state, Command::DeviceRemove(body.device), show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeepBody {
    phrase: String,
    devices: Vec<String>,
}

async fn keep(State(state): State<ApiState>, Json(body): Json<KeepBody>) -> Answer {
    let phrase = Zeroizing::new(body.phrase);
    let Some(entropy) = read_recovery_words(&phrase) else { return Err(Fault::Command(CommandError::WrongPhrase).into()) };
    answer(&state, Command::DeviceKeep { entropy, devices: body.devices }, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceNameBody {
    name: String,
}

async fn rename(State(state): State<ApiState>, Json(body): Json<DeviceNameBody>) -> Answer {
    answer(&state, Command::DeviceRename(body.name), show).await
}
