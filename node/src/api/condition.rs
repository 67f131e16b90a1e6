//! How the node is: its status, the checks of `doctor`, and its end.

use super::ask::{Answer, answer, ask};
use super::doctor::{Check, examine};
use super::errors::Fault;
use super::json;
use super::relays;
use super::route::{Resource, Route, change, read};
use super::schema::{self, Schemas, flag, number, object, text, text_or_null, texts};
use super::state::ApiState;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value, json};
use symbolon_core::command::{Command, Reply};

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        read("/api/v1/status", "Status", "What works and what does not.", || get(status)),
        read("/api/v1/doctor", "Checks", "What may be wrong, check by check, and what to do about it.", || get(doctor)),
        Route { success: (202, "application/json"), ..change("/api/v1/stop", None, "Stopping", "Stops the node cleanly.", || post(stop)) },
    ],
    schemas,
};

fn schemas() -> Schemas {
    let counters = || json!({ "type": "object", "additionalProperties": { "type": "integer" } });
    let status = json!({
        "peers": number(),
        "lan": text(),
        "nearby": {
            "type": ["object", "null"],
            "description": "What the LAN shows: the number of `friends`; while `visible_until`, names of `strangers`. Null while `lan` is off.",
        },
        "dht": { "type": "string", "enum": ["on", "lan", "off"], "description": "Whether DHT servers are known, or only nodes on the LAN that stand in for them." },
        "lookup": {
            "type": "object",
            "description": "How many `servers` of the DHT are known, how many lookup servers of one's `own` there are and how many answered last, and when one's newest records were last found by oneself (`read_back`).",
        },
        "relays": { "type": "array", "items": { "type": "object" } },
        "queue": number(),
        "problems": texts(),
        "sent_frames": counters(),
        "dropped_frames": counters(),
    });
    vec![
        ("Status", object(status, &[])),
        ("Check", object(json!({ "check": text(), "ok": flag(), "detail": text(), "hint": text_or_null() }), &[])),
        ("Checks", object(json!({ "checks": schema::list("Check") }), &[])),
        ("Stopping", object(json!({ "stopping": flag() }), &[])),
    ]
}

fn show(reply: &Reply) -> Option<Value> {
    let Reply::Status(view) = reply else { return None };
    Some(json!({
        "peers": view.peers,
        "lan": if view.lan.is_some() { "on" } else { "off" },
        "nearby": view.lan.as_ref().map(|lan| json!({
            "friends": lan.friends,
            "visible_until": lan.visible_until.map(json::time),
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
            "read_back": view.dht.read_back.map(json::time),
        },
        "relays": view.relays.iter().map(relays::view).collect::<Vec<_>>(),
        "queue": view.queue,
        "problems": view.problems,
        "sent_frames": counters(&view.sent_frames),
        "dropped_frames": counters(&view.dropped_frames),
    }))
}

fn counters(counters: &[(&'static str, u64)]) -> Value {
    Value::Object(counters.iter().map(|(kind, count)| ((*kind).to_owned(), Value::from(*count))).collect::<Map<_, _>>())
}

async fn status(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Status, show).await
}

async fn doctor(State(state): State<ApiState>) -> Answer {
    let Reply::Doctor(core) = ask(&state, Command::Doctor).await? else { return Err(Fault::Internal.into()) };
    let health = state.node().health().clone();
    let facts = tokio::task::spawn_blocking(move || health.facts()).await.map_err(|_| Fault::Internal)?;
    let checks: Vec<Value> = examine(&core, &facts).iter().map(Check::view).collect();
    Ok(axum::Json(json!({ "checks": checks })))
}

async fn stop(State(state): State<ApiState>) -> Response {
    state.node().stop();
    (StatusCode::ACCEPTED, axum::Json(json!({ "stopping": true }))).into_response()
}
