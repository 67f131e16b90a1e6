//! Introducing two friends to each other.

use super::ask::{Answer, answer_about, candidates};
use super::errors::{CANDIDATES_MAX, Fault, Problem};
use super::extract::Json;
use super::requests;
use super::route::{Resource, change};
use super::schema::{Schemas, object, text, text_or_null};
use super::state::ApiState;
use axum::extract::State;
use axum::routing::post;
use serde::Deserialize;
use serde_json::json;
use symbolon_core::command::{Command, CommandError, Who};

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[change(
        "/api/v1/introductions",
        Some("IntroduceBody"),
        "Request",
        "Introduces two friends to each other; both are asked, and the first one then asks the second one for friendship.",
        || post(introduce),
    )],
    schemas,
};

fn schemas() -> Schemas {
    vec![("IntroduceBody", object(json!({ "asker": text(), "target": text(), "note": text_or_null() }), &["note"]))]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IntroduceBody {
    asker: String,
    target: String,
    #[serde(default)]
    note: Option<String>,
}

async fn introduce(State(state): State<ApiState>, Json(body): Json<IntroduceBody>) -> Answer {
    let IntroduceBody { asker, target, note } = body;
    let command = Command::Introduce { asker: Who(asker.clone()), target: Who(target.clone()), note };
    match answer_about(&state, &asker, command, requests::show).await {
        // Which of the two it is, is not said: those that either could mean.
        Err(problem) if problem.fault == Fault::Command(CommandError::Ambiguous) => {
            let more = candidates(&state, &target).await;
            let mut all = problem.candidates.clone();
            all.extend(more);
            all.truncate(CANDIDATES_MAX);
            Err(Problem { candidates: all, ..problem })
        }
        other => other,
    }
}
