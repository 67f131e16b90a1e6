//! This copy of the data folder, and friends who came back from an older copy of theirs.

use super::ask::{Answer, answer};
use super::extract::Json;
use super::route::{Resource, change};
use super::schema::{Schemas, flag, object, text};
use super::state::ApiState;
use axum::extract::State;
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Value, json};
use symbolon_core::command::{Command, Reply, Who};

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        change(
            "/api/v1/device/confirm",
            None,
            "Confirmed",
            "This copy of the data folder continues, or its user has seen that it is an older one.",
            || post(confirm),
        ),
        change("/api/v1/device/resend", Some("ResendBody"), "Resent", "Sends a friend's older copy the texts that it lacks.", || {
            post(resend)
        }),
    ],
    schemas,
};

fn schemas() -> Schemas {
    vec![
        ("Confirmed", object(json!({ "device": text(), "had_stopped": flag() }), &[])),
        ("ResendBody", object(json!({ "friend": text() }), &[])),
        ("Resent", object(json!({ "resent": { "type": "integer" } }), &[])),
    ]
}

fn show(reply: &Reply) -> Option<Value> {
    if let Reply::Confirmed(had_stopped) = reply {
        return Some(json!({ "device": "confirmed", "had_stopped": had_stopped }));
    }
    let Reply::Resent(texts) = reply else { return None };
    Some(json!({ "resent": texts }))
}

async fn confirm(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::DeviceConfirm, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResendBody {
    friend: String,
}

async fn resend(State(state): State<ApiState>, Json(body): Json<ResendBody>) -> Answer {
    answer(&state, Command::DeviceResend(Who(body.friend)), show).await
}
