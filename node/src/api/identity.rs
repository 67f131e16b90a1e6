//! Who this node is, for others and for its owner.

use super::ask::{Answer, answer, ask};
use super::errors::{Fault, Problem};
use super::extract::Json;
use super::qr::Qr;
use super::route::{Resource, Route, change, read};
use super::schema::{Schemas, beware, flag, id, object, text};
use super::state::ApiState;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde::Deserialize;
use serde_json::{Value, json};
use symbolon_core::command::{Command, Reply};

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        read("/api/v1/identity", "Identity", "Who I am.", || get(identity)),
        Route { success: (200, "image/svg+xml"), ..read("/api/v1/identity/qr", "Picture", "My Peer ID as a QR code.", || get(picture)) },
        Route {
            method: "put",
            ..change("/api/v1/identity/name", Some("NameBody"), "Identity", "Gives myself another name.", || put(set_name))
        },
        change(
            "/api/v1/identity/findable",
            Some("FindableBody"),
            "Identity",
            "Allows friend requests from anyone who knows my Peer ID, or stops that.",
            || post(set_findable),
        ),
    ],
    schemas,
};

fn schemas() -> Schemas {
    let identity = json!({ "id": id(), "words": text(), "name": text(), "device": id(), "findable": flag(), "beware": beware() });
    vec![
        ("Identity", object(identity, &[])),
        ("Picture", text()),
        ("NameBody", object(json!({ "name": text() }), &[])),
        ("FindableBody", object(json!({ "findable": flag() }), &[])),
    ]
}

fn show(reply: &Reply) -> Option<Value> {
    let Reply::Identity(view) = reply else { return None };
    Some(json!({
        "id": view.id.to_string(),
        "words": view.words,
        "name": view.name,
        "device": view.device.to_string(),
        "findable": view.findable,
        "beware": view.beware,
    }))
}

async fn identity(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Identity, show).await
}

async fn picture(State(state): State<ApiState>) -> Result<Response, Problem> {
    let Reply::Identity(view) = ask(&state, Command::Identity).await? else { return Err(Fault::Internal.into()) };
    let qr = Qr::link(&view.id.to_string()).ok_or(Fault::Internal)?;
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], qr.svg()).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameBody {
    name: String,
}

async fn set_name(State(state): State<ApiState>, Json(body): Json<NameBody>) -> Answer {
    answer(&state, Command::SetName(body.name), show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FindableBody {
    findable: bool,
}

async fn set_findable(State(state): State<ApiState>, Json(body): Json<FindableBody>) -> Answer {
    answer(&state, Command::SetFindable(body.findable), show).await
}
