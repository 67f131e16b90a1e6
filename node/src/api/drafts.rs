//! What is being written and was not sent, the same at all devices of a person.

use super::ask::{Answer, answer, answer_about};
use super::extract::Json;
use super::json::list;
use super::route::{Resource, change, read};
use super::schema::{self, Schemas, id, object, text};
use super::state::ApiState;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use symbolon_core::command::{Command, Reply, Who};

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        read("/api/v1/drafts", "Drafts", "What is being written and was not sent, at any device of mine.", || get(all)),
        change(
            "/api/v1/drafts",
            Some("DraftBody"),
            "Drafts",
            "Keeps what stands in a conversation and was not sent, at most 16,384 bytes, for all devices of mine; an empty text takes it back. \
             To be called some seconds after the last key press. A text that is sent takes back what is its beginning.",
            || post(keep),
        ),
    ],
    schemas,
};

fn schemas() -> Schemas {
    vec![
        ("Draft", object(json!({ "to": id(), "text": text() }), &[])),
        ("Drafts", object(json!({ "drafts": schema::list("Draft") }), &[])),
        ("DraftBody", object(json!({ "to": text(), "text": text() }), &[])),
    ]
}

fn show(reply: &Reply) -> Option<Value> {
    let Reply::Drafts(drafts) = reply else { return None };
    Some(list("drafts", drafts, |draft| json!({ "to": draft.to, "text": draft.text })))
}

async fn all(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Drafts, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftBody {
    to: String,
    text: String,
}

async fn keep(State(state): State<ApiState>, Json(body): Json<DraftBody>) -> Answer {
    answer_about(&state, &body.to, Command::Draft { to: Who(body.to.clone()), text: body.text }, show).await
}
