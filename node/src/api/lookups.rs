//! Lookup servers that the user has named.

use super::ask::{Answer, answer};
use super::errors::Problem;
use super::extract::Json;
use super::json::list;
use super::route::{Resource, change, read};
use super::schema::{self, Schemas, object, text, word};
use super::state::ApiState;
use crate::net::{address_to_text, server_address_from_text};
use axum::extract::State;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use symbolon_core::command::{Command, CommandError, LookupView, Reply};
use symbolon_core::seam::Address;

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        read("/api/v1/lookups", "Lookups", "The lookup servers that I have named.", || get(all)),
        change(
            "/api/v1/lookups",
            Some("LookupBody"),
            "Lookup",
            "Names a lookup server, by its multiaddr; one that is there stays.",
            || post(add),
        ),
        change("/api/v1/lookups/remove", Some("LookupBody"), "Lookup", "Stops using a lookup server.", || post(remove)),
    ],
    schemas,
};

fn schemas() -> Schemas {
    vec![
        ("Lookup", object(json!({ "lookup": text(), "state": word(&["answers", "unreachable", "not_asked"]) }), &[])),
        ("Lookups", object(json!({ "lookups": schema::list("Lookup") }), &[])),
        ("LookupBody", object(json!({ "lookup": text() }), &[])),
    ]
}

fn show(reply: &Reply) -> Option<Value> {
    if let Reply::Lookups(views) = reply {
        return Some(list("lookups", views, view));
    }
    let Reply::Lookup(lookup) = reply else { return None };
    Some(view(lookup))
}

fn view(view: &LookupView) -> Value {
    json!({
        "lookup": address_to_text(&view.lookup),
        "state": match view.answers {
            Some(true) => "answers",
            Some(false) => "unreachable",
            None => "not_asked",
        },
    })
}

async fn all(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Lookups, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LookupBody {
    lookup: String,
}

impl LookupBody {
    fn address(&self) -> Result<Address, Problem> {
        server_address_from_text(self.lookup.trim()).ok_or(CommandError::BadAddress.into())
    }
}

async fn add(State(state): State<ApiState>, Json(body): Json<LookupBody>) -> Answer {
    answer(&state, Command::LookupAdd(body.address()?), show).await
}

async fn remove(State(state): State<ApiState>, Json(body): Json<LookupBody>) -> Answer {
    answer(&state, Command::LookupRemove(body.address()?), show).await
}
