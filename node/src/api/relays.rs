//! Mailboxes of our own at relays.

use super::ask::{Answer, answer};
use super::extract::Json;
use super::json::list;
use super::route::{Resource, change, read};
use super::schema::{self, Schemas, object, text, text_or_null};
use super::state::ApiState;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use symbolon_core::command::{Command, RelayView, Reply};

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        read("/api/v1/relays", "Relays", "My mailboxes at relays.", || get(all)),
        change("/api/v1/relays", Some("RelayBody"), "Relay", "Keeps a mailbox at a relay; one that is there already stays.", || post(add)),
        change(
            "/api/v1/relays/claim",
            Some("RelayClaimBody"),
            "Relays",
            "Gives a claim code to the relays that do not keep my mailbox.",
            || post(claim),
        ),
        change("/api/v1/relays/remove", Some("RelayRemoveBody"), "Relay", "Gives up the mailbox at a relay.", || post(remove)),
    ],
    schemas,
};

fn schemas() -> Schemas {
    let relay = json!({
        "relay": text(),
        "role": text(),
        "state": text(),
        "problem": { "type": ["string", "null"] },
        "quota": { "type": ["object", "null"] },
    });
    vec![
        ("Relay", object(relay, &[])),
        ("Relays", object(json!({ "relays": schema::list("Relay") }), &[])),
        ("RelayBody", object(json!({ "link": text(), "claim": text_or_null() }), &["claim"])),
        ("RelayClaimBody", object(json!({ "code": text() }), &[])),
        ("RelayRemoveBody", object(json!({ "relay": text() }), &[])),
    ]
}

fn show(reply: &Reply) -> Option<Value> {
    if let Reply::Relays(views) = reply {
        return Some(list("relays", views, view));
    }
    let Reply::Relay(relay) = reply else { return None };
    Some(view(relay))
}

/// One mailbox.
pub fn view(view: &RelayView) -> Value {
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

async fn all(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Relays, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RelayBody {
    link: String,
    claim: Option<String>,
}

async fn add(State(state): State<ApiState>, Json(body): Json<RelayBody>) -> Answer {
    answer(&state, Command::RelayAdd { link: body.link, claim: body.claim }, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RelayClaimBody {
    code: String,
}

async fn claim(State(state): State<ApiState>, Json(body): Json<RelayClaimBody>) -> Answer {
    answer(&state, Command::RelayClaim(body.code), show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RelayRemoveBody {
    relay: String,
}

async fn remove(State(state): State<ApiState>, Json(body): Json<RelayRemoveBody>) -> Answer {
    answer(&state, Command::RelayRemove(body.relay), show).await
}
